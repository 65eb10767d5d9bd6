//! `CREATE` and `DROP`: views, bags, external tables, tables from queries, aggregates and functions are
//! Sheaf's; the rest goes to the engine.

use datafusion::sql::sqlparser::ast::{self, ColumnDef};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::copy::{format_name, options};
use super::failure::Parse;
use super::function::FunctionWords;
use super::{Reader, aggregate, bag, function};
use crate::rewrite;
use crate::statement::{DropKind, ExternalTable, PartitionColumn, StatementKind};

pub(super) fn read_create(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    if let Some(or_replace) = aggregate::starts(reader) {
        return match aggregate::is_code(reader) {
            true => function::read(reader, FunctionWords::of_aggregate(or_replace)),
            false => aggregate::read(reader, or_replace),
        };
    }
    if let Some(words) = function::starts(reader) {
        return function::read(reader, words);
    }
    if let Some(words) = external(reader) {
        return read_external(reader, words);
    }
    if let Some(words) = bag::begin(reader) {
        return bag::read(reader, words);
    }
    let statement = reader.parser.parse_statement()?;
    match statement {
        ast::Statement::CreateView(view) => from_view(reader, view),
        ast::Statement::CreateTable(table) if is_table_as(&table) => Ok(from_table(table)),
        mut other => {
            rewrite::tree(&mut other);
            Ok(StatementKind::Native(Box::new(other)))
        }
    }
}

fn from_view(reader: &Reader<'_>, mut view: ast::CreateView) -> Parse<StatementKind> {
    if view.materialized {
        let error = SheafError::unsupported("materialized views are not supported")
            .with_hint("CREATE TABLE … AS keeps a query's rows");
        return reader.refuse(error);
    }
    rewrite::tree(view.query.as_mut());
    Ok(StatementKind::CreateView {
        name: view.name,
        columns: view.columns.into_iter().map(|column| column.name).collect(),
        query: view.query,
        or_replace: view.or_replace,
        if_not_exists: view.if_not_exists,
        temporary: view.temporary,
        is_array: false,
    })
}

fn is_table_as(table: &ast::CreateTable) -> bool {
    table.query.is_some() && table.columns.is_empty() && table.constraints.is_empty()
}

fn from_table(table: ast::CreateTable) -> StatementKind {
    match table.query {
        Some(mut query) => {
            rewrite::tree(query.as_mut());
            StatementKind::CreateTableAs {
                name: table.name,
                query,
                or_replace: table.or_replace,
                if_not_exists: table.if_not_exists,
                temporary: table.temporary,
            }
        }
        None => StatementKind::Native(Box::new(ast::Statement::CreateTable(table))),
    }
}

/// How `CREATE … EXTERNAL … TABLE` starts.
struct ExternalWords {
    or_replace: bool,
    temporary: bool,
}

/// Takes `CREATE [OR REPLACE] [TEMP|TEMPORARY] EXTERNAL [TEMP|TEMPORARY] TABLE`, or nothing.
fn external(reader: &mut Reader<'_>) -> Option<ExternalWords> {
    let replace = [Keyword::OR, Keyword::REPLACE];
    let temporary = [Keyword::TEMP, Keyword::TEMPORARY];
    let is_word = |reader: &Reader<'_>, at: usize, words: &[Keyword]| {
        matches!(&reader.parser.peek_nth_token_ref(at).token,
            Token::Word(word) if words.contains(&word.keyword))
    };
    let or_replace = is_word(reader, 1, &replace[..1]) && is_word(reader, 2, &replace[1..]);
    let mut at = if or_replace { 3 } else { 1 };
    let before = is_word(reader, at, &temporary);
    at += usize::from(before);
    if !is_word(reader, at, &[Keyword::EXTERNAL]) {
        return None;
    }
    let behind = is_word(reader, at + 1, &temporary);
    at += 1 + usize::from(behind);
    if !is_word(reader, at, &[Keyword::TABLE]) {
        return None;
    }
    for _ in 0..=at {
        reader.parser.next_token();
    }
    Some(ExternalWords {
        or_replace,
        temporary: before || behind,
    })
}

fn read_external(reader: &mut Reader<'_>, words: ExternalWords) -> Parse<StatementKind> {
    let exists = [Keyword::IF, Keyword::NOT, Keyword::EXISTS];
    let if_not_exists = reader.parser.parse_keywords(&exists);
    let mut table = ExternalTable {
        name: reader.parser.parse_object_name(false)?,
        columns: Vec::new(),
        format: None,
        locations: Vec::new(),
        partitioned_by: Vec::new(),
        orders: Vec::new(),
        options: Vec::new(),
        or_replace: words.or_replace,
        if_not_exists,
        temporary: words.temporary,
    };
    if reader.at(&Token::LParen) {
        table.columns = column_definitions(reader)?;
    }
    while !reader.at_end() {
        external_clause(reader, &mut table)?;
    }
    if table.locations.is_empty() {
        return reader.expected("LOCATION 'path'");
    }
    Ok(StatementKind::CreateExternalTable(Box::new(table)))
}

fn external_clause(reader: &mut Reader<'_>, table: &mut ExternalTable) -> Parse<()> {
    if reader.word("STORED") {
        reader.expect_word("AS")?;
        if table.format.is_some() {
            return twice(reader, "STORED AS");
        }
        table.format = Some(format_name(reader)?);
    } else if reader.word("LOCATION") {
        if !table.locations.is_empty() {
            return twice(reader, "LOCATION");
        }
        table.locations = locations(reader)?;
    } else if reader.word("PARTITIONED") {
        reader.expect_word("BY")?;
        if !table.partitioned_by.is_empty() {
            return twice(reader, "PARTITIONED BY");
        }
        table.partitioned_by = partition_columns(reader)?;
    } else if reader.word("OPTIONS") {
        if !table.options.is_empty() {
            return twice(reader, "OPTIONS");
        }
        let list = options(reader)?;
        table.options = list
            .into_iter()
            .map(|option| (option.name, option.value))
            .collect();
    } else if reader.word("WITH") {
        reader.expect_word("ORDER")?;
        reader.expect(&Token::LParen)?;
        let order = reader
            .parser
            .parse_comma_separated(Parser::parse_order_by_expr)?;
        reader.expect(&Token::RParen)?;
        table.orders.push(order);
    } else {
        return reader.expected("STORED AS, LOCATION, PARTITIONED BY, WITH ORDER or OPTIONS");
    }
    Ok(())
}

fn twice<T>(reader: &Reader<'_>, clause: &str) -> Parse<T> {
    let error = SheafError::user(format!("{clause} is given twice"));
    reader.refuse(error.with_state(SqlState::SYNTAX_ERROR))
}

fn locations(reader: &mut Reader<'_>) -> Parse<Vec<String>> {
    const WHAT: &str = "a path in quotes";
    if !reader.parser.consume_token(&Token::LParen) {
        return Ok(vec![reader.string(WHAT)?]);
    }
    let mut locations = vec![reader.string(WHAT)?];
    while reader.parser.consume_token(&Token::Comma) && !reader.at(&Token::RParen) {
        locations.push(reader.string(WHAT)?);
    }
    reader.expect(&Token::RParen)?;
    Ok(locations)
}

fn column_definitions(reader: &mut Reader<'_>) -> Parse<Vec<ColumnDef>> {
    reader.expect(&Token::LParen)?;
    let columns = reader
        .parser
        .parse_comma_separated(Parser::parse_column_def)?;
    reader.expect(&Token::RParen)?;
    Ok(columns)
}

/// `(name [type], …)`.
fn partition_columns(reader: &mut Reader<'_>) -> Parse<Vec<PartitionColumn>> {
    reader.expect(&Token::LParen)?;
    let mut columns = Vec::new();
    while !reader.parser.consume_token(&Token::RParen) {
        let name = reader.parser.parse_identifier()?;
        let is_name_only = reader.at(&Token::Comma) || reader.at(&Token::RParen);
        let data_type = match is_name_only {
            true => None,
            false => Some(reader.parser.parse_data_type()?),
        };
        columns.push(PartitionColumn { name, data_type });
        if !reader.parser.consume_token(&Token::Comma) {
            reader.expect(&Token::RParen)?;
            break;
        }
    }
    Ok(columns)
}

/// `DROP FUNCTION …`, or `DROP TABLE|VIEW|AGGREGATE [IF EXISTS] name, … [CASCADE|RESTRICT]`; nothing
/// depends on these, so the last word says nothing.
pub(super) fn read_drop(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    let is_word = |reader: &Reader<'_>, at: usize, word: &str| {
        super::is_word(&reader.parser.peek_nth_token_ref(at).token, word)
    };
    let is_macro = is_word(reader, 1, "MACRO");
    if is_macro || is_word(reader, 1, "FUNCTION") {
        reader.parser.next_token();
        reader.parser.next_token();
        return function::read_drop(reader, is_macro);
    }
    let is_external = is_word(reader, 1, "EXTERNAL") && is_word(reader, 2, "TABLE");
    let what = match () {
        () if is_external || is_word(reader, 1, "TABLE") => DropKind::Table,
        () if ["VIEW", "BAG", "ARRAY"]
            .iter()
            .any(|word| is_word(reader, 1, word)) =>
        {
            DropKind::View
        }
        () if is_word(reader, 1, "AGGREGATE") => DropKind::Aggregate,
        () => return reader.native(),
    };
    for _ in 0..2 + usize::from(is_external) {
        reader.parser.next_token();
    }
    let if_exists = reader
        .parser
        .parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    let names = reader
        .parser
        .parse_comma_separated(|parser| parser.parse_object_name(false))?;
    let _ = reader.word("CASCADE") || reader.word("RESTRICT");
    Ok(StatementKind::Drop {
        what,
        names,
        if_exists,
    })
}
