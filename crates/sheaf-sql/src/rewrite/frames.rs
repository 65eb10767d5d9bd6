//! `EXCLUDE …` at the end of a window frame, for which the engine's grammar has no place.
//!
//! It becomes the first of the PARTITION BY expressions: a call of [`FRAME_EXCLUSION`], which no user
//! can define, with the words after EXCLUDE as a text.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::edits::{Edits, keyword, word};
use crate::lexer::is_word_token;

/// Marks what a window frame leaves out.
pub const FRAME_EXCLUSION: &str = "__sheaf_frame_exclusion";

/// The words that may come after EXCLUDE.
const EXCLUSIONS: &[&[&str]] = &[
    &["CURRENT", "ROW"],
    &["GROUP"],
    &["TIES"],
    &["NO", "OTHERS"],
];

pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut edits = Edits::default();
    for index in 1..tokens.len() {
        // `SELECT * EXCLUDE …` comes after no frame.
        let ends_frame = matches!(
            keyword(&tokens, index - 1),
            Keyword::ROW | Keyword::PRECEDING | Keyword::FOLLOWING
        );
        if keyword(&tokens, index) == Keyword::EXCLUDE && ends_frame {
            exclude(&tokens, index, &mut edits);
        }
    }
    edits.apply(tokens)
}

/// Rewrites the frame whose EXCLUDE stands at `index`; leaves alone what is none.
fn exclude(tokens: &[TokenWithSpan], index: usize, edits: &mut Edits) {
    let exclusion = EXCLUSIONS.iter().find(|words| {
        let rest = &tokens[index + 1..];
        let mut pairs = rest.iter().zip(words.iter());
        rest.len() >= words.len() && pairs.all(|(token, word)| is_word_token(&token.token, word))
    });
    let Some(words) = exclusion else { return };
    let end = index + 1 + words.len();
    let Some(window) = opening(tokens, index) else {
        return;
    };
    if tokens
        .get(end)
        .is_none_or(|token| token.token != Token::RParen)
    {
        return;
    }
    edits.remove(index..end);
    if words.first() == Some(&"NO") {
        return;
    }
    let marker = [
        word(FRAME_EXCLUSION),
        Token::LParen,
        Token::SingleQuotedString(words.join(" ")),
        Token::RParen,
    ];
    match window.partition_by {
        Some(place) => {
            edits.insert(place, marker);
            edits.insert(place, [Token::Comma]);
        }
        None => {
            edits.insert(window.order_by_or_frame, [word("PARTITION"), word("BY")]);
            edits.insert(window.order_by_or_frame, marker);
        }
    }
}

/// Places in a window's definition.
struct Window {
    /// Behind PARTITION BY.
    partition_by: Option<usize>,
    /// Where ORDER BY begins, or the frame.
    order_by_or_frame: usize,
}

/// The definition in the parentheses around `index`, which is in its frame.
fn opening(tokens: &[TokenWithSpan], index: usize) -> Option<Window> {
    let mut window = Window {
        partition_by: None,
        order_by_or_frame: 0,
    };
    let mut depth = 0_usize;
    for place in (0..index).rev() {
        match &tokens[place].token {
            Token::RParen | Token::RBracket | Token::RBrace => depth += 1,
            Token::LParen if depth == 0 => break,
            Token::LParen | Token::LBracket | Token::LBrace => depth = depth.checked_sub(1)?,
            _ if depth > 0 => {}
            _ => match keyword(tokens, place) {
                Keyword::ROWS | Keyword::RANGE | Keyword::GROUPS
                    if window.order_by_or_frame == 0 =>
                {
                    window.order_by_or_frame = place;
                }
                Keyword::BY if keyword(tokens, place.checked_sub(1)?) == Keyword::ORDER => {
                    window.order_by_or_frame = place - 1;
                }
                Keyword::BY if keyword(tokens, place.checked_sub(1)?) == Keyword::PARTITION => {
                    window.partition_by = Some(place + 1);
                }
                _ => {}
            },
        }
    }
    (window.order_by_or_frame > 0).then_some(window)
}
