//! Rows in the order of their partition directories, for a COPY with more of them than files may be
//! open: the engine's sort, which spills, over what is left of a stream.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::StreamExt;
use parking_lot::Mutex;
use sheaf_base::{Result, SheafError};

/// `first`, then `rest`, sorted by the `keys` (places and names of columns).
///
/// # Memory
/// The sort's: reserved in the task's pool, spilled when it refuses.
pub(super) fn sorted_by(
    keys: &[(usize, String)],
    first: RecordBatch,
    rest: SendableRecordBatchStream,
    task: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let schema = rest.schema();
    let rows = futures::stream::iter([Ok(first)]).chain(rest);
    let rows = RecordBatchStreamAdapter::new(Arc::clone(&schema), rows);
    let rest = Rest {
        schema: Arc::clone(&schema),
        rows: Mutex::new(Some(Box::pin(rows))),
    };
    let input = StreamingTableExec::try_new(schema, vec![Arc::new(rest)], None, [], false, None)?;
    let order = keys
        .iter()
        .map(|(place, name)| PhysicalSortExpr::new_default(Arc::new(Column::new(name, *place))));
    let order = LexOrdering::new(order)
        .ok_or_else(|| SheafError::internal("rows are to be sorted by no column"))?;
    Ok(SortExec::new(order, Arc::new(input)).execute(0, task)?)
}

/// A stream that is run once.
struct Rest {
    schema: SchemaRef,
    rows: Mutex<Option<SendableRecordBatchStream>>,
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").finish_non_exhaustive()
    }
}

impl PartitionStream for Rest {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let taken = self.rows.lock().take();
        taken.unwrap_or_else(|| {
            let none = futures::stream::empty();
            Box::pin(RecordBatchStreamAdapter::new(
                Arc::clone(&self.schema),
                none,
            ))
        })
    }
}
