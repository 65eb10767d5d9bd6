//! Colours: which bytes are keywords, names, strings and so on.

use std::ops::Range;

use super::keywords::is_keyword;
use super::scan::{Lexeme, LexemeKind, scan};

/// What a piece of text is, for colouring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenClass {
    /// A word of the language.
    Keyword,
    /// A name before a parenthesis.
    Function,
    /// Any other name, quoted or not.
    Name,
    /// A string, finished or not.
    String,
    /// A number.
    Number,
    /// `$1`, `?`.
    Parameter,
    /// A comment.
    Comment,
    /// An operator.
    Operator,
    /// Parentheses, commas, full stops, semicolons.
    Punctuation,
}

/// The classes of all of `text` but its white space, as byte ranges in order.
#[must_use]
pub fn highlight(text: &str) -> Vec<(Range<usize>, TokenClass)> {
    let lexemes: Vec<Lexeme> = scan(text)
        .filter(|lexeme| lexeme.kind != LexemeKind::Space)
        .collect();
    let mut classes: Vec<(Range<usize>, TokenClass)> = Vec::with_capacity(lexemes.len());
    for (index, lexeme) in lexemes.iter().enumerate() {
        let class = match lexeme.kind {
            LexemeKind::Word => word(text, &lexemes, index),
            LexemeKind::QuotedName | LexemeKind::Space => TokenClass::Name,
            LexemeKind::String => TokenClass::String,
            LexemeKind::Number => TokenClass::Number,
            LexemeKind::Parameter => TokenClass::Parameter,
            LexemeKind::Comment => TokenClass::Comment,
            LexemeKind::Operator => TokenClass::Operator,
            LexemeKind::Punctuation | LexemeKind::Semicolon => TokenClass::Punctuation,
        };
        classes.push((lexeme.range.clone(), class));
    }
    classes
}

/// A word is a column's name behind a full stop, and a function's before a parenthesis unless it
/// is a keyword that takes one (`IN (…)`).
fn word(text: &str, lexemes: &[Lexeme], index: usize) -> TokenClass {
    let text_of = |index: usize| {
        lexemes
            .get(index)
            .map_or("", |lexeme| &text[lexeme.range.clone()])
    };
    let is_field = index > 0 && text_of(index - 1) == ".";
    if !is_field && is_keyword(text_of(index)) {
        return TokenClass::Keyword;
    }
    if text_of(index + 1) == "(" {
        TokenClass::Function
    } else {
        TokenClass::Name
    }
}
