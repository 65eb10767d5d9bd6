//! Why a statement could not be read, told so that its writer sees what to change.

use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use sheaf_base::SheafError;
use sheaf_base::error::{Position, SqlState};
use sheaf_base::suggest::nearest;

use super::source::{self, Source};
use super::{Reader, STATEMENTS};
use crate::dialect::NATIVE_STATEMENTS;

/// The result of reading a part of a statement.
pub(super) type Parse<T> = Result<T, Failure>;

/// What stopped the reading.
pub(super) enum Failure {
    /// The engine's parser, in its words.
    Engine(ParserError),
    /// Ourselves, in ours.
    Explained(SheafError),
}

impl From<ParserError> for Failure {
    fn from(error: ParserError) -> Self {
        Self::Engine(error)
    }
}

impl From<SheafError> for Failure {
    fn from(error: SheafError) -> Self {
        Self::Explained(error)
    }
}

/// Words of a query's clauses, which people misspell so that they read as an alias.
const CLAUSES: &[&str] = &[
    "SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "JOIN", "LEFT",
    "RIGHT", "INNER", "CROSS", "UNION", "QUALIFY", "WINDOW", "USING", "DISTINCT", "BETWEEN",
];

impl Failure {
    /// The error for the user. `tokens` are the statement's, as they were given to the parser.
    pub(super) fn explain(self, source: &Source<'_>, tokens: &[TokenWithSpan]) -> SheafError {
        let error = match self {
            Self::Explained(error) => return error,
            Self::Engine(error) => error,
        };
        let (message, place) = match error {
            ParserError::RecursionLimitExceeded => {
                return SheafError::user("the statement is nested too deeply")
                    .with_position(source.start());
            }
            ParserError::ParserError(text) | ParserError::TokenizerError(text) => take_place(text),
        };
        let at = place.and_then(|place| {
            tokens
                .iter()
                .position(|token| source::position(token.span.start) == place)
        });
        if let Some(inner) = at.and_then(|at| inside_parentheses(source, tokens, at)) {
            return inner;
        }
        let end = tokens
            .last()
            .map_or_else(|| source.end(), |last| source::position(last.span.end));
        let error = SheafError::user(format!("syntax error: {}", reword(&message)))
            .with_state(SqlState::SYNTAX_ERROR)
            .with_position(source.clamp(place.unwrap_or(end)));
        match hint(tokens, at, place.is_none()) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

/// Cuts ` at Line: 3, Column: 17` off the engine's message.
fn take_place(message: String) -> (String, Option<Position>) {
    let parsed = message.rsplit_once(" at Line: ").and_then(|(text, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        let position = Position {
            line: line.trim().parse().ok()?,
            column: column.trim().parse().ok()?,
        };
        (position.line > 0).then(|| (text.to_owned(), position))
    });
    match parsed {
        Some((text, position)) => (text, Some(position)),
        None => (message, None),
    }
}

/// The engine's `Expected: X, found: Y` in our words.
fn reword(message: &str) -> String {
    let message = message.trim().trim_end_matches('.');
    if let Some((expected, found)) = message
        .strip_prefix("Expected: ")
        .and_then(|rest| rest.rsplit_once(", found: "))
    {
        let found = match found.trim() {
            "EOF" => "the end of the statement",
            found => found,
        };
        let expected = match expected.trim() {
            "an SQL statement" => "a statement",
            "SELECT, VALUES, or a subquery in the query body" => "a query",
            "end of statement" => "the end of the statement",
            "identifier" => "a name",
            "literal string" => "a string",
            other => other,
        };
        return format!("expected {expected}, found {found}");
    }
    let mut chars = message.chars();
    match (chars.next(), chars.clone().next()) {
        // "JSON …" keeps its capitals.
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().collect::<String>() + chars.as_str()
        }
        _ => message.to_owned(),
    }
}

/// How far before the reported place a parenthesis may stand whose query is the cause.
const PARENTHESIS_DISTANCE_MAX: usize = 8;

/// The parser tries `(…)` in FROM first as a query, then as a join, and reports how the join
/// failed, a few tokens behind the SELECT. What is wrong with the query is found by reading it by
/// itself.
fn inside_parentheses(
    source: &Source<'_>,
    tokens: &[TokenWithSpan],
    at: usize,
) -> Option<SheafError> {
    let is_query = |start: usize| {
        tokens[start - 1].token == Token::LParen
            && ["SELECT", "WITH", "FROM", "VALUES"]
                .iter()
                .any(|word| super::is_word(&tokens[start].token, word))
    };
    let first = at.saturating_sub(PARENTHESIS_DISTANCE_MAX).max(1);
    (first..=at)
        .rev()
        .filter(|start| is_query(*start))
        .find_map(|start| {
            let inner = &tokens[start..tokens.len().min(closing(tokens, start) + 1)];
            let mut reader = Reader::new(source, inner.to_vec());
            let result = reader.query().and_then(|_| reader.expect(&Token::RParen));
            // Each step goes one parenthesis in, and those are limited.
            result.err().map(|failure| failure.explain(source, inner))
        })
}

/// Where the parenthesis closes that stands before `start`; the end of the tokens if nowhere.
fn closing(tokens: &[TokenWithSpan], start: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return index,
            Token::RParen => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Advice for the token `at` which the parser stumbled (or the statement's end).
fn hint(tokens: &[TokenWithSpan], at: Option<usize>, at_end: bool) -> Option<String> {
    let statements = || {
        STATEMENTS
            .iter()
            .map(|(name, _)| *name)
            .chain(NATIVE_STATEMENTS.to_vec())
    };
    let did_you_mean = |word: &str| format!("did you mean {word}?");
    if let Some(word) = tokens.first().and_then(|token| unquoted(&token.token))
        && !statements().any(|known| known.eq_ignore_ascii_case(word))
        && let Some(known) = nearest(word, statements())
    {
        return Some(did_you_mean(known));
    }
    let at = if at_end { tokens.len() } else { at? };
    // The word itself, or the one before it that was taken for an alias.
    for index in [Some(at), at.checked_sub(1)].into_iter().flatten() {
        if let Some(word) = tokens.get(index).and_then(|token| unquoted(&token.token))
            && word.len() > 2
            && !crate::lexer::is_keyword(word)
            && let Some(known) = nearest(word, CLAUSES.iter().copied())
            && known.len().abs_diff(word.len()) <= 2
        {
            return Some(did_you_mean(known));
        }
    }
    None
}

fn unquoted(token: &Token) -> Option<&str> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
        _ => None,
    }
}
