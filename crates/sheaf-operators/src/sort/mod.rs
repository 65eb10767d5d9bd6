//! Sorting inside a memory limit: rows of any number, width and type of key.
//!
//! An external merge sort (Knuth, *The Art of Computer Programming* 3, 5.4), in the form that
//! Graefe describes ("Implementing Sorting in Database Systems", ACM Computing Surveys 2006): keys
//! that compare as bytes, small runs sorted in the cache, one tree of losers over runs in memory
//! and on disk alike.
//!
//! ```text
//! batch ─ encode keys ─> Pending ─ sort (a chunk) ─> chunks in memory ─┬─ merge ─> output
//!                                                        │ no memory   │
//!                                                        └─ merge ─> runs on disk
//! ```
//!
//! - *Keys* (`keys.rs`): the sort expressions of a row as one string of bytes that orders as they
//!   do; its first sixteen as a number, with which most comparisons are done. Numbers, dates and times
//!   take as few bytes as they have (`short_keys.rs`).
//! - *Chunks* (`chunk.rs`): rows are sorted while they are few enough to lie in the cache, and copied
//!   into blocks in their order (`gather.rs`), so that nothing holds on to the buffers that they came
//!   in: texts of files share theirs with thousands of other rows.
//! - *Collecting* (`sorter.rs`): chunks stay in memory until there is no more, or others ask for it;
//!   then all of them are merged into one run on disk.
//! - *Merging* (`merge.rs`): blocks of runs are read and given their keys by a task a run (`ahead.rs`); an
//!   output batch at a time, so that a sort that nobody reads to its end
//!   does not do all of its work. Where not all runs can be read at once, the smallest are merged
//!   into one first.
//! - *Handing out* (`output.rs`): while output is taken, a task answers those who need memory: what
//!   is still in memory goes to disk, and is read from there.
//!
//! - *Partitions* that are to become one stream (`sorted_together`) are taken in beside one another; all
//!   that they leave, in memory and on disk, is merged at once: no row goes through two merges.
//!
//! With a limit, chunks and runs end at that many rows, and rows that come after the last one of a
//! full run are dropped as they come.
//!
//! Memory: reserved before rows are held. The least it needs: a piece of a batch twice, with its keys;
//! two batches of output; two runs' reading. A row has to fit.

mod ahead;
mod chunk;
mod exec;
mod gather;
mod keys;
mod merge;
mod output;
mod short_keys;
mod sorter;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{Result, internal_err};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_plan::common::spawn_buffered;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, Gauge, SpillMetrics, Time};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt, TryStreamExt, stream};

pub use exec::ExternalSortExec;
pub(crate) use sorter::SortMeans;

use ahead::ahead;
use keys::KeyEncoder;
use merge::Picked;
use output::Output;
use sorter::{Arrival, Sorter, Work};

use crate::task::joined;

/// Who spills, in errors.
const OPERATOR: &str = "the sort";

/// Whether rows of `schema` can be sorted by `ordering`: all but keys of a few types can.
pub(crate) fn can_sort(ordering: &LexOrdering, schema: &Schema) -> bool {
    KeyEncoder::supports(ordering, schema)
}

/// The rows of `input` in the order `ordering`, for one that is no operator of a plan.
///
/// # Memory
/// As the [module](self) says, in the pool of `context`.
/// # Errors
/// Of keys that have no order as bytes; the stream, `Resource` if not even a row fits into memory or the
/// disk is spent.
pub fn sort_rows(
    input: SendableRecordBatchStream,
    ordering: &LexOrdering,
    context: &Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let means = SortMeans {
        context: Arc::clone(context),
        partition: 0,
        spill_metrics: SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0),
        elapsed: Time::new(),
        peak: Gauge::new(),
    };
    sorted(input, ordering, None, means)
}

/// The rows of `input` in the order `ordering`; only the first `limit`, if that is given.
///
/// # Memory
/// As the [module](self) says.
/// # Errors
/// `Unsupported` for keys that [cannot be sorted](can_sort); the stream, `Resource` if not even a
/// row fits into memory or the disk is spent.
pub(crate) fn sorted(
    input: SendableRecordBatchStream,
    ordering: &LexOrdering,
    limit: Option<usize>,
    means: SortMeans,
) -> Result<SendableRecordBatchStream> {
    let schema = input.schema();
    let mut sorter = Sorter::new(ordering, &schema, limit, means)?;
    let work = Arc::clone(sorter.work());
    let picks = picks(async move {
        sorter.collect(input.map_ok(Arrival::Rows)).await?;
        sorter.finish().await
    });
    Ok(gathered(picks, work))
}

/// The rows of all `inputs` in one order, as [`sorted`] gives those of one. Each is taken in by a task
/// of its own, and one gives rows out.
///
/// # Memory
/// As the [module](self) says; the least is needed once an input.
/// # Errors
/// As [`sorted`]; `Internal` if there is no input.
pub(crate) fn sorted_together(
    inputs: Vec<(SendableRecordBatchStream, SortMeans)>,
    ordering: &LexOrdering,
    limit: Option<usize>,
) -> Result<SendableRecordBatchStream> {
    let Some((first, means)) = inputs.first() else {
        return internal_err!("nothing to sort");
    };
    let schema = first.schema();
    let means = SortMeans {
        // Each input shows the most that was held of it.
        peak: Gauge::new(),
        ..means.clone()
    };
    let mut whole = Sorter::new(ordering, &schema, limit, means)?;
    let mut parts = Vec::with_capacity(inputs.len());
    for (input, means) in inputs {
        parts.push((Sorter::new(ordering, &schema, limit, means)?, input));
    }
    let work = Arc::clone(whole.work());
    let picks = picks(async move {
        let tasks = parts.into_iter().map(|(mut sorter, input)| {
            let task = SpawnedTask::spawn(async move {
                sorter.collect(input.map_ok(Arrival::Rows)).await?;
                Ok(Arrival::Sorter(Box::new(sorter)))
            });
            async { joined(task, OPERATOR).await? }
        });
        let sorters: FuturesUnordered<_> = tasks.collect();
        whole.collect(sorters).await?;
        whole.finish().await
    });
    // One task compares, one copies, one uses the copies.
    Ok(spawn_buffered(gathered(ahead(picks), work), 1))
}

/// Where the rows of each batch are of what `sorting` ends with.
fn picks(
    sorting: impl Future<Output = Result<Output>> + Send + 'static,
) -> impl Stream<Item = Result<Picked>> + Send + 'static {
    let picks = stream::once(async move {
        let output = sorting.await?;
        let picks = stream::try_unfold(output, |mut output| async move {
            Ok(output.pick().await?.map(|picked| (picked, output)))
        });
        Ok::<_, DataFusionError>(picks)
    });
    picks.try_flatten()
}

/// The rows of `picks`.
fn gathered(
    picks: impl Stream<Item = Result<Picked>> + Send + 'static,
    work: Arc<Work>,
) -> SendableRecordBatchStream {
    let schema = Arc::clone(&work.schema);
    let batches = picks.map(move |picked| work.gather(&picked?));
    Box::pin(RecordBatchStreamAdapter::new(schema, batches.boxed()))
}
