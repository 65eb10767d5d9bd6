//! A list of insertions and removals on a statement's tokens, applied at once.

use datafusion::sql::sqlparser::keywords::{ALL_KEYWORDS, ALL_KEYWORDS_INDEX, Keyword};
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

/// Changes to a list of tokens; places are indices into the list before any change.
#[derive(Default)]
pub(super) struct Edits {
    insertions: Vec<(usize, Token)>,
    removals: Vec<std::ops::Range<usize>>,
}

impl Edits {
    pub(super) fn insert(&mut self, before: usize, tokens: impl IntoIterator<Item = Token>) {
        self.insertions
            .extend(tokens.into_iter().map(|token| (before, token)));
    }

    pub(super) fn remove(&mut self, range: std::ops::Range<usize>) {
        self.removals.push(range);
    }

    /// The changed list. What is inserted stands, for messages, where it was inserted; several
    /// insertions at one place keep the order in which they were made.
    pub(super) fn apply(mut self, tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
        if self.insertions.is_empty() && self.removals.is_empty() {
            return tokens;
        }
        self.insertions.sort_by_key(|(before, _)| *before);
        self.removals.sort_by_key(|range| range.start);
        let mut removals = self.removals.into_iter().peekable();
        let end = tokens
            .last()
            .map_or(Span::empty().end, |token| token.span.end);
        let mut insertions = self.insertions.into_iter().peekable();
        let mut result = Vec::with_capacity(tokens.len() + insertions.len());
        for (index, token) in tokens.into_iter().enumerate() {
            while let Some((_, new)) = insertions.next_if(|(before, _)| *before <= index) {
                let at = Span::new(token.span.start, token.span.start);
                result.push(TokenWithSpan::new(new, at));
            }
            while removals.next_if(|range| range.end <= index).is_some() {}
            if !removals.peek().is_some_and(|range| range.contains(&index)) {
                result.push(token);
            }
        }
        result.extend(insertions.map(|(_, new)| TokenWithSpan::new(new, Span::new(end, end))));
        result
    }
}

/// The token of a keyword or a name, as the tokenizer would make it.
pub(super) fn word(text: &str) -> Token {
    let keyword = ALL_KEYWORDS
        .binary_search(&text.to_uppercase().as_str())
        .map_or(Keyword::NoKeyword, |index| ALL_KEYWORDS_INDEX[index]);
    Token::Word(Word {
        value: text.to_owned(),
        quote_style: None,
        keyword,
    })
}

/// The keyword of a token that is one (not behind a full stop, where it is a column's name).
pub(super) fn keyword(tokens: &[TokenWithSpan], index: usize) -> Keyword {
    let is_field = index > 0 && tokens[index - 1].token == Token::Period;
    match tokens.get(index).map(|token| &token.token) {
        Some(Token::Word(word)) if !is_field => word.keyword,
        _ => Keyword::NoKeyword,
    }
}
