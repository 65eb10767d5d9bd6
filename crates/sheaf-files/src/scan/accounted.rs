//! Bytes fetched from Parquet files, charged to the memory budget for as long as decoders keep them.
//!
//! A decoder holds the column chunks of a whole row group, compressed, while it gives batches of a
//! few thousand rows: up to hundreds of megabytes that no operator knows of. They cannot be spilled
//! and a scan cannot go on without them, so they are counted without asking, and others get less.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::error::Result as EngineResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::{BoxFuture, FutureExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::ParquetMetaData;

/// Who holds the bytes.
const CONSUMER: &str = "ParquetScan";

/// Readers of Parquet files whose bytes are charged to a pool.
pub(crate) struct AccountedReaders {
    pub(crate) inner: Arc<dyn ParquetFileReaderFactory>,
    pub(crate) pool: Arc<dyn MemoryPool>,
}

impl fmt::Debug for AccountedReaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AccountedReaders")
            .field(&self.inner)
            .finish()
    }
}

impl ParquetFileReaderFactory for AccountedReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> EngineResult<Box<dyn AsyncFileReader + Send>> {
        let inner = self
            .inner
            .create_reader(partition, file, metadata_size_hint, metrics)?;
        let name = format!("{CONSUMER}[{partition}]");
        Ok(Box::new(AccountedReader {
            inner,
            reservation: MemoryConsumer::new(name).register(&self.pool),
        }))
    }
}

struct AccountedReader {
    inner: Box<dyn AsyncFileReader + Send>,
    /// Empty; those of the bytes are taken from it.
    reservation: MemoryReservation,
}

impl AccountedReader {
    fn charge(&self, bytes: Bytes) -> Bytes {
        let reservation = self.reservation.new_empty();
        reservation.grow(bytes.len());
        Bytes::from_owner(ChargedBytes {
            bytes,
            _reservation: reservation,
        })
    }
}

/// Bytes, and the reservation that goes with the last part of them.
struct ChargedBytes {
    bytes: Bytes,
    _reservation: MemoryReservation,
}

impl AsRef<[u8]> for ChargedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsyncFileReader for AccountedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move {
            let bytes = self.inner.get_bytes(range).await?;
            Ok(self.charge(bytes))
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move {
            let parts = self.inner.get_byte_ranges(ranges).await?;
            Ok(parts.into_iter().map(|bytes| self.charge(bytes)).collect())
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        self.inner.get_metadata(options)
    }
}
