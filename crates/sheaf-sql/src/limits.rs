//! What a statement may not exceed, checked on its tokens before a tree is built.
//!
//! A syntax tree is walked, printed and dropped by recursion, here and in the engine, on threads
//! whose stacks are a few megabytes. These limits keep every such walk short; they lie far above
//! what people and their tools write.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use sheaf_base::error::Position;
use sheaf_base::{Result, SheafError};

/// The longest statement. Its tokens need about a hundred times that in the worst case.
pub const STATEMENT_BYTES_MAX: usize = 4 << 20;

/// The most brackets open at once, of all kinds together.
pub const NESTING_MAX: usize = 128;

/// The most operators that may follow each other in one expression, so that each makes the tree
/// one level deeper (`1 + 1 + 1 + …`).
pub const EXPRESSION_DEPTH_MAX: usize = 1000;

/// The most `UNION`, `INTERSECT` and `EXCEPT` beside each other.
pub const SET_OPERATIONS_MAX: usize = 1000;

/// The most times one token may stand next to itself (`NOT NOT NOT …`, `- - - …`).
pub const REPEATED_TOKENS_MAX: usize = 64;

/// The depth of calls the engine's parser may reach; a bracket costs it up to four.
pub(crate) const PARSER_DEPTH_MAX: usize = 4 * NESTING_MAX + EXPRESSION_DEPTH_MAX;

/// What has been seen between one bracket and its partner.
#[derive(Default)]
struct Level {
    /// AND and OR since the last separator: they enclose the runs between them.
    connectives: usize,
    /// Other operators since the last connective or separator, and the longest such run.
    run: usize,
    run_max: usize,
    /// Set operators in this level.
    set_operations: usize,
}

/// Checks the tokens of one statement (whitespace left out).
pub(crate) fn check(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut levels = vec![Level::default()];
    let mut repeated = 0;
    for (index, token) in tokens.iter().enumerate() {
        let is_same = index > 0 && tokens[index - 1].token == token.token;
        let is_bracket = opens(&token.token) || closes(&token.token);
        repeated = if is_same && !is_bracket {
            repeated + 1
        } else {
            0
        };
        if repeated >= REPEATED_TOKENS_MAX {
            return Err(too_deep(
                token,
                "the same word stands too many times in a row",
            ));
        }
        if opens(&token.token) {
            if levels.len() > NESTING_MAX {
                let message = format!("brackets are nested more than {NESTING_MAX} deep");
                return Err(too_deep(token, message));
            }
            levels.push(Level::default());
        } else if closes(&token.token) && levels.len() > 1 {
            levels.pop();
        } else if let Some(level) = levels.last_mut() {
            level.count(tokens, index)?;
        }
    }
    Ok(())
}

impl Level {
    fn count(&mut self, tokens: &[TokenWithSpan], index: usize) -> Result<()> {
        let token = &tokens[index];
        match &token.token {
            Token::Comma | Token::SemiColon => self.separate(),
            Token::Word(word) => match word.keyword {
                Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT => {
                    self.set_operations += 1;
                    self.separate();
                }
                // Left-deep joins of our own making: see rewrite::tree.
                Keyword::ASOF => self.set_operations += 1,
                Keyword::SELECT
                | Keyword::FROM
                | Keyword::WHERE
                | Keyword::GROUP
                | Keyword::HAVING
                | Keyword::QUALIFY
                | Keyword::ORDER
                | Keyword::LIMIT
                | Keyword::ON
                | Keyword::JOIN
                | Keyword::WHEN
                | Keyword::THEN
                | Keyword::ELSE => {
                    self.separate();
                }
                Keyword::AND | Keyword::OR => {
                    self.connectives += 1;
                    self.run = 0;
                }
                Keyword::IS
                | Keyword::IN
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::BETWEEN
                | Keyword::SIMILAR
                | Keyword::COLLATE
                | Keyword::AT
                | Keyword::XOR
                | Keyword::DIV
                | Keyword::NOT
                | Keyword::NOTNULL
                | Keyword::INTERVAL
                | Keyword::CASE
                | Keyword::OPERATOR
                | Keyword::OVERLAPS
                | Keyword::RLIKE
                | Keyword::REGEXP
                | Keyword::LAMBDA
                | Keyword::PRIOR => self.run += 1,
                _ => {}
            },
            Token::Number(..) | Token::SingleQuotedString(_) | Token::Period => {}
            Token::Placeholder(_) | Token::EOF | Token::Whitespace(_) => {}
            _ => self.run += 1,
        }
        self.run_max = self.run_max.max(self.run);
        if self.connectives + self.run_max > EXPRESSION_DEPTH_MAX {
            let message = format!("more than {EXPRESSION_DEPTH_MAX} operators in one expression");
            return Err(too_deep(token, message).with_hint("IN (…) takes any number of values"));
        }
        if self.set_operations > SET_OPERATIONS_MAX {
            let message = format!("more than {SET_OPERATIONS_MAX} set operations in one query");
            return Err(too_deep(token, message));
        }
        Ok(())
    }

    fn separate(&mut self) {
        (self.connectives, self.run, self.run_max) = (0, 0, 0);
    }
}

fn opens(token: &Token) -> bool {
    matches!(token, Token::LParen | Token::LBracket | Token::LBrace)
}

fn closes(token: &Token) -> bool {
    matches!(token, Token::RParen | Token::RBracket | Token::RBrace)
}

fn too_deep(token: &TokenWithSpan, message: impl Into<String>) -> SheafError {
    let start = token.span.start;
    SheafError::user(message).with_position(Position {
        line: start.line,
        column: start.column,
    })
}
