//! Reserved relations: calls of table functions that only rewrites make and only planners read.
//!
//! The syntax tree has no place for nodes of ours, but a relation may be a call with expressions
//! as arguments, and a sub-query is an expression: `"sheaf.rename"((SELECT …), …)`. The dot inside
//! one quoted identifier keeps such names from clashing with what people write.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Query, Select, SetExpr, Statement,
    TableAlias, TableFactor, TableFunctionArgs, TableWithJoins, Value, Values,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use sheaf_base::{Result, SheafError};

/// Renames columns of a sub-query.
pub(crate) const RENAME: &str = "sheaf.rename";
/// Orders a sub-query by all of its columns.
pub(crate) const ORDER_BY_ALL: &str = "sheaf.order_by_all";
/// Rows of both of two sub-queries, as often as in the one with fewer of them.
pub(crate) const INTERSECT_ALL: &str = "sheaf.intersect_all";
/// Rows of the first of two sub-queries, each occurrence in the second taking one away.
pub(crate) const EXCEPT_ALL: &str = "sheaf.except_all";
/// A query of WITH that is read more than once.
pub(crate) const CTE: &str = "sheaf.cte";
/// What names of hidden select items begin with.
pub(crate) const ITEM_PREFIX: &str = "sheaf.item.";

/// The query `SELECT * FROM name((query), arguments…)`.
///
/// # Errors
/// `Internal`, if the parser below no longer understands that text.
pub(super) fn select_from(name: &str, query: Query, arguments: Vec<Expr>) -> Result<Box<Select>> {
    select_all(relation(name, query, arguments))
}

fn select_all(relation: TableFactor) -> Result<Box<Select>> {
    let statements = Parser::parse_sql(&GenericDialect {}, "SELECT * FROM t")?;
    let Some(Statement::Query(template)) = statements.into_iter().next() else {
        return Err(SheafError::internal(
            "the parser does not understand its template",
        ));
    };
    let SetExpr::Select(mut select) = *template.body else {
        return Err(SheafError::internal(
            "the parser does not understand its template",
        ));
    };
    select.from = vec![TableWithJoins {
        relation,
        joins: Vec::new(),
    }];
    Ok(select)
}

/// The query `SELECT * FROM relation`.
///
/// # Errors
/// `Internal`, if the parser below no longer understands that text.
pub(super) fn all_of(relation: TableFactor) -> Result<Query> {
    Ok(body_only(SetExpr::Select(select_all(relation)?)))
}

/// What stands in a place for the moment in which its relation moves.
pub(super) fn vacant_relation() -> TableFactor {
    TableFactor::TableFunction {
        expr: Expr::Value(Value::Null.into()),
        alias: None,
    }
}

/// A query of nothing but `body`.
pub(super) fn body_only(body: SetExpr) -> Query {
    Query {
        with: None,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// What stands in a query for the moment in which its body moves.
pub(super) fn vacant_body() -> SetExpr {
    SetExpr::Values(Values {
        explicit_row: false,
        value_keyword: false,
        rows: Vec::new(),
    })
}

fn relation(name: &str, query: Query, arguments: Vec<Expr>) -> TableFactor {
    let args = std::iter::once(Expr::Subquery(Box::new(query)))
        .chain(arguments)
        .map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)))
        .collect();
    TableFactor::Table {
        name: ObjectName::from(vec![Ident::with_quote('"', name)]),
        alias: None,
        args: Some(TableFunctionArgs {
            args,
            settings: None,
        }),
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

/// A call of a reserved relation, taken apart.
pub(crate) struct ReservedCall {
    /// The relation the call is about.
    pub(crate) query: Box<Query>,
    /// The other arguments.
    pub(crate) arguments: Vec<Expr>,
    /// `AS alias`.
    pub(crate) alias: Option<TableAlias>,
}

/// Takes `relation` apart if it is a call of the reserved relation `name`, else gives it back.
pub(crate) fn take_call(
    relation: TableFactor,
    name: &str,
) -> std::result::Result<ReservedCall, Box<TableFactor>> {
    let is_call = match &relation {
        TableFactor::Table {
            name: called,
            args: Some(_),
            ..
        } => match called.0.as_slice() {
            [part] => part.as_ident().is_some_and(|ident| ident.value == name),
            _ => false,
        },
        _ => false,
    };
    match relation {
        TableFactor::Table {
            args: Some(call),
            alias,
            ..
        } if is_call => {
            let mut arguments = call.args.into_iter().filter_map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                _ => None,
            });
            match arguments.next() {
                Some(Expr::Subquery(query)) => Ok(ReservedCall {
                    query,
                    arguments: arguments.collect(),
                    alias,
                }),
                // A person typed the reserved name: let it fail as an unknown function.
                other => Err(Box::new(TableFactor::TableFunction {
                    expr: other.unwrap_or(Expr::Identifier(Ident::new(name))),
                    alias,
                })),
            }
        }
        other => Err(Box::new(other)),
    }
}
