//! The ways to write a sample, and the one the engine's parser reads.
//!
//! | written | means |
//! |---|---|
//! | `10%`, `10 PERCENT`, `bernoulli(10%)`, `bernoulli(10)` | each row with probability 0.1 |
//! | `system(10%)` | each batch with probability 0.1 |
//! | `100`, `100 ROWS`, `reservoir(100 ROWS)` | exactly that many rows |
//! | `… (bernoulli)`, `… (reservoir, 42)`, `… REPEATABLE (42)` | the method and the seed behind |
//! | `100 ROWS WITH REPLACEMENT` | so many draws, each of any row |
//!
//! On the tree a sample always has its unit; the method is absent where none was written and for
//! `reservoir`. Draws with replacement are a quantity of [`WITH_REPLACEMENT`]`(100)`.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use sheaf_base::error::{Position, SqlState};
use sheaf_base::{Result, SheafError};

use super::edits::{Edits, keyword, word};
use crate::lexer::is_word_token;

/// A sample as its tokens.
pub(super) struct Sample {
    method: Option<&'static str>,
    quantity: Token,
    unit: &'static str,
    is_with_replacement: bool,
    seed: Option<Token>,
}

/// The function that stands for draws with replacement on the tree.
pub const WITH_REPLACEMENT: &str = "with_replacement";

/// Methods as written and as the engine's grammar calls them.
const METHODS: &[(&str, Option<&str>)] = &[
    ("bernoulli", Some("BERNOULLI")),
    ("system", Some("SYSTEM")),
    ("reservoir", None),
];

impl Sample {
    /// `TABLESAMPLE [method] (quantity unit) [REPEATABLE (seed)]`.
    pub(super) fn tokens(self) -> Vec<Token> {
        let mut tokens = vec![word("TABLESAMPLE")];
        tokens.extend(self.method.map(word));
        let quantity = match self.is_with_replacement {
            true => vec![
                word(WITH_REPLACEMENT),
                Token::LParen,
                self.quantity,
                Token::RParen,
            ],
            false => vec![self.quantity],
        };
        tokens.push(Token::LParen);
        tokens.extend(quantity);
        tokens.extend([word(self.unit), Token::RParen]);
        if let Some(seed) = self.seed {
            tokens.extend([word("REPEATABLE"), Token::LParen, seed, Token::RParen]);
        }
        tokens
    }
}

/// Reads the sample that starts at `index`; gives also the index behind it.
pub(super) fn read(tokens: &[TokenWithSpan], index: usize) -> Result<(Sample, usize)> {
    let mut reading = Reading { tokens, index };
    let mut method = reading.method();
    let is_enclosed = reading.take(&Token::LParen);
    let quantity = match reading.token() {
        Some(Token::Number(..) | Token::Placeholder(_)) => tokens[reading.index].token.clone(),
        _ => {
            return Err(expected(
                tokens,
                reading.index,
                "a number of rows or a percentage",
            ));
        }
    };
    reading.index += 1;
    let unit = reading.unit();
    if is_enclosed {
        reading.expect(&Token::RParen, "a closing parenthesis")?;
    }
    let mut seed = None;
    if method.is_none() && reading.take(&Token::LParen) {
        method = reading.method();
        if method.is_none() {
            return Err(expected(
                tokens,
                reading.index,
                "bernoulli, system or reservoir",
            ));
        }
        if reading.take(&Token::Comma) {
            seed = Some(reading.number()?);
        }
        reading.expect(&Token::RParen, "a closing parenthesis")?;
    }
    let replacement = reading.index;
    let is_with_replacement = reading.with_replacement();
    if keyword(tokens, reading.index) == Keyword::REPEATABLE {
        reading.index += 1;
        reading.expect(&Token::LParen, "a seed in parentheses")?;
        seed = Some(reading.number()?);
        reading.expect(&Token::RParen, "a closing parenthesis")?;
    }
    let method = method.flatten();
    // PostgreSQL's methods take percentages without saying so.
    let unit = unit.unwrap_or(if method.is_some() { "PERCENT" } else { "ROWS" });
    if is_with_replacement && (method.is_some() || unit != "ROWS") {
        let error = SheafError::user("a sample with replacement needs a number of rows, no share")
            .with_state(SqlState::SYNTAX_ERROR)
            .with_position(position(tokens, replacement))
            .with_hint("USING SAMPLE 100 ROWS WITH REPLACEMENT");
        return Err(error);
    }
    Ok((
        Sample {
            method,
            quantity,
            unit,
            is_with_replacement,
            seed,
        },
        reading.index,
    ))
}

/// Brings what follows a `TABLESAMPLE` to the engine's form; what is no sample of ours is left
/// for the engine's parser to refuse.
pub(super) fn complete(tokens: &[TokenWithSpan], index: usize, edits: &mut Edits) {
    if let Ok((sample, end)) = read(tokens, index) {
        edits.remove(index..end);
        edits.insert(index, sample.tokens().into_iter().skip(1));
    }
}

/// The place of the token at `index`, or of the last one's end.
pub(super) fn position(tokens: &[TokenWithSpan], index: usize) -> Position {
    let location = match (tokens.get(index), tokens.last()) {
        (Some(token), _) => token.span.start,
        (None, Some(last)) => last.span.end,
        (None, None) => return Position { line: 1, column: 1 },
    };
    Position {
        line: location.line,
        column: location.column,
    }
}

fn expected(tokens: &[TokenWithSpan], index: usize, what: &str) -> SheafError {
    let found = match tokens.get(index) {
        Some(token) => token.token.to_string(),
        None => "the end of the statement".to_owned(),
    };
    SheafError::user(format!("syntax error: expected {what}, found {found}"))
        .with_state(SqlState::SYNTAX_ERROR)
        .with_position(position(tokens, index))
        .with_hint("USING SAMPLE 10%, or USING SAMPLE 100 ROWS REPEATABLE (42)")
}

struct Reading<'a> {
    tokens: &'a [TokenWithSpan],
    index: usize,
}

impl Reading<'_> {
    fn token(&self) -> Option<&Token> {
        self.tokens.get(self.index).map(|token| &token.token)
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let found = self.token() == Some(wanted);
        self.index += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: &Token, what: &str) -> Result<()> {
        if self.take(wanted) {
            Ok(())
        } else {
            Err(expected(self.tokens, self.index, what))
        }
    }

    fn number(&mut self) -> Result<Token> {
        match self.token() {
            Some(number @ Token::Number(..)) => {
                let number = number.clone();
                self.index += 1;
                Ok(number)
            }
            _ => Err(expected(self.tokens, self.index, "a seed")),
        }
    }

    fn method(&mut self) -> Option<Option<&'static str>> {
        let token = self.token()?;
        let method = METHODS
            .iter()
            .find(|(name, _)| is_word_token(token, name))?
            .1;
        self.index += 1;
        Some(method)
    }

    fn with_replacement(&mut self) -> bool {
        let is_word = |index: usize, word: &str| {
            let token = self.tokens.get(index);
            token.is_some_and(|token| is_word_token(&token.token, word))
        };
        let found = is_word(self.index, "WITH") && is_word(self.index + 1, "REPLACEMENT");
        self.index += 2 * usize::from(found);
        found
    }

    fn unit(&mut self) -> Option<&'static str> {
        let unit = match self.token()? {
            Token::Mod => "PERCENT",
            token if is_word_token(token, "PERCENT") => "PERCENT",
            token if is_word_token(token, "ROWS") => "ROWS",
            _ => return None,
        };
        self.index += 1;
        Some(unit)
    }
}
