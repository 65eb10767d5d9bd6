//! The operator beside a sort of plain values, with plenty of memory and with almost none.

mod memory;
mod order;
mod together;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use arrow::datatypes::Schema;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::prelude::SessionConfig;

use super::ExternalSortExec;

const PLENTY: usize = 1_000_000_000;

fn environment(memory_bytes: usize) -> Arc<RuntimeEnv> {
    let builder = RuntimeEnvBuilder::new().with_memory_limit(memory_bytes, 1.0);
    builder.build_arc().unwrap()
}

fn context(batch_rows: usize, environment: &Arc<RuntimeEnv>) -> Arc<TaskContext> {
    let config = SessionConfig::new()
        .with_batch_size(batch_rows)
        .with_target_partitions(1);
    let context = TaskContext::default().with_session_config(config);
    Arc::new(context.with_runtime(Arc::clone(environment)))
}

fn ascending(nulls_first: bool) -> SortOptions {
    SortOptions::new(false, nulls_first)
}

fn descending(nulls_first: bool) -> SortOptions {
    SortOptions::new(true, nulls_first)
}

fn ordering(keys: &[(&str, SortOptions)], schema: &Schema) -> LexOrdering {
    let keys = keys
        .iter()
        .map(|(name, options)| PhysicalSortExpr::new(col(name, schema).unwrap(), *options));
    LexOrdering::new(keys).unwrap()
}

/// A plan that sorts `batches` by `keys`.
fn plan(
    batches: Vec<RecordBatch>,
    keys: &[(&str, SortOptions)],
    limit: Option<usize>,
) -> Arc<dyn ExecutionPlan> {
    plan_of(&[batches], keys, limit)
}

/// A plan that sorts all `partitions` into one by `keys`.
fn plan_of(
    partitions: &[Vec<RecordBatch>],
    keys: &[(&str, SortOptions)],
    limit: Option<usize>,
) -> Arc<dyn ExecutionPlan> {
    let schema = partitions[0][0].schema();
    let source = MemorySourceConfig::try_new_exec(partitions, Arc::clone(&schema), None).unwrap();
    let sort = SortExec::new(ordering(keys, &schema), source).with_fetch(limit);
    Arc::new(ExternalSortExec::in_place_of(&sort).unwrap().unwrap())
}

fn spill_count(plan: &Arc<dyn ExecutionPlan>) -> usize {
    plan.metrics().unwrap().spill_count().unwrap_or(0)
}

/// Nothing may be left, in memory or on disk, once the tasks that read runs have heard that they end.
async fn assert_nothing_is_left(environment: &RuntimeEnv) {
    for _ in 0..1_000 {
        if environment.disk_manager.used_disk_space() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(environment.memory_pool.reserved(), 0);
    assert_eq!(environment.disk_manager.used_disk_space(), 0);
}
