//! `COPY table|(query) TO 'path'|STDOUT …`, `COPY table FROM STDIN …`, and the lists of options that
//! they and `CREATE EXTERNAL TABLE` take.
//!
//! PostgreSQL's, DuckDB's and DataFusion's clauses are taken in any order:
//! `[WITH] (FORMAT csv, HEADER false)`, `WITH CSV HEADER FORCE QUOTE a`, `STORED AS parquet`,
//! `PARTITIONED BY (a, b)`, `OPTIONS (compression 'zstd')`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, Query, SelectItem, SetExpr, TableFactor, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::Reader;
use super::failure::Parse;
use super::source::literal_text;
use crate::statement::{CopyOption, CopySource, StatementKind};
use crate::walk::WalkMut;

/// What the clauses behind the target say.
#[derive(Default)]
struct Clauses {
    format: Option<String>,
    partitioned_by: Vec<String>,
    options: Vec<CopyOption>,
}

/// What stands before TO or FROM.
enum Subject {
    Query(Box<Query>),
    Table {
        name: ObjectName,
        columns: Vec<Ident>,
    },
}

pub(super) fn read(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    reader.expect_word("COPY")?;
    let subject = subject(reader)?;
    if reader.at_word("FROM") {
        return read_from(reader, subject);
    }
    reader.expect_word("TO")?;
    if reader.word("STDOUT") {
        let Clauses {
            format, options, ..
        } = clauses(reader)?;
        let query = match subject {
            Subject::Query(query) => query,
            Subject::Table { name, columns } => rows_of(name, columns)?,
        };
        return Ok(StatementKind::CopyOut {
            query,
            format,
            options,
        });
    }
    let target = reader.string("a path in quotes or STDOUT")?;
    let Clauses {
        format,
        partitioned_by,
        options,
    } = clauses(reader)?;
    let source = match subject {
        Subject::Query(query) => CopySource::Query(query),
        Subject::Table { name, columns } if columns.is_empty() => CopySource::Table(name),
        Subject::Table { name, columns } => CopySource::Query(rows_of(name, columns)?),
    };
    let options = options.into_iter();
    Ok(StatementKind::Copy {
        source,
        target,
        format,
        partitioned_by,
        options: options.map(|option| (option.name, option.value)).collect(),
    })
}

fn read_from(reader: &mut Reader<'_>, subject: Subject) -> Parse<StatementKind> {
    let is_stdin = super::is_word(&reader.parser.peek_nth_token_ref(1).token, "STDIN");
    let Subject::Table { name, columns } = subject else {
        return reader.expected("TO");
    };
    if !is_stdin {
        return reader.refuse(
            SheafError::unsupported("COPY … FROM is not supported")
                .with_hint("CREATE TABLE t AS FROM 'file', or INSERT INTO t SELECT * FROM 'file'"),
        );
    }
    reader.expect_word("FROM")?;
    reader.expect_word("STDIN")?;
    let Clauses {
        format, options, ..
    } = clauses(reader)?;
    Ok(StatementKind::CopyIn {
        like: rows_of(name.clone(), columns.clone())?,
        table: name,
        columns,
        format,
        options,
    })
}

fn subject(reader: &mut Reader<'_>) -> Parse<Subject> {
    if reader.parser.consume_token(&Token::LParen) {
        let query = reader.query()?;
        reader.expect(&Token::RParen)?;
        return Ok(Subject::Query(query));
    }
    let name = reader.parser.parse_object_name(true)?;
    let mut columns = vec![];
    if reader.parser.consume_token(&Token::LParen) {
        columns = reader
            .parser
            .parse_comma_separated(|parser| parser.parse_identifier())?;
        reader.expect(&Token::RParen)?;
    }
    Ok(Subject::Table { name, columns })
}

/// `COPY t (a, b)` is `COPY (SELECT a, b FROM t)`; without columns, all of them.
fn rows_of(name: ObjectName, columns: Vec<Ident>) -> Parse<Box<Query>> {
    struct Rename(ObjectName);
    impl VisitorMut for Rename {
        type Break = ();

        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
            if let TableFactor::Table { name, .. } = factor {
                *name = self.0.clone();
            }
            ControlFlow::Continue(())
        }
    }
    let source = super::Source::whole("SELECT * FROM t");
    let mut query = Reader::new(&source, source.tokens()?).query()?;
    let _ = query.walk_mut(&mut Rename(name));
    if let SetExpr::Select(select) = query.body.as_mut()
        && !columns.is_empty()
    {
        let columns = columns.into_iter().map(Expr::Identifier);
        select.projection = columns.map(SelectItem::UnnamedExpr).collect();
    }
    Ok(query)
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
        } else if reader.word("BINARY") {
            clauses.set_format(reader, "binary".to_owned())?;
        } else if let Some(name) = ["HEADER", "FREEZE"]
            .iter()
            .find(|name| reader.at_word(name))
        {
            reader.word(name);
            clauses.take(reader, CopyOption::new(name, "true"))?;
        } else if reader.word("FORCE") {
            let option = force(reader)?;
            clauses.take(reader, option)?;
        } else if let Some(name) = ["DELIMITER", "NULL", "QUOTE", "ESCAPE", "ENCODING"]
            .iter()
            .find(|name| reader.at_word(name))
        {
            reader.word(name);
            reader.word("AS");
            let value = reader.string("a character in quotes")?;
            clauses.take(reader, CopyOption::new(name, value))?;
        } else {
            return reader.expected("options in parentheses, STORED AS or PARTITIONED BY");
        }
    }
    Ok(clauses)
}

/// `FORCE QUOTE a, b`, `FORCE QUOTE *`, `FORCE NOT NULL a`, `FORCE NULL a`.
fn force(reader: &mut Reader<'_>) -> Parse<CopyOption> {
    let name = if reader.word("QUOTE") {
        "force_quote"
    } else if reader.word("NOT") {
        reader.expect_word("NULL")?;
        "force_not_null"
    } else if reader.word("NULL") {
        "force_null"
    } else {
        return reader.expected("QUOTE, NOT NULL or NULL");
    };
    if reader.parser.consume_token(&Token::Mul) {
        return Ok(CopyOption::new(name, "*"));
    }
    let items = reader
        .parser
        .parse_comma_separated(|parser| parser.parse_identifier())?;
    let items: Vec<String> = items.into_iter().map(|item| item.value).collect();
    Ok(CopyOption {
        items: items.clone(),
        ..CopyOption::new(name, items.join(","))
    })
}

impl CopyOption {
    fn new(name: &str, value: impl Into<String>) -> Self {
        Self {
            name: name.to_lowercase(),
            value: value.into(),
            items: vec![],
        }
    }
}

impl Clauses {
    fn take(&mut self, reader: &Reader<'_>, option: CopyOption) -> Parse<()> {
        match option.name.as_str() {
            "format" => self.set_format(reader, option.value.to_lowercase())?,
            "partition_by" | "partitioned_by" => {
                self.partitioned_by = match option.items.is_empty() {
                    true => vec![option.value],
                    false => option.items,
                };
            }
            _ if self.options.iter().any(|known| known.name == option.name) => {
                let error = SheafError::user(format!("option \"{}\" is given twice", option.name))
                    .with_state(SqlState::SYNTAX_ERROR);
                return reader.refuse(error);
            }
            _ => self.options.push(option),
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
