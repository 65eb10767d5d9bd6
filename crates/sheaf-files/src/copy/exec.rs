//! The operator behind `COPY … TO`: runs its input to the end, commits, and gives one row, `count`.
//!
//! States of a run: *writing* (each input partition is a task with its own files), then *committing*
//! (renames, or completions of uploads), then done. An error, a panic or a drop while writing
//! cleans up; the commit itself is not interrupted.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use arrow::array::{RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as EngineResult, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning,
    PlanProperties, ReplaceChildrenOptions,
};
use futures::{StreamExt, TryStreamExt};
use sheaf_base::{Result, SheafError};
use tokio::task::JoinSet;

use super::by_partition::{SortRows, sorted_by};
use super::encode::Encoding;
use super::files::{FileSet, FileSpec, OPEN_FILES_MAX, OPEN_UPLOADS_MAX};
use super::hive::HiveLayout;
use super::options::Existing;
use super::sink::{Place, blocking};
use super::staging::{Staging, random_name};
use super::target::Target;
use super::uploads::Uploads;

/// What one COPY does, decided when it was planned.
#[derive(Debug)]
pub(super) struct CopySpec {
    /// The user's text of the target.
    pub(super) text: String,
    pub(super) format: &'static str,
    /// `.csv.gz`: what names of a directory's files end in.
    pub(super) extension: String,
    pub(super) encoding: Encoding,
    pub(super) layout: HiveLayout,
    pub(super) target: Target,
    pub(super) existing: Existing,
    pub(super) file_bytes_max: Option<u64>,
    pub(super) sort: SortRows,
}

/// Writes its input's rows to a target.
#[derive(Debug)]
pub struct CopyExec {
    input: Arc<dyn ExecutionPlan>,
    spec: Arc<CopySpec>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl CopyExec {
    pub(super) fn new(input: Arc<dyn ExecutionPlan>, spec: Arc<CopySpec>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(count_schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Self {
            input,
            spec,
            properties: Arc::new(properties),
            metrics,
        }
    }
}

impl DisplayAs for CopyExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::TreeRender => {
                writeln!(f, "format={}", self.spec.format)?;
                write!(f, "to={}", self.spec.text)
            }
            _ => write!(
                f,
                "CopyExec: to={}, format={}",
                self.spec.text, self.spec.format
            ),
        }
    }
}

impl ExecutionPlan for CopyExec {
    fn name(&self) -> &'static str {
        "CopyExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> EngineResult<TreeNodeRecursion>,
    ) -> EngineResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.pop()) {
            (Some(input), None) => Ok(Arc::new(Self::new(input, Arc::clone(&self.spec)))),
            _ => internal_err!("CopyExec has one input"),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.pop()) {
            (Some(input), None) => Ok(Arc::new(Self::new(input, Arc::clone(&self.spec)))),
            _ => internal_err!("CopyExec has one input"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        task: Arc<TaskContext>,
    ) -> EngineResult<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("CopyExec has one partition, not {partition}");
        }
        let spec = &self.spec;
        // Beside files of earlier COPYs, names must be new ones.
        let is_beside = match (spec.existing, &spec.target) {
            (Existing::Append, _) | (Existing::Overwrite, Target::Objects(..)) => true,
            (Existing::Default | Existing::Overwrite, _) => false,
        };
        let name_prefix = if is_beside {
            format!("data_{}_", random_name())
        } else {
            "data_".to_owned()
        };
        let files = Arc::new(FileSpec {
            encoding: spec.encoding.clone(),
            layout: spec.layout.clone(),
            name_prefix,
            name_suffix: spec.extension.clone(),
            file_bytes_max: spec.file_bytes_max,
            files_begun: AtomicUsize::new(0),
            bytes_written: MetricBuilder::new(&self.metrics).counter("bytes_written", 0),
            files_written: MetricBuilder::new(&self.metrics).counter("files_written", 0),
        });
        let rows_copied = MetricBuilder::new(&self.metrics).counter("rows_copied", 0);
        let (spec, input) = (Arc::clone(spec), Arc::clone(&self.input));
        let run = async move {
            let rows = run(spec, files, input, task).await?;
            rows_copied.add(usize::try_from(rows).unwrap_or(usize::MAX));
            let count = Arc::new(UInt64Array::from(vec![rows]));
            EngineResult::Ok(RecordBatch::try_new(count_schema(), vec![count])?)
        };
        let stream = futures::stream::once(run).boxed();
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            count_schema(),
            stream,
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

fn count_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(
        "count",
        DataType::UInt64,
        false,
    )]))
}

/// Writes, then commits; gives the number of rows.
async fn run(
    spec: Arc<CopySpec>,
    files: Arc<FileSpec>,
    input: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
) -> Result<u64> {
    let place = prepare(&spec).await?;
    let partitions = input.output_partitioning().partition_count();
    let open_max = match &place {
        Place::Remote { .. } => OPEN_UPLOADS_MAX,
        Place::Local(_) | Place::Device(_) => OPEN_FILES_MAX,
    };
    let pool = Arc::clone(task.memory_pool());
    let new_set = || {
        FileSet::new(
            Arc::clone(&files),
            place.clone(),
            open_max / partitions.max(1),
            &pool,
        )
    };
    let mut writers = JoinSet::new();
    for partition in 0..partitions {
        let rows = input.execute(partition, Arc::clone(&task))?;
        writers.spawn(write_partition(
            rows,
            new_set(),
            Arc::clone(&spec),
            Arc::clone(&task),
        ));
    }
    let mut done = Written::default();
    let outcome = done.join(&mut writers).await;
    // The other tasks are gone before an error is told, and with them their files.
    writers.shutdown().await;
    outcome?;
    let Written { rows, mut names } = done;
    if names.is_empty() && !spec.layout.is_partitioned() {
        let mut empty = new_set();
        empty.open_empty().await?;
        names = empty.finish().await?.1;
    }
    commit(&spec, place, names).await?;
    Ok(rows)
}

/// What tasks have written.
#[derive(Default)]
struct Written {
    rows: u64,
    names: Vec<String>,
}

impl Written {
    async fn join(&mut self, writers: &mut JoinSet<Result<(u64, Vec<String>)>>) -> Result<()> {
        while let Some(written) = writers.join_next().await {
            let (rows, names) = written.map_err(|error| {
                SheafError::internal(format!("a task of COPY failed: {error}"))
            })??;
            self.rows += rows;
            self.names.extend(names);
        }
        Ok(())
    }
}

async fn write_partition(
    mut rows: SendableRecordBatchStream,
    mut files: FileSet,
    spec: Arc<CopySpec>,
    task: Arc<TaskContext>,
) -> Result<(u64, Vec<String>)> {
    while let Some(batch) = rows.try_next().await? {
        if let Some(batch) = files.write(batch).await? {
            files.begin_sorted().await?;
            rows = sorted_by(spec.sort, spec.layout.columns(), batch, rows, &task)?;
        }
    }
    files.finish().await
}

async fn prepare(spec: &CopySpec) -> Result<Place> {
    Ok(match &spec.target {
        Target::Device(path) => Place::Device(path.clone()),
        Target::LocalFile(path) => {
            let path = path.clone();
            Place::Local(Arc::new(blocking(move || Ok(Staging::file(&path))).await?))
        }
        Target::LocalDirectory(path) => {
            let path = path.clone();
            Place::Local(Arc::new(blocking(move || Staging::directory(&path)).await?))
        }
        Target::Object(store, path) => Place::Remote {
            uploads: Arc::new(Uploads::new(Arc::clone(store), &spec.text)),
            prefix: path.clone(),
            is_single: true,
        },
        Target::Objects(store, path) => Place::Remote {
            uploads: Arc::new(Uploads::new(Arc::clone(store), &spec.text)),
            prefix: path.clone(),
            is_single: false,
        },
    })
}

async fn commit(spec: &CopySpec, place: Place, names: Vec<String>) -> Result<()> {
    match place {
        Place::Device(_) => Ok(()),
        Place::Local(staging) => {
            let existing = spec.existing;
            // On a blocking thread, which ends its work even if the query is dropped now.
            blocking(move || staging.commit(existing, &names)).await
        }
        Place::Remote {
            uploads,
            prefix,
            is_single,
        } => {
            let mut replaced = Vec::new();
            if let (Existing::Overwrite, Target::Objects(store, _)) = (spec.existing, &spec.target)
            {
                let mut old = store.list(Some(&prefix));
                while let Some(object) = old.try_next().await? {
                    replaced.push(object.location);
                }
            }
            uploads.commit(is_single, replaced).await
        }
    }
}
