//! Avro object container files.
//!
//! The reader below takes a file that ends early for one that ends, so the marker which stands at
//! the end of every block is looked for at the end of the file first.

use std::io::{Read, SeekFrom};

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::arrow_avro::reader::{Reader, ReaderBuilder};

use super::contents::{Contents, Seekable};
use super::typed::{FileBatches, Wanted};

/// Rows decoded when only the schema is wanted.
const SCHEMA_BATCH_ROWS: usize = 1;

/// The schema of an opened file.
pub(super) fn schema_in(contents: &Contents) -> Result<SchemaRef, ArrowError> {
    Ok(reader_of(contents, SCHEMA_BATCH_ROWS)?.schema())
}

/// The batches of `contents`, with all its columns.
pub(super) fn batches_in(
    contents: &Contents,
    wanted: &Wanted<'_>,
) -> Result<FileBatches, ArrowError> {
    Ok(Box::new(reader_of(contents, wanted.batch_rows)?))
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
