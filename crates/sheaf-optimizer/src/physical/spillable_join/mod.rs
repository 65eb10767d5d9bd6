//! Plans a join that can spill where the hash join's build sides will not fit into memory.
//!
//! The engine's hash join holds its whole build side and cannot spill; its sort-merge join sorts
//! both sides, which spills, but is two to five times slower. So hash joins stay unless memory
//! cannot hold them:
//!
//! 1. estimate the bytes that the build side of every hash join will take (`estimate.rs`); what
//!    cannot be estimated counts nothing;
//! 2. while their sum is over the share of `memory_limit` that build sides may take, turn the
//!    largest into a sort-merge join, if it can be one.
//!
//! The sum counts, since a chain of joins holds all its build sides at once. No build side is
//! estimated above what its input files hold, so that guesses at the fan-out of joins do not slow
//! down queries whose data fits many times.
//!
//! Runs before the engine adds sorts and repartitions: the sort-merge join states what it
//! requires, and gets it. To go when our own hash join spills.

mod estimate;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Result as EngineResult;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use sheaf_base::ByteCount;

use crate::options::memory_limit;
use estimate::Estimator;

/// Share of `memory_limit` that the build sides of a query may be estimated to take, in percent.
/// While a build side is made its batches are there twice, once in pieces and once concatenated;
/// sorts and aggregates of the same query need memory, too.
const BUILD_PERCENT: u64 = 40;

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct SpillableJoinRule;

impl SpillableJoinRule {
    /// The rule. What it may assume of memory comes with the options it is called with.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl PhysicalOptimizerRule for SpillableJoinRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        options: &ConfigOptions,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let Some(limit) = memory_limit(options) else {
            return Ok(plan);
        };
        let too_large = joins_too_large(&plan, ByteCount(limit.0 / 100 * BUILD_PERCENT))?;
        if too_large.is_empty() {
            return Ok(plan);
        }
        // Downwards, so that nodes are met as they were weighed, with their children unchanged.
        plan.transform_down(|node| {
            if !too_large.contains(&identity(&node)) {
                return Ok(Transformed::no(node));
            }
            match node.downcast_ref::<HashJoinExec>() {
                Some(join) => sort_merge_join(join).map(Transformed::yes),
                None => Ok(Transformed::no(node)),
            }
        })
        .data()
    }

    fn name(&self) -> &str {
        "spillable_join"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The joins to change so that the build sides of those that stay fit into `build_bytes_max`.
fn joins_too_large(
    plan: &Arc<dyn ExecutionPlan>,
    build_bytes_max: ByteCount,
) -> EngineResult<HashSet<usize>> {
    let estimator = Estimator::default();
    let mut sum: u64 = 0;
    let mut candidates = Vec::new();
    plan.apply(|node| {
        if let Some(join) = node.downcast_ref::<HashJoinExec>()
            && let Some(bytes) = estimator.build_bytes(join.left())
        {
            sum = sum.saturating_add(bytes);
            if can_sort_merge(join) {
                candidates.push((bytes, identity(node)));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    candidates.sort_by_key(|(bytes, _)| Reverse(*bytes));
    let mut too_large = HashSet::new();
    for (bytes, join) in candidates {
        if sum <= build_bytes_max.0 {
            break;
        }
        sum = sum.saturating_sub(bytes);
        too_large.insert(join);
    }
    Ok(too_large)
}

/// Names a node of a plan while the plan is held.
fn identity(node: &Arc<dyn ExecutionPlan>) -> usize {
    Arc::as_ptr(node).cast::<()>() as usize
}

/// Whether a sort-merge join gives the same rows.
fn can_sort_merge(join: &HashJoinExec) -> bool {
    // `NOT IN` over NULLs has no counterpart, nor has a limit in the join.
    if join.null_aware || join.fetch().is_some() || join.on().is_empty() {
        return false;
    }
    let (left, right) = (join.left().schema(), join.right().schema());
    join.on()
        .iter()
        .all(|(l, r)| match (key_type(l, &left), key_type(r, &right)) {
            (Some(l), Some(r)) => l == r && is_ordered_key(&l),
            _ => false,
        })
}

fn key_type(key: &Arc<dyn PhysicalExpr>, schema: &SchemaRef) -> Option<DataType> {
    key.data_type(schema).ok()
}

/// Types whose order in the sort is their order in the merge. Floats are not among them: the
/// merge cannot compare NaN.
fn is_ordered_key(key: &DataType) -> bool {
    key.is_integer()
        || matches!(
            key,
            DataType::Boolean
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
                | DataType::FixedSizeBinary(_)
                | DataType::Decimal128(_, _)
                | DataType::Timestamp(_, None)
                | DataType::Date32
                | DataType::Date64
        )
}

/// The same join by sorting and merging, with the same columns.
fn sort_merge_join(join: &HashJoinExec) -> EngineResult<Arc<dyn ExecutionPlan>> {
    let merge = SortMergeJoinExec::try_new(
        Arc::clone(join.left()),
        Arc::clone(join.right()),
        join.on().to_vec(),
        join.filter().cloned(),
        *join.join_type(),
        vec![SortOptions::default(); join.on().len()],
        join.null_equality(),
    )?;
    let Some(projection) = join.projection.as_deref() else {
        return Ok(Arc::new(merge));
    };
    let schema = merge.schema();
    let columns = projection.iter().map(|index| ProjectionExpr {
        expr: Arc::new(Column::new(schema.field(*index).name(), *index)),
        alias: schema.field(*index).name().clone(),
    });
    Ok(Arc::new(ProjectionExec::try_new(columns, Arc::new(merge))?))
}
