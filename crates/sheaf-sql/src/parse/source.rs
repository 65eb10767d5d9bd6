//! One statement's text and its place in the script: tokens with places that count from the
//! start of the script, and text cut by such places.

use std::ops::Range;

use datafusion::sql::sqlparser::tokenizer::{
    Location, Span, Token, TokenWithSpan, Tokenizer, Whitespace,
};
use sheaf_base::error::{Position, SqlState};
use sheaf_base::{Result, SheafError};

use crate::dialect::SheafDialect;

/// A statement's text (comments around it included) within a script.
pub(crate) struct Source<'a> {
    text: &'a str,
    /// Where `text` starts in the script.
    start: Position,
    /// Byte offsets in `text` at which its lines start.
    lines: Vec<usize>,
}

/// A token's place as a position.
pub(crate) fn position(location: Location) -> Position {
    Position {
        line: location.line,
        column: location.column,
    }
}

impl<'a> Source<'a> {
    /// A text that is a script of its own.
    pub(crate) fn whole(text: &'a str) -> Self {
        Self::new(text, Position { line: 1, column: 1 })
    }

    /// The statements of `script` that lie at `ranges` (ascending).
    pub(crate) fn split(script: &'a str, ranges: &[Range<usize>]) -> impl Iterator<Item = Self> {
        let mut at = 0;
        let mut place = Position { line: 1, column: 1 };
        ranges.iter().cloned().map(move |range| {
            place = advance(place, &script[at..range.start]);
            at = range.start;
            Self::new(&script[range], place)
        })
    }

    /// A text within a script, which starts at `start`.
    pub(crate) fn at(text: &'a str, start: Position) -> Self {
        Self::new(text, start)
    }

    fn new(text: &'a str, start: Position) -> Self {
        let after_newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            start,
            lines: std::iter::once(0).chain(after_newlines).collect(),
        }
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    pub(crate) fn start(&self) -> Position {
        self.start
    }

    /// The place just behind the text's last character that is no white space.
    pub(crate) fn end(&self) -> Position {
        advance(self.start, self.text.trim_end())
    }

    /// The statement's tokens, white space and comments left out, string literals that a line
    /// break joins put together (as PostgreSQL does).
    pub(crate) fn tokens(&self) -> Result<Vec<TokenWithSpan>> {
        let all = Tokenizer::new(&SheafDialect, self.text)
            .tokenize_with_location()
            .map_err(|error| {
                let place = self.shift(error.location);
                SheafError::user(format!("syntax error: {}", sentence(&error.message)))
                    .with_state(SqlState::SYNTAX_ERROR)
                    .with_position(self.clamp(position(place)))
            })?;
        let mut tokens: Vec<TokenWithSpan> = Vec::with_capacity(all.len() / 2 + 1);
        let mut after_newline = false;
        for TokenWithSpan { token, span } in all {
            match token {
                Token::Whitespace(Whitespace::Newline | Whitespace::SingleLineComment { .. }) => {
                    after_newline = true;
                    continue;
                }
                Token::Whitespace(_) => continue,
                Token::EOF | Token::SemiColon => break,
                _ => {}
            }
            let token = match token {
                // The engine reads numbers without PostgreSQL's underscores.
                Token::Number(digits, long) if digits.contains('_') => {
                    Token::Number(digits.replace('_', ""), long)
                }
                other => other,
            };
            let span = Span::new(self.shift(span.start), self.shift(span.end));
            if after_newline
                && let Token::SingleQuotedString(more) = &token
                && let Some(last) = tokens.last_mut()
                && let Token::SingleQuotedString(text) = &mut last.token
            {
                text.push_str(more);
                last.span.end = span.end;
            } else {
                tokens.push(TokenWithSpan { token, span });
            }
            after_newline = false;
        }
        Ok(tokens)
    }

    /// The text between two places of this statement.
    pub(crate) fn slice(&self, start: Location, end: Location) -> &'a str {
        let (start, end) = (self.offset(start), self.offset(end));
        self.text.get(start..end.max(start)).unwrap_or_default()
    }

    /// `place`, but not behind the text's end.
    pub(crate) fn clamp(&self, place: Position) -> Position {
        let end = self.end();
        if (place.line, place.column) > (end.line, end.column) {
            end
        } else {
            place
        }
    }

    /// The byte at which `location` (which counts from the start of the script) lies.
    fn offset(&self, location: Location) -> usize {
        let line = location.line.saturating_sub(self.start.line);
        let column = match line {
            0 => location.column.saturating_sub(self.start.column),
            _ => location.column.saturating_sub(1),
        };
        let line = usize::try_from(line).unwrap_or(usize::MAX);
        let Some(&line_start) = self.lines.get(line) else {
            return self.text.len();
        };
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        let rest = &self.text[line_start..];
        let within = rest
            .char_indices()
            .nth(column)
            .map_or(rest.len(), |(at, _)| at);
        line_start + within
    }

    fn shift(&self, location: Location) -> Location {
        if location.line == 0 {
            return location;
        }
        let column = match location.line {
            1 => location.column + self.start.column - 1,
            _ => location.column,
        };
        Location {
            line: location.line + self.start.line - 1,
            column,
        }
    }
}

/// Where one stands after `text`, having started at `place`.
fn advance(place: Position, text: &str) -> Position {
    let count = |text: &str| text.chars().count() as u64;
    match text.rsplit_once('\n') {
        None => Position {
            line: place.line,
            column: place.column + count(text),
        },
        Some((before, last)) => Position {
            line: place.line + before.matches('\n').count() as u64 + 1,
            column: count(last) + 1,
        },
    }
}

/// The tokenizer's message in our style: no capital at the start, no full stop.
fn sentence(message: &str) -> String {
    let message = message.trim().trim_end_matches('.');
    let mut chars = message.chars();
    chars
        .next()
        .map(|first| first.to_lowercase().collect::<String>() + chars.as_str())
        .unwrap_or_default()
}

/// A literal's content without its quotes; `None` for what is no literal or word.
pub(crate) fn literal_text(token: &Token) -> Option<String> {
    match token {
        Token::SingleQuotedString(text)
        | Token::EscapedStringLiteral(text)
        | Token::UnicodeStringLiteral(text)
        | Token::NationalStringLiteral(text) => Some(text.clone()),
        Token::DollarQuotedString(quoted) => Some(quoted.value.clone()),
        Token::Number(text, _) => Some(text.clone()),
        Token::Word(word) => Some(word.value.clone()),
        _ => None,
    }
}
