//! Pushes filters down to the scans, those of sorts and joins that come to be at run time above all,
//! past no node that would lead them to the wrong column.
//!
//! How a node passes filters on is the node's own to say, and the engine's nodes say it by name: a
//! column is looked up in the child's schema, where the first of that name is taken. Above a join of
//! `a.k` and `b.k` that may be the other one, and rows that should come out do not. So this walks
//! over the plan as the engine's rule does, and compares: a filter goes on only if each of its
//! columns is found where it comes from. A filter that does not go on stays with whoever made it.
//!
//! Differs from the engine's rule in nothing else (datafusion-physical-optimizer 55,
//! `filter_pushdown.rs`).

#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinSide, JoinType, Result, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterPushdownResult, ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation,
    PushedDown, PushedDownPredicate,
};
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::joins::utils::{ColumnIndex, build_join_schema};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::union::UnionExec;
use sheaf_operators::hash_join::HybridHashJoinExec;

type Filter = Arc<dyn PhysicalExpr>;
type Pushed = FilterPushdownPropagation<Arc<dyn ExecutionPlan>>;

/// See the [module](self).
#[derive(Debug)]
pub struct FilterPushdownRule {
    phase: FilterPushdownPhase,
}

impl FilterPushdownRule {
    /// Filters that stand in the plan.
    #[must_use]
    pub fn new() -> Self {
        Self {
            phase: FilterPushdownPhase::Pre,
        }
    }

    /// Filters that come to be at run time.
    #[must_use]
    pub fn at_run_time() -> Self {
        Self {
            phase: FilterPushdownPhase::Post,
        }
    }
}

impl Default for FilterPushdownRule {
    fn default() -> Self {
        Self::new()
    }
}

impl PhysicalOptimizerRule for FilterPushdownRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let pushed = push(&plan, &[], self.phase, config)?;
        Ok(pushed.updated_node.unwrap_or(plan))
    }

    /// In the engine's list the rule has this place.
    fn name(&self) -> &str {
        match self.phase {
            FilterPushdownPhase::Pre => "FilterPushdown",
            FilterPushdownPhase::Post => "FilterPushdown(Post)",
        }
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Pushes `filters`, whose columns are those of `node`, into and below it.
fn push(
    node: &Arc<dyn ExecutionPlan>,
    filters: &[Filter],
    phase: FilterPushdownPhase,
    config: &ConfigOptions,
) -> Result<Pushed> {
    // What a node is not to pass on it does not see: some would take it over, by name, too.
    let admitted: Vec<usize> = (0..filters.len())
        .filter(|at| is_admitted(node, &filters[*at]))
        .collect();
    let pushed = push_admitted(
        node,
        admitted
            .iter()
            .map(|at| Arc::clone(&filters[*at]))
            .collect(),
        phase,
        config,
    )?;
    let mut answers = vec![PushedDown::No; filters.len()];
    for (at, answer) in admitted.into_iter().zip(pushed.filters) {
        answers[at] = answer;
    }
    Ok(Pushed {
        filters: answers,
        updated_node: pushed.updated_node,
    })
}

fn push_admitted(
    node: &Arc<dyn ExecutionPlan>,
    filters: Vec<Filter>,
    phase: FilterPushdownPhase,
    config: &ConfigOptions,
) -> Result<Pushed> {
    let description = node.gather_filters_for_pushdown(phase, filters.clone(), config)?;
    let (from_above, own) = (description.parent_filters(), description.self_filters());
    let children = node.children();
    if from_above.len() != children.len() || own.len() != children.len() {
        return internal_err!("{} has other children than it says", node.name());
    }
    let mut results: Vec<ChildFilterPushdownResult> = filters
        .into_iter()
        .map(|filter| ChildFilterPushdownResult {
            filter,
            child_results: Vec::with_capacity(children.len()),
        })
        .collect();
    let mut own_results = Vec::with_capacity(children.len());
    let mut new_children = Vec::with_capacity(children.len());
    for (number, ((child, from_above), own)) in
        children.into_iter().zip(from_above).zip(own).enumerate()
    {
        if from_above.len() != results.len() {
            return internal_err!("{} loses filters", node.name());
        }
        let goes_on: Vec<bool> = results
            .iter()
            .zip(&from_above)
            .map(|(result, passed)| {
                matches!(passed.discriminant, PushedDown::Yes)
                    && finds_columns(node, number, &result.filter)
            })
            .collect();
        let own_goes_on: Vec<bool> = own.iter().map(|filter| !is_any_volatile(filter)).collect();
        let for_child = own.iter().zip(&own_goes_on).filter(|(_, goes)| **goes);
        let passed = from_above.iter().zip(&goes_on).filter(|(_, goes)| **goes);
        let for_child: Vec<Filter> = for_child
            .map(|(filter, _)| Arc::clone(filter))
            .chain(passed.map(|(passed, _)| Arc::clone(&passed.predicate)))
            .collect();
        let pushed = push(child, &for_child, phase, config)?;
        let mut answers = pushed.filters.into_iter();
        own_results.push(answered(own, &own_goes_on, &mut answers));
        for (result, goes_on) in results.iter_mut().zip(goes_on) {
            result.child_results.push(answer(goes_on, &mut answers));
        }
        new_children.push(pushed.updated_node.unwrap_or_else(|| Arc::clone(child)));
    }
    let updated = replace_children_if_necessary(Arc::clone(node), new_children)?;
    let result = ChildPushdownResult {
        parent_filters: results,
        self_filters: own_results,
    };
    let mut pushed = updated.handle_child_pushdown_result(phase, result, config)?;
    if pushed.updated_node.is_none() && !Arc::ptr_eq(&updated, node) {
        pushed.updated_node = Some(updated);
    }
    Ok(pushed)
}

/// The child's next answer, for a filter that it was asked about.
fn answer(was_asked: bool, answers: &mut impl Iterator<Item = PushedDown>) -> PushedDown {
    match was_asked {
        true => answers.next().unwrap_or(PushedDown::No),
        false => PushedDown::No,
    }
}

fn answered(
    own: Vec<Filter>,
    was_asked: &[bool],
    answers: &mut impl Iterator<Item = PushedDown>,
) -> Vec<PushedDownPredicate> {
    let own = own.into_iter().zip(was_asked);
    own.map(|(filter, was_asked)| answer(*was_asked, answers).wrap_expression(filter))
        .collect()
}

fn is_any_volatile(filter: &Filter) -> bool {
    holds_for_any(filter, is_volatile)
}

/// Whether `node` may be shown a filter. Joins pass it to one of two children, of which the other
/// one is not asked; other nodes have to find its columns in all they have.
fn is_admitted(node: &Arc<dyn ExecutionPlan>, filter: &Filter) -> bool {
    let finds = join_of(node).is_some()
        || (0..node.children().len()).all(|child| finds_columns(node, child, filter));
    finds && !is_any_volatile(filter)
}

/// Whether a look-up by name finds each column of `filter` in a child where it comes from.
fn finds_columns(node: &Arc<dyn ExecutionPlan>, child: usize, filter: &Filter) -> bool {
    !holds_for_any(filter, |expr| {
        expr.downcast_ref::<Column>()
            .is_some_and(|column| !finds_column(node, child, column))
    })
}

fn finds_column(node: &Arc<dyn ExecutionPlan>, number: usize, column: &Column) -> bool {
    let Some(child) = node.children().get(number).map(|child| child.schema()) else {
        return false;
    };
    let is_at = |index: usize| child.index_of(column.name()).is_ok_and(|at| at == index);
    if let Some(join) = join_of(node) {
        return columns_from(join, number, column.index()).any(is_at);
    }
    if node.is::<ProjectionExec>() {
        // Looked up among its own columns, of which the last of a name says what all are made of.
        let own = node.schema();
        let named = own.fields().iter().filter(|f| f.name() == column.name());
        return named.count() == 1;
    }
    if let Some(filter) = node.downcast_ref::<FilterExec>()
        && let Some(shown) = filter.projection()
    {
        return shown.get(column.index()).copied().is_some_and(is_at);
    }
    if keeps_columns(node) {
        return is_at(column.index());
    }
    // Which column it comes from is not known here: there must be no choice.
    let named = child.fields().iter().filter(|f| f.name() == column.name());
    named.count() <= 1
}

/// Whether the columns of `node` are those of its children, in the same order.
fn keeps_columns(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.is::<UnionExec>()
        || node.is::<RepartitionExec>()
        || node.is::<CoalescePartitionsExec>()
        || node.is::<SortExec>()
        || node.is::<CooperativeExec>()
}

fn join_of(node: &Arc<dyn ExecutionPlan>) -> Option<&HashJoinExec> {
    match node.downcast_ref::<HybridHashJoinExec>() {
        Some(join) => Some(join.description()),
        None => node.downcast_ref::<HashJoinExec>(),
    }
}

/// The columns of an input that always equal an output column of `join`: the one that it is, or the
/// key that a semi join compares it with.
fn columns_from(
    join: &HashJoinExec,
    input: usize,
    output: usize,
) -> impl Iterator<Item = usize> + use<> {
    let (_, origins) = build_join_schema(
        &join.left().schema(),
        &join.right().schema(),
        join.join_type(),
    );
    let at = match join.projection.as_deref() {
        Some(shown) => shown.get(output).copied(),
        None => Some(output),
    };
    let side = match input {
        0 => JoinSide::Left,
        _ => JoinSide::Right,
    };
    let origin = at.and_then(|at| origins.get(at).cloned());
    let same = origin.iter().filter(|o| o.side == side).map(|o| o.index);
    let mut columns: Vec<usize> = same.collect();
    if let Some(origin) = origin.filter(|origin| origin.side != side) {
        columns.extend(semi_join_keys(join, &origin));
    }
    columns.into_iter()
}

/// The keys of the side that a semi join does not show which equal column `origin` of the other.
fn semi_join_keys(join: &HashJoinExec, origin: &ColumnIndex) -> Vec<usize> {
    let is_semi = matches!(join.join_type(), JoinType::LeftSemi | JoinType::RightSemi);
    let keys = join.on().iter().filter(|_| is_semi);
    keys.filter_map(|(left, right)| {
        let (shown, hidden) = match origin.side {
            JoinSide::Left => (left, right),
            _ => (right, left),
        };
        let shown = shown.downcast_ref::<Column>()?;
        let hidden = hidden.downcast_ref::<Column>()?;
        (shown.index() == origin.index).then(|| hidden.index())
    })
    .collect()
}

fn holds_for_any(filter: &Filter, holds: impl Fn(&Filter) -> bool) -> bool {
    let mut found = false;
    let walked = filter.apply(|expr| {
        found |= holds(expr);
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    });
    found || walked.is_err()
}
