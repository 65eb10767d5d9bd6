//! Gives sorts texts that lie in memory of their own.
//!
//! A sort keeps batches and reserves what they hold. Texts from Parquet files lie in pages that
//! batches share, so it would reserve pages several times over, and fail where its rows would fit.
//! Sorts with a limit keep no batches and stay as they are.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};
use sheaf_operators::compact::CompactExec;

/// See the module's text. Runs once sorts are settled, and before operators are made to yield.
#[derive(Debug, Default)]
pub struct CompactSortRule;

impl PhysicalOptimizerRule for CompactSortRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            let Some(input) = input_of_whole_sort(plan.as_ref()) else {
                return Ok(Transformed::no(plan));
            };
            if !input.schema().fields().iter().any(|field| has_views(field)) {
                return Ok(Transformed::no(plan));
            }
            let compact = Arc::new(CompactExec::new(input));
            Ok(Transformed::yes(replace_children_if_necessary(
                plan,
                vec![compact],
            )?))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "compact_sort"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The input of a sort that gives all of its rows.
fn input_of_whole_sort(plan: &dyn ExecutionPlan) -> Option<Arc<dyn ExecutionPlan>> {
    let sort = plan.downcast_ref::<SortExec>()?;
    let is_whole = sort.fetch().is_none() && !sort.input().is::<CompactExec>();
    is_whole.then(|| Arc::clone(sort.input()))
}

fn has_views(field: &Field) -> bool {
    match field.data_type() {
        DataType::Utf8View | DataType::BinaryView => true,
        DataType::List(item) | DataType::LargeList(item) => has_views(item),
        DataType::FixedSizeList(item, _) | DataType::Map(item, _) => has_views(item),
        DataType::Struct(fields) => fields.iter().any(|field| has_views(field)),
        _ => false,
    }
}
