//! Arrow IPC files and streams: columns by name, types cast to the table's.
//!
//! A file's range stands for its record batches: batch `i` of `n` belongs to the range that holds
//! byte `i · size / n`. Streams (which have no index) are read whole.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use async_trait::async_trait;
use futures::StreamExt;
use sheaf_base::{Result, SheafError};

use super::bytes::SourceFile;
use super::contents::{Contents, adapt, damaged_file};
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
        let batches = batches_in(&contents, &output, piece.range, piece.file.meta.size)
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
    schema_in(&Contents::of(file).await?).map_err(|error| damaged(&file.path, error))
}

type ArrowBatches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// The schema of an opened file or stream.
fn schema_in(contents: &Contents) -> Result<SchemaRef, ArrowError> {
    if is_file(contents)? {
        Ok(FileReader::try_new(contents.reader()?, None)?.schema())
    } else {
        Ok(StreamReader::try_new(contents.reader()?, None)?.schema())
    }
}

fn is_file(contents: &Contents) -> std::io::Result<bool> {
    let mut start = Vec::with_capacity(MAGIC.len());
    contents
        .reader()?
        .take(MAGIC.len() as u64)
        .read_to_end(&mut start)?;
    Ok(start == MAGIC)
}

/// The batches of `contents` that belong to `range`, with the columns that `output` has too.
fn batches_in(
    contents: &Contents,
    output: &Schema,
    range: Option<Range<u64>>,
    size: u64,
) -> Result<ArrowBatches, ArrowError> {
    let schema = schema_in(contents)?;
    let found = output
        .fields()
        .iter()
        .filter_map(|field| schema.index_of(field.name()).ok());
    let columns: Option<Vec<usize>> = Some(found.collect());
    if !is_file(contents)? {
        return Ok(Box::new(StreamReader::try_new(
            contents.reader()?,
            columns,
        )?));
    }
    let mut reader = FileReader::try_new(contents.reader()?, columns)?;
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

fn damaged(path: &str, error: ArrowError) -> SheafError {
    damaged_file(path, error, "Arrow IPC")
}
