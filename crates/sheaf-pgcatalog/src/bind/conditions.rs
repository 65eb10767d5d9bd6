//! In which order relations are joined, which relation a condition is tested at, and which of them
//! finds rows without reading all.
//!
//! A condition is tested as soon as the columns that it names are there, unless an outer join could
//! still put NULLs in their place. An equation of a column with something that is known before a
//! relation is read lets its rows be looked up in an index, which is made once a statement. Relations
//! of inner joins are put in the order in which most are looked up so, greedily; all else stays as it
//! is written.

use std::collections::BTreeSet;

use crate::plan::{Comparison, Expr, From, Item, Join, JoinKind, Source};

/// Places in the row of a SELECT.
type Places = BTreeSet<usize>;

/// The places that an expression names, also in queries within it.
fn places_of(expr: &Expr) -> Places {
    let mut places = Places::new();
    expr.visit(&mut |part| {
        if let Expr::Column { up: 0, index } = part {
            places.insert(*index);
        }
    });
    for query in expr.queries() {
        let own = query.outer.iter().filter(|outer| outer.up == 0);
        places.extend(own.map(|outer| outer.index));
    }
    places
}

/// Whether an expression has to wait for groups or rows of the list, or is to be evaluated for whole
/// rows alone.
fn is_late(expr: &Expr) -> bool {
    let mut is_late = expr.queries().iter().any(|query| query.is_volatile);
    expr.visit(&mut |part| {
        is_late |= match part {
            Expr::Aggregate(_) | Expr::Window(_) | Expr::Set(_) => true,
            Expr::Call(function, _) => function.is_volatile,
            Expr::External(function, _) => function.is_volatile(),
            _ => false,
        };
    });
    is_late
}

/// Puts what it can of `filter` to the relations of `from`, and these in order; `columns` are the
/// columns of a row.
pub(super) fn arrange(from: &mut From, filter: &mut Vec<Expr>, columns: &[usize]) {
    place_columns(from, columns);
    let (mut late, early): (Vec<Expr>, Vec<Expr>) = filter.drain(..).partition(is_late);
    let whole = std::mem::replace(from, From::Nothing);
    *from = arranged(whole, early, &Places::new(), filter);
    filter.append(&mut late);
}

fn place_columns(from: &mut From, columns: &[usize]) {
    match from {
        From::Nothing => {}
        From::Item(item) => {
            let placed = columns.iter().enumerate();
            let own = placed.filter_map(|(place, column)| {
                let own = column.checked_sub(item.start)?;
                (own < item.width).then_some((own, place))
            });
            item.columns = own.collect();
        }
        From::Join(join) => {
            place_columns(&mut join.left, columns);
            place_columns(&mut join.right, columns);
            join.right_columns = places_within(&join.right).into_iter().collect();
        }
    }
}

/// The places of the columns of all relations.
fn places_within(from: &From) -> Places {
    match from {
        From::Nothing => Places::new(),
        From::Item(item) => item.columns.iter().map(|(_, place)| *place).collect(),
        From::Join(join) => {
            let mut places = places_within(&join.left);
            places.append(&mut places_within(&join.right));
            places
        }
    }
}

/// The places that have to be there before relations are read.
fn needs_of(from: &From) -> Places {
    let needs: Places = match from {
        From::Nothing => Places::new(),
        From::Item(item) => match &item.source {
            Source::Table(_) | Source::Cte(_) => Places::new(),
            Source::Query(query) => {
                let own = query.outer.iter().filter(|outer| outer.up == 0);
                own.map(|outer| outer.index).collect()
            }
            Source::Function { calls, .. } => {
                let arguments = calls.iter().flat_map(|call| &call.arguments);
                arguments.flat_map(|a| places_of(&a.expr)).collect()
            }
            Source::Scalar { value } => places_of(value),
        },
        From::Join(join) => {
            let sides = needs_of(&join.left)
                .into_iter()
                .chain(needs_of(&join.right));
            sides.chain(join.on.iter().flat_map(places_of)).collect()
        }
    };
    needs.difference(&places_within(from)).copied().collect()
}

/// Relations in the order in which they are read, with the conditions that are tested there; the
/// places of `known` are there before. What can be tested at the end alone goes to `rest`.
fn arranged(from: From, conditions: Vec<Expr>, known: &Places, rest: &mut Vec<Expr>) -> From {
    match from {
        From::Nothing => {
            rest.extend(conditions);
            From::Nothing
        }
        From::Item(mut item) => {
            item.probe = conditions.iter().find_map(|c| probe_of(&item, c, known));
            item.filters = conditions;
            From::Item(item)
        }
        From::Join(join) => match join.kind {
            JoinKind::Inner => inner(*join, conditions, known, rest),
            JoinKind::Left => left(*join, conditions, known, rest),
            JoinKind::Right | JoinKind::Full => {
                rest.extend(conditions);
                whole(*join, known)
            }
        },
    }
}

fn with(known: &Places, more: &Places) -> Places {
    known.union(more).copied().collect()
}

fn left(join: Join, conditions: Vec<Expr>, known: &Places, rest: &mut Vec<Expr>) -> From {
    let there = with(known, &places_within(&join.left));
    let is_early = |condition: &Expr| places_of(condition).is_subset(&there);
    let (early, late): (Vec<_>, Vec<_>) = conditions.into_iter().partition(is_early);
    rest.extend(late);
    let mut on = vec![];
    let (late, early_on): (Vec<Expr>, Vec<Expr>) = join.on.into_iter().partition(is_late);
    let left = arranged(join.left, early, known, rest);
    let right = arranged(join.right, early_on, &there, &mut on);
    on.extend(late);
    From::Join(Box::new(Join {
        left,
        right,
        on,
        ..join
    }))
}

/// RIGHT and FULL, whose sides are read each by itself.
fn whole(join: Join, known: &Places) -> From {
    let sides = (places_within(&join.left), places_within(&join.right));
    let equal = join.on.iter().find_map(|condition| {
        let Expr::Compare(Comparison::Equal, a, b) = condition else {
            return None;
        };
        let is_of = |expr: &Expr, side: &Places| places_of(expr).is_subset(side) && !is_late(expr);
        let pair = |left: &Expr, right: &Expr| {
            let fits = is_of(left, &sides.0) && is_of(right, &sides.1);
            fits.then(|| (left.clone(), right.clone()))
        };
        pair(a, b).or_else(|| pair(b, a))
    });
    // Nothing is pushed into a side, so that nothing is left of it.
    let mut none = vec![];
    From::Join(Box::new(Join {
        left: arranged(join.left, vec![], known, &mut none),
        right: arranged(join.right, vec![], known, &mut none),
        equal,
        ..join
    }))
}

/// Takes inner joins apart.
fn flatten(from: From, relations: &mut Vec<From>, conditions: &mut Vec<Expr>) {
    match from {
        From::Join(join) if join.kind == JoinKind::Inner => {
            flatten(join.left, relations, conditions);
            flatten(join.right, relations, conditions);
            conditions.extend(join.on);
        }
        From::Nothing => {}
        other => relations.push(other),
    }
}

fn inner(join: Join, mut conditions: Vec<Expr>, known: &Places, rest: &mut Vec<Expr>) -> From {
    let mut relations = vec![];
    flatten(From::Join(Box::new(join)), &mut relations, &mut conditions);
    let mut there = known.clone();
    let mut all = From::Nothing;
    while !relations.is_empty() {
        let best = (0..relations.len()).max_by_key(|index| {
            let relation = relations.get(*index);
            // Of equal ones the first.
            let promise = relation.map(|r| promise_of(r, &conditions, &there));
            (promise, std::cmp::Reverse(*index))
        });
        let relation = relations.remove(best.unwrap_or(0));
        let right_columns = places_within(&relation);
        let then = with(&there, &right_columns);
        let is_ready =
            |condition: &Expr| places_of(condition).is_subset(&then) && !is_late(condition);
        let (ready, later): (Vec<_>, Vec<_>) = conditions.into_iter().partition(is_ready);
        conditions = later;
        let mut on = vec![];
        let right = arranged(relation, ready, &there, &mut on);
        all = match (all, on.is_empty()) {
            (From::Nothing, true) => right,
            (left, _) => From::Join(Box::new(Join {
                kind: JoinKind::Inner,
                left,
                right,
                on,
                right_columns: right_columns.into_iter().collect(),
                equal: None,
            })),
        };
        there = then;
    }
    rest.extend(conditions);
    all
}

/// How good it is to read a relation next, from the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Promise {
    /// It needs what is not there.
    None,
    Whole,
    Filtered,
    /// A function's rows, or those of a query of WITH, which are mostly few.
    Few,
    /// Its rows are looked up by what is there.
    Probed,
    /// The same, by a constant.
    Constant,
}

fn promise_of(from: &From, conditions: &[Expr], there: &Places) -> Promise {
    if !needs_of(from).is_subset(there) {
        return Promise::None;
    }
    let item = match from {
        From::Item(item) => item,
        From::Join(join) if join.kind == JoinKind::Left => {
            return promise_of(&join.left, conditions, there);
        }
        From::Join(_) | From::Nothing => return Promise::Whole,
    };
    let mut probes = conditions.iter().filter_map(|c| probe_of(item, c, there));
    if let Some((_, value)) = probes.next() {
        let is_constant = |value: &Expr| places_of(value).is_empty();
        return match is_constant(&value) || probes.any(|(_, value)| is_constant(&value)) {
            true => Promise::Constant,
            false => Promise::Probed,
        };
    }
    match &item.source {
        Source::Function { .. } | Source::Scalar { .. } | Source::Cte(_) => Promise::Few,
        _ => {
            let own = places_within(from);
            let is_own = |condition: &Expr| {
                let places = places_of(condition);
                !places.is_empty() && places.is_subset(&own)
            };
            match conditions.iter().any(is_own) {
                true => Promise::Filtered,
                false => Promise::Whole,
            }
        }
    }
}

/// The column of a relation that a condition makes equal to what is known before, and that.
fn probe_of(item: &Item, condition: &Expr, known: &Places) -> Option<(usize, Expr)> {
    let has_index = match &item.source {
        Source::Table(_) | Source::Cte(_) => true,
        Source::Query(query) => query.outer.is_empty() && !query.is_volatile,
        Source::Function { .. } | Source::Scalar { .. } => false,
    };
    let Expr::Compare(Comparison::Equal, left, right) = condition else {
        return None;
    };
    let one_way = |column: &Expr, value: &Expr| {
        let Expr::Column { up: 0, index } = column else {
            return None;
        };
        let own = item.columns.iter().find(|(_, place)| place == index);
        let (own, _) = own.filter(|_| has_index)?;
        let is_known = places_of(value).is_subset(known) && !is_late(value);
        is_known.then(|| (*own, value.clone()))
    };
    one_way(left, right).or_else(|| one_way(right, left))
}
