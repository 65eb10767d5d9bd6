//! Functions in FROM that give a row for each item of a list, and the names of what they give: a column
//! has the alias of its function for its name, as in PostgreSQL (`planners::ordinality` names those of
//! UNNEST). What `generate_series` gives is called `value`, too.
//!
//! | written | passed on |
//! |---|---|
//! | `string_to_table(t, ',') AS s(x)` | `UNNEST(string_to_array(t, ',')) AS s(x)` |
//! | `unnest(list)` | `UNNEST(list) AS unnest`, if it is the only one |
//! | `SELECT g FROM generate_series(1, 3) AS g` | `SELECT g FROM generate_series(1, 3) AS g(g)` |

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, Select, TableAlias, TableAliasColumnDef,
    TableFactor, TableWithJoins, Visitor,
};
use sheaf_sql::walk::Walk;

use super::build::call;
use super::lateral::is_called;

/// Functions that give rows, and those that give the same as a list.
const LISTS: &[(&str, &str)] = &[
    ("string_to_table", "string_to_array"),
    ("regexp_split_to_table", "regexp_split_to_array"),
];

/// The functions that give numbers and times in steps.
const SERIES: &[&str] = &["generate_series", "range"];

/// Calls of functions of [`LISTS`] become UNNEST.
pub(super) fn unnest(relation: &mut TableFactor) {
    let TableFactor::Table {
        name,
        args: Some(arguments),
        alias,
        with_ordinality,
        sample: None,
        ..
    } = relation
    else {
        return;
    };
    let listed = LISTS.iter().find(|(rows, _)| is_called(name, rows));
    let Some((rows, list)) = listed else {
        return;
    };
    let values = arguments.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
        _ => None,
    });
    let Some(values) = values.collect::<Option<Vec<Expr>>>() else {
        return;
    };
    let named = alias.take().unwrap_or_else(|| alias_of(Ident::new(*rows)));
    *relation = TableFactor::UNNEST {
        alias: Some(named),
        array_exprs: vec![call(list, values)],
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: *with_ordinality,
    };
}

/// Gives the columns of functions in the FROM of `select` their names.
pub(super) fn name_columns(select: &mut Select) {
    let mut from = std::mem::take(&mut select.from);
    let is_only = relations(&mut from).filter(|r| is_unnamed(r)).count() == 1;
    for relation in relations(&mut from) {
        match relation {
            TableFactor::UNNEST {
                alias: alias @ None,
                array_exprs,
                ..
            } if is_only && array_exprs.len() == 1 => {
                *alias = Some(alias_of(Ident::new("unnest")));
            }
            TableFactor::Table {
                name,
                args: Some(_),
                alias: Some(alias),
                ..
            } if SERIES.iter().any(|series| is_called(name, series))
                && alias.columns.is_empty()
                && names(select, &alias.name) =>
            {
                alias.columns = vec![TableAliasColumnDef {
                    name: alias.name.clone(),
                    data_type: None,
                }];
            }
            _ => {}
        }
    }
    select.from = from;
}

fn relations(from: &mut [TableWithJoins]) -> impl Iterator<Item = &mut TableFactor> {
    from.iter_mut().flat_map(|chain| {
        let joined = chain.joins.iter_mut().map(|join| &mut join.relation);
        std::iter::once(&mut chain.relation).chain(joined)
    })
}

fn is_unnamed(relation: &TableFactor) -> bool {
    matches!(relation, TableFactor::UNNEST { alias: None, .. })
}

fn alias_of(name: Ident) -> TableAlias {
    TableAlias {
        explicit: true,
        name,
        columns: vec![],
        at: None,
    }
}

/// Whether an expression of `select` is `name` alone.
fn names(select: &Select, name: &Ident) -> bool {
    struct Finder(String);
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(name) if name.value.to_lowercase() == self.0 => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    select
        .walk(&mut Finder(name.value.to_lowercase()))
        .is_break()
}
