//! Merged columns in select lists: by name, and in `*`.

use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, ObjectName, ReplaceSelectElement, ReplaceSelectItem, Select,
    SelectItem, SelectItemQualifiedWildcardKind, WildcardAdditionalOptions,
};

use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;
use sheaf_base::{Result, SheafError};

use super::from_clause::{Known, Relation, Scope};
use super::{item_name, replace, value_of};
use crate::binder::normalize;

/// Checks that `* REPLACE (… AS c)` replaces columns that are there; the engine ignores others.
pub(super) fn check_replaced(select: &Select, known: &Known<'_>) -> Result<()> {
    let mut replaced = select.projection.iter().filter_map(|item| match item {
        SelectItem::Wildcard(options) => options.opt_replace.as_ref(),
        _ => None,
    });
    let Some(replaced) = replaced.next() else {
        return Ok(());
    };
    let relations = select.from.iter().flat_map(|item| {
        std::iter::once(&item.relation).chain(item.joins.iter().map(|join| &join.relation))
    });
    let columns: Option<Vec<Vec<String>>> = relations.map(|r| known.columns(r)).collect();
    let Some(columns) = columns else {
        return Ok(());
    };
    let columns: Vec<&str> = columns.iter().flatten().map(String::as_str).collect();
    for element in &replaced.items {
        let name = normalize(&element.column_name);
        if !columns.contains(&name.as_str()) {
            let error =
                SheafError::user(format!("REPLACE names a column \"{name}\" that * has not"))
                    .with_state(SqlState::UNDEFINED_COLUMN);
            return Err(match nearest(&name, columns.iter().copied()) {
                Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
                None => error.with_hint("a new column stands beside the star: SELECT *, 1 AS x"),
            });
        }
    }
    Ok(())
}

/// Rewrites the items of a select list.
pub(super) fn rewrite(items: &mut Vec<SelectItem>, scopes: &[Scope], names: &[(String, Expr)]) {
    let mut rewritten = Vec::with_capacity(items.len());
    for mut item in items.drain(..) {
        match &mut item {
            SelectItem::UnnamedExpr(Expr::Identifier(ident)) => {
                if let Some(value) = value_of(ident, names) {
                    item = SelectItem::ExprWithAlias {
                        expr: value.clone(),
                        alias: ident.clone(),
                    };
                }
            }
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                replace(expr, names);
            }
            SelectItem::Wildcard(options) => {
                if let Some(replaced) = &mut options.opt_replace {
                    for element in &mut replaced.items {
                        replace(&mut element.expr, names);
                    }
                }
                if let Some(expanded) = expand(options, scopes) {
                    rewritten.extend(expanded);
                    continue;
                }
            }
            _ => {}
        }
        rewritten.push(item);
    }
    *items = rewritten;
}

/// The names that a select list is known to give.
pub(super) fn names(items: &[SelectItem]) -> Vec<String> {
    items.iter().filter_map(item_name).collect()
}

/// `*` as the merged columns and the rest of each relation; `None` if it cannot be told.
fn expand(options: &WildcardAdditionalOptions, scopes: &[Scope]) -> Option<Vec<SelectItem>> {
    let is_other = options.opt_ilike.is_some()
        || options.opt_except.is_some()
        || options.opt_rename.is_some()
        || options.opt_alias.is_some();
    if is_other {
        return None;
    }
    let mut excluded: Vec<(String, bool)> = excluded(options)?;
    let elements = options.opt_replace.iter().flat_map(|r| &r.items);
    let mut replaced: Vec<(&ReplaceSelectElement, bool)> =
        elements.map(|element| (element.as_ref(), false)).collect();
    let mut items = Vec::new();
    for scope in scopes {
        for merged in &scope.merged {
            if find(&mut excluded, |name| *name == merged.name) {
                continue;
            }
            let alias = Ident::with_quote('"', merged.name.clone());
            let is_it = |e: &&ReplaceSelectElement| normalize(&e.column_name) == merged.name;
            let element = replaced.iter_mut().find(|(element, _)| is_it(element));
            let expr = match element {
                Some((element, is_found)) => {
                    *is_found = true;
                    element.expr.clone()
                }
                None => merged.value.clone(),
            };
            items.push(SelectItem::ExprWithAlias { expr, alias });
        }
        for relation in scope.relations.iter().filter(|r| r.is_visible) {
            items.extend(rest(relation, &mut excluded, &mut replaced));
        }
    }
    let is_all_found =
        excluded.iter().all(|(_, found)| *found) && replaced.iter().all(|(_, found)| *found);
    is_all_found.then_some(items)
}

fn excluded(options: &WildcardAdditionalOptions) -> Option<Vec<(String, bool)>> {
    let names: &[ObjectName] = match &options.opt_exclude {
        None => &[],
        Some(ExcludeSelectItem::Single(name)) => std::slice::from_ref(name),
        Some(ExcludeSelectItem::Multiple(names)) => names,
    };
    let name = |name: &ObjectName| match name.0.as_slice() {
        [part] => part.as_ident().map(|ident| (normalize(ident), false)),
        _ => None,
    };
    names.iter().map(name).collect()
}

/// Marks the entries that fit; whether there are any.
fn find<T>(entries: &mut [(T, bool)], fits: impl Fn(&T) -> bool) -> bool {
    let mut is_any = false;
    for (entry, is_found) in entries {
        if fits(entry) {
            *is_found = true;
            is_any = true;
        }
    }
    is_any
}

/// `relation.* EXCLUDE (…) REPLACE (…)`; nothing if no column is left.
fn rest(
    relation: &Relation,
    excluded: &mut [(String, bool)],
    replaced: &mut [(&ReplaceSelectElement, bool)],
) -> Option<SelectItem> {
    let known = relation.columns.iter().flatten();
    let known: Vec<&String> = known.filter(|c| !relation.hidden.contains(c)).collect();
    if relation.columns.is_some() && known.is_empty() {
        return None;
    }
    let mut hidden = relation.hidden.clone();
    let mut elements = Vec::new();
    for column in &known {
        if find(excluded, |name| name == *column) {
            hidden.push((*column).clone());
        }
        for (element, is_found) in replaced.iter_mut() {
            if normalize(&element.column_name) == **column {
                *is_found = true;
                elements.push(Box::new((*element).clone()));
            }
        }
    }
    if relation.columns.is_some() && known.iter().all(|column| hidden.contains(column)) {
        return None;
    }
    let hidden = hidden
        .into_iter()
        .map(|name| ObjectName::from(vec![Ident::with_quote('"', name)]))
        .collect::<Vec<_>>();
    let options = WildcardAdditionalOptions {
        opt_exclude: (!hidden.is_empty()).then_some(ExcludeSelectItem::Multiple(hidden)),
        opt_replace: (!elements.is_empty()).then_some(ReplaceSelectItem { items: elements }),
        ..WildcardAdditionalOptions::default()
    };
    let name = SelectItemQualifiedWildcardKind::ObjectName(relation.name.clone());
    Some(SelectItem::QualifiedWildcard(name, options))
}
