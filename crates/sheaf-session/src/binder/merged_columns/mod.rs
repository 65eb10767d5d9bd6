//! Columns that USING and NATURAL merge: `k` without a table's name is the one column of both
//! sides, the right one's in a right join, whichever is not NULL in a full join.
//!
//! The engine keeps both columns and finds `k` ambiguous, or takes the left one. Here `k` becomes
//! `a.k`, `b.k` or `coalesce(a.k, b.k)`, and `*` becomes the merged columns, then the others of
//! each relation, as SQL has them. It is done on the syntax tree once the tables are open, since
//! NATURAL depends on their columns; a FROM clause of which too little is known stays as it is.

mod from_clause;
mod select_list;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, Distinct, Expr, GroupByExpr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr,
    VisitorMut,
};
use sheaf_sql::walk::WalkMut;

use sheaf_base::{Result, SheafError};

use self::from_clause::{Known, Scope};
use super::normalize;

/// Columns of tables, by the tree's table factor.
pub(super) type ColumnsOf<'a> = dyn Fn(&ast::TableFactor) -> Option<Vec<String>> + 'a;

/// Rewrites every SELECT of `statement` whose FROM clause merges columns.
///
/// # Errors
/// `UserInput` if `* REPLACE` names a column that is not there.
pub(super) fn merge(statement: &mut ast::Statement, columns_of: &ColumnsOf<'_>) -> Result<()> {
    let mut merger = Merger {
        known: Known {
            columns_of,
            ctes: Vec::new(),
        },
    };
    match statement.walk_mut(&mut merger) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Merger<'a> {
    known: Known<'a>,
}

impl VisitorMut for Merger<'_> {
    type Break = SheafError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SheafError> {
        self.known.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<SheafError> {
        match select_list::check_replaced(select, &self.known) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<SheafError> {
        match query.body.as_mut() {
            SetExpr::Select(select) => {
                if let Some(scopes) = merge_select(select, &self.known)
                    && let Some(order) = &mut query.order_by
                    && let OrderByKind::Expressions(keys) = &mut order.kind
                {
                    let shown = select_list::names(&select.projection);
                    let merged = merged(&scopes);
                    let merged = merged.filter(|(name, _)| !shown.iter().any(|s| s == name));
                    replace(keys, &merged.collect::<Vec<_>>());
                }
            }
            body => merge_set(body, &self.known),
        }
        self.known.leave();
        ControlFlow::Continue(())
    }
}

fn merge_set(body: &mut SetExpr, known: &Known<'_>) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            merge_set(left, known);
            merge_set(right, known);
        }
        SetExpr::Select(select) => {
            merge_select(select, known);
        }
        _ => {}
    }
}

/// Rewrites one SELECT; gives what its FROM clause merges, if anything.
fn merge_select(select: &mut Select, known: &Known<'_>) -> Option<Vec<Scope>> {
    if !select.from.iter().any(from_clause::merges) {
        return None;
    }
    let mut scopes = Vec::with_capacity(select.from.len());
    for item in &mut select.from {
        scopes.push(Scope::of(item, known)?);
    }
    let names: Vec<(String, Expr)> = merged(&scopes).collect();
    if names.is_empty() {
        return None;
    }
    select_list::rewrite(&mut select.projection, &scopes, &names);
    replace(&mut select.selection, &names);
    replace(&mut select.having, &names);
    replace(&mut select.qualify, &names);
    if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
        replace(keys, &names);
    }
    if let Some(Distinct::On(keys)) = &mut select.distinct {
        replace(keys, &names);
    }
    Some(scopes)
}

/// Every merged column with what it stands for.
fn merged(scopes: &[Scope]) -> impl Iterator<Item = (String, Expr)> + '_ {
    scopes
        .iter()
        .flat_map(|scope| &scope.merged)
        .map(|column| (column.name.clone(), column.value.clone()))
}

/// Replaces names of merged columns in a clause, but not in its sub-queries.
fn replace(node: &mut impl WalkMut, names: &[(String, Expr)]) {
    struct Replacer<'a> {
        names: &'a [(String, Expr)],
        query_depth: usize,
    }
    impl VisitorMut for Replacer<'_> {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
            self.query_depth += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
            self.query_depth = self.query_depth.saturating_sub(1);
            ControlFlow::Continue(())
        }

        // After its parts, so that what is put in is not looked at again.
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if self.query_depth == 0
                && let Expr::Identifier(ident) = expr
                && let Some(value) = value_of(ident, self.names)
            {
                *expr = value.clone();
            }
            ControlFlow::Continue(())
        }
    }
    let _ = node.walk_mut(&mut Replacer {
        names,
        query_depth: 0,
    });
}

fn value_of<'n>(ident: &Ident, names: &'n [(String, Expr)]) -> Option<&'n Expr> {
    let wanted = normalize(ident);
    let found = names.iter().find(|(name, _)| *name == wanted);
    found.map(|(_, value)| value)
}

/// What one item of a select list is called, if it is one column.
fn item_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(normalize(ident)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(normalize),
        SelectItem::ExprWithAlias { alias, .. } => Some(normalize(alias)),
        _ => None,
    }
}
