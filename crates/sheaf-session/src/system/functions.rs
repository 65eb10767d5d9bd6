//! `sheaf.functions`: every function with its kind, its forms and what it does.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::execution::SessionState;
use datafusion::logical_expr::Documentation;
use sheaf_base::Result;

use crate::names::FunctionName;
use crate::session::SessionInner;

pub(super) const COLUMNS: &[(&str, DataType)] = &[
    ("name", DataType::Utf8),
    ("kind", DataType::Utf8),
    ("syntax", DataType::Utf8),
    ("description", DataType::Utf8),
    ("example", DataType::Utf8),
];

/// Every function of the session, sorted by name; aliases have rows of their own.
pub(crate) fn function_list(state: &SessionState) -> Vec<FunctionName> {
    let mut found = BTreeMap::new();
    let mut add = |name: &str, kind: &'static str, docs: Option<&Documentation>| {
        let function = FunctionName {
            name: name.to_owned(),
            kind,
            syntax: docs.map(|d| d.syntax_example.clone()),
            description: docs.map(|d| d.description.trim().to_owned()),
            example: docs.and_then(|d| d.sql_example.clone()),
        };
        found.insert((name.to_owned(), kind), function);
    };
    let is_mark = |name: &&String| name.as_str() == sheaf_sql::FRAME_EXCLUSION;
    for (name, function) in state.scalar_functions() {
        // Those of PostgreSQL's catalogue are in `pg_proc`.
        if is_mark(&name) || sheaf_pgcatalog::is_ours(function) {
            continue;
        }
        add(name, "scalar", function.documentation());
    }
    for (name, function) in state.higher_order_functions() {
        add(name, "scalar", function.documentation());
    }
    for (name, function) in state.aggregate_functions() {
        add(name, "aggregate", function.documentation());
    }
    for (name, function) in state.window_functions() {
        add(name, "window", function.documentation());
    }
    for name in state.table_functions().keys() {
        add(name, "table", None);
    }
    for format in sheaf_files::FORMATS {
        let function = FunctionName {
            name: format.function.to_owned(),
            kind: "table",
            syntax: Some(format!("{}('path', option => value, …)", format.function)),
            description: Some(format.doc.to_owned()),
            example: None,
        };
        found.insert((format.function.to_owned(), "table"), function);
    }
    found.into_values().collect()
}

pub(super) fn rows(session: &SessionInner, schema: SchemaRef) -> Result<RecordBatch> {
    let functions = function_list(&session.state.read());
    let column = |value: fn(&FunctionName) -> Option<&str>| -> ArrayRef {
        Arc::new(functions.iter().map(value).collect::<StringArray>())
    };
    let columns = vec![
        column(|f| Some(&f.name)),
        column(|f| Some(f.kind)),
        column(|f| f.syntax.as_deref()),
        column(|f| f.description.as_deref()),
        column(|f| f.example.as_deref()),
    ];
    Ok(RecordBatch::try_new(schema, columns)?)
}
