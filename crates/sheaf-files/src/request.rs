//! What a caller asks to read: paths, format, options. Made by the binder from `FROM 'path'`, a
//! `read_…` call or `CREATE EXTERNAL TABLE`; consumed by [`crate::open`].

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use sheaf_base::error::SqlState;
use sheaf_base::{ByteCount, Result, SheafError};
use tokio::runtime::Handle;

use crate::formats::FormatDecl;
use crate::rejects::Rejects;
use crate::stores::Roots;

/// A value of a named option.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    /// `NULL`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// `['a', 'b']`.
    List(Vec<OptionValue>),
    /// `{'a': 'BIGINT'}`, in the order written.
    Struct(Vec<(String, OptionValue)>),
}

/// A request to read files as one table.
#[derive(Debug, Clone, Default)]
pub struct ReadRequest {
    /// Paths, globs, directories or URLs, as the user wrote them.
    pub paths: Vec<String>,
    /// What stands for the directory of the paths wherever a file is named (`_path`, errors), where
    /// whoever reads may not know it.
    pub shown_as: Option<String>,
    /// What the paths must lie beneath; `None` for who may read whatever the process may.
    pub roots: Option<Arc<Roots>>,
    /// The format; `None` tells it from the files' names.
    pub format: Option<&'static FormatDecl>,
    /// Named options, as the format's [`FormatDecl::options`] declares them.
    pub options: Vec<(String, OptionValue)>,
    /// Columns and types of the files (without partition columns); `None` infers them.
    pub schema: Option<SchemaRef>,
    /// Hive partition columns; `None` detects `key=value` directories, an empty list means none.
    pub partition_columns: Option<Vec<(String, DataType)>>,
    /// Whether the table has the columns `_path` (text) and `_partition` (64-bit integer), which
    /// come last.
    pub virtual_columns: bool,
    /// Whether a table of text lines has the column `_line` (64-bit integer, from 1). Its files are
    /// not split then.
    /// Bags have it, too, and are split all the same.
    pub line_numbers: bool,
    /// Whether a bag has the column `_offset` (64-bit integer): a record's first byte in its file,
    /// counted in decompressed UTF-8.
    pub offsets: bool,
    /// Who keeps bad records, if they are quarantined.
    pub rejects: Option<Arc<dyn Rejects>>,
    /// Bytes of one partition; `None` suits the size of the input and the number of threads.
    pub partition_size: Option<ByteCount>,
    /// Variables with which object stores find their credentials (`AWS_REGION`, …).
    pub environment: Vec<(String, String)>,
    /// Where object stores use the network; `None` for the runtime that asks them.
    pub io: Option<Handle>,
}

impl ReadRequest {
    /// A request to read `path` with everything detected.
    #[must_use]
    pub fn path(path: impl Into<String>) -> Self {
        Self {
            paths: vec![path.into()],
            ..Self::default()
        }
    }

    /// The same request, read as the format called `name`.
    #[must_use]
    pub fn with_format(mut self, name: &str) -> Self {
        self.format = crate::formats::format_by_name(name);
        self
    }

    /// The same request with one more option.
    #[must_use]
    pub fn with_option(mut self, name: impl Into<String>, value: OptionValue) -> Self {
        self.options.push((name.into(), value));
        self
    }
}

impl OptionValue {
    /// The value as text: texts as they are, numbers and booleans as written.
    #[must_use]
    pub fn as_text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The value as a truth value; texts are read as Postgres reads them.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Number(number) => Some(*number != 0.0),
            Self::Text(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "on" | "yes" | "1" | "t" => Some(true),
                "false" | "off" | "no" | "0" | "f" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// The value as a whole number.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "checked to be whole and small"
            )]
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                Some(*number as i64)
            }
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// One text, or a list of texts.
    #[must_use]
    pub fn as_texts(&self) -> Option<Vec<String>> {
        match self {
            Self::List(values) => values.iter().map(Self::as_text).collect(),
            other => other.as_text().map(|text| vec![text]),
        }
    }
}

/// An error for an option that has a value it cannot take.
pub(crate) fn bad_option(name: &str, takes: &str) -> SheafError {
    SheafError::user(format!("option {name} takes {takes}"))
        .with_state(SqlState::INVALID_PARAMETER_VALUE)
}

/// Reads an option with `read`, or says what it takes.
pub(crate) fn take<T>(name: &str, value: Option<T>, takes: &str) -> Result<T> {
    value.ok_or_else(|| bad_option(name, takes))
}
