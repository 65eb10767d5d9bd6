//! The keys of a query that fills gaps, and what of its expressions the layers below compute.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, GroupByExpr, Query, Select, SelectItem, Value, Visitor, VisitorMut,
};
use sheaf_base::{Result, SheafError};
use sheaf_sql::walk::{Walk, WalkMut};

use super::{arguments, column, is_call, name_is_in, wrong};

/// What names of columns of the layers begin with.
const LAYER: &str = "gap ";

/// How values get into gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// The last before.
    Last,
    /// On the line between two.
    Line,
}

impl Fill {
    fn of(function: &Function) -> Option<Self> {
        if name_is_in(function, &["locf"]) {
            Some(Self::Last)
        } else if name_is_in(function, &["interpolate"]) {
            Some(Self::Line)
        } else {
            None
        }
    }
}

/// Which functions are aggregates.
pub(super) type IsAggregate<'a> = &'a dyn Fn(&Function) -> bool;

/// The keys of GROUP BY, written out.
///
/// # Errors
/// `UserInput` if `call` is none of them; `Unsupported` for grouping sets.
pub(super) fn of(select: &Select, call: &Expr, is_aggregate: IsAggregate) -> Result<Vec<Expr>> {
    let mut keys = match &select.group_by {
        GroupByExpr::All(modifiers) if modifiers.is_empty() => {
            let items = select.projection.iter().filter_map(expression);
            items
                .filter(|item| is_key(item, is_aggregate))
                .cloned()
                .collect()
        }
        GroupByExpr::Expressions(keys, modifiers) if modifiers.is_empty() => keys
            .iter()
            .map(|key| written_out(key, &select.projection))
            .collect::<Result<Vec<_>>>()?,
        _ => return Err(no_sets()),
    };
    let mut has_call = false;
    for key in &mut keys {
        if matches!(key, Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_)) {
            return Err(no_sets());
        }
        if contains(key, is_call) {
            // `GROUP BY ALL` beside an expression of the bucket: the bucket is the key.
            *key = call.clone();
            has_call = true;
        }
    }
    match has_call {
        true => Ok(keys),
        false => Err(wrong(format!("{call} must be a key of GROUP BY"))),
    }
}

fn no_sets() -> SheafError {
    SheafError::unsupported("date_bin_gapfill does not go with ROLLUP, CUBE and GROUPING SETS")
        .with_hint("UNION ALL of a query for each set of keys")
}

fn expression(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

/// Whether `GROUP BY ALL` groups by an item.
fn is_key(item: &Expr, is_aggregate: IsAggregate) -> bool {
    let is_no_key = |expr: &Expr| match expr {
        Expr::Function(function) => {
            function.over.is_some() || is_aggregate(function) || Fill::of(function).is_some()
        }
        _ => false,
    };
    !matches!(item, Expr::Value(_)) && !contains(item, is_no_key)
}

/// A key that is the number or the name of an item, as that item.
fn written_out(key: &Expr, items: &[SelectItem]) -> Result<Expr> {
    match key {
        Expr::Value(value) => {
            let Value::Number(number, _) = &value.value else {
                return Ok(key.clone());
            };
            let place = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            match place
                .and_then(|place| items.get(place))
                .and_then(expression)
            {
                Some(item) => Ok(item.clone()),
                None => Err(wrong(format!("there is no column {number} to group by"))),
            }
        }
        Expr::Identifier(name) => {
            let named = items.iter().find_map(|item| match item {
                SelectItem::ExprWithAlias { expr, alias } if alias.value == name.value => {
                    Some(expr)
                }
                _ => None,
            });
            Ok(named.unwrap_or(key).clone())
        }
        key => Ok(key.clone()),
    }
}

/// Whether there is such an expression, outside of sub-queries.
fn contains(expr: &Expr, is_wanted: impl Fn(&Expr) -> bool) -> bool {
    struct Finder<F>(F, usize);
    impl<F: Fn(&Expr) -> bool> Visitor for Finder<F> {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.1 += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.1 -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match self.1 == 0 && self.0(expr) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    expr.walk(&mut Finder(is_wanted, 0)).is_break()
}

/// What the layers compute, found while expressions over it become expressions over their columns.
pub(super) struct Extraction<'a> {
    /// The keys, that of time among them.
    pub(super) keys: Vec<Expr>,
    /// Which key is that of time.
    pub(super) time: usize,
    pub(super) aggregates: Vec<Expr>,
    pub(super) fills: Vec<(Fill, Expr)>,
    is_aggregate: IsAggregate<'a>,
}

impl<'a> Extraction<'a> {
    pub(super) fn new(keys: Vec<Expr>, call: &Expr, is_aggregate: IsAggregate<'a>) -> Self {
        Self {
            time: keys.iter().position(|key| key == call).unwrap_or(0),
            keys,
            aggregates: Vec::new(),
            fills: Vec::new(),
            is_aggregate,
        }
    }

    /// The name of the column of a key.
    pub(super) fn key_name(index: usize) -> String {
        format!("gap key {index}")
    }

    /// The name of the column of an aggregate.
    pub(super) fn aggregate_name(index: usize) -> String {
        format!("gap aggregate {index}")
    }

    /// The name of the column of what is filled.
    pub(super) fn fill_name(index: usize) -> String {
        format!("gap fill {index}")
    }

    /// Replaces keys, aggregates, `locf` and `interpolate` by columns.
    ///
    /// # Errors
    /// `UserInput` if a filling function has another number of arguments than one.
    pub(super) fn replace(&mut self, node: &mut impl WalkMut) -> Result<()> {
        let mut replacer = Replacer {
            extraction: self,
            query_depth: 0,
        };
        match node.walk_mut(&mut replacer) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    fn column_for(&mut self, expr: &Expr) -> Result<Option<Expr>> {
        if let Some(index) = self.keys.iter().position(|key| is_same(key, expr)) {
            return Ok(Some(column(&Self::key_name(index))));
        }
        let Expr::Function(function) = expr else {
            return Ok(None);
        };
        if function.over.is_some() {
            return Ok(None);
        }
        if let Some(fill) = Fill::of(function) {
            let mut values = arguments(expr)?;
            let (Some(value), true) = (values.pop(), values.is_empty()) else {
                return Err(wrong(format!("{expr} needs one argument")));
            };
            let index = place(&mut self.fills, (fill, value));
            return Ok(Some(column(&Self::fill_name(index))));
        }
        if (self.is_aggregate)(function) {
            let index = place(&mut self.aggregates, expr.clone());
            return Ok(Some(column(&Self::aggregate_name(index))));
        }
        Ok(None)
    }
}

/// A name in select items that is no column of a layer, outside of sub-queries and lambdas.
pub(super) fn other_column(items: &[SelectItem]) -> Option<String> {
    struct Finder(usize);
    impl Visitor for Finder {
        type Break = String;

        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<String> {
            self.0 += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<String> {
            self.0 -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
            match expr {
                Expr::Lambda(_) => self.0 += 1,
                Expr::Identifier(name) if self.0 == 0 && !name.value.starts_with(LAYER) => {
                    return ControlFlow::Break(name.to_string());
                }
                _ => {}
            }
            ControlFlow::Continue(())
        }

        fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
            self.0 -= usize::from(matches!(expr, Expr::Lambda(_)));
            ControlFlow::Continue(())
        }
    }
    let mut finder = Finder(0);
    items.iter().find_map(|item| match item.walk(&mut finder) {
        ControlFlow::Break(name) => Some(name),
        ControlFlow::Continue(()) => None,
    })
}

/// The place of `item` among those there are, to which it is added if need be.
fn place<T: PartialEq>(items: &mut Vec<T>, item: T) -> usize {
    match items.iter().position(|known| *known == item) {
        Some(place) => place,
        None => {
            items.push(item);
            items.len() - 1
        }
    }
}

struct Replacer<'e, 'a> {
    extraction: &'e mut Extraction<'a>,
    query_depth: usize,
}

impl VisitorMut for Replacer<'_, '_> {
    type Break = SheafError;

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<SheafError> {
        self.query_depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<SheafError> {
        self.query_depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SheafError> {
        if self.query_depth > 0 {
            return ControlFlow::Continue(());
        }
        match self.extraction.column_for(expr) {
            Err(error) => return ControlFlow::Break(error),
            Ok(Some(column)) => *expr = column,
            Ok(None) => {}
        }
        ControlFlow::Continue(())
    }
}

/// Whether two expressions are the same, or columns of one name of which one names its table.
pub(super) fn is_same(left: &Expr, right: &Expr) -> bool {
    match (left, right) {
        (Expr::Nested(left), right) | (right, Expr::Nested(left)) => is_same(left, right),
        (Expr::Identifier(name), Expr::CompoundIdentifier(parts))
        | (Expr::CompoundIdentifier(parts), Expr::Identifier(name)) => parts.last() == Some(name),
        _ => left == right,
    }
}
