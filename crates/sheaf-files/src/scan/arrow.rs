//! Arrow IPC files and streams.
//!
//! A file's range stands for its record batches: batch `i` of `n` belongs to the range that holds
//! byte `i · size / n`. Streams (which have no index) are read whole.

use std::io::Read;

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};

use super::contents::Contents;
use super::typed::{FileBatches, Wanted};

/// How an Arrow IPC file starts; streams start otherwise.
const MAGIC: &[u8] = b"ARROW1";

/// The schema of an opened file or stream.
pub(super) fn schema_in(contents: &Contents) -> Result<SchemaRef, ArrowError> {
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

/// The wanted batches of `contents`, with those of the wanted columns that it has.
pub(super) fn batches_in(
    contents: &Contents,
    wanted: &Wanted<'_>,
) -> Result<FileBatches, ArrowError> {
    let schema = schema_in(contents)?;
    let found = wanted
        .columns
        .fields()
        .iter()
        .filter_map(|field| schema.index_of(field.name()).ok());
    let columns: Option<Vec<usize>> = Some(found.collect());
    if !is_file(contents)? {
        // Only the first piece of a stream can be found: it has all.
        if wanted.range.as_ref().is_some_and(|range| range.start > 0) {
            return Ok(Box::new(std::iter::empty()));
        }
        return Ok(Box::new(StreamReader::try_new(
            contents.reader()?,
            columns,
        )?));
    }
    let mut reader = FileReader::try_new(contents.reader()?, columns)?;
    let Some(range) = wanted.range.clone() else {
        return Ok(Box::new(reader));
    };
    let count = reader.num_batches();
    let offset = |batch: usize| batch as u64 * wanted.file_bytes / count.max(1) as u64;
    let mut own = (0..count).filter(|batch| range.contains(&offset(*batch)));
    let Some(first) = own.next() else {
        return Ok(Box::new(std::iter::empty()));
    };
    let length = 1 + own.count();
    reader.set_index(first)?;
    Ok(Box::new(reader.take(length)))
}
