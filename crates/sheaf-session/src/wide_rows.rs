//! Plans whose rows are wide: a chunk of an array is megabytes. Operators that gather rows count them, so
//! few must make a batch.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::{SessionState, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use sheaf_array_relations::ArrayExec;

/// Bytes that a batch should have at most.
const BATCH_BYTES: u64 = 64 << 20;

/// What `plan` runs in: the statement's options, with fewer rows a batch where rows are wide.
pub(crate) fn task(plan: &Arc<dyn ExecutionPlan>, state: &SessionState) -> Arc<TaskContext> {
    let mut widest = 0;
    let _ = plan.apply(|node| {
        let array = node.downcast_ref::<ArrayExec>();
        let bytes = array.and_then(ArrayExec::row_bytes_max).unwrap_or(0);
        widest = bytes.max(widest);
        Ok(TreeNodeRecursion::Continue)
    });
    let task = TaskContext::from(state);
    let rows = task.session_config().batch_size();
    let fitting = usize::try_from(BATCH_BYTES / widest.max(1))
        .unwrap_or(rows)
        .clamp(1, rows.max(1));
    if fitting == rows {
        return Arc::new(task);
    }
    let config = task.session_config().clone().with_batch_size(fitting);
    Arc::new(task.with_session_config(config))
}
