//! From a script to its statements: the only place where the engine's parser is driven.
//!
//! Each statement is parsed from its own tokens, so that a mistake in one cannot be read into the
//! next, and so that its text is exactly its tokens' text.

mod aggregate;
mod bag;
mod body;
pub(crate) mod budget;
mod code;
mod copy;
mod create;
mod cursor;
mod explain;
mod failure;
mod function;
mod persist;
mod prepare;
mod relations;
mod settings;
mod source;
#[cfg(test)]
mod tests;

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError, ParserOptions};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use sheaf_base::{Result, SheafError};

use crate::dialect::SheafDialect;
use crate::lexer::{self, is_word_token as is_word};
use crate::limits::{self, PARSER_DEPTH_MAX};
use crate::rewrite;
use crate::statement::{Statement, StatementKind};
use failure::{Failure, Parse};
use source::Source;

type ReadStatement = fn(&mut Reader<'_>) -> Parse<StatementKind>;

/// Words that start a statement which Sheaf reads itself, with what reads the rest of it.
/// The others are `dialect::NATIVE_STATEMENTS`.
const STATEMENTS: &[(&str, ReadStatement)] = &[
    ("SELECT", read_query),
    ("WITH", read_query),
    ("VALUES", read_query),
    ("TABLE", read_query),
    ("FROM", read_query),
    ("EXPLAIN", explain::read),
    ("COPY", copy::read),
    ("CREATE", create::read_create),
    ("DROP", create::read_drop),
    ("SET", settings::read_set),
    ("RESET", settings::read_reset),
    ("SHOW", settings::read_show),
    ("DESCRIBE", relations::read_describe),
    ("DESC", relations::read_describe),
    ("SUMMARIZE", relations::read_summarize),
    ("CANCEL", settings::read_cancel),
    ("PERSIST", persist::read_persist),
    ("UNPERSIST", persist::read_unpersist),
    ("PREPARE", prepare::read_prepare),
    ("EXECUTE", prepare::read_execute),
    ("DEALLOCATE", prepare::read_deallocate),
    ("DECLARE", cursor::read_declare),
    ("FETCH", cursor::read_fetch),
    ("MOVE", cursor::read_fetch),
    ("CLOSE", cursor::read_close),
    ("ABORT", read_abort),
];

/// Parses a whole script; empty statements are skipped.
///
/// # Memory
/// One statement at a time is tokenised, at most [`limits::STATEMENT_BYTES_MAX`] bytes of it.
/// # Errors
/// `UserInput` for what is not SQL or exceeds a limit, `Unsupported` for what is but cannot be
/// run, both with a position that counts from the start of the script.
pub fn parse(sql: &str) -> Result<Vec<Statement>> {
    let mut statements = Vec::new();
    for source in Source::split(sql, &lexer::split(sql)) {
        if source.text().len() > limits::STATEMENT_BYTES_MAX {
            return Err(SheafError::user(format!(
                "the statement is longer than {} MiB",
                limits::STATEMENT_BYTES_MAX >> 20
            ))
            .with_position(source.start())
            .with_hint("write the rows to a file and read them with FROM 'file.csv'"));
        }
        let tokens = source.tokens()?;
        if tokens.is_empty() {
            continue;
        }
        limits::check(&tokens)?;
        let tokens = rewrite::tokens(tokens)?;
        statements.push(parse_tokens(&source, tokens)?);
    }
    Ok(statements)
}

/// Parses one expression, for a setting or an option that takes one.
///
/// # Errors
/// `UserInput` as [`parse`] does; also when text follows the expression.
pub fn parse_expression(sql: &str) -> Result<Expr> {
    let source = Source::whole(sql);
    if sql.len() > limits::STATEMENT_BYTES_MAX {
        return Err(SheafError::user("the expression is too long").with_position(source.start()));
    }
    let tokens = source.tokens()?;
    limits::check(&tokens)?;
    let tokens = rewrite::tokens(tokens)?;
    let mut reader = Reader::new(&source, tokens.clone());
    let result = reader
        .parser
        .parse_expr()
        .map_err(Failure::from)
        .and_then(|mut expr| {
            reader.expect_end()?;
            rewrite::tree(&mut expr);
            Ok(expr)
        });
    reader.finish(result, &tokens)
}

fn parse_tokens(source: &Source<'_>, tokens: Vec<TokenWithSpan>) -> Result<Statement> {
    let mut reader = Reader::new(source, tokens.clone());
    let result = reader.statement().and_then(|statement| {
        reader.expect_end()?;
        Ok(statement)
    });
    reader.finish(result, &tokens)
}

/// The engine's parser on one statement's tokens, with what it stands on.
pub(crate) struct Reader<'a> {
    source: &'a Source<'a>,
    parser: Parser<'a>,
}

static DIALECT: SheafDialect = SheafDialect;

impl<'a> Reader<'a> {
    fn new(source: &'a Source<'a>, tokens: Vec<TokenWithSpan>) -> Self {
        budget::begin(tokens.len());
        let options = ParserOptions::new()
            .with_trailing_commas(true)
            .with_unescape(true);
        let parser = Parser::new(&DIALECT)
            .with_options(options)
            .with_recursion_limit(PARSER_DEPTH_MAX)
            .with_tokens_with_locations(tokens);
        Self { source, parser }
    }

    /// What was read, unless the parser gave up on the way and took it for something else.
    fn finish<T>(&self, outcome: Parse<T>, tokens: &[TokenWithSpan]) -> Result<T> {
        let outcome = match budget::is_spent() {
            true => Err(ParserError::RecursionLimitExceeded.into()),
            false => outcome,
        };
        outcome.map_err(|failure| failure.explain(self.source, tokens))
    }

    /// Reads the statement that starts at the next token.
    fn statement(&mut self) -> Parse<Statement> {
        let first = self.parser.peek_token();
        let kind = match &first.token {
            Token::Word(word) if word.quote_style.is_none() => {
                match STATEMENTS
                    .iter()
                    .find(|(name, _)| word.value.eq_ignore_ascii_case(name))
                {
                    Some((_, read)) => read(self)?,
                    None => self.native()?,
                }
            }
            Token::LParen => read_query(self)?,
            _ => return self.expected("a statement"),
        };
        let last = self.parser.get_current_token().span.end;
        Ok(Statement {
            kind,
            text: self.source.slice(first.span.start, last).to_owned(),
            start: source::position(first.span.start),
        })
    }

    fn query(&mut self) -> Parse<Box<crate::ast::Query>> {
        let mut query = self.parser.parse_query()?;
        rewrite::tree(query.as_mut());
        Ok(query)
    }

    fn native(&mut self) -> Parse<StatementKind> {
        let mut statement = self.parser.parse_statement()?;
        rewrite::tree(&mut statement);
        Ok(StatementKind::Native(Box::new(statement)))
    }

    /// Whether the next token starts a query (a parenthesis does).
    fn at_query(&self) -> bool {
        const STARTS: &[Keyword] = &[
            Keyword::SELECT,
            Keyword::WITH,
            Keyword::VALUES,
            Keyword::FROM,
        ];
        self.parser.peek_one_of_keywords(STARTS).is_some() || self.at(&Token::LParen)
    }

    fn at(&self, token: &Token) -> bool {
        self.parser.peek_token_ref().token == *token
    }

    fn at_end(&self) -> bool {
        matches!(
            self.parser.peek_token_ref().token,
            Token::EOF | Token::SemiColon
        )
    }

    fn expect_end(&mut self) -> Parse<()> {
        if self.at_end() {
            Ok(())
        } else {
            self.expected("the end of the statement")
        }
    }

    /// Takes the next token if it is this unquoted word, a keyword of the engine's or not.
    fn word(&mut self, wanted: &str) -> bool {
        let found = self.at_word(wanted);
        if found {
            self.parser.next_token();
        }
        found
    }

    fn at_word(&self, wanted: &str) -> bool {
        is_word(&self.parser.peek_token_ref().token, wanted)
    }

    fn expect_word(&mut self, wanted: &str) -> Parse<()> {
        if self.word(wanted) {
            Ok(())
        } else {
            self.expected(wanted)
        }
    }

    fn expect(&mut self, token: &Token) -> Parse<()> {
        self.parser.expect_token(token)?;
        Ok(())
    }

    /// Takes a string; unlike the engine's parser, no name without quotes.
    fn string(&mut self, what: &str) -> Parse<String> {
        let token = self.parser.peek_token();
        match &token.token {
            Token::Word(_) | Token::Number(..) => self.expected(what),
            token => match source::literal_text(token) {
                Some(text) => {
                    self.parser.next_token();
                    Ok(text)
                }
                None => self.expected(what),
            },
        }
    }

    /// The error that something else should stand at the next token.
    fn expected<T>(&self, what: &str) -> Parse<T> {
        let found = self.parser.peek_token_ref();
        Err(Failure::from(
            match self.parser.expected_ref::<()>(what, found) {
                Err(error) => error,
                Ok(()) => ParserError::ParserError(format!("Expected: {what}")),
            },
        ))
    }

    /// The error `error`, placed at the next token.
    fn refuse<T>(&self, error: SheafError) -> Parse<T> {
        let span = self.parser.peek_token_ref().span;
        Err(Failure::Explained(match span.start.line {
            0 => error.with_position(self.source.end()),
            _ => error.with_position(source::position(span.start)),
        }))
    }
}

fn read_query(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    Ok(StatementKind::Query(reader.query()?))
}

/// `ABORT [WORK|TRANSACTION] [AND [NO] CHAIN]` is ROLLBACK.
fn read_abort(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    reader.expect_word("ABORT")?;
    let chain = reader.parser.parse_commit_rollback_chain()?;
    Ok(StatementKind::Native(Box::new(
        crate::ast::Statement::Rollback {
            chain,
            savepoint: None,
        },
    )))
}
