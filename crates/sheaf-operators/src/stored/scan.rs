//! Reads stored rows, in order: batches in memory as they are, files as they stream.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    ReplaceChildrenOptions, SendableRecordBatchStream, StatisticsArgs,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::{Found, StoredRows};
use crate::spill::READ_AHEAD_BATCHES;

/// Reads stored rows in one partition: those that are there when it is made.
///
/// # Memory
/// A batch at a time; of a file also what is read ahead, which is reserved.
#[derive(Debug)]
pub struct StoredScanExec {
    rows: Arc<StoredRows>,
    projection: Option<Vec<usize>>,
    batch_count: usize,
    row_count: usize,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl StoredScanExec {
    /// A scan of the columns `projection` (all, if `None`) of `rows`.
    ///
    /// # Errors
    /// `Internal` if there are no such columns.
    pub fn try_new(rows: Arc<StoredRows>, projection: Option<Vec<usize>>) -> Result<Self> {
        let schema = match &projection {
            Some(columns) => Arc::new(rows.schema().project(columns)?),
            None => rows.schema(),
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (batch_count, row_count) = {
            let chunks = rows.shared.chunks.lock();
            (chunks.batch_count(), chunks.row_count())
        };
        Ok(Self {
            rows,
            projection,
            batch_count,
            row_count,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

/// A reader on its way.
struct Cursor {
    rows: Arc<StoredRows>,
    projection: Option<Vec<usize>>,
    /// The number of the next batch, and of the one at which to stop.
    next: usize,
    end: usize,
    /// A file that is being read, at the next batch.
    file: Option<SendableRecordBatchStream>,
    reservation: MemoryReservation,
}

impl Cursor {
    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        while self.next < self.end {
            if let Some(file) = &mut self.file {
                let batch = file.next().await.transpose()?;
                if let Some(batch) = batch {
                    return self.give(batch).map(Some);
                }
                self.file = None;
                self.reservation.free();
            }
            match self.rows.shared.find(self.next) {
                Some(Found::Memory(batch)) => return self.give(batch).map(Some),
                Some(Found::Disk(rows, skip)) => {
                    // Counted even where memory is short: it is little, and needed to go on.
                    let batches = READ_AHEAD_BATCHES + 2;
                    self.reservation.resize(rows.batch_bytes_max() * batches);
                    let mut file = rows.read()?;
                    for _ in 0..skip {
                        file.next().await.transpose()?;
                    }
                    self.file = Some(file);
                }
                None => {
                    let missing = format!("stored rows have no batch {}", self.next);
                    return Err(DataFusionError::Internal(missing));
                }
            }
        }
        Ok(None)
    }

    fn give(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        self.next += 1;
        match &self.projection {
            Some(columns) => Ok(batch.project(columns)?),
            None => Ok(batch),
        }
    }
}

impl DisplayAs for StoredScanExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "StoredScanExec: {}", self.rows.shared.name)
            }
            DisplayFormatType::TreeRender => f.write_str(&self.rows.shared.name),
        }
    }
}

impl ExecutionPlan for StoredScanExec {
    fn name(&self) -> &'static str {
        "StoredScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("stored rows have one partition, not {partition}");
        }
        let cursor = Cursor {
            rows: Arc::clone(&self.rows),
            projection: self.projection.clone(),
            next: 0,
            end: self.batch_count,
            file: None,
            reservation: MemoryConsumer::new("StoredScan").register(context.memory_pool()),
        };
        let batches = stream::try_unfold(cursor, |mut cursor| async move {
            let batch = cursor.next_batch().await?;
            Ok(batch.map(|batch| (batch, cursor)))
        });
        let batches = RecordBatchStreamAdapter::new(self.schema(), batches.into_stream());
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        Ok(crate::counted(Box::pin(batches), metrics))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        _args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        statistics.num_rows = Precision::Exact(self.row_count);
        Ok(Arc::new(statistics))
    }
}
