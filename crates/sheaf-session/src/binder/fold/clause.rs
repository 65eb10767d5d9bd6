//! The clauses of `CREATE AGGREGATE`: each expression planned by itself, over what it may name.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, FieldRef, Fields, Schema};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder, Volatility, cast,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{self, Ident, VisitMut, VisitorMut};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError, sql_type_name};
use sheaf_functions::fold::assign::is_assignable;
use sheaf_sql::{AggregateDefinition, ClauseExpr};

use super::Constants;
use crate::binder::context::BoundContext;
use crate::binder::{Binder, Bound, functions, literals, normalize};

/// What MERGE calls the second state.
pub(super) const OTHER: &str = "other";

/// A clause with expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    Init,
    Accumulate,
    Merge,
    Finish,
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "INIT",
            Self::Accumulate => "ACCUMULATE",
            Self::Merge => "MERGE",
            Self::Finish => "FINISH",
        })
    }
}

/// A definition whose arguments and state are known.
#[derive(Clone, Copy)]
pub(super) struct Definition<'a> {
    pub(super) binder: Binder<'a>,
    pub(super) name: &'a str,
    pub(super) arguments: &'a Fields,
    pub(super) state: &'a Fields,
}

impl Definition<'_> {
    /// The values of INIT.
    pub(super) fn constants(&self, clause: Clause, written: &[ClauseExpr]) -> Result<Constants> {
        let exprs = self.columns(clause, written)?;
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let schema = Arc::new(Schema::empty());
        let row = RecordBatch::try_new_with_options(schema, vec![], &options)?;
        let values = exprs.iter().zip(written).map(|(expr, written)| {
            let value =
                || -> datafusion::common::Result<ArrayRef> { expr.evaluate(&row)?.into_array(1) };
            value().map_err(|error| self.refusal(clause, written, error.into()))
        });
        values.collect()
    }

    /// The expressions of a clause that gives a state.
    pub(super) fn columns(
        &self,
        clause: Clause,
        written: &[ClauseExpr],
    ) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
        if let Some(last) = written.last()
            && written.len() != self.state.len()
        {
            let count = |count: usize, what: &str| match count {
                1 => format!("1 {what}"),
                _ => format!("{count} {what}s"),
            };
            let error = SheafError::user(format!(
                "{} for a STATE of {}",
                count(written.len(), "expression"),
                count(self.state.len(), "column")
            ))
            .with_state(SqlState::INVALID_FUNCTION_DEFINITION);
            return Err(self.refusal(clause, last, error));
        }
        let exprs = written.iter().zip(self.state);
        let exprs = exprs.map(|(written, column)| self.expr(clause, written, Some(column)));
        exprs.collect()
    }

    /// The expression of FINISH, or the state's only column.
    pub(super) fn finish(&self, written: &AggregateDefinition) -> Result<Arc<dyn PhysicalExpr>> {
        if let Some(finish) = &written.finish {
            return self.expr(Clause::Finish, finish, None);
        }
        match (&self.state[..], &written.state[..]) {
            ([_], [column]) => {
                let only = ClauseExpr {
                    expr: ast::Expr::Identifier(column.name.clone()),
                    position: written.position,
                };
                self.expr(Clause::Finish, &only, None)
            }
            _ => Err(SheafError::user(format!(
                "aggregate \"{}\": a STATE of {} columns needs FINISH",
                self.name,
                self.state.len()
            ))
            .with_state(SqlState::INVALID_FUNCTION_DEFINITION)
            .with_position(written.position)),
        }
    }

    fn expr(
        &self,
        clause: Clause,
        written: &ClauseExpr,
        target: Option<&FieldRef>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let planned = self.plan(clause, &written.expr, target);
        planned.map_err(|error| self.refusal(clause, written, error))
    }

    /// `error` with its clause, and with a place.
    fn refusal(&self, clause: Clause, written: &ClauseExpr, error: SheafError) -> SheafError {
        let position = error.position().unwrap_or(written.position);
        let context = format!("aggregate \"{}\", {clause}", self.name);
        error.with_context(context).with_position(position)
    }

    fn plan(
        &self,
        clause: Clause,
        written: &ast::Expr,
        target: Option<&FieldRef>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let mut written = written.clone();
        if clause == Clause::Merge {
            name_other(&mut written);
        }
        functions::expand_expression(&mut written, self.binder)?;
        literals::mark_approximate(&mut written);
        sheaf_operators::rewrite(&mut written)?;
        let schema = Arc::new(DFSchema::try_from(self.scope(clause))?);
        let state = self.binder.state;
        let nothing = Bound::default();
        let context = BoundContext::new(self.binder.access, state, self.binder.catalog, &nothing);
        let options = ParserOptions::from(&state.config_options().sql_parser);
        let planner = SqlToRel::new_with_options(&context, options);
        let expr = planner.sql_to_expr(written, &schema, &mut PlannerContext::new())?;
        refuse_unfit(&expr)?;
        let mut expr = self.analyzed(expr, &schema)?;
        if let Some(target) = target {
            let found = datafusion::logical_expr::ExprSchemable::get_type(&expr, &schema)?;
            let wanted = target.data_type();
            if !is_assignable(&found, wanted) {
                return Err(wrong_type(target, &sql_type_name(&found)));
            }
            if found != *wanted {
                expr = cast(expr, wanted.clone());
            }
        }
        let simplify = SimplifyContext::builder()
            .with_schema(Arc::clone(&schema))
            .with_config_options(Arc::clone(state.config_options()))
            .build();
        let expr = ExprSimplifier::new(simplify).simplify(expr)?;
        Ok(state.create_physical_expr(expr, &schema)?)
    }

    /// What a clause may name.
    fn scope(&self, clause: Clause) -> Schema {
        let other = self.state.iter().map(|field| {
            let name = other_name(field.name());
            Arc::new(Field::new(name, field.data_type().clone(), true))
        });
        let (arguments, state) = (self.arguments.iter().cloned(), self.state.iter().cloned());
        Schema::new(match clause {
            Clause::Init => Fields::empty(),
            Clause::Accumulate => arguments.chain(state).collect(),
            Clause::Merge => state.chain(other).collect(),
            Clause::Finish => state.collect(),
        })
    }

    /// The expression once its types are settled, as in a query.
    fn analyzed(&self, expr: Expr, schema: &Arc<DFSchema>) -> Result<Expr> {
        let nothing = LogicalPlan::EmptyRelation(EmptyRelation {
            produce_one_row: false,
            schema: Arc::clone(schema),
        });
        let plan = LogicalPlanBuilder::from(nothing).project([expr])?.build()?;
        let state = self.binder.state;
        let options = state.config_options();
        let plan = state
            .analyzer()
            .execute_and_check(plan, options, |_, _| {})?;
        match plan {
            LogicalPlan::Projection(mut projection) => match projection.expr.pop() {
                Some(expr) => Ok(expr.unalias()),
                None => Err(SheafError::internal("an expression was lost")),
            },
            _ => Err(SheafError::internal("an expression became a plan")),
        }
    }
}

fn wrong_type(target: &Field, found: &str) -> SheafError {
    let wanted = sql_type_name(target.data_type());
    SheafError::user(format!(
        "column \"{}\" of the state is of type {wanted}, the expression of type {found}",
        target.name()
    ))
    .with_state(SqlState::DATATYPE_MISMATCH)
    .with_hint(format!(
        "declare the column as {found}, or cast the expression to {wanted}"
    ))
}

/// The name of a column of the second state, as one name.
fn other_name(column: &str) -> String {
    format!("{OTHER}.{column}")
}

/// Turns `other.s` into one name.
fn name_other(expr: &mut ast::Expr) {
    struct Namer;
    impl VisitorMut for Namer {
        type Break = ();

        fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
            let ast::Expr::CompoundIdentifier(parts) = expr else {
                return ControlFlow::Continue(());
            };
            if let [other, column, rest @ ..] = &parts[..]
                && normalize(other) == OTHER
            {
                let mut name = Ident::with_quote('"', other_name(&normalize(column)));
                name.span = other.span;
                *expr = match rest {
                    [] => ast::Expr::Identifier(name),
                    rest => {
                        let rest = rest.iter().cloned();
                        ast::Expr::CompoundIdentifier(std::iter::once(name).chain(rest).collect())
                    }
                };
            }
            ControlFlow::Continue(())
        }
    }
    let _ = expr.visit(&mut Namer);
}

/// Refuses what is more than a function of the columns.
fn refuse_unfit(expr: &Expr) -> Result<()> {
    let mut unfit = None;
    expr.apply(|expr| {
        unfit = match expr {
            Expr::AggregateFunction(call) => Some(format!("{} is an aggregate", call.func.name())),
            Expr::WindowFunction(call) => Some(format!("{} is a window function", call.fun.name())),
            Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_) => Some("a sub-query cannot stand here".to_owned()),
            Expr::Placeholder(parameter) => {
                Some(format!("a parameter ({}) cannot stand here", parameter.id))
            }
            Expr::ScalarFunction(call)
                if call.func.signature().volatility != Volatility::Immutable =>
            {
                Some(format!(
                    "{} need not give the same value each time",
                    call.func.name()
                ))
            }
            _ => None,
        };
        Ok(match unfit {
            Some(_) => TreeNodeRecursion::Stop,
            None => TreeNodeRecursion::Continue,
        })
    })?;
    match unfit {
        Some(message) => Err(SheafError::user(message)
            .with_state(SqlState::INVALID_FUNCTION_DEFINITION)
            .with_hint("the clauses are expressions of arguments and state alone")),
        None => Ok(()),
    }
}
