//! `COLUMNS(…)`: an expression over one column stands for the same over each of several.
//!
//! | written | columns |
//! |---|---|
//! | `COLUMNS(*)`, `COLUMNS(t.*)`, `COLUMNS(* EXCLUDE … REPLACE … RENAME …)` | as the star's |
//! | `COLUMNS('regex')` | whose name holds a match |
//! | `COLUMNS(lambda c: …)` | for whose name the lambda is true |
//! | `COLUMNS(['a', 'b'])` | these, in this order |
//!
//! `min(COLUMNS('a.*')) AS 'least_\0'` becomes `min(t.a1) AS least_a1, min(t.a2) AS least_a2`;
//! `\1` is the first group of the regular expression, and without a name each item is called like
//! its column. In WHERE, the condition must hold for each column. The meaning is DuckDB's.
//!
//! It is done on the syntax tree, sub-queries first. Which columns there are, the engine's planner
//! says of `SELECT * FROM` the same FROM clause.

mod calls;
mod lambda;
mod names;

use std::ops::ControlFlow;

use datafusion::common::TableReference;
use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, Expr, Function, FunctionArgExpr, Ident, IdentWithAlias, OrderByExpr,
    OrderByKind, Query, RenameSelectItem, Select, SelectItem, SelectItemQualifiedWildcardKind,
    SetExpr, VisitorMut, WildcardAdditionalOptions,
};
use regex::Regex;
use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;
use sheaf_base::{Result, SheafError};
use sheaf_sql::walk::WalkMut;

use self::calls::{argument, only_call, placed, text, with_column};
use self::names::TakenNames;
use super::build::select_from;
use super::scope::Scope;
use super::{Binder, Bound, normalize};

pub(super) use self::calls::is_in;

/// Columns that the error about a pattern without a match names at most.
const SHOWN_MAX: usize = 10;

/// Expands COLUMNS in every SELECT of `statement`, whose tables are open.
///
/// # Errors
/// `UserInput` if no column is meant, or COLUMNS is used in a way that has no meaning;
/// `Unsupported` if it stands in another clause.
pub(super) fn expand(
    statement: &mut ast::Statement,
    binder: Binder<'_>,
    bound: &Bound,
) -> Result<()> {
    if !is_in(statement) {
        return Ok(());
    }
    let scope = Scope::default();
    let mut expander = Expander {
        scope,
        binder,
        bound,
    };
    match statement.walk_mut(&mut expander) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Expander<'a> {
    scope: Scope,
    binder: Binder<'a>,
    bound: &'a Bound,
}

impl VisitorMut for Expander<'_> {
    type Break = SheafError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SheafError> {
        self.scope.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<SheafError> {
        let done = self.order_by(query);
        self.scope.leave(query);
        control(done)
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<SheafError> {
        control(self.select(select))
    }
}

fn control(result: Result<()>) -> ControlFlow<SheafError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

/// A column that COLUMNS stands for.
struct Column {
    value: Expr,
    name: String,
    /// What the regular expression found in the name, and its groups; else the name alone.
    groups: Vec<String>,
}

impl Expander<'_> {
    fn select(&self, select: &mut Select) -> Result<()> {
        let elsewhere = [
            only_call(&select.from)?,
            only_call(&select.group_by)?,
            only_call(&select.having)?,
            only_call(&select.qualify)?,
            only_call(&select.distinct)?,
        ];
        if let Some(call) = elsewhere.iter().flatten().next() {
            let error = SheafError::unsupported(
                "COLUMNS(…) may stand in the select list, WHERE and ORDER BY only",
            )
            .with_hint("GROUP BY ALL groups by every item without an aggregate");
            return Err(placed(error, call));
        }
        let mut items = Vec::with_capacity(select.projection.len());
        let mut names = TakenNames::default();
        for item in std::mem::take(&mut select.projection) {
            let (expr, alias) = match item {
                SelectItem::UnnamedExpr(expr) => (expr, None),
                SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias)),
                other => {
                    items.push(other);
                    continue;
                }
            };
            match only_call(&expr)? {
                Some(call) => {
                    for column in self.columns(&call, select)? {
                        items.push(names.item(&expr, alias.as_ref(), &column));
                    }
                }
                None => items.push(names.as_it_is(expr, alias)),
            }
        }
        select.projection = items;
        if let Some(condition) = &select.selection
            && let Some(call) = only_call(condition)?
        {
            let columns = self.columns(&call, select)?;
            let each = columns.iter().map(|column| {
                let condition = with_column(condition, &column.value);
                Expr::Nested(Box::new(condition))
            });
            select.selection = all(each.collect());
        }
        Ok(())
    }

    fn order_by(&self, query: &mut Query) -> Result<()> {
        let Some(order) = &mut query.order_by else {
            return Ok(());
        };
        let (OrderByKind::Expressions(keys), SetExpr::Select(select)) =
            (&mut order.kind, query.body.as_ref())
        else {
            return Ok(());
        };
        let mut expanded = Vec::with_capacity(keys.len());
        for key in keys.drain(..) {
            match only_call(&key.expr)? {
                None => expanded.push(key),
                Some(call) => {
                    let columns = self.columns(&call, select)?;
                    expanded.extend(columns.iter().map(|column| OrderByExpr {
                        expr: with_column(&key.expr, &column.value),
                        ..key.clone()
                    }));
                }
            }
        }
        *keys = expanded;
        Ok(())
    }

    /// The columns that `call` stands for in `select`; at least one.
    fn columns(&self, call: &Function, select: &Select) -> Result<Vec<Column>> {
        let wrong = || {
            let error = SheafError::user(format!("{call} says no columns")).with_hint(
                "COLUMNS(*), COLUMNS('regex'), COLUMNS(lambda name: …) or COLUMNS(['a', 'b'])",
            );
            placed(error, call)
        };
        let columns = match argument(call).ok_or_else(wrong)? {
            FunctionArgExpr::Wildcard => self.star(WildcardAdditionalOptions::default(), select),
            FunctionArgExpr::WildcardWithOptions(options) => self.star(options.clone(), select),
            FunctionArgExpr::QualifiedWildcard(table) => {
                let table = SelectItemQualifiedWildcardKind::ObjectName(table.clone());
                let options = WildcardAdditionalOptions::default();
                self.probe(SelectItem::QualifiedWildcard(table, options), select)
            }
            FunctionArgExpr::Expr(Expr::Lambda(lambda)) => {
                let columns = self.star(WildcardAdditionalOptions::default(), select)?;
                let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
                let chosen = lambda::names_where(self.binder, lambda, &names)?;
                let chosen = columns.into_iter().zip(chosen);
                Ok(chosen.filter(|(_, is_it)| *is_it).map(|(c, _)| c).collect())
            }
            FunctionArgExpr::Expr(Expr::Array(list)) => {
                let columns = self.star(WildcardAdditionalOptions::default(), select)?;
                let names = list.elem.iter().map(|name| text(name).ok_or_else(wrong));
                named(&names.collect::<Result<Vec<_>>>()?, columns)
            }
            FunctionArgExpr::Expr(expr) => {
                let pattern = text(expr).ok_or_else(wrong)?;
                let columns = self.star(WildcardAdditionalOptions::default(), select)?;
                matching(&pattern, columns)
            }
        }
        .map_err(|error| match error.position() {
            None => placed(error, call),
            Some(_) => error,
        })?;
        if columns.is_empty() {
            let error = SheafError::user(format!("{call} stands for no column"))
                .with_state(SqlState::UNDEFINED_COLUMN);
            return Err(placed(error, call));
        }
        Ok(columns)
    }

    /// The columns of `* EXCLUDE … REPLACE … RENAME …`.
    fn star(&self, options: WildcardAdditionalOptions, select: &Select) -> Result<Vec<Column>> {
        let mut options = options;
        let renames = match options.opt_rename.take() {
            None => vec![],
            Some(RenameSelectItem::Single(item)) => vec![item],
            Some(RenameSelectItem::Multiple(items)) => items,
        };
        let replaced = options.opt_replace.clone();
        let mut columns = self.probe(SelectItem::Wildcard(options), select)?;
        for element in replaced.iter().flat_map(|replaced| &replaced.items) {
            let name = normalize(&element.column_name);
            for column in columns.iter_mut().filter(|column| column.name == name) {
                column.value = Expr::Nested(Box::new(element.expr.clone()));
            }
        }
        for IdentWithAlias { ident, alias } in renames {
            let name = normalize(&ident);
            let Some(column) = columns.iter_mut().find(|column| column.name == name) else {
                return Err(unknown(&name, &columns));
            };
            column.name = normalize(&alias);
            column.groups = vec![column.name.clone()];
        }
        Ok(columns)
    }

    /// The columns of `SELECT item FROM` the FROM clause of `select`.
    fn probe(&self, item: SelectItem, select: &Select) -> Result<Vec<Column>> {
        let query = select_from(vec![item], select.from.clone());
        let query = self.scope.query(SetExpr::Select(Box::new(query)));
        let schema = self.binder.schema_of(query, self.bound)?;
        let columns = schema.iter().map(|(table, field)| Column {
            value: reference(table, field.name()),
            name: field.name().clone(),
            groups: vec![field.name().clone()],
        });
        Ok(columns.collect())
    }
}

/// The columns whose names hold a match of `pattern`.
fn matching(pattern: &str, columns: Vec<Column>) -> Result<Vec<Column>> {
    let regex = Regex::new(pattern).map_err(|error| {
        let error = error.to_string();
        let reason = error.lines().last().unwrap_or_default();
        SheafError::user(format!("'{pattern}' is no regular expression"))
            .with_detail(reason.trim_start_matches("error: ").to_owned())
    })?;
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let found = columns.into_iter().filter_map(|column| {
        let groups: Vec<String> = regex
            .captures(&column.name)?
            .iter()
            .map(|group| group.map_or_else(String::new, |group| group.as_str().to_owned()))
            .collect();
        Some(Column { groups, ..column })
    });
    let found: Vec<Column> = found.collect();
    if found.is_empty() {
        let shown: Vec<&str> = names.iter().take(SHOWN_MAX).map(String::as_str).collect();
        let more = if names.len() > SHOWN_MAX { ", …" } else { "" };
        return Err(SheafError::user(format!("no column matches '{pattern}'"))
            .with_state(SqlState::UNDEFINED_COLUMN)
            .with_hint(format!("the columns are {}{more}", shown.join(", "))));
    }
    Ok(found)
}

/// The columns with these names.
fn named(names: &[String], columns: Vec<Column>) -> Result<Vec<Column>> {
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let column = columns.iter().find(|column| column.name == *name);
        let column = column.ok_or_else(|| unknown(name, &columns))?;
        found.push(Column {
            value: column.value.clone(),
            name: column.name.clone(),
            groups: column.groups.clone(),
        });
    }
    Ok(found)
}

fn unknown(name: &str, columns: &[Column]) -> SheafError {
    let error = SheafError::user(format!("column \"{name}\" of COLUMNS does not exist"))
        .with_state(SqlState::UNDEFINED_COLUMN);
    match nearest(name, columns.iter().map(|column| column.name.as_str())) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error,
    }
}

/// `table.name`
fn reference(table: Option<&TableReference>, name: &str) -> Expr {
    let column = Ident::with_quote('"', name);
    let Some(table) = table else {
        return Expr::Identifier(column);
    };
    let parts = [table.catalog(), table.schema(), Some(table.table())];
    let parts = parts.into_iter().flatten();
    let parts = parts.map(|part| Ident::with_quote('"', part));
    Expr::CompoundIdentifier(parts.chain([column]).collect())
}

/// All of `conditions`, joined by AND as a shallow tree.
fn all(mut conditions: Vec<Expr>) -> Option<Expr> {
    while conditions.len() > 1 {
        let mut rest = conditions.into_iter();
        let mut pairs = Vec::new();
        while let Some(left) = rest.next() {
            pairs.push(match rest.next() {
                Some(right) => Expr::BinaryOp {
                    left: Box::new(left),
                    op: BinaryOperator::And,
                    right: Box::new(right),
                },
                None => left,
            });
        }
        conditions = pairs;
    }
    conditions.pop()
}
