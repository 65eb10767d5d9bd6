//! The walk that puts the bodies of functions in the place of their calls.
//!
//! Inner calls go first. Where types tell functions apart, the FROM clause of a SELECT is walked before
//! the rest of it, so that what a place stands beside has no calls left in it; of an argument that
//! still has one, because a type is missing, no type is asked: each is told once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, Join, JoinConstraint, JoinOperator, ObjectName, Query, Select,
    SelectItem, SetExpr, TableFactor, TableWithJoins, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_sql::FunctionBody;
use sheaf_sql::limits::FUNCTION_DEPTH_MAX;
use sheaf_sql::walk::WalkMut;

use super::super::Binder;
use super::super::build::{query_of, select_from};
use super::super::scope::Scope;
use super::blame::{Called, of_function, place_at};
use super::calls::{self, Matched, function_name};
use super::fit::{self, Needed};
use super::inline::{self, Inlined, inline};
use super::measure::{self, Size, has_query, is_closed, size, uses, within_limits};
use super::{has_calls, recursive, too_deep, user};
use crate::catalog::{FunctionMap, SqlFunction, UserFunction};

/// Types of arguments by the queries that tell them; `None` if a query has no columns.
pub(super) type Types = HashMap<String, Option<DataType>>;

/// Puts bodies in the place of calls, inner calls first.
pub(super) struct Expander<'a> {
    binder: Binder<'a>,
    functions: &'a FunctionMap,
    /// Types of arguments, where they tell functions apart.
    types: &'a Types,
    /// Those that are missing.
    pub(super) needed: Vec<Needed>,
    /// Whether a type waits for others, which tell what a call in its argument is.
    pub(super) waits: bool,
    /// Whether none shall wait: the call is in a place that this walk does not change.
    asks_all: bool,
    /// Whether any name stands for several functions.
    has_overloads: bool,
    scope: Scope,
    /// The FROM clauses around the place, as far as it sees them.
    froms: Vec<Vec<TableWithJoins>>,
    /// Those that have been walked and wait for the rest of their SELECT.
    taken: Vec<Vec<TableWithJoins>>,
    /// The functions in whose bodies the place is.
    stack: Vec<Arc<SqlFunction>>,
    /// The outermost call around the place.
    span: Span,
    /// What has been put in the place of calls so far, calls within bodies included.
    grown: Size,
    pub(super) calls: Vec<Called>,
    pub(super) checked: Vec<Called>,
}

/// What is missing to tell which function a call means.
#[derive(Default)]
struct Missing {
    needed: Vec<Needed>,
    waits: bool,
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
            let mut from = std::mem::take(&mut select.from);
            self.froms.push(Vec::with_capacity(from.len()));
            from.iter_mut().try_for_each(|chain| self.chain(chain))?;
            self.taken.push(from);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<SheafError> {
        if self.has_overloads {
            self.froms.pop();
            select.from = self.taken.pop().unwrap_or_default();
        }
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
    pub(super) fn new(
        binder: Binder<'a>,
        functions: &'a FunctionMap,
        types: &'a Types,
        asks_all: bool,
    ) -> Self {
        Self {
            binder,
            functions,
            types,
            needed: Vec::new(),
            waits: false,
            asks_all,
            has_overloads: functions.values().any(|functions| functions.len() > 1),
            scope: Scope::default(),
            froms: Vec::new(),
            taken: Vec::new(),
            stack: Vec::new(),
            span: Span::empty(),
            grown: Size::default(),
            calls: Vec::new(),
            checked: Vec::new(),
        }
    }

    /// Walks an item of FROM: each of its relations sees what stands to its left, the condition of a
    /// join sees both sides.
    fn chain(&mut self, chain: &mut TableWithJoins) -> ControlFlow<SheafError> {
        self.factor(&mut chain.relation)?;
        let mut seen = TableWithJoins {
            relation: chain.relation.clone(),
            joins: vec![],
        };
        self.see(&seen);
        for join in &mut chain.joins {
            self.factor(&mut join.relation)?;
            seen.joins.push(Join {
                join_operator: JoinOperator::CrossJoin(JoinConstraint::None),
                ..join.clone()
            });
            self.see_again(&seen);
            join.join_operator.walk_mut(self)?;
            seen.joins.pop();
            seen.joins.push(join.clone());
            self.see_again(&seen);
        }
        ControlFlow::Continue(())
    }

    fn factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SheafError> {
        let TableFactor::NestedJoin {
            table_with_joins, ..
        } = factor
        else {
            return factor.walk_mut(self);
        };
        let left = self.froms.last().map_or(0, Vec::len);
        self.chain(table_with_joins)?;
        if let Some(from) = self.froms.last_mut() {
            from.truncate(left);
        }
        ControlFlow::Continue(())
    }

    fn see(&mut self, chain: &TableWithJoins) {
        if let Some(from) = self.froms.last_mut() {
            from.push(chain.clone());
        }
    }

    /// The last item of FROM has become `chain`.
    fn see_again(&mut self, chain: &TableWithJoins) {
        if let Some(last) = self.froms.last_mut().and_then(|from| from.last_mut()) {
            last.clone_from(chain);
        }
    }

    /// What a call in an expression stands for; `None` if it is not one of ours, or a type that
    /// tells is not known yet.
    fn value(&mut self, call: &Function) -> Result<Option<Expr>> {
        let Some(overloads) = calls::called(call, self.functions) else {
            return Ok(None);
        };
        let arguments = match overloads.iter().any(|function| function.is_aggregate()) {
            true => calls::listed(call)?,
            false => calls::arguments(call)?,
        };
        let Some(matched) = self.choose(overloads, arguments)? else {
            return Ok(None);
        };
        if matched.function.kind() == "table" {
            let name = &matched.function.name;
            return Err(
                SheafError::user(format!("\"{name}\" gives rows, so it stands in FROM"))
                    .with_state(SqlState::WRONG_OBJECT_TYPE)
                    .with_hint(format!("SELECT * FROM {name}(…)")),
            );
        }
        if matched.function.user.is_some() {
            self.begin(&matched, &call.name);
            return user::value(matched, call).map(Some);
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
        let Some(matched) = self.choose(overloads, arguments)? else {
            return Ok(None);
        };
        let own_name = matched.function.name.clone();
        if let Some(UserFunction::Table(_)) = matched.function.user {
            self.begin(&matched, name);
            return user::relation(matched, factor).map(Some);
        }
        if is_numbered {
            self.check_numbered(&matched)?;
        }
        let inlined = match matched.function.user {
            None => self.expand(matched, name)?,
            Some(_) => {
                self.begin(&matched, name);
                Inlined::Expr(Box::new(user::plain_value(matched, name)?))
            }
        };
        let rows = match inlined {
            Inlined::Rows(rows) => *rows,
            Inlined::Expr(value) => {
                let item = SelectItem::ExprWithAlias {
                    expr: *value,
                    alias: inline::quoted(own_name.clone()),
                };
                query_of(SetExpr::Select(Box::new(select_from(vec![item], vec![]))))
            }
        };
        let mut alias = alias.clone();
        let rows = match is_numbered {
            true => inline::numbered(rows, alias.as_mut()),
            false => rows,
        };
        Ok(Some(TableFactor::Derived {
            lateral,
            subquery: Box::new(rows),
            alias: Some(alias.unwrap_or_else(|| inline::alias(&own_name))),
            sample,
        }))
    }

    /// Whether the rows of a call can be counted: they come in one order, and only once.
    fn check_numbered(&self, matched: &Matched) -> Result<()> {
        let name = &matched.function.name;
        let why_not = match &matched.function.body {
            _ if !matched.values.iter().all(is_closed) => "for each row of others",
            FunctionBody::Table(query) if is_ordered(query) => "in the order of its ORDER BY",
            _ => return Ok(()),
        };
        Err(SheafError::unsupported(format!(
            "WITH ORDINALITY does not count the rows of \"{name}\" {why_not}"
        ))
        .with_hint("its body can count them: row_number() OVER (ORDER BY …)"))
    }

    fn choose(
        &mut self,
        overloads: &[Arc<SqlFunction>],
        arguments: &[FunctionArg],
    ) -> Result<Option<Matched>> {
        let missing = RefCell::new(Missing::default());
        let fit = |function: &SqlFunction, at: usize, value: &Expr| {
            let parameter = function.parameters.get(at)?;
            let type_of = |value: &Expr| self.type_of(value, &mut missing.borrow_mut());
            fit::fit(parameter, value, self.binder, &type_of)
        };
        let matched = calls::choose(overloads, arguments, &fit);
        let missing = missing.into_inner();
        self.waits |= missing.waits;
        if !missing.waits && missing.needed.is_empty() {
            return matched.map(Some);
        }
        self.needed.extend(missing.needed);
        Ok(None)
    }

    /// The type of an argument, if it is known or can get so.
    fn type_of(&self, value: &Expr, missing: &mut Missing) -> Option<DataType> {
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
        if !self.asks_all && has_calls(&near, self.functions) {
            missing.waits = true;
            return None;
        }
        let far = beside(self.froms.iter().flatten().cloned().collect());
        let key = format!("{near}; {far}");
        if let Some(data_type) = self.types.get(&key) {
            return data_type.clone();
        }
        missing.needed.push(Needed {
            key,
            value: value.clone(),
            queries: [near, far],
        });
        None
    }

    /// The body of `matched` in the place of a call of `name`.
    fn expand(&mut self, matched: Matched, name: &ObjectName) -> Result<Inlined> {
        let function = Arc::clone(&matched.function);
        if self.stack.iter().any(|other| Arc::ptr_eq(other, &function)) {
            let names = self.stack.iter().chain([&function]);
            let names: Vec<&str> = names.map(|function| function.name.as_str()).collect();
            return Err(recursive(&names));
        }
        if self.stack.len() >= FUNCTION_DEPTH_MAX {
            return Err(too_deep());
        }
        self.begin(&matched, name);
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

    /// Keeps who is called where, unless the call stands in the body of another.
    fn begin(&mut self, matched: &Matched, name: &ObjectName) {
        if self.stack.is_empty() {
            let ident = name.0.first().and_then(|part| part.as_ident());
            self.span = ident.map_or_else(Span::empty, |ident| ident.span);
            self.remember(matched);
        }
    }

    /// Keeps who is called, and whether its body is planned by itself.
    fn remember(&mut self, matched: &Matched) {
        let function = &matched.function;
        let called = || Called {
            function: Arc::clone(function),
            span: self.span,
        };
        self.calls.push(called());
        if function.user.is_some() {
            return;
        }
        let is_beside_columns = match &function.body {
            FunctionBody::Expr(expr) => has_query(expr.as_ref()),
            FunctionBody::Table(_) => !matched.values.iter().all(is_closed),
        };
        let is_known = |other: &Called| Arc::ptr_eq(&other.function, function);
        if is_beside_columns && !self.checked.iter().any(is_known) {
            self.checked.push(called());
        }
    }

    /// Refuses what would get too large before it is made: `body` has its own calls expanded.
    fn measure(&mut self, body: &FunctionBody, matched: &Matched) -> Result<()> {
        // What has been put into the body is counted already.
        let own = measure::body_size(&matched.function.body);
        self.grown.add(own);
        let mut depth_max = 0;
        for (value, uses) in matched.values.iter().zip(uses(body, &matched.function)) {
            let value = size(value);
            self.grown.add_argument(value, uses.count);
            depth_max = depth_max.max(value.depth);
        }
        within_limits(Size {
            depth: measure::body_size(body).depth + depth_max,
            ..self.grown
        })
    }
}

/// Whether the rows of `query`, or those that it only renames, are ordered.
fn is_ordered(query: &Query) -> bool {
    let within = match query.body.as_ref() {
        SetExpr::Select(select) => match select.from.as_slice() {
            [
                TableWithJoins {
                    relation: TableFactor::Derived { subquery, .. },
                    joins,
                },
            ] if joins.is_empty() => Some(subquery),
            _ => None,
        },
        SetExpr::Query(query) => Some(query),
        _ => None,
    };
    query.order_by.is_some() || within.is_some_and(|query| is_ordered(query))
}
