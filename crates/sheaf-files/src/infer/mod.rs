//! Schemas from bounded looks into files.
//!
//! A bounded prefix of every file is read, of an even choice of them if they are more than
//! [`LOOKED_AT_FILES_MAX`]; their columns are united by name in the order in which they are first
//! seen, and their types widened until all values fit ([`value_type`]). Text formats find out how
//! they are written on the way. A file that was not looked at and has a column of its own fails the
//! scan (`scan::known_columns`): no column is lost in silence.

mod csv;
mod csv_dialect;
mod csv_records;
mod csv_sample;
mod json;
mod schema;
pub(crate) mod value_type;

pub(crate) use self::csv::infer_csv;
pub(crate) use self::csv_records::{csv_records, is_null};
pub(crate) use self::json::infer_json;
pub(crate) use self::schema::unite;

/// Files of a table whose columns are looked at.
pub(crate) const LOOKED_AT_FILES_MAX: usize = 4_096;

/// Files that are looked at at the same time.
pub(crate) const LOOKS_CONCURRENT_MAX: usize = 32;

/// Files that are looked at closely; of further ones a little, or nothing where that is dear.
pub(crate) const SAMPLE_FILES_MAX: usize = 16;

/// Bytes of the first file by which columns and types are detected.
pub(crate) const SAMPLE_BYTES_FIRST: usize = 4 * 1024 * 1024;

/// Bytes of each further file.
pub(crate) const SAMPLE_BYTES_FURTHER: usize = 256 * 1024;

/// Which of `count` files are taken if `files_max` (at least 2) may be: the first, the last and
/// evenly between.
pub(crate) fn evenly(count: usize, files_max: usize) -> Vec<usize> {
    if count <= files_max {
        return (0..count).collect();
    }
    (0..files_max)
        .map(|i| i * (count - 1) / (files_max - 1))
        .collect()
}
