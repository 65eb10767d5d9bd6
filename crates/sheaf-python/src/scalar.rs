//! Scalar functions in Python.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::concat;
use serde_json::json;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_udf::{CallContext, ScalarFunction};

use crate::chain::Chain;
use crate::function::{Function, Loadable};
use crate::pool::{Manner, Pool};
use crate::worker::{Call, Worker};

/// Bytes of arguments that one request carries, unless one row has more.
const REQUEST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Rows that a call of a function over batches wants. A request and its reply take about 200 µs whatever is
/// in them, as much as the rows of eight of the engine's batches take on their way.
const BATCH_ROWS: usize = 64 * 1024;

/// What a worker may grow by in a call without being charged for: what libraries take when they are
/// first used is the interpreter's, not the query's.
pub(crate) const FREE_GROWTH_BYTES: usize = 64 * 1024 * 1024;

/// A scalar function.
#[derive(Debug)]
pub(crate) struct PythonScalar {
    function: Arc<Function>,
    manner: Manner,
    pool: Arc<Pool>,
}

impl PythonScalar {
    pub(crate) fn new(function: Function, manner: Manner, pool: Arc<Pool>) -> Self {
        Self {
            function: Arc::new(function),
            manner,
            pool,
        }
    }

    pub(crate) fn function(&self) -> &Arc<Function> {
        &self.function
    }

    pub(crate) fn manner(&self) -> Manner {
        self.manner
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }
}

impl ScalarFunction for PythonScalar {
    fn call(&self, arguments: &[ArrayRef], rows: usize, context: &CallContext) -> Result<ArrayRef> {
        call(self.function.as_ref(), &self.pool, arguments, rows, context)
    }

    fn rows_wanted(&self) -> Option<usize> {
        // A function over rows takes longer for those of one batch than a request does.
        (!self.manner.is_rows && !self.manner.is_async).then_some(BATCH_ROWS)
    }

    fn over(&self, inner: &[Option<Arc<dyn ScalarFunction>>]) -> Option<Arc<dyn ScalarFunction>> {
        let chain = Chain::new(self, inner)?;
        Some(Arc::new(chain))
    }
}

/// The values that `function` gives for `rows` rows.
///
/// # Errors
/// What it raises, and those of its worker.
pub(crate) fn call(
    function: &dyn Loadable,
    pool: &Arc<Pool>,
    arguments: &[ArrayRef],
    rows: usize,
    context: &CallContext,
) -> Result<ArrayRef> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let fields = Arc::clone(function.arguments());
    let batch = RecordBatch::try_new_with_options(fields, arguments.to_vec(), &options)?;
    let mut lease = pool.lease(context)?;
    let timeout = pool.call_timeout();
    let mut results = Vec::new();
    for part in parts(&batch) {
        let limits = Call::of_query(context, timeout);
        results.push(lease.with(context, |worker| {
            call_part(function, worker, &part, &limits)
        })?);
    }
    match results.as_slice() {
        [one] => Ok(Arc::clone(one)),
        many => {
            let many: Vec<&dyn arrow::array::Array> = many.iter().map(AsRef::as_ref).collect();
            Ok(concat(&many)?)
        }
    }
}

fn call_part(
    function: &dyn Loadable,
    worker: &mut Worker,
    batch: &RecordBatch,
    limits: &Call<'_>,
) -> Result<ArrayRef> {
    worker.load(function, limits)?;
    let body = worker.encode(function, batch)?;
    let header = json!({ "do": "call", "function": function.id() });
    let answer = worker.ask(header, body, limits)?;
    limits.reserve(worker.grown(&answer).saturating_sub(FREE_GROWTH_BYTES))?;
    let result = answer.batch(function.result())?;
    match result.map(|result| Arc::clone(result.column(0))) {
        Some(values) if values.len() == batch.num_rows() => Ok(values),
        _ => Err(SheafError::data("its worker process replied other rows")
            .with_state(SqlState::EXTERNAL_ROUTINE)),
    }
}

/// `batch` in as many parts as requests may carry; at least one.
pub(crate) fn parts(batch: &RecordBatch) -> Vec<RecordBatch> {
    let bytes: usize = batch
        .columns()
        .iter()
        .map(|column| column.to_data().get_slice_memory_size().unwrap_or(0))
        .sum();
    let rows = batch.num_rows();
    let wanted = bytes.div_ceil(REQUEST_BYTES_MAX).clamp(1, rows.max(1));
    let rows_max = rows.div_ceil(wanted).max(1);
    (0..rows.max(1))
        .step_by(rows_max)
        .map(|start| batch.slice(start, rows_max.min(rows - start.min(rows))))
        .collect()
}
