//! Forms for which the planner below has a name of its own, or wants an omitted part said.
//!
//! | written | passed on |
//! |---|---|
//! | `FETCH FIRST 3 ROWS ONLY` | `LIMIT 3` |
//! | `a SEMI JOIN b`, `a ANTI JOIN b` | `a LEFT SEMI JOIN b`, `a LEFT ANTI JOIN b` |
//! | `list[2:]`, `list[:3]` | `list[2:-1]`, `list[1:3]` |
//! | `(struct).field` | `(struct)['field']` |
//! | `record.user.name`, read as a call of `user` | a field called `user` |

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Function, FunctionArguments, Ident, JoinOperator, LimitClause, Query,
    Subscript, TableWithJoins, UnaryOperator, Value,
};
use sheaf_base::{Result, SheafError};

/// FETCH becomes LIMIT.
pub(super) fn fetch_to_limit(query: &mut Query) -> Result<()> {
    let Some(fetch) = query.fetch.take() else {
        return Ok(());
    };
    if fetch.with_ties || fetch.percent {
        return Err(
            SheafError::unsupported("FETCH … WITH TIES and PERCENT are not supported")
                .with_hint("FETCH FIRST n ROWS ONLY, or QUALIFY rank() OVER (ORDER BY …) <= n"),
        );
    }
    // `FETCH FIRST ROW ONLY` is one row.
    let rows = Some(fetch.quantity.unwrap_or_else(|| number(1)));
    match &mut query.limit_clause {
        None => {
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit: rows,
                offset: None,
                limit_by: Vec::new(),
            });
        }
        Some(LimitClause::LimitOffset {
            limit: limit @ None,
            ..
        }) => *limit = rows,
        Some(_) => return Err(SheafError::user("a query has LIMIT or FETCH, not both")),
    }
    Ok(())
}

/// Semi and anti joins without a side are those of the left one.
pub(super) fn name_the_side(chain: &mut TableWithJoins) {
    for join in &mut chain.joins {
        match &join.join_operator {
            JoinOperator::Semi(on) => join.join_operator = JoinOperator::LeftSemi(on.clone()),
            JoinOperator::Anti(on) => join.join_operator = JoinOperator::LeftAnti(on.clone()),
            _ => {}
        }
    }
}

/// Slices get both bounds, and fields of expressions are named by text.
pub(super) fn complete_access(expr: &mut Expr) {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else {
        return;
    };
    for access in access_chain.iter_mut() {
        if let AccessExpr::Dot(field) = access
            && let Some(name) = name_of_bare_call(field)
        {
            *field = Expr::Identifier(name);
        }
    }
    // `table.column[1]` begins with names which the planner tells apart.
    let is_named = matches!(root.as_ref(), Expr::Identifier(_));
    let mut is_leading = true;
    for access in access_chain {
        match access {
            AccessExpr::Subscript(Subscript::Slice {
                lower_bound,
                upper_bound,
                ..
            }) => {
                lower_bound.get_or_insert_with(|| number(1));
                upper_bound.get_or_insert_with(|| Expr::UnaryOp {
                    op: UnaryOperator::Minus,
                    expr: Box::new(number(1)),
                });
                is_leading = false;
            }
            AccessExpr::Dot(Expr::Identifier(field)) if !(is_named && is_leading) => {
                let name = match field.quote_style {
                    Some(_) => field.value.clone(),
                    None => field.value.to_lowercase(),
                };
                let index = Expr::Value(Value::SingleQuotedString(name).into());
                *access = AccessExpr::Subscript(Subscript::Index { index });
            }
            AccessExpr::Dot(_) => {}
            AccessExpr::Subscript(_) => is_leading = false,
        }
    }
}

/// The name in a call without parentheses, which words like `user` are read as.
fn name_of_bare_call(expr: &Expr) -> Option<Ident> {
    match expr {
        Expr::Function(Function {
            name,
            args: FunctionArguments::None,
            ..
        }) => match name.0.as_slice() {
            [part] => part.as_ident().cloned(),
            _ => None,
        },
        _ => None,
    }
}

fn number(value: u8) -> Expr {
    Expr::Value(Value::Number(value.to_string(), false).into())
}
