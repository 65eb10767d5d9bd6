//! Avro object container files: columns by name, types cast to the table's.
//!
//! The reader below takes a file that ends early for one that ends, so the marker which stands at
//! the end of every block is looked for at the end of the file first.

use std::io::{Read, SeekFrom};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use async_trait::async_trait;
use datafusion::arrow_avro::reader::{Reader, ReaderBuilder};
use futures::StreamExt;
use sheaf_base::{Result, SheafError};

use super::bytes::SourceFile;
use super::contents::{Contents, Seekable, adapt, damaged_file};
use super::{Batches, Piece, RecordFormat};

/// Rows decoded when only the schema is wanted.
const SCHEMA_BATCH_ROWS: usize = 1;

/// The Avro files of one table.
#[derive(Debug)]
pub(crate) struct AvroFormat {
    pub(crate) file_schema: SchemaRef,
}

#[async_trait]
impl RecordFormat for AvroFormat {
    fn name(&self) -> &'static str {
        "avro"
    }

    async fn open(
        &self,
        piece: Piece,
        projection: Arc<[usize]>,
        batch_rows: usize,
    ) -> Result<Batches> {
        let output = Arc::new(self.file_schema.project(&projection)?);
        let path = Arc::clone(&piece.file.path);
        let contents = Contents::of(&piece.file).await?;
        let reader = reader_of(&contents, batch_rows).map_err(|error| damaged(&path, error))?;
        let batches = reader.map(move |batch: Result<RecordBatch, ArrowError>| {
            batch
                .and_then(|batch| adapt(&batch, &output))
                .map_err(|error| damaged(&path, error))
        });
        Ok(futures::stream::iter(batches).boxed())
    }
}

/// The schema of an Avro file.
///
/// # Errors
/// Names the file if it is no Avro file, or is truncated.
pub(crate) async fn schema_of(file: &SourceFile) -> Result<SchemaRef> {
    let contents = Contents::of(file).await?;
    match reader_of(&contents, SCHEMA_BATCH_ROWS) {
        Ok(reader) => Ok(reader.schema()),
        Err(error) => Err(damaged(&file.path, error)),
    }
}

fn reader_of(
    contents: &Contents,
    batch_rows: usize,
) -> Result<Reader<Box<dyn Seekable>>, ArrowError> {
    let builder = || ReaderBuilder::new().with_batch_size(batch_rows);
    let marker = builder().build(contents.reader()?)?.avro_header().sync();
    let mut end = contents.reader()?;
    let back = i64::try_from(marker.len()).unwrap_or(0);
    end.seek(SeekFrom::End(-back))?;
    let mut last = Vec::with_capacity(marker.len());
    end.read_to_end(&mut last)?;
    if last != marker {
        return Err(ArrowError::AvroError("the file is truncated".to_owned()));
    }
    builder().build(contents.reader()?)
}

fn damaged(path: &str, error: ArrowError) -> SheafError {
    damaged_file(path, error, "Avro")
}
