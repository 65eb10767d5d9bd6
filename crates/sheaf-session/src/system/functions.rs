//! `sheaf.functions`: every function with its kind, its forms and what it does; of those of the user's own,
//! parameters and body.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::execution::SessionState;
use datafusion::logical_expr::Documentation;
use sheaf_base::Result;

use crate::access::Access;
use crate::binder::body_names_files;
use crate::catalog::FunctionMap;
use crate::names::FunctionName;
use crate::session::SessionInner;

pub(super) const COLUMNS: &[(&str, DataType)] = &[
    ("name", DataType::Utf8),
    ("kind", DataType::Utf8),
    ("syntax", DataType::Utf8),
    ("description", DataType::Utf8),
    ("example", DataType::Utf8),
    ("parameters", DataType::Utf8),
    ("body", DataType::Utf8),
];

/// Every function of the session, `own` being those in SQL, sorted by name; aliases have rows of
/// their own.
pub(crate) fn function_list(
    state: &SessionState,
    own: &FunctionMap,
    access: &Access,
) -> Vec<FunctionName> {
    let mut found = BTreeMap::new();
    let mut add = |name: &str, kind: &'static str, docs: Option<&Documentation>| {
        let function = FunctionName {
            name: name.to_owned(),
            kind,
            syntax: docs.map(|d| d.syntax_example.clone()),
            description: docs.map(|d| d.description.trim().to_owned()),
            example: docs.and_then(|d| d.sql_example.clone()),
            parameters: None,
            body: None,
        };
        found.insert((name.to_owned(), kind, 0), function);
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
            parameters: None,
            body: None,
        };
        found.insert((format.function.to_owned(), "table", 0), function);
    }
    for array in functions_of_arrays() {
        found.insert((array.name.clone(), array.kind, 0), array);
    }
    for (at, own) in own
        .values()
        .flat_map(|functions| functions.iter().enumerate())
    {
        // Who may name no paths is told of none.
        let is_told = access.is_process() || !body_names_files(own);
        let function = FunctionName {
            name: own.name.clone(),
            kind: own.kind(),
            syntax: Some(own.signature()),
            description: match &own.user {
                Some(_) => Some(format!("is written in {}", own.language)),
                None => is_told.then(|| format!("is {}", words(&own.body_text))),
            },
            example: None,
            parameters: Some(own.parameter_text()),
            body: (is_told && !own.body_text.is_empty()).then(|| own.body_text.clone()),
        };
        found.insert((own.name.clone(), own.kind(), at), function);
    }
    found.into_values().collect()
}

/// The functions that make arrays.
fn functions_of_arrays() -> impl Iterator<Item = FunctionName> {
    let all = sheaf_array_relations::FUNCTIONS.iter().copied().flatten();
    all.map(|function| FunctionName {
        name: function.name.to_owned(),
        kind: "table",
        syntax: Some(function.syntax.to_owned()),
        description: Some(function.description.to_owned()),
        example: Some(function.example.to_owned()),
        parameters: None,
        body: None,
    })
}

/// A text on one line.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn rows(session: &SessionInner, schema: SchemaRef) -> Result<RecordBatch> {
    let own = session.catalog.functions.all();
    let functions = function_list(session.state.read().functions(), &own, &session.access);
    let column = |value: fn(&FunctionName) -> Option<&str>| -> ArrayRef {
        Arc::new(functions.iter().map(value).collect::<StringArray>())
    };
    let columns = vec![
        column(|f| Some(&f.name)),
        column(|f| Some(f.kind)),
        column(|f| f.syntax.as_deref()),
        column(|f| f.description.as_deref()),
        column(|f| f.example.as_deref()),
        column(|f| f.parameters.as_deref()),
        column(|f| f.body.as_deref()),
    ];
    Ok(RecordBatch::try_new(schema, columns)?)
}
