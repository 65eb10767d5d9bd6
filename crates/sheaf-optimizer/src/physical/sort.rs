//! Puts Sheaf's sort in the place of the engine's, also where the first k rows do not fit into memory.
//!
//! The engine's sort counts texts with the buffers that they share, and so ends with an error where
//! files with texts are sorted in little memory; its merge cannot spill. It is always replaced, and with
//! it the merge of the partitions above it, which would copy each row once more. Its
//! top-k keeps its rows in memory, and tells scans below which rows can still matter: it stays, unless
//! k rows are estimated to take more than their share of a thread's memory, as those of
//! `ORDER BY … LIMIT 10 OFFSET 750000` do.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use sheaf_operators::sort::ExternalSortExec;

use crate::options::memory_limit;

/// The rows of a top-k may take this share (one in so many) of the memory a thread has.
const TOP_K_PART: u64 = 16;

/// Bytes of a row in the heap besides its columns: its sort key, its place.
const ENTRY_BYTES: u64 = 64;

/// Bytes of a value of variable length, whose size nobody knows.
const VARIABLE_BYTES: u64 = 64;

/// See the module's text.
#[derive(Debug, Default)]
pub struct SortRule;

impl PhysicalOptimizerRule for SortRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        options: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let threads = options.execution.target_partitions.max(1) as u64;
        let top_k_bytes_max =
            memory_limit(options).map_or(u64::MAX, |limit| limit.0 / threads / TOP_K_PART);
        plan.transform_up(|plan| {
            if let Some(merged) = merged(&plan)? {
                return Ok(Transformed::yes(merged));
            }
            let Some(sort) = plan.downcast_ref::<SortExec>() else {
                return Ok(Transformed::no(plan));
            };
            let fits = |k: usize| top_k_bytes(k, &sort.schema()) <= top_k_bytes_max;
            if sort.fetch().is_some_and(fits) {
                return Ok(Transformed::no(plan));
            }
            Ok(match ExternalSortExec::in_place_of(sort)? {
                Some(ours) => Transformed::yes(Arc::new(ours) as _),
                None => Transformed::no(plan),
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "sort"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// One sort in the place of a merge and of our sort below it.
fn merged(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(merge) = plan.downcast_ref::<SortPreservingMergeExec>() else {
        return Ok(None);
    };
    let Some(sort) = merge.input().downcast_ref::<ExternalSortExec>() else {
        return Ok(None);
    };
    Ok(sort.merged(merge)?.map(|sort| Arc::new(sort) as _))
}

/// Bytes that `k` rows of `schema` may take in a heap.
fn top_k_bytes(k: usize, schema: &Schema) -> u64 {
    let widths = schema.fields().iter().map(|field| {
        let width = field.data_type().primitive_width();
        width.map_or(VARIABLE_BYTES, |width| width as u64)
    });
    (k as u64).saturating_mul(widths.sum::<u64>() + ENTRY_BYTES)
}
