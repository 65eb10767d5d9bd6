//! Rows in the order of their partition directories, for a COPY with more of them than files may be
//! open: a sort over what is left of a stream.
//!
//! Sorts are operators, which this crate does not know: the session hands one over ([`SortRows`]).

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::Result as EngineResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use sheaf_base::{Result, SheafError};

/// Sorts the rows of a stream; it spills when the task's pool refuses it memory.
pub type SortRows = fn(
    SendableRecordBatchStream,
    &LexOrdering,
    &Arc<TaskContext>,
) -> EngineResult<SendableRecordBatchStream>;

/// `first`, then `rest`, sorted by the `keys` (places and names of columns).
///
/// # Memory
/// The sort's.
pub(super) fn sorted_by(
    sort: SortRows,
    keys: &[(usize, String)],
    first: RecordBatch,
    rest: SendableRecordBatchStream,
    task: &Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let schema = rest.schema();
    let rows = futures::stream::iter([Ok(first)]).chain(rest);
    let rows = RecordBatchStreamAdapter::new(schema, rows);
    let order = keys
        .iter()
        .map(|(place, name)| PhysicalSortExpr::new_default(Arc::new(Column::new(name, *place))));
    let order = LexOrdering::new(order)
        .ok_or_else(|| SheafError::internal("rows are to be sorted by no column"))?;
    Ok(sort(Box::pin(rows), &order, task)?)
}
