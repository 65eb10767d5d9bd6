//! Arrow IPC files and streams: columns by name, types cast to the table's.
//!
//! A file's range stands for its record batches: batch `i` of `n` belongs to the range that holds
//! byte `i · size / n`. Streams (which have no index) are read whole.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use object_store::{GetResultPayload, ObjectStoreExt};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::bytes::SourceFile;
use super::{Batches, Piece, RecordFormat};

/// How an Arrow IPC file starts; streams start otherwise.
const MAGIC: &[u8] = b"ARROW1";

/// The Arrow files of one table.
#[derive(Debug)]
pub(crate) struct ArrowFormat {
    pub(crate) file_schema: SchemaRef,
}

#[async_trait]
impl RecordFormat for ArrowFormat {
    fn name(&self) -> &'static str {
        "arrow"
    }

    async fn open(&self, piece: Piece, projection: Arc<[usize]>, _: usize) -> Result<Batches> {
        let output = Arc::new(self.file_schema.project(&projection)?);
        let path = Arc::clone(&piece.file.path);
        let contents = Contents::of(&piece.file).await?;
        let batches = contents
            .batches(&output, piece.range, piece.file.meta.size)
            .map_err(|error| damaged(&path, error))?;
        let batches = batches.map(move |batch| {
            batch
                .and_then(|batch| adapt(&batch, &output))
                .map_err(|error| damaged(&path, error))
        });
        Ok(futures::stream::iter(batches).boxed())
    }
}

/// The schema of an Arrow file or stream.
///
/// # Errors
/// Names the file if it is no Arrow file.
pub(crate) async fn schema_of(file: &SourceFile) -> Result<SchemaRef> {
    Contents::of(file)
        .await?
        .schema()
        .map_err(|error| damaged(&file.path, error))
}

type ArrowBatches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// Bytes that can be sought.
trait Seekable: Read + Seek + Send {}
impl<T: Read + Seek + Send> Seekable for T {}

/// A file's contents: local, or fetched as a whole.
enum Contents {
    Local(File),
    Fetched(Bytes),
}

impl Contents {
    async fn of(file: &SourceFile) -> Result<Self> {
        let named = |error| SheafError::from(error).with_context(&file.path);
        let got = file.store.get(&file.meta.location).await.map_err(named)?;
        match got.payload {
            GetResultPayload::File(local, _) => Ok(Self::Local(local)),
            GetResultPayload::Stream(_) => Ok(Self::Fetched(got.bytes().await.map_err(named)?)),
        }
    }

    /// A reader at the start.
    fn reader(&self) -> std::io::Result<Box<dyn Seekable>> {
        match self {
            Self::Local(file) => {
                let mut file = file.try_clone()?;
                file.seek(SeekFrom::Start(0))?;
                Ok(Box::new(BufReader::new(file)))
            }
            Self::Fetched(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
        }
    }

    fn is_file(&self) -> std::io::Result<bool> {
        let mut start = Vec::with_capacity(MAGIC.len());
        self.reader()?
            .take(MAGIC.len() as u64)
            .read_to_end(&mut start)?;
        Ok(start == MAGIC)
    }

    fn schema(&self) -> Result<SchemaRef, ArrowError> {
        if self.is_file()? {
            Ok(FileReader::try_new(self.reader()?, None)?.schema())
        } else {
            Ok(StreamReader::try_new(self.reader()?, None)?.schema())
        }
    }

    fn batches(
        &self,
        output: &Schema,
        range: Option<Range<u64>>,
        size: u64,
    ) -> Result<ArrowBatches, ArrowError> {
        let schema = self.schema()?;
        let found = output
            .fields()
            .iter()
            .filter_map(|field| schema.index_of(field.name()).ok());
        let columns: Option<Vec<usize>> = Some(found.collect());
        if !self.is_file()? {
            return Ok(Box::new(StreamReader::try_new(self.reader()?, columns)?));
        }
        let mut reader = FileReader::try_new(self.reader()?, columns)?;
        let Some(range) = range else {
            return Ok(Box::new(reader));
        };
        let count = reader.num_batches();
        let offset = |batch: usize| batch as u64 * size / count.max(1) as u64;
        let mut own = (0..count).filter(|batch| range.contains(&offset(*batch)));
        let Some(first) = own.next() else {
            return Ok(Box::new(std::iter::empty()));
        };
        let length = 1 + own.count();
        reader.set_index(first)?;
        Ok(Box::new(reader.take(length)))
    }
}

/// `batch` with the columns of `output`: by name, cast where types differ, NULL where missing.
fn adapt(batch: &RecordBatch, output: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let columns = output
        .fields()
        .iter()
        .map(|field| -> Result<ArrayRef, ArrowError> {
            match batch.column_by_name(field.name()) {
                None => Ok(new_null_array(field.data_type(), batch.num_rows())),
                Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
                Some(column) => cast_with_options(column, field.data_type(), &strict),
            }
        });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(output), columns, &options)
}

fn damaged(path: &str, error: ArrowError) -> SheafError {
    SheafError::data(format!("{path}: {}", SheafError::from(error).message()))
        .with_state(SqlState::BAD_COPY_FILE_FORMAT)
        .with_hint("the file is damaged, truncated or not Arrow IPC")
}
