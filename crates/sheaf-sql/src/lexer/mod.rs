//! The lexer of the REPL: cuts scripts at semicolons, colours, and says what may stand at the
//! cursor. It takes any text, finished or not, and never fails; [`crate::parse`] judges.
//!
//! Its rules for strings, comments and dollar quotes are PostgreSQL's and must stay those of the
//! engine's tokenizer, since [`split`] decides where a statement ends.

mod complete;
mod highlight;
mod keywords;
mod scan;
#[cfg(test)]
mod tests;

use std::ops::Range;

use datafusion::sql::sqlparser::tokenizer::Token;

pub use complete::{Completion, CompletionPlace, completion_place};
pub use highlight::{TokenClass, highlight};
pub use keywords::{KEYWORDS, is_keyword};
use scan::{LexemeKind, scan, scan_from};

/// The byte ranges of a script's statements, without their semicolons, ascending; comments and
/// white space before a statement belong to it. Empty statements are left out.
#[must_use]
pub fn split(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    let mut is_empty = true;
    for lexeme in scan(text) {
        match lexeme.kind {
            LexemeKind::Semicolon => {
                if !is_empty {
                    ranges.push(start..lexeme.range.start);
                }
                (start, is_empty) = (lexeme.range.end, true);
            }
            // An open comment is kept: the tokenizer will say what is wrong with it.
            LexemeKind::Comment if !lexeme.is_closed => is_empty = false,
            LexemeKind::Space | LexemeKind::Comment => {}
            _ => is_empty = false,
        }
    }
    if !is_empty {
        ranges.push(start..text.len());
    }
    ranges
}

/// The byte ranges of a text's strings, quotes included, ascending.
pub(crate) fn string_ranges(text: &str) -> Vec<Range<usize>> {
    let strings = scan(text).filter(|lexeme| lexeme.kind == LexemeKind::String);
    strings.map(|lexeme| lexeme.range).collect()
}

/// Whether the REPL may run the text: its last token is a semicolon outside strings and comments,
/// or it has no token at all.
#[must_use]
pub fn is_complete(text: &str) -> bool {
    let mut is_complete = true;
    for lexeme in scan(text) {
        match lexeme.kind {
            LexemeKind::Semicolon => is_complete = true,
            LexemeKind::Comment if !lexeme.is_closed => return false,
            LexemeKind::Space | LexemeKind::Comment => {}
            _ => is_complete = false,
        }
    }
    is_complete
}

/// Where statements end in a text that grows line by line. Each look begins where the last one
/// ended, so that reading a long statement takes time in proportion to its length.
#[derive(Debug, Default)]
pub struct StatementEnds {
    /// Where the next look begins.
    at: usize,
}

impl StatementEnds {
    /// The end of the last statement that has become complete: the byte behind its semicolon.
    /// `text` is that of the last call with whole lines behind it.
    pub fn last_end(&mut self, text: &str) -> Option<usize> {
        let mut end = None;
        for lexeme in scan_from(text, self.at) {
            if !lexeme.is_closed {
                self.at = lexeme.range.start;
                return end;
            }
            if lexeme.kind == LexemeKind::Semicolon {
                end = Some(lexeme.range.end);
            }
            self.at = lexeme.range.end;
        }
        end
    }
}

/// Whether a token of the engine's is the unquoted word `wanted`, in any case.
pub(crate) fn is_word_token(token: &Token, wanted: &str) -> bool {
    matches!(token, Token::Word(word)
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted))
}
