//! DuckDB's `ASOF [LEFT] JOIN t ON …|USING (…)` in the engine's grammar, which knows only
//! `ASOF JOIN t MATCH_CONDITION (…) [ON …|USING (…)]`.
//!
//! The condition becomes a call of a function no user can define: [`ASOF_INNER`] or [`ASOF_LEFT`],
//! without arguments when the match condition is still in the constraint, with it otherwise.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::edits::{Edits, keyword, word};

/// Marks an ASOF join that drops left rows without a match.
pub const ASOF_INNER: &str = "__sheaf_asof_inner";
/// Marks an ASOF join that keeps them.
pub const ASOF_LEFT: &str = "__sheaf_asof_left";

pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut edits = Edits::default();
    for index in 0..tokens.len() {
        if keyword(&tokens, index) == Keyword::ASOF {
            join(&tokens, index, &mut edits);
        }
    }
    edits.apply(tokens)
}

/// Rewrites the join whose `ASOF` stands at `index`; leaves alone what is none.
fn join(tokens: &[TokenWithSpan], index: usize, edits: &mut Edits) {
    let is_left = keyword(tokens, index + 1) == Keyword::LEFT;
    let mut next = index + 1;
    while matches!(
        keyword(tokens, next),
        Keyword::LEFT | Keyword::INNER | Keyword::OUTER
    ) {
        next += 1;
    }
    if keyword(tokens, next) != Keyword::JOIN {
        return;
    }
    edits.remove(index + 1..next);
    let marker = word(if is_left { ASOF_LEFT } else { ASOF_INNER });
    let Some(condition) = condition(tokens, next + 1) else {
        return;
    };
    if keyword(tokens, condition) == Keyword::MATCH_CONDITION {
        if let Some(close) = closing(tokens, condition + 1) {
            edits.insert(condition + 2, [marker, Token::LParen]);
            edits.insert(close, [Token::RParen]);
        }
        return;
    }
    let call = [marker, Token::LParen, Token::RParen];
    edits.insert(condition, [word("MATCH_CONDITION"), Token::LParen]);
    edits.insert(condition, call);
    edits.insert(condition, [Token::RParen]);
}

/// Where the first of ON, USING and MATCH_CONDITION stands behind the joined table.
fn condition(tokens: &[TokenWithSpan], from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for index in from..tokens.len() {
        match &tokens[index].token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.checked_sub(1)?,
            Token::Comma if depth == 0 => return None,
            _ if depth > 0 => {}
            _ => match keyword(tokens, index) {
                Keyword::ON | Keyword::USING | Keyword::MATCH_CONDITION => return Some(index),
                Keyword::JOIN | Keyword::WHERE | Keyword::GROUP | Keyword::ORDER => return None,
                _ => {}
            },
        }
    }
    None
}

/// The parenthesis that closes the one at `open`.
fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth <= 1 => return (depth == 1).then_some(index),
            Token::RParen => depth -= 1,
            _ if depth == 0 => return None,
            _ => {}
        }
    }
    None
}
