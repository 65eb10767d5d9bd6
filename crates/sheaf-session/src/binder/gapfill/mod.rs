//! `date_bin_gapfill(interval, time[, origin])` in GROUP BY: groups also for the buckets without rows.
//!
//! ```sql
//! SELECT date_bin_gapfill(INTERVAL '1 hour', at) AS h, device, locf(avg(x)) FROM t
//! WHERE at >= '2026-01-01' AND at < '2026-01-02' GROUP BY 1, 2
//! ```
//!
//! is planned as forms that there are, from the inside out (`layers`):
//!
//! 1. the groups that have rows: `date_bin(…)`, the other keys, the aggregates, and what `locf` and
//!    `interpolate` are called with;
//! 2. beside each group, the next one of its series (all other keys), with `lead`;
//! 3. the buckets from one to the next, unnested; before the first and after the last group of a
//!    series, those up to the bounds that WHERE sets (`range`);
//! 4. the aggregates, NULL in buckets that were added; `locf` and `interpolate` as windows over the
//!    values of a series;
//! 5. what was written: the select list, HAVING, QUALIFY, ORDER BY, over columns of the layer below.
//!
//! So it streams and spills as windows and UNNEST do. Rows without a time are in no bucket. A series
//! is there if it has a row; where WHERE leaves none, there is no result.

mod keys;
mod layers;
mod range;

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{
    self, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident,
    OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr, Visitor, VisitorMut,
};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_sql::walk::{Walk, WalkMut};

use self::keys::Extraction;
use super::outer_aggregates::is_aggregate;

/// What the key of time is called.
const NAMES: &[&str] = &["date_bin_gapfill", "time_bucket_gapfill"];

/// The arguments of the key of time.
struct Bucket {
    interval: Expr,
    time: Expr,
    origin: Option<Expr>,
}

/// Rewrites every query of `statement` that groups by `date_bin_gapfill`.
///
/// # Errors
/// `UserInput` if it stands where it has no meaning; `Unsupported` with grouping sets.
pub(super) fn rewrite(statement: &mut ast::Statement, state: &SessionState) -> Result<()> {
    let mut filler = Filler {
        state,
        query_depth: 0,
    };
    match statement.walk_mut(&mut filler) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Filler<'a> {
    state: &'a SessionState,
    query_depth: usize,
}

impl VisitorMut for Filler<'_> {
    type Break = SheafError;

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<SheafError> {
        self.query_depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<SheafError> {
        self.query_depth -= 1;
        let is_outermost = self.query_depth == 0;
        let order_by = query.order_by.as_mut();
        match fill_body(&mut query.body, order_by, is_outermost, self.state) {
            Err(error) => ControlFlow::Break(error),
            Ok(()) => ControlFlow::Continue(()),
        }
    }
}

fn fill_body(
    body: &mut SetExpr,
    order_by: Option<&mut OrderBy>,
    is_outermost: bool,
    state: &SessionState,
) -> Result<()> {
    match body {
        SetExpr::Select(select) => match calls(select.as_ref()).as_slice() {
            [] => Ok(()),
            [call] => fill(select, order_by, call, is_outermost, state),
            [first, second, ..] => Err(wrong(format!(
                "one date_bin_gapfill makes the buckets of a query, and there are {first} and {second}"
            ))),
        },
        SetExpr::SetOperation { left, right, .. } => {
            fill_body(left, None, is_outermost, state)?;
            fill_body(right, None, is_outermost, state)
        }
        _ => Ok(()),
    }
}

/// The different calls of the key of time in a SELECT, not those of its sub-queries.
fn calls(select: &Select) -> Vec<Expr> {
    struct Calls {
        found: Vec<Expr>,
        query_depth: usize,
    }
    impl Visitor for Calls {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.query_depth += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.query_depth -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if self.query_depth == 0 && is_call(expr) && !self.found.contains(expr) {
                self.found.push(expr.clone());
            }
            ControlFlow::Continue(())
        }
    }
    let mut calls = Calls {
        found: Vec::new(),
        query_depth: 0,
    };
    let _ = select.projection.walk(&mut calls);
    let _ = select.group_by.walk(&mut calls);
    calls.found
}

fn is_call(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function) if name_is_in(function, NAMES))
}

fn name_is_in(function: &Function, names: &[&str]) -> bool {
    let name = function.name.to_string();
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn fill(
    select: &mut Select,
    order_by: Option<&mut OrderBy>,
    call: &Expr,
    is_outermost: bool,
    state: &SessionState,
) -> Result<()> {
    let bucket = bucket(call)?;
    let is_function = |function: &Function| is_aggregate(function, state);
    let keys = keys::of(select, call, &is_function)?;
    let mut extraction = Extraction::new(keys, call, &is_function);
    let mut inner = select.clone();
    name_columns(&mut select.projection)?;
    let outputs = output_names(&select.projection);
    extraction.replace(&mut select.projection)?;
    if is_outermost && let Some(name) = keys::other_column(&select.projection) {
        return Err(wrong(format!(
            "column {name} must be a key of GROUP BY, or stand in an aggregate"
        )));
    }
    extraction.replace(&mut select.having)?;
    extraction.replace(&mut select.qualify)?;
    if let Some(OrderBy {
        kind: OrderByKind::Expressions(order),
        ..
    }) = order_by
    {
        for key in order {
            if !matches!(&key.expr, Expr::Identifier(name) if outputs.contains(&name.value)) {
                extraction.replace(&mut key.expr)?;
            }
        }
    }
    let range = range::of(inner.selection.as_ref(), &bucket.time);
    layers::group(&mut inner, &extraction, &bucket, &range);
    select.from = vec![ast::TableWithJoins {
        relation: layers::filled(inner, &extraction, &bucket, &range)?,
        joins: vec![],
    }];
    select.selection = select.having.take();
    select.group_by = GroupByExpr::Expressions(vec![], vec![]);
    Ok(())
}

/// The arguments of a call.
fn bucket(call: &Expr) -> Result<Bucket> {
    let mut arguments = arguments(call)?.into_iter();
    let (Some(interval), Some(time), origin, None) = (
        arguments.next(),
        arguments.next(),
        arguments.next(),
        arguments.next(),
    ) else {
        return Err(wrong(format!(
            "date_bin_gapfill takes an interval, a time and perhaps an origin, and this is {call}"
        )));
    };
    for constant in std::iter::once(&interval).chain(&origin) {
        if !range::is_constant(constant) {
            return Err(wrong(format!(
                "the interval and the origin of date_bin_gapfill must be constants, and {constant} is none"
            )));
        }
    }
    Ok(Bucket {
        interval,
        time,
        origin,
    })
}

/// The arguments of a function that takes nothing but expressions.
fn arguments(call: &Expr) -> Result<Vec<Expr>> {
    let expressions = match call {
        Expr::Function(function) => match &function.args {
            FunctionArguments::List(list) => list.args.iter().map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                _ => None,
            }),
            _ => return Err(wrong(format!("{call} needs arguments"))),
        },
        _ => return Err(wrong(format!("{call} needs arguments"))),
    };
    expressions.collect::<Option<_>>().ok_or_else(|| {
        wrong(format!(
            "the arguments of {call} must be expressions without names"
        ))
    })
}

/// Gives columns the names that they would have: those of the layer below are others.
fn name_columns(items: &mut [SelectItem]) -> Result<()> {
    for item in items {
        let name = match item {
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name.clone()),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().cloned(),
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                return Err(wrong(
                    "a query with date_bin_gapfill must list its columns, and * does not"
                        .to_owned(),
                ));
            }
            _ => None,
        };
        if let (Some(alias), SelectItem::UnnamedExpr(expr)) = (name, &*item) {
            *item = SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias,
            };
        }
    }
    Ok(())
}

fn output_names(items: &[SelectItem]) -> Vec<String> {
    let names = items.iter().filter_map(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        _ => None,
    });
    names.collect()
}

/// A column of a layer.
fn column(name: &str) -> Expr {
    Expr::Identifier(Ident::with_quote('"', name))
}

fn wrong(message: String) -> SheafError {
    SheafError::user(message)
        .with_state(SqlState::GROUPING_ERROR)
        .with_hint("SELECT date_bin_gapfill(INTERVAL '1 hour', t) AS h, locf(avg(x)) … GROUP BY h")
}
