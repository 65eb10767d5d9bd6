//! DuckDB's statements PIVOT and UNPIVOT in the engine's grammar, which has them in FROM only.
//!
//! | written | passed on |
//! |---|---|
//! | `PIVOT t ON c IN (v, …) USING a` | `SELECT * FROM t PIVOT (a FOR (c) IN (v, …))` |
//! | `PIVOT t ON c, d` | `SELECT * FROM t PIVOT (count(*) FOR (c, d) IN (ANY))` |
//! | `PIVOT t ON c USING a GROUP BY k` | `SELECT * FROM t PIVOT (a, __sheaf_pivot_keys(k) FOR (c) IN (ANY))` |
//! | `UNPIVOT t ON a, b INTO NAME n VALUE v` | `SELECT * FROM t UNPIVOT (v FOR n IN (a, b))` |
//!
//! For `ANY`, the session reads the values and lists them.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::edits::{keyword, word};
use crate::lexer::is_word_token;

/// The function whose arguments are the columns that a PIVOT groups by.
pub const PIVOT_KEYS: &str = "__sheaf_pivot_keys";

pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let Some(start) = (0..tokens.len()).find(|index| is_start(&tokens, *index)) else {
        return tokens;
    };
    let end = end_of_level(&tokens, start);
    let statement = Statement {
        tokens: &tokens[start..end],
    };
    let rewritten = match keyword(&tokens, start) {
        Keyword::PIVOT => statement.pivot(),
        _ => statement.unpivot(),
    };
    let Some(rewritten) = rewritten else {
        return tokens;
    };
    let mut all = tokens[..start].to_vec();
    all.extend(rewritten);
    // What follows may hold others; what has been rewritten does not begin like one.
    all.extend_from_slice(&tokens[end..]);
    rewrite(all)
}

/// Whether a statement or a sub-query starts here with PIVOT or UNPIVOT.
fn is_start(tokens: &[TokenWithSpan], index: usize) -> bool {
    let is_verb = matches!(keyword(tokens, index), Keyword::PIVOT | Keyword::UNPIVOT);
    if !is_verb {
        return false;
    }
    let Some(before) = index.checked_sub(1) else {
        return true;
    };
    match &tokens[before].token {
        Token::LParen => true,
        // Behind a table, what is written in FROM goes on with a parenthesis.
        Token::RParen => tokens
            .get(index + 1)
            .is_some_and(|next| next.token != Token::LParen),
        token => ["AS", "EXPLAIN", "ANALYZE", "DESCRIBE", "DESC", "SUMMARIZE"]
            .iter()
            .any(|word| is_word_token(token, word)),
    }
}

fn depth_after(token: &Token, depth: usize) -> Option<usize> {
    match token {
        Token::LParen | Token::LBracket | Token::LBrace => Some(depth + 1),
        Token::RParen | Token::RBracket | Token::RBrace => depth.checked_sub(1),
        _ => Some(depth),
    }
}

fn end_of_level(tokens: &[TokenWithSpan], start: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        match depth_after(&token.token, depth) {
            Some(after) => depth = after,
            None => return index,
        }
    }
    tokens.len()
}

struct Statement<'a> {
    tokens: &'a [TokenWithSpan],
}

impl Statement<'_> {
    /// Where `wanted` stands outside of parentheses, from `from` on.
    fn find(&self, from: usize, wanted: impl Fn(usize, &Token) -> bool) -> Option<usize> {
        let mut depth = 0;
        for (index, token) in self.tokens.iter().enumerate().skip(from) {
            if depth == 0 && wanted(index, &token.token) {
                return Some(index);
            }
            depth = depth_after(&token.token, depth)?;
        }
        None
    }

    fn find_keyword(&self, from: usize, wanted: &[Keyword]) -> Option<usize> {
        self.find(from, |index, _| {
            wanted.contains(&keyword(self.tokens, index))
        })
    }

    /// Where ORDER BY, LIMIT and the like begin.
    fn tail(&self, from: usize) -> usize {
        const TAIL: &[Keyword] = &[
            Keyword::ORDER,
            Keyword::LIMIT,
            Keyword::OFFSET,
            Keyword::FETCH,
        ];
        self.find_keyword(from, TAIL).unwrap_or(self.tokens.len())
    }

    fn pivot(&self) -> Option<Vec<TokenWithSpan>> {
        let on = self.find_keyword(1, &[Keyword::ON])?;
        let tail = self.tail(on);
        let clause = |wanted| {
            let found = self.find_keyword(on, &[wanted]);
            found.filter(|index| *index < tail)
        };
        let (using, group) = (clause(Keyword::USING), clause(Keyword::GROUP));
        let table = &self.tokens[1..on];
        let columns_end = using.or(group).unwrap_or(tail);
        let aggregates_end = group.unwrap_or(tail);
        let count: Vec<TokenWithSpan> =
            self.tokens_of([word("count"), Token::LParen, Token::Mul, Token::RParen]);
        let aggregates = match using {
            Some(using) => &self.tokens[using + 1..aggregates_end],
            None => &count,
        };
        let within = self.find_keyword(on, &[Keyword::IN]);
        let within = within.filter(|index| *index < columns_end);
        let column = &self.tokens[on + 1..within.unwrap_or(columns_end)];
        let any = self.tokens_of([Token::LParen, word("ANY"), Token::RParen]);
        let values = match within {
            Some(within) => &self.tokens[within + 1..columns_end],
            None => &any,
        };
        let mut all = self.tokens_of([word("SELECT"), Token::Mul, word("FROM")]);
        all.extend_from_slice(table);
        all.extend(self.tokens_of([word("PIVOT"), Token::LParen]));
        all.extend_from_slice(aggregates);
        if let Some(group) = group {
            all.extend(self.tokens_of([Token::Comma, word(PIVOT_KEYS), Token::LParen]));
            all.extend_from_slice(self.tokens.get(group + 2..tail)?);
            all.extend(self.tokens_of([Token::RParen]));
        }
        all.extend(self.tokens_of([word("FOR"), Token::LParen]));
        all.extend_from_slice(column);
        all.extend(self.tokens_of([Token::RParen, word("IN")]));
        all.extend_from_slice(values);
        all.extend(self.tokens_of([Token::RParen]));
        all.extend_from_slice(&self.tokens[tail..]);
        Some(all)
    }

    fn unpivot(&self) -> Option<Vec<TokenWithSpan>> {
        let on = self.find_keyword(1, &[Keyword::ON])?;
        let into = self.find_keyword(on, &[Keyword::INTO])?;
        let value = self.find(into, |_, token| is_word_token(token, "VALUE"))?;
        if !is_word_token(&self.tokens[into + 1].token, "NAME") {
            return None;
        }
        let tail = self.tail(value);
        let mut all = self.tokens_of([word("SELECT"), Token::Mul, word("FROM")]);
        all.extend_from_slice(&self.tokens[1..on]);
        all.extend(self.tokens_of([word("UNPIVOT"), Token::LParen]));
        all.extend_from_slice(&self.tokens[value + 1..tail]);
        all.extend(self.tokens_of([word("FOR")]));
        all.extend_from_slice(&self.tokens[into + 2..value]);
        all.extend(self.tokens_of([word("IN"), Token::LParen]));
        all.extend_from_slice(&self.tokens[on + 1..into]);
        all.extend(self.tokens_of([Token::RParen, Token::RParen]));
        all.extend_from_slice(&self.tokens[tail..]);
        Some(all)
    }

    /// Tokens that stand, for messages, where the statement starts.
    fn tokens_of<const N: usize>(&self, tokens: [Token; N]) -> Vec<TokenWithSpan> {
        let start = self.tokens.first().map(|token| token.span.start);
        let span = start.map_or_else(Span::empty, |start| Span::new(start, start));
        tokens
            .into_iter()
            .map(|token| TokenWithSpan::new(token, span))
            .collect()
    }
}
