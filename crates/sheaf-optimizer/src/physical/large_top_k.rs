//! Sorts on disk where the first k rows do not fit into memory.
//!
//! `ORDER BY … LIMIT 10 OFFSET 750000` is a top-k of 750,010 rows to the engine, which it keeps in
//! memory without being able to spill. Where k rows are estimated to take more than their share of
//! a thread's memory, this rule makes it a sort, which spills, with a limit above it.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::sorts::sort::SortExec;

use crate::options::memory_limit;

/// The rows of a top-k may take this share (one in so many) of the memory a thread has.
const TOP_K_PART: u64 = 16;

/// Bytes of a row in the heap besides its columns: its sort key, its place.
const ENTRY_BYTES: u64 = 64;

/// Bytes of a value of variable length, whose size nobody knows.
const VARIABLE_BYTES: u64 = 64;

/// See the module's text.
#[derive(Debug, Default)]
pub struct LargeTopKRule;

impl PhysicalOptimizerRule for LargeTopKRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        options: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(limit) = memory_limit(options) else {
            return Ok(plan);
        };
        let threads = options.execution.target_partitions.max(1) as u64;
        let bytes_max = limit.0 / threads / TOP_K_PART;
        plan.transform_up(|plan| {
            let Some(sort) = plan.downcast_ref::<SortExec>() else {
                return Ok(Transformed::no(plan));
            };
            Ok(match sort.fetch() {
                Some(k) if top_k_bytes(k, &sort.schema()) > bytes_max => {
                    Transformed::yes(sort_and_limit(sort, k))
                }
                _ => Transformed::no(plan),
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "large_top_k"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Bytes that `k` rows of `schema` may take in a heap.
fn top_k_bytes(k: usize, schema: &Schema) -> u64 {
    let widths = schema.fields().iter().map(|field| {
        let width = field.data_type().primitive_width();
        width.map_or(VARIABLE_BYTES, |width| width as u64)
    });
    (k as u64).saturating_mul(widths.sum::<u64>() + ENTRY_BYTES)
}

fn sort_and_limit(sort: &SortExec, k: usize) -> Arc<dyn ExecutionPlan> {
    let whole = sort.with_fetch(None);
    if sort.preserve_partitioning() {
        Arc::new(LocalLimitExec::new(Arc::new(whole), k))
    } else {
        Arc::new(GlobalLimitExec::new(Arc::new(whole), 0, Some(k)))
    }
}
