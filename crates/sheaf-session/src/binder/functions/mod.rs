//! Functions whose bodies are SQL: a call becomes what its function stands for, before anything is
//! planned, so that predicates, projections and constants pass through it.
//!
//! CREATE FUNCTION settles what each name of a body means ([`define`]); a call is matched with one of
//! the functions of its name ([`calls`]), the calls within its body are expanded, and the arguments
//! put in ([`inline`]). Limits on depth and size are those of `sheaf_sql::limits`.
//!
//! Names are hygienic: what a body names is its own, what an argument names is the caller's. A
//! column of a table in the body that is gone by now could be taken for one of the caller; so a body
//! with sub-queries whose call stands beside columns is planned by itself, too.

mod blame;
mod calls;
mod define;
mod fit;
mod inline;
mod measure;
mod names;
mod resolve;
mod usage;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    self, Expr, Function, FunctionArg, ObjectName, Query, Select, SelectItem, SetExpr, TableFactor,
    TableWithJoins, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_sql::FunctionBody;
use sheaf_sql::limits::FUNCTION_DEPTH_MAX;
use sheaf_sql::walk::{Walk, WalkMut};

use self::blame::{Called, Expansion, of_function, place_at};
use self::calls::Matched;
use self::fit::{Needed, type_of};
use self::inline::{Inlined, inline};
use self::measure::{has_query, is_closed, size, uses, within_limits};
use super::build::{query_of, select_from};
use super::scope::Scope;
use super::{Binder, column_names};
use crate::catalog::{FunctionMap, SqlFunction};

pub(crate) use self::calls::function_name;
pub(crate) use self::define::body_names_files;
pub(crate) use self::usage::{Used, recursion, used, used_by};

/// Plans `statement` with its calls expanded.
///
/// # Errors
/// Those of [`expand`] and of planning; of an error within a body the function is told.
pub(super) async fn plan(mut statement: ast::Statement, binder: Binder<'_>) -> Result<LogicalPlan> {
    let expansion = expand(&mut statement, binder).await?;
    match (binder.plan_expanded(statement).await, expansion) {
        (Err(error), Some(expansion)) if binder.looks_into_functions => {
            Err(expansion.blame(error, binder).await)
        }
        (result, _) => result,
    }
}

/// Expands the calls in `statement`; `None` if there are none.
///
/// # Errors
/// `UserInput` if a function does not take its arguments, or a limit is reached, with the place of
/// the call; those of the body of a function.
async fn expand(statement: &mut ast::Statement, binder: Binder<'_>) -> Result<Option<Expansion>> {
    let functions = binder.functions();
    if functions.is_empty() || !has_calls(statement, &functions) {
        return Ok(None);
    }
    column_names::name_computed(statement);
    let original = statement.clone();
    let mut types = HashMap::new();
    loop {
        let mut expander = Expander::new(binder, &functions, &types);
        if let ControlFlow::Break(error) = statement.walk_mut(&mut expander) {
            return Err(error);
        }
        let Expander {
            needed,
            calls,
            checked,
            ..
        } = expander;
        if needed.is_empty() {
            within_limits(size(statement))?;
            check(checked, binder).await?;
            return Ok(Some(Expansion::new(original, calls)));
        }
        for Needed { key, queries } in needed {
            let data_type = type_of(queries, binder).await?;
            types.insert(key, data_type);
        }
        *statement = original.clone();
    }
}

/// Expands the calls in an expression that stands alone.
///
/// # Errors
/// As [`expand`].
pub(super) fn expand_expression(expr: &mut Expr, binder: Binder<'_>) -> Result<()> {
    let functions = binder.functions();
    if functions.is_empty() {
        return Ok(());
    }
    let types = HashMap::new();
    match expr.walk_mut(&mut Expander::new(binder, &functions, &types)) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => within_limits(size(expr)),
    }
}

/// Plans the bodies of `functions` by themselves.
async fn check(functions: Vec<Called>, binder: Binder<'_>) -> Result<()> {
    if !binder.looks_into_functions {
        return Ok(());
    }
    for called in functions {
        let result = binder.check_function(&called.function).await;
        result.map_err(|error| of_function(error, &called.function, called.span))?;
    }
    Ok(())
}

fn has_calls(statement: &ast::Statement, functions: &FunctionMap) -> bool {
    struct Finder<'a>(&'a FunctionMap);
    impl Visitor for Finder<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(call) if calls::called(call, self.0).is_some() => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            let name = calls::called_relation(factor).and_then(|(name, _)| function_name(name));
            match name.is_some_and(|name| self.0.contains_key(&name)) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    statement.walk(&mut Finder(functions)).is_break()
}

/// Puts bodies in the place of calls, inner calls first.
struct Expander<'a> {
    binder: Binder<'a>,
    functions: &'a FunctionMap,
    /// Types of arguments, where they tell functions apart; `None` if a query has no columns.
    types: &'a HashMap<String, Option<DataType>>,
    /// Those that are missing.
    needed: Vec<Needed>,
    /// Whether any name stands for several functions.
    has_overloads: bool,
    scope: Scope,
    /// The FROM clauses around the place.
    froms: Vec<Vec<TableWithJoins>>,
    /// The functions in whose bodies the place is.
    stack: Vec<Arc<SqlFunction>>,
    /// The outermost call around the place.
    span: Span,
    expressions: usize,
    calls: Vec<Called>,
    checked: Vec<Called>,
}

impl VisitorMut for Expander<'_> {
    type Break = SheafError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SheafError> {
        if self.has_overloads {
            self.scope.enter(query);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<SheafError> {
        if self.has_overloads {
            self.scope.leave(query);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SheafError> {
        if self.has_overloads {
            self.froms.push(select.from.clone());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _select: &mut Select) -> ControlFlow<SheafError> {
        self.froms.pop();
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SheafError> {
        let Expr::Function(call) = expr else {
            return ControlFlow::Continue(());
        };
        match self.value(call) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(value)) => {
                *expr = value;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(placed(error, &call.name)),
        }
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SheafError> {
        let Some((name, _)) = calls::called_relation(factor) else {
            return ControlFlow::Continue(());
        };
        let name = name.clone();
        match self.relation(factor) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(rows)) => {
                *factor = rows;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(placed(error, &name)),
        }
    }
}

fn placed(error: SheafError, name: &ObjectName) -> SheafError {
    match (error.position(), calls::position(name)) {
        (None, Some(position)) => error.with_position(position),
        _ => error,
    }
}

impl<'a> Expander<'a> {
    fn new(
        binder: Binder<'a>,
        functions: &'a FunctionMap,
        types: &'a HashMap<String, Option<DataType>>,
    ) -> Self {
        Self {
            binder,
            functions,
            types,
            needed: Vec::new(),
            has_overloads: functions.values().any(|functions| functions.len() > 1),
            scope: Scope::default(),
            froms: Vec::new(),
            stack: Vec::new(),
            span: Span::empty(),
            expressions: 0,
            calls: Vec::new(),
            checked: Vec::new(),
        }
    }

    /// What a call in an expression stands for; `None` if it is not one of ours, or a type that
    /// tells is not known yet.
    fn value(&mut self, call: &Function) -> Result<Option<Expr>> {
        let Some(overloads) = calls::called(call, self.functions) else {
            return Ok(None);
        };
        let arguments = calls::arguments(call)?;
        let Some(matched) = self.choose(overloads, arguments)? else {
            return Ok(None);
        };
        if let FunctionBody::Table(_) = matched.function.body {
            let name = &matched.function.name;
            return Err(
                SheafError::user(format!("\"{name}\" gives rows, so it stands in FROM"))
                    .with_state(SqlState::WRONG_OBJECT_TYPE)
                    .with_hint(format!("SELECT * FROM {name}(…)")),
            );
        }
        match self.expand(matched, &call.name)? {
            Inlined::Expr(expr) => Ok(Some(match *expr {
                Expr::BinaryOp { .. } | Expr::UnaryOp { .. } => Expr::Nested(expr),
                expr => expr,
            })),
            Inlined::Rows(_) => Err(SheafError::internal("a value has become rows")),
        }
    }

    /// What a call in FROM stands for.
    fn relation(&mut self, factor: &TableFactor) -> Result<Option<TableFactor>> {
        let Some((name, arguments)) = calls::called_relation(factor) else {
            return Ok(None);
        };
        let Some(overloads) = function_name(name).and_then(|name| self.functions.get(&name)) else {
            return Ok(None);
        };
        let (lateral, alias, sample, is_numbered) = match factor {
            TableFactor::Table {
                alias,
                sample,
                with_ordinality,
                ..
            } => (false, alias, sample.clone(), *with_ordinality),
            TableFactor::Function {
                lateral,
                alias,
                with_ordinality,
                ..
            } => (*lateral, alias, None, *with_ordinality),
            _ => return Ok(None),
        };
        if is_numbered {
            return Err(SheafError::unsupported(format!(
                "WITH ORDINALITY does not count the rows of \"{name}\""
            ))
            .with_hint("row_number() OVER (ORDER BY …) counts in an order"));
        }
        let Some(matched) = self.choose(overloads, arguments)? else {
            return Ok(None);
        };
        let own_name = matched.function.name.clone();
        let rows = match self.expand(matched, name)? {
            Inlined::Rows(rows) => *rows,
            Inlined::Expr(value) => {
                let item = SelectItem::ExprWithAlias {
                    expr: *value,
                    alias: inline::quoted(own_name.clone()),
                };
                query_of(SetExpr::Select(Box::new(select_from(vec![item], vec![]))))
            }
        };
        Ok(Some(TableFactor::Derived {
            lateral,
            subquery: Box::new(rows),
            alias: Some(alias.clone().unwrap_or_else(|| inline::alias(&own_name))),
            sample,
        }))
    }

    fn choose(
        &mut self,
        overloads: &[Arc<SqlFunction>],
        arguments: &[FunctionArg],
    ) -> Result<Option<Matched>> {
        let needed = std::cell::RefCell::new(Vec::new());
        let fit = |function: &SqlFunction, at: usize, value: &Expr| {
            let parameter = function.parameters.get(at)?;
            let type_of = |value: &Expr| self.type_of(value, &mut needed.borrow_mut());
            fit::fit(parameter, value, self.binder, &type_of)
        };
        let matched = calls::choose(overloads, arguments, &fit);
        let needed = needed.into_inner();
        if needed.is_empty() {
            return matched.map(Some);
        }
        self.needed.extend(needed);
        Ok(None)
    }

    /// The type of an argument, if it is known or can get so.
    fn type_of(&self, value: &Expr, needed: &mut Vec<Needed>) -> Option<DataType> {
        if let Some(function) = self.stack.last() {
            let parameter = function.parameters.get(inline::parameter_of(value)?)?;
            return fit::declared(&parameter.kind, self.binder);
        }
        let beside = |from: Vec<TableWithJoins>| {
            let item = SelectItem::UnnamedExpr(value.clone());
            let select = select_from(vec![item], from);
            self.scope.query(SetExpr::Select(Box::new(select)))
        };
        let near = beside(self.froms.last().cloned().unwrap_or_default());
        let key = near.to_string();
        if let Some(data_type) = self.types.get(&key) {
            return data_type.clone();
        }
        let far = beside(self.froms.iter().flatten().cloned().collect());
        let queries = [near, far];
        needed.push(Needed { key, queries });
        None
    }

    /// The body of `matched` in the place of a call of `name`.
    fn expand(&mut self, matched: Matched, name: &ObjectName) -> Result<Inlined> {
        let function = Arc::clone(&matched.function);
        let is_outermost = self.stack.is_empty();
        if self.stack.iter().any(|other| Arc::ptr_eq(other, &function)) {
            let names = self.stack.iter().chain([&function]);
            let names: Vec<&str> = names.map(|function| function.name.as_str()).collect();
            return Err(recursive(&names));
        }
        if self.stack.len() >= FUNCTION_DEPTH_MAX {
            return Err(too_deep());
        }
        if is_outermost {
            let ident = name.0.first().and_then(|part| part.as_ident());
            self.span = ident.map_or_else(Span::empty, |ident| ident.span);
            self.remember(&matched);
        }
        let mut body = function.body.clone();
        place_at(&mut body, self.span);
        self.stack.push(Arc::clone(&function));
        let result = match &mut body {
            FunctionBody::Expr(expr) => expr.walk_mut(self),
            FunctionBody::Table(query) => query.walk_mut(self),
        };
        self.stack.pop();
        if let ControlFlow::Break(error) = result {
            return Err(of_function(error, &function, self.span));
        }
        self.measure(&body, &matched)?;
        inline(matched, body, self.binder.state)
    }

    /// Keeps who is called, and whether its body is planned by itself.
    fn remember(&mut self, matched: &Matched) {
        let function = &matched.function;
        let called = || Called {
            function: Arc::clone(function),
            span: self.span,
        };
        self.calls.push(called());
        let is_beside_columns = match &function.body {
            FunctionBody::Expr(expr) => has_query(expr.as_ref()),
            FunctionBody::Table(_) => !matched.values.iter().all(is_closed),
        };
        let is_known = |other: &Called| Arc::ptr_eq(&other.function, function);
        if is_beside_columns && !self.checked.iter().any(is_known) {
            self.checked.push(called());
        }
    }

    /// Refuses what would get too large before it is made.
    fn measure(&mut self, body: &FunctionBody, matched: &Matched) -> Result<()> {
        let mut total = match body {
            FunctionBody::Expr(expr) => size(expr),
            FunctionBody::Table(query) => size(query),
        };
        let uses = uses(body, &matched.function);
        let mut depth_max = 0;
        for (value, uses) in matched.values.iter().zip(uses) {
            let value = size(value);
            let count = uses.count.max(1);
            let expressions = value.expressions.saturating_mul(count);
            total.expressions = total.expressions.saturating_add(expressions);
            let relations = value.relations.saturating_mul(count);
            total.relations = total.relations.saturating_add(relations);
            depth_max = depth_max.max(value.depth);
        }
        total.depth += depth_max;
        if self.stack.is_empty() {
            self.expressions = self.expressions.saturating_add(total.expressions);
            total.expressions = self.expressions;
        }
        within_limits(total)
    }
}

/// The error about functions that lead back to themselves: `names` in the order of their calls.
pub(super) fn recursive(names: &[&str]) -> SheafError {
    SheafError::user(format!(
        "functions cannot call themselves: {}",
        names.join(" → ")
    ))
    .with_state(SqlState::INVALID_FUNCTION_DEFINITION)
    .with_hint("WITH RECURSIVE repeats a query")
}

fn too_deep() -> SheafError {
    SheafError::user(format!(
        "functions call one another more than {FUNCTION_DEPTH_MAX} deep"
    ))
    .with_state(SqlState::PROGRAM_LIMIT)
}
