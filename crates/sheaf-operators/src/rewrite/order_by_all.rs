//! `ORDER BY ALL`: by every column of the result, from left to right.
//!
//! The planner below knows it for select lists of plain columns, ignores it over UNION, and folds
//! the case of names. Here a list without wildcards is ordered by position (`ORDER BY 1, 2, …`);
//! whatever else becomes a sub-query of the reserved relation, whose planner sees the columns.

use datafusion::sql::sqlparser::ast::{
    Expr, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, Query, Select, SelectItem, SetExpr,
    Value,
};
use sheaf_base::Result;

use super::reserved;

pub(super) fn rewrite_query(query: &mut Query) -> Result<()> {
    let Some(OrderBy {
        kind: OrderByKind::All(options),
        ..
    }) = &query.order_by
    else {
        return Ok(());
    };
    let options = *options;
    if let SetExpr::Select(select) = query.body.as_ref()
        && is_explicit(select)
    {
        let positions = (1..=select.projection.len())
            .map(|n| by_position(n, options))
            .collect();
        query.order_by = Some(OrderBy {
            kind: OrderByKind::Expressions(positions),
            interpolate: None,
        });
        return Ok(());
    }
    query.order_by = None;
    let body = std::mem::replace(query.body.as_mut(), reserved::vacant_body());
    let inner = reserved::body_only(body);
    let arguments = vec![boolean(options.asc), boolean(options.nulls_first)];
    *query.body = SetExpr::Select(reserved::select_from(
        reserved::ORDER_BY_ALL,
        inner,
        arguments,
    )?);
    Ok(())
}

/// Whether each item gives exactly one column.
fn is_explicit(select: &Select) -> bool {
    !select.projection.is_empty()
        && select.projection.iter().all(|item| {
            matches!(
                item,
                SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }
            )
        })
}

fn by_position(position: usize, options: OrderByOptions) -> OrderByExpr {
    let expr = Expr::Value(Value::Number(position.to_string(), false).into());
    OrderByExpr {
        expr,
        options,
        with_fill: None,
    }
}

fn boolean(value: Option<bool>) -> Expr {
    Expr::Value(value.map_or(Value::Null, Value::Boolean).into())
}
