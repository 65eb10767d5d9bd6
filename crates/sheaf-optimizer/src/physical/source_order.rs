//! Lets positional joins read their inputs in the order of their sources.
//!
//! The engine reads files with all threads and merges rows as they come, since no order was asked
//! for. A positional join asks without words: its n-th row is that of the source. Below it, as far
//! down as operators keep the order of their input, exchanges between threads go, scans read their
//! files one after another, each from its start, and the parts of a UNION ALL and the partitions of
//! other sources follow each other.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, ExecutionPlan, ExecutionPlanProperties, Partitioning,
    ReplaceChildrenOptions,
};
use sheaf_operators::positional::{InOrderExec, PositionalJoinExec};

/// See the module's text. Runs after exchanges have been added, which it takes away.
#[derive(Debug, Default)]
pub struct SourceOrderRule;

impl PhysicalOptimizerRule for SourceOrderRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            if !plan.is::<PositionalJoinExec>() {
                return Ok(Transformed::no(plan));
            }
            let inputs = plan.children().into_iter().map(Arc::clone);
            let inputs = inputs.map(in_source_order).collect::<Result<Vec<_>>>()?;
            Ok(Transformed::yes(with_inputs(plan, inputs)?))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "source_order"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// `plan`, its rows in the order of their source where there is one.
fn in_source_order(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(scan) = in_file_order(&plan) {
        return Ok(scan);
    }
    let children: Vec<_> = plan.children().into_iter().map(Arc::clone).collect();
    let input = match children.as_slice() {
        // It is made anew, over parts that are in order too.
        [union] if plan.is::<InOrderExec>() && union.is::<UnionExec>() => {
            return in_source_order(Arc::clone(union));
        }
        [] if partition_count(&plan) > 1 => return Ok(Arc::new(InOrderExec::new(plan))),
        [input] => Arc::clone(input),
        _ if plan.is::<UnionExec>() => {
            let parts = children
                .into_iter()
                .map(|part| Ok(one(in_source_order(part)?)));
            let union = with_inputs(plan, parts.collect::<Result<_>>()?)?;
            return Ok(Arc::new(InOrderExec::new(union)));
        }
        _ => return Ok(plan),
    };
    if is_exchange(&plan) {
        let input = in_source_order(input)?;
        return Ok(match (partition_count(&input), plan.fetch()) {
            (1, None) => input,
            (1, fetch) => Arc::new(GlobalLimitExec::new(input, 0, fetch)),
            _ => plan,
        });
    }
    let keeps_order = plan.maintains_input_order() == [true];
    if keeps_order && !plan.is::<SortPreservingMergeExec>() {
        let input = in_source_order(input)?;
        return with_inputs(plan, vec![input]);
    }
    Ok(plan)
}

fn partition_count(plan: &Arc<dyn ExecutionPlan>) -> usize {
    plan.output_partitioning().partition_count()
}

/// `plan` in one partition, in any order if it has several.
fn one(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match partition_count(&plan) {
        1 => plan,
        _ => Arc::new(CoalescePartitionsExec::new(plan)),
    }
}

fn with_inputs(
    plan: Arc<dyn ExecutionPlan>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    plan.replace_children(inputs, options)
}

/// Whether rows only change threads here, in no order.
fn is_exchange(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let is_round_robin = plan
        .downcast_ref::<RepartitionExec>()
        .is_some_and(|exchange| {
            matches!(exchange.partitioning(), Partitioning::RoundRobinBatch(_))
        });
    is_round_robin || plan.is::<CoalescePartitionsExec>()
}

/// A scan that reads its files one after another, if `plan` is a scan of files.
fn in_file_order(plan: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
    let scan = plan.downcast_ref::<DataSourceExec>()?;
    let config = scan.data_source().downcast_ref::<FileScanConfig>()?;
    let files = config
        .file_groups
        .iter()
        .flat_map(|group| group.iter().cloned());
    let group = FileGroup::new(files.collect());
    let config = FileScanConfigBuilder::from(config.clone())
        .with_file_groups(vec![group])
        .with_preserve_order(true)
        .build();
    Some(DataSourceExec::from_data_source(config))
}
