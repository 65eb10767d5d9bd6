//! `SELECT * RENAME (old AS new)`: the select without RENAME becomes a sub-query of the reserved
//! relation, whose planner gives the columns their new names.
//!
//! ORDER BY and LIMIT move inside with the select, so they may name columns which are not selected;
//! new names in ORDER BY are replaced by old ones there, so both work.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, LimitClause, ObjectNamePart, Offset, OffsetRows, OrderBy, OrderByKind, Query,
    RenameSelectItem, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Value,
    WildcardAdditionalOptions,
};
use sheaf_base::{Result, SheafError};
use sheaf_sql::walk::walk_expressions_mut;

use super::reserved;

/// Rewrites the SELECTs which are `query`'s body. `is_outermost`: nothing stands around the query,
/// so its order is the order of the result.
pub(super) fn rewrite_query(query: &mut Query, is_outermost: bool) -> Result<()> {
    match query.body.as_mut() {
        SetExpr::Select(select) if has_rename(select) => {}
        body => return rewrite_set(body),
    }
    let body = std::mem::replace(query.body.as_mut(), reserved::vacant_body());
    let SetExpr::Select(mut select) = body else {
        *query.body = body;
        return Ok(());
    };
    let renames = take_renames(&mut select)?;
    let mut inner = reserved::body_only(SetExpr::Select(select));
    let is_by_all = query
        .order_by
        .as_ref()
        .is_some_and(|order| matches!(order.kind, OrderByKind::All(_)));
    if !is_by_all {
        inner.limit_clause = query.limit_clause.take();
        inner.fetch = query.fetch.take();
        inner.order_by = query.order_by.take();
        if let Some(order) = &mut inner.order_by {
            restore_old_names(order, &renames);
            if is_outermost && inner.limit_clause.is_none() {
                inner.limit_clause = Some(offset_zero());
            }
        }
    }
    *query.body = SetExpr::Select(wrap(inner, renames)?);
    Ok(())
}

/// Rewrites the SELECTs below UNION, INTERSECT and EXCEPT.
fn rewrite_set(body: &mut SetExpr) -> Result<()> {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            rewrite_set(left)?;
            rewrite_set(right)
        }
        SetExpr::Select(select) if has_rename(select) => {
            let SetExpr::Select(mut select) = std::mem::replace(body, reserved::vacant_body())
            else {
                return Ok(());
            };
            let renames = take_renames(&mut select)?;
            *body = SetExpr::Select(wrap(reserved::body_only(SetExpr::Select(select)), renames)?);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// One `old AS new`; with the `t` of `t.* RENAME`.
struct Rename {
    qualifier: Option<Vec<Ident>>,
    old: Ident,
    new: Ident,
}

fn has_rename(select: &Select) -> bool {
    select.projection.iter().any(|item| match item {
        SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
            options.opt_rename.is_some()
        }
        _ => false,
    })
}

/// Removes RENAME from the select list.
///
/// An item that is called like a column to be renamed (`* RENAME (a AS old_a), a + 1 AS a`) would
/// clash with it inside the sub-query, so it gets a hidden name there, and its own one by renaming.
fn take_renames(select: &mut Select) -> Result<Vec<Rename>> {
    let mut renames = Vec::new();
    for item in &mut select.projection {
        match item {
            SelectItem::Wildcard(options) => take_from(options, None, &mut renames)?,
            SelectItem::QualifiedWildcard(kind, options) => {
                let qualifier = match kind {
                    SelectItemQualifiedWildcardKind::ObjectName(name) => name
                        .0
                        .iter()
                        .filter_map(ObjectNamePart::as_ident)
                        .cloned()
                        .collect(),
                    SelectItemQualifiedWildcardKind::Expr(_) if options.opt_rename.is_some() => {
                        return Err(SheafError::unsupported(
                            "RENAME is not supported after the wildcard of a struct",
                        ));
                    }
                    SelectItemQualifiedWildcardKind::Expr(_) => Vec::new(),
                };
                take_from(options, Some(qualifier), &mut renames)?;
            }
            _ => {}
        }
    }
    let old: Vec<String> = renames.iter().map(|rename| folded(&rename.old)).collect();
    for (position, item) in select.projection.iter_mut().enumerate() {
        if let SelectItem::ExprWithAlias { alias, .. } = item
            && old.contains(&folded(alias))
        {
            let hidden = Ident::with_quote('"', format!("{}{position}", reserved::ITEM_PREFIX));
            let new = std::mem::replace(alias, hidden.clone());
            renames.push(Rename {
                qualifier: None,
                old: hidden,
                new,
            });
        }
    }
    Ok(renames)
}

fn take_from(
    options: &mut WildcardAdditionalOptions,
    qualifier: Option<Vec<Ident>>,
    renames: &mut Vec<Rename>,
) -> Result<()> {
    let items = match options.opt_rename.take() {
        None => return Ok(()),
        Some(RenameSelectItem::Single(item)) => vec![item],
        Some(RenameSelectItem::Multiple(items)) => items,
    };
    for item in items {
        let is_repeated = renames
            .iter()
            .any(|r| r.qualifier == qualifier && folded(&r.old) == folded(&item.ident));
        if is_repeated {
            return Err(SheafError::user(format!(
                "column {} is renamed twice",
                item.ident
            )));
        }
        renames.push(Rename {
            qualifier: qualifier.clone(),
            old: item.ident,
            new: item.alias,
        });
    }
    Ok(())
}

/// Replaces new names by old ones, which is what the inner select has.
fn restore_old_names(order: &mut OrderBy, renames: &[Rename]) {
    let _: ControlFlow<()> = walk_expressions_mut(order, |expr| {
        if let Expr::Identifier(ident) = expr
            && let Some(rename) = renames.iter().find(|r| folded(&r.new) == folded(ident))
        {
            *expr = match &rename.qualifier {
                Some(parts) => {
                    Expr::CompoundIdentifier(parts.iter().chain([&rename.old]).cloned().collect())
                }
                None => Expr::Identifier(rename.old.clone()),
            };
        }
        ControlFlow::Continue(())
    });
}

fn wrap(inner: Query, renames: Vec<Rename>) -> Result<Box<Select>> {
    let arguments = renames
        .into_iter()
        .flat_map(|rename| {
            let qualifier = match rename.qualifier {
                Some(parts) => Expr::CompoundIdentifier(parts),
                None => Expr::Value(Value::Null.into()),
            };
            [
                qualifier,
                Expr::Identifier(rename.old),
                Expr::Identifier(rename.new),
            ]
        })
        .collect();
    reserved::select_from(reserved::RENAME, inner, arguments)
}

/// Sorts of a sub-query without LIMIT are dropped when it is planned; this LIMIT does nothing else.
fn offset_zero() -> LimitClause {
    LimitClause::LimitOffset {
        limit: None,
        offset: Some(Offset {
            value: Expr::Value(Value::Number("0".to_owned(), false).into()),
            rows: OffsetRows::None,
        }),
        limit_by: Vec::new(),
    }
}

/// The name by which identifiers are compared here: as written if quoted, else in lower case.
fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}
