//! A check on files that nobody looked at when the columns of their table were told.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::error::Result as EngineResult;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::{BoxFuture, FutureExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ParquetMetaData;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::FileLabel;

/// The columns of a table that has too many files to look at all of them. A file with another
/// column would lose it in silence; it fails the scan instead.
#[derive(Debug)]
pub(crate) struct KnownColumns {
    /// What the files that were looked at have.
    pub(crate) schema: SchemaRef,
    /// How many files those are.
    pub(crate) files: usize,
}

impl KnownColumns {
    /// Checks the columns of the file at `path`.
    ///
    /// # Errors
    /// `Data`, naming file and column.
    pub(crate) fn check<'a>(
        &self,
        path: &str,
        columns: impl IntoIterator<Item = &'a str>,
    ) -> Result<()> {
        let is_new = |name: &&str| self.schema.index_of(name).is_err();
        let Some(column) = columns.into_iter().find(is_new) else {
            return Ok(());
        };
        Err(SheafError::data(format!(
            "{path}: column \"{column}\" is in none of the {} files by which columns were detected",
            self.files
        ))
        .with_state(SqlState::BAD_COPY_FILE_FORMAT)
        .with_hint("declare the columns with CREATE EXTERNAL TABLE, or read fewer files at once"))
    }
}

/// Readers of Parquet files that check each file's columns when they have its footer.
#[derive(Debug)]
pub(crate) struct CheckedReaders {
    pub(crate) inner: Arc<dyn ParquetFileReaderFactory>,
    pub(crate) known: Arc<KnownColumns>,
}

impl ParquetFileReaderFactory for CheckedReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> EngineResult<Box<dyn AsyncFileReader + Send>> {
        let label = file.extension::<FileLabel>();
        let path = label.map_or_else(
            || file.object_meta.location.as_ref().into(),
            |label| Arc::clone(&label.path),
        );
        let inner = self
            .inner
            .create_reader(partition, file, metadata_size_hint, metrics)?;
        Ok(Box::new(CheckedReader {
            inner,
            path,
            known: Arc::clone(&self.known),
        }))
    }
}

struct CheckedReader {
    inner: Box<dyn AsyncFileReader + Send>,
    path: Arc<str>,
    known: Arc<KnownColumns>,
}

impl AsyncFileReader for CheckedReader {
    fn get_bytes(
        &mut self,
        range: std::ops::Range<u64>,
    ) -> BoxFuture<'_, ParquetResult<bytes::Bytes>> {
        self.inner.get_bytes(range)
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<std::ops::Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<bytes::Bytes>>> {
        self.inner.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let metadata = self.inner.get_metadata(options).await?;
            let root = metadata.file_metadata().schema_descr().root_schema();
            let columns = root.get_fields().iter().map(|field| field.name());
            self.known
                .check(&self.path, columns)
                .map_err(|error| ParquetError::External(Box::new(error)))?;
            Ok(metadata)
        }
        .boxed()
    }
}
