//! Reading at run time: the file sources beneath `DataSourceExec`.
//!
//! Text formats, Arrow and Avro files are read by [`RecordSource`], which gives bytes to a decoder per
//! file and turns what goes wrong into errors with file and line. Parquet is read by the
//! engine's own source inside [`named::NamedSource`], which puts the file's name on errors. Both
//! keep the partitions that planning made: the engine does not cut files again.

pub(crate) mod accounted;
mod arrow;
mod avro;
pub(crate) mod bad_records;
pub(crate) mod bag;
pub(crate) mod bytes;
mod contents;
pub(crate) mod csv;
pub(crate) mod json;
pub(crate) mod json_texts;
pub(crate) mod json_values;
pub(crate) mod known_columns;
pub(crate) mod named;
pub(crate) mod quotes;
pub(crate) mod records;
mod stream;
pub(crate) mod text;
pub(crate) mod typed;
pub(crate) mod variants;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use ::arrow::array::RecordBatch;
use ::arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileOpenFuture, FileOpener, FileScanConfig, FileSource,
};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::apply_expression_roots;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::ObjectStore;
use sheaf_base::Result;

use self::bytes::SourceFile;
use self::stream::Measured;
use crate::formats::Compression;

/// What a partition's file carries beside its location: attached to [`PartitionedFile`].
#[derive(Debug, Clone)]
pub(crate) struct FileLabel {
    /// The path as users know it.
    pub(crate) path: Arc<str>,
    pub(crate) compression: Compression,
    pub(crate) transcoder: Option<&'static encoding_rs::Encoding>,
}

/// A part of a file to read.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) file: SourceFile,
    /// Bytes `[start, end)`; `None` for the whole file.
    pub(crate) range: Option<Range<u64>>,
}

/// A stream of batches whose errors name file and line.
pub(crate) type Batches = BoxStream<'static, Result<RecordBatch>>;

/// How one format reads a piece.
#[async_trait]
pub(crate) trait RecordFormat: fmt::Debug + Send + Sync {
    /// The name that plans show.
    fn name(&self) -> &'static str;

    /// Takes over what `projection` computes of the table's columns, as far as the format can do so
    /// while it decodes; `None` if it cannot.
    ///
    /// # Errors
    /// Those of the engine, in rewriting expressions.
    fn absorb(
        &self,
        _projection: &ProjectionExprs,
        _table_schema: &TableSchema,
    ) -> EngineResult<Option<Absorbed>> {
        Ok(None)
    }

    /// Opens `piece` for the columns `projection` (indices into the table's file columns, in the
    /// order wanted), in batches of at most `batch_rows` rows.
    async fn open(
        &self,
        piece: Piece,
        projection: Arc<[usize]>,
        batch_rows: usize,
    ) -> Result<Batches>;
}

/// A format that computes some of a projection itself.
pub(crate) struct Absorbed {
    pub(crate) format: Arc<dyn RecordFormat>,
    /// The files' columns: those of the table and then what the format computes.
    pub(crate) file_schema: SchemaRef,
    /// What is left of the projection, of these columns.
    pub(crate) projection: ProjectionExprs,
}

/// The file source of formats that Sheaf decodes itself.
#[derive(Clone)]
pub(crate) struct RecordSource {
    format: Arc<dyn RecordFormat>,
    table_schema: TableSchema,
    projection: SplitProjection,
    batch_rows: usize,
    metrics: ExecutionPlanMetricsSet,
}

/// Rows of a batch when nobody says.
const BATCH_ROWS: usize = 8_192;

impl RecordSource {
    pub(crate) fn new(format: Arc<dyn RecordFormat>, table_schema: TableSchema) -> Self {
        Self {
            format,
            projection: SplitProjection::unprojected(&table_schema),
            table_schema,
            batch_rows: BATCH_ROWS,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl FileSource for RecordSource {
    fn create_file_opener(
        &self,
        object_store: Arc<dyn ObjectStore>,
        _base_config: &FileScanConfig,
        partition: usize,
    ) -> EngineResult<Arc<dyn FileOpener>> {
        let absorbed = self
            .format
            .absorb(&self.projection.source, &self.table_schema)?;
        let (format, projection, file_schema) = match absorbed {
            Some(absorbed) => {
                let split = SplitProjection::new(&absorbed.file_schema, &absorbed.projection);
                (absorbed.format, split, absorbed.file_schema)
            }
            None => (
                Arc::clone(&self.format),
                self.projection.clone(),
                Arc::clone(self.table_schema.file_schema()),
            ),
        };
        let opener = RecordOpener {
            format,
            store: object_store,
            projection: projection.file_indices.clone().into(),
            batch_rows: self.batch_rows,
            metrics: self.metrics.clone(),
            partition,
        };
        ProjectionOpener::try_new(projection, Arc::new(opener), &file_schema)
    }

    fn table_schema(&self) -> &TableSchema {
        &self.table_schema
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Arc::new(Self {
            batch_rows: batch_size.max(1),
            ..self.clone()
        })
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        self.format.name()
    }

    fn fmt_extra(&self, _: DisplayFormatType, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }

    fn supports_repartitioning(&self) -> bool {
        false
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> EngineResult<Option<Arc<dyn FileSource>>> {
        let merged = self.projection.source.try_merge(projection)?;
        let projection = SplitProjection::new(self.table_schema.file_schema(), &merged);
        Ok(Some(Arc::new(Self {
            projection,
            ..self.clone()
        })))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> EngineResult<TreeNodeRecursion>,
    ) -> EngineResult<TreeNodeRecursion> {
        apply_expression_roots(self.projection.source.iter(), f)
    }
}

struct RecordOpener {
    format: Arc<dyn RecordFormat>,
    store: Arc<dyn ObjectStore>,
    projection: Arc<[usize]>,
    batch_rows: usize,
    metrics: ExecutionPlanMetricsSet,
    partition: usize,
}

impl FileOpener for RecordOpener {
    fn open(&self, partitioned_file: PartitionedFile) -> EngineResult<FileOpenFuture> {
        let mut piece = piece_of(&partitioned_file, Arc::clone(&self.store));
        let bytes = piece
            .range
            .as_ref()
            .map_or(piece.file.meta.size, |r| r.end - r.start);
        let measured = Measured::new(&self.metrics, self.partition, bytes);
        piece.file.gauge = Some(measured.gauge());
        let format = Arc::clone(&self.format);
        let projection = Arc::clone(&self.projection);
        let batch_rows = self.batch_rows;
        Ok(Box::pin(async move {
            let batches = format.open(piece, projection, batch_rows).await?;
            Ok(measured
                .wrap(batches)
                .map(|batch| batch.map_err(DataFusionError::from))
                .boxed())
        }))
    }
}

/// The piece that the engine's description of a file means.
fn piece_of(file: &PartitionedFile, store: Arc<dyn ObjectStore>) -> Piece {
    let label = file.extension::<FileLabel>();
    let location = file.object_meta.location.as_ref();
    let offset = |bytes: i64| u64::try_from(bytes).unwrap_or(0);
    Piece {
        file: SourceFile {
            store,
            meta: file.object_meta.clone(),
            path: label.map_or_else(|| location.into(), |label| Arc::clone(&label.path)),
            compression: label.map_or(Compression::None, |label| label.compression),
            transcoder: label.and_then(|label| label.transcoder),
            gauge: None,
        },
        range: file
            .range
            .as_ref()
            .map(|range| offset(range.start)..offset(range.end)),
    }
}
