//! Sub-queries that refer to the query around them, and sub-queries as values, become joins.
//!
//! Runs once, on analysed plans: the engine refuses to optimise such plans before its own rules see
//! them. What those rules do well is left to them (`fast`); the rest is unnested by the method of
//! T. Neumann and A. Kemper, "Unnesting Arbitrary Queries" (BTW 2015) and T. Neumann, "Improving
//! Unnesting of Complex Queries" (BTW 2025). A sub-query is asked once for all the different values
//! that it refers to, its `domain`: `push` moves them into the sub-query, operator by operator, until
//! nothing in it refers outside; its rows then carry the values they hold for, and are joined back.
//!
//! What differs from the papers: plans here are trees, so a domain is computed from a copy of the
//! outer query, which is shared (`sheaf-operators::shared`) where two runs could differ. Where a
//! filter says that a value equals a column, the column stands for the domain and nothing is
//! copied. Sub-queries are unnested innermost first, so that a reference over several levels is
//! handed up level by level.
//!
//! - `attach`: scalar sub-queries, EXISTS; `quantified`: IN, ANY, ALL, three-valued;
//! - `lateral`: LATERAL in FROM; `conditions`: sub-queries in a join's ON.
//!
//! Must not know of statements or of physical operators.

mod attach;
mod conditions;
mod domain;
mod fast;
mod lateral;
mod outer;
mod peel;
mod plans;
mod push;
mod quantified;
mod single_row;
mod stable;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Subquery};
use datafusion::optimizer::analyzer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;

use sheaf_operators::shared::SharedNode;

use self::attach::Attached;
use self::domain::Names;
use self::fast::{engine_takes, needs_unnesting};
use self::outer::{has_subquery, subquery_of};
use self::plans::{as_exists, conjuncts, filtered, only, project, renamed};

/// See the module's text. Runs after types are settled.
#[derive(Debug, Default)]
pub(crate) struct UnnestSubqueriesRule;

impl AnalyzerRule for UnnestSubqueriesRule {
    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = SharedNode::renew(plan)?;
        if !has_any(&plan)? {
            return Ok(plan);
        }
        let schema = Arc::clone(plan.schema());
        let names = Names::default();
        let unnested = unnested(plan, &names)?;
        if !unnested.transformed {
            return Ok(unnested.data);
        }
        // References across queries had the types from before types were settled.
        let plan = TypeCoercion::new().analyze(unnested.data, config)?;
        if plan.schema().columns() == schema.columns() {
            return Ok(plan);
        }
        let exprs = renamed(&plan, 0, &schema)?;
        project(plan, exprs)
    }

    fn name(&self) -> &'static str {
        "unnest_subqueries"
    }
}

/// Whether there is anything to do in a plan.
fn has_any(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::Subquery(_));
        node.apply_expressions(|expr| {
            found |= has_subquery(expr);
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(if found {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    })?;
    Ok(found)
}

/// Unnests inputs first, then the sub-queries of the node's own expressions, then the node.
fn unnested(plan: LogicalPlan, names: &Names) -> Result<Transformed<LogicalPlan>> {
    if let LogicalPlan::Subquery(subquery) = plan {
        let inner = Arc::unwrap_or_clone(subquery.subquery);
        return Ok(Transformed::yes(unnested(inner, names)?.data));
    }
    let plan = plan.map_children(|child| unnested(child, names))?;
    let inputs_changed = plan.transformed;
    let plan = plan.transform_data(|plan| within_subqueries(plan, names))?;
    let plan = if inputs_changed {
        Transformed::yes(plan.data.recompute_schema()?)
    } else {
        plan
    };
    plan.transform_data(|plan| node(plan, names))
}

/// Unnests what is inside the sub-queries of a node's expressions.
fn within_subqueries(plan: LogicalPlan, names: &Names) -> Result<Transformed<LogicalPlan>> {
    plan.map_expressions(|expr| {
        if !has_subquery(&expr) {
            return Ok(Transformed::no(expr));
        }
        expr.transform_up(|expr| {
            let Some(subquery) = subquery_of(&expr) else {
                return Ok(Transformed::no(expr));
            };
            let inner = unnested(subquery.subquery.as_ref().clone(), names)?;
            if !inner.transformed {
                return Ok(Transformed::no(expr));
            }
            let subquery = Subquery {
                outer_ref_columns: inner.data.all_out_ref_exprs(),
                subquery: Arc::new(inner.data),
                spans: subquery.spans.clone(),
            };
            Ok(Transformed::yes(with_subquery(expr, subquery)))
        })
    })
}

fn with_subquery(expr: Expr, subquery: Subquery) -> Expr {
    match expr {
        Expr::ScalarSubquery(_) => Expr::ScalarSubquery(subquery),
        Expr::Exists(exists) => Expr::Exists(Exists { subquery, ..exists }),
        Expr::InSubquery(within) => Expr::InSubquery(InSubquery { subquery, ..within }),
        Expr::SetComparison(compared) => Expr::SetComparison(SetComparison {
            subquery,
            ..compared
        }),
        other => other,
    }
}

/// Joins a node's input with the sub-queries of the node's expressions.
fn node(plan: LogicalPlan, names: &Names) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Join(join) => {
            if let Some(plan) = conditions::taken_out(&join, names)? {
                // The join may be dependent still, and a filter may have come to stand above it.
                return Ok(Transformed::yes(unnested(plan, names)?.data));
            }
            if !lateral::is_dependent(&join)? {
                return Ok(Transformed::no(LogicalPlan::Join(join)));
            }
            let plan = once_if_unstable(&join.left, names, |left| {
                let mut join = join.clone();
                join.left = Arc::new(left);
                lateral::independent(&join, names)
            })?;
            Ok(Transformed::yes(plan))
        }
        LogicalPlan::Filter(filter) => self::filter(filter, names),
        LogicalPlan::Projection(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Distinct(_) => expressions(plan, names),
        other => Ok(Transformed::no(other)),
    }
}

/// Sub-queries that are conditions as a whole become semi and anti joins, others columns.
fn filter(filter: Filter, names: &Names) -> Result<Transformed<LogicalPlan>> {
    let mut left_alone = Vec::new();
    let mut ours = Vec::new();
    for condition in conjuncts(&filter.predicate) {
        if engine_takes(&condition, &filter.input)? {
            left_alone.push(condition);
        } else {
            ours.push(condition);
        }
    }
    if ours.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    }
    let schema = filter.input.schema();
    let plan = once_if_unstable(&filter.input, names, |input| {
        let mut attached = Attached::new(input, names);
        let mut conditions = left_alone.clone();
        for condition in ours.clone() {
            if let Some((exists, negated)) = as_exists(&condition) {
                let plan = exists.subquery.subquery.as_ref().clone();
                attached.keep(plan, Vec::new(), negated)?;
            } else if let Expr::InSubquery(within) = &condition
                && !within.negated
            {
                let plan = within.subquery.subquery.as_ref().clone();
                attached.keep_in(within.expr.as_ref().clone(), plan)?;
            } else {
                conditions.push(attached.replace(condition)?);
            }
        }
        only(filtered(attached.input, conditions)?, schema)
    })?;
    Ok(Transformed::yes(plan))
}

/// Sub-queries in the expressions of a node with one input become columns of its input.
fn expressions(plan: LogicalPlan, names: &Names) -> Result<Transformed<LogicalPlan>> {
    let mut wanted = false;
    plan.apply_expressions(|expr| {
        wanted |= needs_unnesting(expr)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    let inputs = plan.inputs();
    let (true, [input]) = (wanted, inputs.as_slice()) else {
        return Ok(Transformed::no(plan));
    };
    let rewritten = once_if_unstable(input, names, |input| {
        let mut attached = Attached::new(input, names);
        let replaced = plan
            .clone()
            .map_expressions(|expr| Ok(Transformed::yes(attached.replace(expr)?)))?
            .data;
        let exprs = replaced.expressions();
        with_input(&plan, exprs, attached.input)
    })?;
    Ok(Transformed::yes(rewritten))
}

/// The node over another input and with other expressions; its columns keep their names.
fn with_input(plan: &LogicalPlan, exprs: Vec<Expr>, input: LogicalPlan) -> Result<LogicalPlan> {
    let schema = plan.schema();
    let width = input.schema().fields().len();
    match plan {
        LogicalPlan::Projection(_) => {
            let exprs = exprs.into_iter().enumerate();
            let exprs = exprs.map(|(index, expr)| plans::named(expr, schema, index));
            project(input, exprs.collect())
        }
        LogicalPlan::Window(window) => {
            let new = plan.with_new_exprs(exprs, vec![input])?;
            let own = window.input.schema().fields().len();
            let mut columns = renamed_columns(window.input.schema());
            for index in own..schema.fields().len() {
                let field = new.schema().qualified_field(width + index - own);
                let column = Expr::Column(datafusion::common::Column::from(field));
                columns.push(plans::named(column, schema, index));
            }
            project(new, columns)
        }
        LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) => {
            let new = plan.with_new_exprs(exprs, vec![input])?;
            let columns = renamed(&new, 0, schema)?;
            project(new, columns)
        }
        _ => only(plan.with_new_exprs(exprs, vec![input])?, schema),
    }
}

fn renamed_columns(schema: &datafusion::common::DFSchema) -> Vec<Expr> {
    schema.columns().into_iter().map(Expr::Column).collect()
}

/// Builds a plan over `input`; if it came to hold the input twice and two runs of the input might
/// differ, builds it again over one that runs once.
fn once_if_unstable(
    input: &LogicalPlan,
    names: &Names,
    build: impl Fn(LogicalPlan) -> Result<LogicalPlan>,
) -> Result<LogicalPlan> {
    let before = names.instances.get();
    let plan = build(input.clone())?;
    if names.instances.get() == before || stable::is_stable(input) {
        return Ok(plan);
    }
    build(SharedNode::plan(input.clone()))
}
