//! `COPY table|(query) TO 'path' …`, and the lists of options that it and
//! `CREATE EXTERNAL TABLE` take.
//!
//! PostgreSQL's, DuckDB's and DataFusion's clauses are taken in any order:
//! `[WITH] (FORMAT csv, HEADER false)`, `WITH CSV HEADER`, `STORED AS parquet`,
//! `PARTITIONED BY (a, b)`, `OPTIONS (compression 'zstd')`.

use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::Reader;
use super::failure::Parse;
use super::source::literal_text;
use crate::statement::{CopySource, StatementKind};

/// What the clauses behind the target say.
#[derive(Default)]
struct Clauses {
    format: Option<String>,
    partitioned_by: Vec<String>,
    options: Vec<(String, String)>,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    reader.expect_word("COPY")?;
    let source = source(reader)?;
    if reader.at_word("FROM") {
        return reader.refuse(
            SheafError::unsupported("COPY … FROM is not supported")
                .with_hint("CREATE TABLE t AS FROM 'file', or INSERT INTO t SELECT * FROM 'file'"),
        );
    }
    reader.expect_word("TO")?;
    if reader.at_word("STDOUT") {
        return reader.refuse(
            SheafError::unsupported("COPY … TO STDOUT is not supported")
                .with_hint("sheaf -c 'SELECT …' --format csv writes to standard output"),
        );
    }
    let target = reader.string("a path in quotes")?;
    let Clauses {
        format,
        partitioned_by,
        options,
    } = clauses(reader)?;
    Ok(StatementKind::Copy {
        source,
        target,
        format,
        partitioned_by,
        options,
    })
}

fn source(reader: &mut Reader<'_>) -> Parse<CopySource> {
    if reader.parser.consume_token(&Token::LParen) {
        let query = reader.query()?;
        reader.expect(&Token::RParen)?;
        return Ok(CopySource::Query(query));
    }
    let name = reader.parser.parse_object_name(true)?;
    if !reader.parser.consume_token(&Token::LParen) {
        return Ok(CopySource::Table(name));
    }
    // `COPY t (a, b)` is `COPY (SELECT a, b FROM t)`.
    let columns = reader
        .parser
        .parse_comma_separated(|parser| parser.parse_identifier())?;
    reader.expect(&Token::RParen)?;
    let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
    let text = format!("SELECT {} FROM {name}", columns.join(", "));
    let source = super::Source::whole(&text);
    let query = Reader::new(&source, source.tokens()?).query()?;
    Ok(CopySource::Query(query))
}

fn clauses(reader: &mut Reader<'_>) -> Parse<Clauses> {
    let mut clauses = Clauses::default();
    while !reader.at_end() {
        if reader.word("WITH") {
            if reader.at_end() {
                return reader.expected("options");
            }
        } else if reader.at(&Token::LParen) || reader.word("OPTIONS") {
            for option in options(reader)? {
                clauses.take(reader, option)?;
            }
        } else if reader.word("STORED") {
            reader.expect_word("AS")?;
            let format = format_name(reader)?;
            clauses.set_format(reader, format)?;
        } else if reader.word("FORMAT") {
            reader.word("AS");
            let format = format_name(reader)?;
            clauses.set_format(reader, format)?;
        } else if reader.word("PARTITIONED") {
            reader.expect_word("BY")?;
            clauses.partitioned_by = column_list(reader)?;
        } else if reader.word("PARTITION_BY") {
            clauses.partitioned_by = column_list(reader)?;
        } else if reader.word("CSV") {
            clauses.set_format(reader, "csv".to_owned())?;
        } else if reader.word("HEADER") {
            clauses
                .options
                .push(("header".to_owned(), "true".to_owned()));
        } else if let Some(name) = ["DELIMITER", "NULL", "QUOTE", "ESCAPE"]
            .iter()
            .find(|name| reader.at_word(name))
        {
            reader.word(name);
            reader.word("AS");
            let value = reader.string("a character in quotes")?;
            clauses.options.push((name.to_lowercase(), value));
        } else {
            return reader.expected("options in parentheses, STORED AS or PARTITIONED BY");
        }
    }
    Ok(clauses)
}

impl Clauses {
    fn take(&mut self, reader: &Reader<'_>, option: CopyOption) -> Parse<()> {
        let CopyOption { name, value, items } = option;
        match name.as_str() {
            "format" => self.set_format(reader, value.to_lowercase())?,
            "partition_by" | "partitioned_by" => {
                self.partitioned_by = if items.is_empty() { vec![value] } else { items };
            }
            _ if self.options.iter().any(|(known, _)| *known == name) => {
                let error = SheafError::user(format!("option \"{name}\" is given twice"))
                    .with_state(SqlState::SYNTAX_ERROR);
                return reader.refuse(error);
            }
            _ => self.options.push((name, value)),
        }
        Ok(())
    }

    fn set_format(&mut self, reader: &Reader<'_>, format: String) -> Parse<()> {
        if self.format.as_ref().is_some_and(|known| *known != format) {
            let error =
                SheafError::user("the format is given twice").with_state(SqlState::SYNTAX_ERROR);
            return reader.refuse(error);
        }
        self.format = Some(format);
        Ok(())
    }
}

/// One `name value` of a list.
pub(super) struct CopyOption {
    /// In lower case, with its dots.
    pub(super) name: String,
    /// A literal's text, `true` for a name alone, the items of a list joined by commas.
    pub(super) value: String,
    /// The items, if the value is a list.
    items: Vec<String>,
}

/// `(name [=] value, name, name (item, …), …)`.
pub(super) fn options(reader: &mut Reader<'_>) -> Parse<Vec<CopyOption>> {
    reader.expect(&Token::LParen)?;
    let mut options = Vec::new();
    while !reader.parser.consume_token(&Token::RParen) {
        options.push(option(reader)?);
        if !reader.parser.consume_token(&Token::Comma) {
            reader.expect(&Token::RParen)?;
            break;
        }
    }
    Ok(options)
}

fn option(reader: &mut Reader<'_>) -> Parse<CopyOption> {
    let mut name = String::new();
    loop {
        match reader.parser.peek_token().token {
            Token::Word(Word { value, .. }) | Token::SingleQuotedString(value) => {
                name.push_str(&value.to_lowercase());
            }
            _ => return reader.expected("the name of an option"),
        }
        reader.parser.next_token();
        if !reader.parser.consume_token(&Token::Period) {
            break;
        }
        name.push('.');
    }
    let _ = reader.parser.consume_token(&Token::Eq) || reader.parser.consume_token(&Token::RArrow);
    let (value, items) = option_value(reader)?;
    Ok(CopyOption { name, value, items })
}

fn option_value(reader: &mut Reader<'_>) -> Parse<(String, Vec<String>)> {
    if reader.at(&Token::Comma) || reader.at(&Token::RParen) {
        return Ok(("true".to_owned(), Vec::new()));
    }
    if reader.at(&Token::LParen) {
        let items = column_list(reader)?;
        return Ok((items.join(","), items));
    }
    // Anything up to the next comma or parenthesis of this level: `-1`, `{…}`, `[…]`, `*`.
    let mut taken: Vec<TokenWithSpan> = Vec::new();
    let mut depth = 0_usize;
    loop {
        let next = &reader.parser.peek_token_ref().token;
        match next {
            Token::EOF => return reader.expected(")"),
            Token::Comma | Token::RParen if depth == 0 => break,
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            _ => {}
        }
        taken.push(reader.parser.next_token());
    }
    let value = match taken.as_slice() {
        [only] => literal_text(&only.token),
        _ => None,
    };
    let span = Span::union_iter(taken.iter().map(|token| token.span));
    Ok((
        value.unwrap_or_else(|| reader.source.slice(span.start, span.end).to_owned()),
        Vec::new(),
    ))
}

/// `(name, …)`; a string stands for its content.
fn column_list(reader: &mut Reader<'_>) -> Parse<Vec<String>> {
    reader.expect(&Token::LParen)?;
    let mut names = Vec::new();
    while !reader.parser.consume_token(&Token::RParen) {
        let token = reader.parser.peek_token();
        let name = match &token.token {
            Token::Mul => Some("*".to_owned()),
            token => literal_text(token),
        };
        let Some(name) = name else {
            return reader.expected("a column's name");
        };
        names.push(name);
        reader.parser.next_token();
        if !reader.parser.consume_token(&Token::Comma) {
            reader.expect(&Token::RParen)?;
            break;
        }
    }
    Ok(names)
}

/// The name of a format, in lower case.
pub(super) fn format_name(reader: &mut Reader<'_>) -> Parse<String> {
    match literal_text(&reader.parser.peek_token_ref().token) {
        Some(name) => {
            reader.parser.next_token();
            Ok(name.to_lowercase())
        }
        None => reader.expected("the name of a format"),
    }
}
