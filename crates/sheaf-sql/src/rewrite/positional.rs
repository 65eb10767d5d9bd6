//! `a POSITIONAL JOIN b`, which the engine's grammar lacks: `a CROSS JOIN marker CROSS JOIN b`.
//! The marker has a name that nobody writes, [`POSITIONAL`].

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::edits::{Edits, keyword, word};
use crate::lexer::is_word_token;

/// The relation that stands before the right side of a positional join.
pub const POSITIONAL: &str = "sheaf.positional";

/// Whether `POSITIONAL JOIN` stands at `index`.
pub(crate) fn is_start(tokens: &[TokenWithSpan], index: usize) -> bool {
    let is_word = |token: &TokenWithSpan| is_word_token(&token.token, "POSITIONAL");
    tokens.get(index).is_some_and(is_word) && keyword(tokens, index + 1) == Keyword::JOIN
}

pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut edits = Edits::default();
    for index in 0..tokens.len() {
        if is_start(&tokens, index) {
            let marker = Token::Word(Word {
                value: POSITIONAL.to_owned(),
                quote_style: Some('"'),
                keyword: Keyword::NoKeyword,
            });
            edits.remove(index..index + 1);
            edits.insert(index, [word("CROSS"), word("JOIN"), marker, word("CROSS")]);
        }
    }
    edits.apply(tokens)
}
