//! `DESCRIBE` and `SUMMARIZE`, and the relation that they and some `SHOW`s look at.

use datafusion::sql::sqlparser::ast::TableFactor;

use super::Reader;
use super::failure::Parse;
use crate::rewrite;
use crate::statement::{Described, StatementKind};

/// `DESCRIBE|DESC [TABLE] relation|query`; alone it lists the tables, as DuckDB's does.
pub(super) fn read_describe(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    reader.parser.next_token();
    if reader.at_end() {
        return Ok(StatementKind::ShowTables { pattern: None });
    }
    Ok(StatementKind::Describe(described(reader)?))
}

/// `SUMMARIZE [TABLE] relation|query`.
pub(super) fn read_summarize(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    reader.parser.next_token();
    if reader.at_end() {
        return reader.expected("a table or a query");
    }
    Ok(StatementKind::Summarize(described(reader)?))
}

fn described(reader: &mut Reader<'_>) -> Parse<Described> {
    reader.word("TABLE");
    if reader.at_query() {
        return Ok(Described::Query(reader.query()?));
    }
    Ok(Described::Relation(relation(reader)?))
}

/// A table's name, a path in quotes, or a call of a table function.
pub(super) fn relation(reader: &mut Reader<'_>) -> Parse<Box<TableFactor>> {
    let mut factor = reader.parser.parse_table_factor()?;
    rewrite::tree(&mut factor);
    Ok(Box::new(factor))
}
