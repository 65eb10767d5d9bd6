//! Files that are read by seeking: Arrow and Avro. Local ones as they are, remote ones fetched as a
//! whole; and batches fitted to the table's columns.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek, SeekFrom};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use bytes::Bytes;
use object_store::{GetResultPayload, ObjectStoreExt};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::bytes::SourceFile;

/// Bytes that can be sought.
pub(super) trait Seekable: BufRead + Seek + Send {}
impl<T: BufRead + Seek + Send> Seekable for T {}

/// A file's contents: local, or fetched as a whole.
pub(super) enum Contents {
    Local(File),
    Fetched(Bytes),
}

impl Contents {
    /// Opens `file`.
    ///
    /// # Errors
    /// Names the file if it cannot be opened or fetched.
    pub(super) async fn of(file: &SourceFile) -> Result<Self> {
        let named = |error| SheafError::from(error).with_context(&file.path);
        let got = file.store.get(&file.meta.location).await.map_err(named)?;
        match got.payload {
            GetResultPayload::File(local, _) => Ok(Self::Local(local)),
            GetResultPayload::Stream(_) => Ok(Self::Fetched(got.bytes().await.map_err(named)?)),
        }
    }

    /// A reader at the start.
    pub(super) fn reader(&self) -> std::io::Result<Box<dyn Seekable>> {
        match self {
            Self::Local(file) => {
                let mut file = file.try_clone()?;
                file.seek(SeekFrom::Start(0))?;
                Ok(Box::new(BufReader::new(file)))
            }
            Self::Fetched(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
        }
    }
}

/// `batch` with the columns of `output`: by name, cast where types differ, NULL where missing.
pub(super) fn adapt(batch: &RecordBatch, output: &SchemaRef) -> Result<RecordBatch, ArrowError> {
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

/// An error in decoding the file at `path`, which should be of `format`.
pub(super) fn damaged_file(path: &str, error: ArrowError, format: &str) -> SheafError {
    SheafError::data(format!("{path}: {}", SheafError::from(error).message()))
        .with_state(SqlState::BAD_COPY_FILE_FORMAT)
        .with_hint(format!("the file is damaged, truncated or not {format}"))
}
