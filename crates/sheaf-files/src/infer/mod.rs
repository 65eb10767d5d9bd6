//! Schemas from bounded looks into files.
//!
//! A bounded prefix of a bounded number of files is read; their columns are united by name in the
//! order in which they are first seen, and their types widened until all values fit
//! ([`value_type`]). Text formats find out how they are written on the way.

mod csv;
mod csv_dialect;
mod json;
mod schema;
pub(crate) mod value_type;

pub(crate) use self::csv::{csv_records, infer_csv};
pub(crate) use self::json::infer_json;
pub(crate) use self::schema::unite;

/// Files by which a table's schema is inferred.
pub(crate) const SAMPLE_FILES_MAX: usize = 16;

/// Bytes of the first file by which columns and types are detected.
pub(crate) const SAMPLE_BYTES_FIRST: usize = 4 * 1024 * 1024;

/// Bytes of each further file.
pub(crate) const SAMPLE_BYTES_FURTHER: usize = 256 * 1024;

/// Which of `count` files are sampled: the first, the last and evenly between.
pub(crate) fn sampled(count: usize) -> Vec<usize> {
    if count <= SAMPLE_FILES_MAX {
        return (0..count).collect();
    }
    (0..SAMPLE_FILES_MAX)
        .map(|i| i * (count - 1) / (SAMPLE_FILES_MAX - 1))
        .collect()
}
