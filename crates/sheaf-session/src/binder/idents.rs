//! Names as they are written, and what they stand for.

use datafusion::common::TableReference;
use datafusion::sql::sqlparser::ast;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

/// The reference a name in SQL makes: unquoted parts in lower case, at most three of them.
pub(crate) fn table_reference(name: &ast::ObjectName) -> Result<TableReference> {
    let parts: Vec<String> = name.0.iter().map(normalize_part).collect();
    match parts.as_slice() {
        [table] => Ok(TableReference::bare(table.as_str())),
        [schema, table] => Ok(TableReference::partial(schema.as_str(), table.as_str())),
        [catalog, schema, table] => Ok(TableReference::full(
            catalog.as_str(),
            schema.as_str(),
            table.as_str(),
        )),
        _ => Err(SheafError::user(format!("\"{name}\" is no table name"))
            .with_state(SqlState::UNDEFINED_TABLE)),
    }
}

pub(super) fn normalize_part(part: &ast::ObjectNamePart) -> String {
    match part.as_ident() {
        Some(ident) => normalize(ident),
        None => part.to_string(),
    }
}

/// A name as PostgreSQL reads it: in lower case unless quoted.
pub(crate) fn normalize(ident: &ast::Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}
