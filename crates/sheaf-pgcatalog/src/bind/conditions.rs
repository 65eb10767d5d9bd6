//! Which relation a condition can be tested at, and which of them finds rows without reading all.
//!
//! A condition of WHERE is tested as soon as the columns that it names are there, unless an outer
//! join could still put NULLs in their place. An equation of a column with something that is known
//! before a relation is read lets its rows be looked up in an index, which is made once a statement.

use crate::plan::{Comparison, Expr, From, Item, JoinKind, Source};

/// The columns of the flat row that an expression names; `None` if a query within it may name any.
fn columns_of(expr: &Expr, depth: usize) -> Option<Vec<usize>> {
    let mut columns = vec![];
    expr.visit(&mut |part| {
        if let Expr::Column { up: 0, index } = part {
            columns.push(*index);
        }
    });
    let inner = expr.queries();
    (!inner.iter().any(|query| query.outer.contains(&depth))).then_some(columns)
}

/// Whether an expression has to wait for groups or rows of the list.
fn is_late(expr: &Expr) -> bool {
    let mut is_late = false;
    expr.visit(&mut |part| {
        is_late |= matches!(part, Expr::Aggregate(_) | Expr::Window(_) | Expr::Set(_));
    });
    is_late
}

/// Puts what it can of `filter` to the relations of `from`, and finds what can be looked up. The
/// SELECT is at `depth`.
pub(super) fn place(from: &mut From, filter: &mut Vec<Expr>, depth: usize) {
    if !has_outer_right(from) {
        let conditions = std::mem::take(filter);
        for condition in conditions {
            let columns = columns_of(&condition, depth).filter(|_| !is_late(&condition));
            let rest = match columns {
                Some(columns) => put(from, condition, &columns),
                None => Some(condition),
            };
            filter.extend(rest);
        }
    }
    find_probes(from, depth);
}

fn has_outer_right(from: &From) -> bool {
    match from {
        From::Nothing | From::Item(_) => false,
        From::Join(join) => {
            matches!(join.kind, JoinKind::Right | JoinKind::Full)
                || has_outer_right(&join.left)
                || has_outer_right(&join.right)
        }
    }
}

/// Puts a condition where its columns are first there; gives it back if that is only at the end.
fn put(from: &mut From, condition: Expr, columns: &[usize]) -> Option<Expr> {
    match from {
        From::Nothing => Some(condition),
        From::Item(item) => {
            item.filters.push(condition);
            None
        }
        From::Join(join) => {
            let needs_right = columns.iter().any(|index| *index >= join.middle);
            match (needs_right, join.kind) {
                (false, _) => put(&mut join.left, condition, columns),
                (true, JoinKind::Inner) => {
                    join.on.push(condition);
                    None
                }
                (true, _) => Some(condition),
            }
        }
    }
}

/// Finds, for each relation, an equation by which its rows can be looked up.
fn find_probes(from: &mut From, depth: usize) {
    match from {
        From::Nothing => {}
        From::Item(item) => {
            let filters = std::mem::take(&mut item.filters);
            choose(item, &filters, depth);
            item.filters = filters;
        }
        From::Join(join) => {
            find_probes(&mut join.left, depth);
            find_probes(&mut join.right, depth);
            let is_scanned_whole = matches!(join.kind, JoinKind::Right | JoinKind::Full);
            if let From::Item(item) = &mut join.right
                && !is_scanned_whole
            {
                choose(item, &join.on, depth);
            }
        }
    }
}

fn choose(item: &mut Item, conditions: &[Expr], depth: usize) {
    let has_index = match &item.source {
        Source::Table(_) | Source::Cte(_) => true,
        Source::Query { is_lateral, query } => !is_lateral && query.outer.is_empty(),
        Source::Function { .. } | Source::Scalar { .. } => false,
    };
    if !has_index || item.probe.is_some() {
        return;
    }
    item.probe = conditions.iter().find_map(|c| probe_of(item, c, depth));
}

fn probe_of(item: &Item, condition: &Expr, depth: usize) -> Option<(usize, Expr)> {
    let Expr::Compare(Comparison::Equal, left, right) = condition else {
        return None;
    };
    let own = item.start..item.start + item.width;
    let one_way = |column: &Expr, value: &Expr| {
        let Expr::Column { up: 0, index } = column else {
            return None;
        };
        let known = columns_of(value, depth)?;
        let is_known = known.iter().all(|index| *index < item.start);
        let is_ours = own.contains(index);
        (is_ours && is_known && !is_late(value)).then(|| (index - item.start, value.clone()))
    };
    one_way(left, right).or_else(|| one_way(right, left))
}
