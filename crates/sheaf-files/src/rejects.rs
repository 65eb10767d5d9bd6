//! Records that are not what they should be, handed to whoever keeps them.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use sheaf_base::Result;

use crate::request::{OptionValue, ReadRequest};

/// Keeps rejected records. All pieces of a scan share one.
#[async_trait]
pub trait Rejects: fmt::Debug + Send + Sync {
    /// Keeps rows of [`reject_schema`].
    ///
    /// # Errors
    /// If they cannot be kept.
    async fn add(&self, rejected: &RecordBatch) -> Result<()>;
}

/// What is kept of a record: file, line, offset, its text (NULL if that is too long), what is wrong.
#[must_use]
pub fn reject_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("_path", DataType::Utf8View, false),
        Field::new("_line", DataType::Int64, false),
        Field::new("_offset", DataType::Int64, false),
        Field::new("raw", DataType::Utf8View, true),
        Field::new("error", DataType::Utf8View, false),
    ]))
}

/// The table that a request wants bad records in.
#[must_use]
pub fn quarantine_of(request: &ReadRequest) -> Option<&str> {
    let mut options = request.options.iter();
    options.find_map(|(name, value)| match value {
        OptionValue::Text(table) if name.eq_ignore_ascii_case("quarantine") => Some(table.as_str()),
        _ => None,
    })
}
