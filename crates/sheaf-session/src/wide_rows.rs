//! Plans whose rows are wide: a chunk of an array is megabytes. Operators that gather rows count them, so
//! few must make a batch.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::{SessionState, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use sheaf_array_relations::ArrayExec;
use sheaf_arrays::SharedContext;

/// Bytes that a batch should have at most.
const BATCH_BYTES: u64 = 64 << 20;

/// What `plan` runs in: the statement's options, with fewer rows a batch where rows are wide, and one context
/// for all that read arrays.
pub(crate) fn task(plan: &Arc<dyn ExecutionPlan>, state: &SessionState) -> Arc<TaskContext> {
    let (mut widest, mut readers) = (0, 0);
    let _ = plan.apply(|node| {
        if let Some(array) = node.downcast_ref::<ArrayExec>() {
            widest = array.row_bytes_max().unwrap_or(0).max(widest);
            readers += usize::from(array.shares_context());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    let task = TaskContext::from(state);
    let rows = task.session_config().batch_size();
    let fitting = usize::try_from(BATCH_BYTES / widest.max(1))
        .unwrap_or(rows)
        .clamp(1, rows.max(1));
    if fitting == rows && readers < 2 {
        return Arc::new(task);
    }
    let mut config = task.session_config().clone().with_batch_size(fitting);
    if readers > 1 {
        config = config.with_extension(Arc::new(SharedContext::new(readers)));
    }
    Arc::new(task.with_session_config(config))
}
