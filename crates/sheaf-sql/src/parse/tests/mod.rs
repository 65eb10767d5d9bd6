//! Accepted forms and what they mean, and what is refused. The forms are those of PostgreSQL's and
//! DuckDB's manuals.

mod errors;
mod functions;
mod limits;
mod queries;
mod statements;

use super::parse;
use crate::statement::{
    AggregateDefinition, ClauseExpr, CopySource, Described, ExternalTable, Statement, StatementKind,
};

pub(super) fn one(sql: &str) -> Statement {
    let mut statements = parse(sql).unwrap_or_else(|e| panic!("{sql}\n{e}: {:?}", e.position()));
    assert_eq!(statements.len(), 1, "{sql}");
    statements.remove(0)
}

/// A statement in one line: queries as the engine prints them.
pub(super) fn shape(statement: &Statement) -> String {
    match &statement.kind {
        StatementKind::Query(query) => query.to_string(),
        StatementKind::Native(native) => format!("native {native}"),
        StatementKind::Explain {
            analyze,
            verbose,
            format,
            statement,
        } => {
            format!(
                "explain {analyze} {verbose} {format:?}: {}",
                shape(statement)
            )
        }
        StatementKind::Copy {
            source,
            target,
            format,
            partitioned_by,
            options,
        } => {
            let source = match source {
                CopySource::Query(query) => format!("({query})"),
                CopySource::Table(name) => name.to_string(),
            };
            let format = format.as_deref().unwrap_or("-");
            format!("copy {source} to {target} {format} {partitioned_by:?} {options:?}")
        }
        StatementKind::CreateView {
            name,
            columns,
            query,
            or_replace,
            if_not_exists,
            temporary,
            is_array,
        } => {
            let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
            let kind = if *is_array { "array" } else { "view" };
            format!("{kind} {name} {columns:?} {or_replace} {if_not_exists} {temporary}: {query}")
        }
        StatementKind::CreateTableAs {
            name,
            query,
            or_replace,
            if_not_exists,
            temporary,
        } => {
            format!("table {name} {or_replace} {if_not_exists} {temporary}: {query}")
        }
        StatementKind::CreateExternalTable(table) => external(table),
        StatementKind::CreateAggregate(definition) => aggregate(definition),
        StatementKind::Drop {
            what,
            names,
            if_exists,
        } => {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            format!("drop {what:?} {names:?} {if_exists}")
        }
        other => shape_of_rest(other),
    }
}

fn shape_of_rest(kind: &StatementKind) -> String {
    let described = |what: &Described| match what {
        Described::Relation(relation) => format!("relation {relation}"),
        Described::Query(query) => format!("query {query}"),
    };
    match kind {
        StatementKind::ShowColumns { relation } => format!("columns {relation}"),
        StatementKind::ShowPartitions { relation } => format!("partitions {relation}"),
        StatementKind::Describe(what) => format!("describe {}", described(what)),
        StatementKind::Summarize(what) => format!("summarize {}", described(what)),
        StatementKind::Prepare {
            name,
            types,
            statement,
        } => {
            format!("prepare {name} {types:?}: {}", shape(statement))
        }
        StatementKind::Execute { name, parameters } => {
            let parameters: Vec<String> = parameters.iter().map(ToString::to_string).collect();
            format!("execute {name} {parameters:?}")
        }
        StatementKind::Deallocate { name } => {
            format!(
                "deallocate {}",
                name.as_ref().map_or("all".into(), ToString::to_string)
            )
        }
        other => format!("{other:?}"),
    }
}

fn aggregate(definition: &AggregateDefinition) -> String {
    let columns = |columns: &[crate::ast::ColumnDef]| {
        let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
        columns.join(", ")
    };
    let exprs = |exprs: &[ClauseExpr]| {
        let exprs: Vec<String> = exprs.iter().map(|clause| clause.expr.to_string()).collect();
        exprs.join(", ")
    };
    format!(
        "aggregate {}({}) {} {}: {} | {} | {} | {} | {}",
        definition.name,
        columns(&definition.arguments),
        definition.or_replace,
        definition.if_not_exists,
        columns(&definition.state),
        exprs(&definition.init),
        exprs(&definition.accumulate),
        definition.merge.as_deref().map_or("-".to_owned(), exprs),
        definition
            .finish
            .as_ref()
            .map_or("-".to_owned(), |finish| finish.expr.to_string()),
    )
}

fn external(table: &ExternalTable) -> String {
    let columns: Vec<String> = table.columns.iter().map(ToString::to_string).collect();
    let partitions: Vec<String> = table
        .partitioned_by
        .iter()
        .map(|column| match &column.data_type {
            Some(data_type) => format!("{} {data_type}", column.name),
            None => column.name.to_string(),
        })
        .collect();
    format!(
        "external {} {columns:?} {} {:?} {partitions:?} {:?} {} {} {}",
        table.name,
        table.format.as_deref().unwrap_or("-"),
        table.locations,
        table.options,
        table.or_replace,
        table.if_not_exists,
        table.temporary,
    )
}

#[track_caller]
pub(super) fn check(cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        assert_eq!(shape(&one(sql)), *expected, "{sql}");
    }
}
