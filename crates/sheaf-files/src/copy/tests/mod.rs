//! Tests of COPY: what they share.
//!
//! Everything written is read back by arrow's and parquet's own readers.

mod failures;
mod layouts;
mod objects;
mod round_trips;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow::compute::concat_batches;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_plan::sorts::sort::sort_batch;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::{StreamExt, TryStreamExt};
use sheaf_base::{Result, SheafError};

use super::{CopyRequest, plan_copy};
use crate::stores::{Location, locate};

/// Rows of the sample.
const SAMPLE_ROWS: i64 = 1000;

/// All types that every format holds, with nulls; no empty strings (CSV readers take them for
/// nulls).
fn sample() -> RecordBatch {
    let rows = 0..SAMPLE_ROWS;
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone()));
    let name: ArrayRef = Arc::new(StringArray::from_iter(
        rows.clone()
            .map(|i| (i % 7 != 0).then(|| format!("n\"{i}\",\né"))),
    ));
    let share: ArrayRef = Arc::new(Float64Array::from_iter(
        rows.clone().map(|i| (i % 5 != 0).then_some(i as f64 / 8.0)),
    ));
    let flag: ArrayRef = Arc::new(BooleanArray::from_iter(
        rows.clone().map(|i| (i % 3 != 0).then_some(i % 2 == 0)),
    ));
    let at: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from_iter(rows.map(|i| {
            (i % 11 != 0).then_some(1_767_225_600_000_000 + i * 1_000_001)
        })));
    RecordBatch::try_from_iter_with_nullable([
        ("id", id, true),
        ("name", name, true),
        ("share", share, true),
        ("flag", flag, true),
        ("at", at, true),
    ])
    .unwrap()
}

/// How a partition of the input ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Well,
    Error,
    Never,
    Panic,
}

/// An input partition with given batches and a given end.
#[derive(Debug)]
struct Rows {
    batches: Vec<RecordBatch>,
    end: End,
}

impl PartitionStream for Rows {
    fn schema(&self) -> &arrow::datatypes::SchemaRef {
        self.batches[0].schema_ref()
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let end = self.end;
        let batches = futures::stream::iter(self.batches.clone().into_iter().map(Ok));
        let tail = futures::stream::once(async move {
            match end {
                End::Well => None,
                End::Error => Some(Err(SheafError::data("line 17 is bad").into())),
                End::Never => std::future::pending().await,
                End::Panic => panic!("a fault of an operator"),
            }
        });
        let stream = batches.chain(tail.filter_map(std::future::ready));
        Box::pin(RecordBatchStreamAdapter::new(self.schema().clone(), stream))
    }
}

/// A plan over partitions of batches.
async fn plan_of(
    partitions: Vec<(Vec<RecordBatch>, End)>,
    context: &SessionContext,
) -> Arc<dyn ExecutionPlan> {
    let schema = partitions[0].0[0].schema();
    let streams = partitions
        .into_iter()
        .map(|(batches, end)| Arc::new(Rows { batches, end }) as Arc<dyn PartitionStream>)
        .collect();
    let table = StreamingTable::try_new(schema, streams).unwrap();
    table.scan(&context.state(), None, &[], None).await.unwrap()
}

fn at(text: &str, directory: &Path) -> Location {
    locate(text, directory, &|_| None).unwrap()
}

/// Sorts in memory: these tests are of files.
fn sort_in_memory(
    input: SendableRecordBatchStream,
    ordering: &LexOrdering,
    _: &Arc<TaskContext>,
) -> datafusion::common::Result<SendableRecordBatchStream> {
    let (schema, ordering) = (input.schema(), ordering.clone());
    let result_schema = Arc::clone(&schema);
    let sorted = futures::stream::once(async move {
        let batches: Vec<RecordBatch> = input.try_collect().await?;
        let whole = concat_batches(&schema, &batches)?;
        sort_batch(&whole, &ordering, None)
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(
        result_schema,
        sorted,
    )))
}

fn request(location: Location, options: &[(&str, &str)]) -> CopyRequest {
    CopyRequest {
        location,
        format: None,
        partitioned_by: Vec::new(),
        options: options
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect(),
        sort: sort_in_memory,
    }
}

/// Runs a COPY to its end; gives the count.
async fn run(
    request: &CopyRequest,
    input: Arc<dyn ExecutionPlan>,
    context: &SessionContext,
) -> Result<u64> {
    let plan = plan_copy(request, input, &context.state()).await?;
    let batches = datafusion::physical_plan::collect(plan, context.task_ctx())
        .await
        .map_err(SheafError::from)?;
    assert_eq!(batches.len(), 1);
    let count = batches[0]
        .column(0)
        .as_any()
        .downcast_ref::<UInt64Array>()
        .unwrap();
    assert_eq!(count.len(), 1);
    Ok(count.value(0))
}

/// Writes the sample, in two batches, to `text` below `directory`.
async fn copy_sample(directory: &Path, text: &str, options: &[(&str, &str)]) -> Result<u64> {
    let context = SessionContext::new();
    let sample = sample();
    let halves = vec![sample.slice(0, 600), sample.slice(600, 400)];
    let input = plan_of(vec![(halves, End::Well)], &context).await;
    run(&request(at(text, directory), options), input, &context).await
}

/// A context whose queries have `bytes` of memory.
fn context_with_memory(bytes: usize) -> SessionContext {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_limit(bytes, 1.0)
        .build_arc()
        .unwrap();
    SessionContext::new_with_config_rt(SessionConfig::new(), runtime)
}

/// Every file below `directory` with its bytes, every directory with a slash. What vanishes while
/// it is read is left out.
fn tree(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        let Ok(entries) = fs::read_dir(&next) else {
            continue;
        };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let name = path
                .strip_prefix(directory)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if path.is_dir() {
                found.insert(format!("{name}/"), Vec::new());
                directories.push(path);
            } else if let Ok(bytes) = fs::read(&path) {
                found.insert(name, bytes);
            }
        }
    }
    found
}

fn names(directory: &Path) -> Vec<String> {
    tree(directory)
        .into_keys()
        .filter(|name| !name.ends_with('/'))
        .collect()
}

/// All rows of a Parquet file.
fn read_parquet(path: &Path) -> Vec<RecordBatch> {
    let file = fs::File::open(path).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file);
    reader
        .unwrap()
        .build()
        .unwrap()
        .map(|batch| batch.unwrap())
        .collect()
}

fn rows_of(path: &Path) -> usize {
    read_parquet(path).iter().map(RecordBatch::num_rows).sum()
}
