//! `(a, b) IN (SELECT x, y …)`: rows become structs, which the planner below knows.
//!
//! It becomes `struct(a, b) IN (SELECT struct(…) FROM (SELECT x, y …))`; the optimizer compares the
//! fields one by one again, since a row with NULLs may be unknown to be equal.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    Query, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor,
};
use sheaf_base::Result;

use super::reserved;

/// The alias of the rows that are looked through.
const ROWS: &str = "sheaf.rows";

/// Rewrites `expr` if it compares a row with the rows of a sub-query.
pub(super) fn rewrite_expr(expr: &mut Expr) -> Result<()> {
    let (row, query) = match expr {
        Expr::InSubquery { expr, subquery, .. } => (expr, subquery),
        Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. } => match right.as_mut() {
            Expr::Subquery(query) => (left, query),
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    let Some(fields) = row_of(row) else {
        return Ok(());
    };
    let names: Vec<String> = (0..fields.len()).map(|n| format!("{ROWS}.{n}")).collect();
    *query.as_mut() = structs(std::mem::replace(query.as_mut(), vacant()), &names)?;
    **row = call_struct(fields);
    Ok(())
}

fn row_of(expr: &mut Expr) -> Option<Vec<Expr>> {
    match expr {
        Expr::Tuple(fields) if fields.len() > 1 => Some(std::mem::take(fields)),
        Expr::Nested(inner) => row_of(inner),
        _ => None,
    }
}

fn vacant() -> Query {
    reserved::body_only(reserved::vacant_body())
}

/// `SELECT struct(c0, …) FROM (query) AS rows(c0, …)`.
fn structs(query: Query, names: &[String]) -> Result<Query> {
    let ident = |name: &str| Ident::with_quote('"', name);
    let columns = names.iter().map(|name| TableAliasColumnDef {
        name: ident(name),
        data_type: None,
    });
    let rows = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query),
        alias: Some(TableAlias {
            explicit: true,
            name: ident(ROWS),
            columns: columns.collect(),
            at: None,
        }),
        sample: None,
    };
    let mut outer = reserved::all_of(rows)?;
    if let SetExpr::Select(select) = outer.body.as_mut() {
        let fields = names.iter().map(|name| Expr::Identifier(ident(name)));
        select.projection = vec![SelectItem::UnnamedExpr(call_struct(fields.collect()))];
    }
    Ok(outer)
}

fn call_struct(fields: Vec<Expr>) -> Expr {
    let args = fields
        .into_iter()
        .map(|field| FunctionArg::Unnamed(FunctionArgExpr::Expr(field)))
        .collect();
    Expr::Function(datafusion::sql::sqlparser::ast::Function {
        name: ObjectName::from(vec![Ident::new("struct")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
