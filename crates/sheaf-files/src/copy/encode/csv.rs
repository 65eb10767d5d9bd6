//! CSV and TSV, RFC 4180 with PostgreSQL's and DuckDB's options.
//!
//! Nulls and empty strings stay apart: a value that reads like the null text is quoted. Lists,
//! structs and maps are written as text. A row that would be an empty line (one column, null)
//! is written as two quotes, since readers skip empty lines.

use std::fmt::Write as _;
use std::io::Write;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use sheaf_base::Result;
use sheaf_base::uuid::{is_uuid, uuid_text, uuids_as_texts};

use super::compression::Output;
use super::{RowWriter, TextCompression};

/// Timestamps as PostgreSQL writes them; fractions only where there are some.
const TIMESTAMP_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.f";
const TIMESTAMP_TZ_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.f%:z";
/// Text goes to the output when this much has gathered.
const BUFFER_BYTES: usize = 64 * 1024;

/// Options of CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvEncoding {
    /// Whether the first line has the column names.
    pub header: bool,
    /// Between two values.
    pub delimiter: char,
    /// Around values that need it; `None` writes everything bare.
    pub quote: Option<char>,
    /// Before a quote within quotes; `None` doubles the quote.
    pub escape: Option<char>,
    /// The text of a null.
    pub null: String,
    /// Whether every value that is not null is quoted.
    pub force_quote: bool,
    /// strftime format of dates; `None` is ISO 8601.
    pub date_format: Option<String>,
    /// strftime format of timestamps; `None` is ISO 8601 with a space.
    pub timestamp_format: Option<String>,
    /// How the file is compressed.
    pub compression: TextCompression,
    /// The compression's level; `None` is its default.
    pub compression_level: Option<i32>,
}

impl Default for CsvEncoding {
    fn default() -> Self {
        Self {
            header: true,
            delimiter: ',',
            quote: Some('"'),
            escape: None,
            null: String::new(),
            force_quote: false,
            date_format: None,
            timestamp_format: None,
            compression: TextCompression::None,
            compression_level: None,
        }
    }
}

/// The encoder.
pub(super) struct CsvWriter {
    options: CsvEncoding,
    output: Output,
    text: String,
}

impl CsvWriter {
    pub(super) fn new(
        options: &CsvEncoding,
        schema: &SchemaRef,
        output: Box<dyn Write + Send>,
    ) -> Result<Self> {
        let output = Output::new(options.compression, options.compression_level, output);
        let mut writer = Self {
            options: options.clone(),
            output,
            text: String::with_capacity(BUFFER_BYTES),
        };
        if options.header {
            for (i, field) in schema.fields().iter().enumerate() {
                if i > 0 {
                    writer.text.push(options.delimiter);
                }
                push_value(&mut writer.text, field.name(), options);
            }
            writer.text.push('\n');
            writer.write_text()?;
        }
        Ok(writer)
    }

    fn write_text(&mut self) -> Result<()> {
        self.output.write_all(self.text.as_bytes())?;
        self.text.clear();
        Ok(())
    }
}

impl RowWriter for CsvWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let options = self.options.clone();
        let format = display_options(&options);
        let batch = uuids_as_texts(batch);
        let columns = batch
            .columns()
            .iter()
            .map(|column| Column::new(column.as_ref(), &format))
            .collect::<Result<Vec<_>>>()?;
        let mut value = String::new();
        for row in 0..batch.num_rows() {
            let line_start = self.text.len();
            for (i, column) in columns.iter().enumerate() {
                if i > 0 {
                    self.text.push(options.delimiter);
                }
                column.push(&mut self.text, row, &mut value, &options)?;
            }
            if self.text.len() == line_start
                && let Some(quote) = options.quote
            {
                self.text.extend([quote, quote]);
            }
            self.text.push('\n');
            if self.text.len() >= BUFFER_BYTES {
                self.write_text()?;
            }
        }
        self.write_text()?;
        Ok(self.output.flush()?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        Ok(self.output.finish()?)
    }
}

/// Formats of values: within lists and structs a null is the word.
fn display_options(options: &CsvEncoding) -> FormatOptions<'_> {
    let timestamps = options.timestamp_format.as_deref();
    FormatOptions::new()
        .with_display_error(false)
        .with_null("NULL")
        .with_date_format(options.date_format.as_deref())
        .with_datetime_format(Some(timestamps.unwrap_or(TIMESTAMP_FORMAT)))
        .with_timestamp_format(Some(timestamps.unwrap_or(TIMESTAMP_FORMAT)))
        .with_timestamp_tz_format(Some(timestamps.unwrap_or(TIMESTAMP_TZ_FORMAT)))
}

/// One column of a batch, ready to be read row by row.
struct Column<'a> {
    nulls: Option<NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    /// Strings, which need no formatting.
    Text(&'a arrow::array::StringArray),
    View(&'a arrow::array::StringViewArray),
    /// Values whose text never needs quotes unless the options are unusual.
    Other(ArrayFormatter<'a>),
}

impl<'a> Column<'a> {
    fn new(array: &'a dyn Array, format: &FormatOptions<'a>) -> Result<Self> {
        let values = match array.data_type() {
            DataType::Utf8 => Values::Text(array.as_string()),
            DataType::Utf8View => Values::View(array.as_string_view()),
            _ => Values::Other(ArrayFormatter::try_new(array, format)?),
        };
        Ok(Self {
            nulls: array.logical_nulls(),
            values,
        })
    }

    fn push(
        &self,
        text: &mut String,
        row: usize,
        value: &mut String,
        options: &CsvEncoding,
    ) -> Result<()> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            text.push_str(&options.null);
            return Ok(());
        }
        match &self.values {
            Values::Text(array) => push_value(text, array.value(row), options),
            Values::View(array) => push_value(text, array.value(row), options),
            Values::Other(formatter) => {
                value.clear();
                formatter.value(row).write(value)?;
                push_value(text, value, options);
            }
        }
        Ok(())
    }
}

/// Appends one value, quoted if it must be.
fn push_value(text: &mut String, value: &str, options: &CsvEncoding) {
    let Some(quote) = options.quote else {
        text.push_str(value);
        return;
    };
    let needs_quotes = options.force_quote
        || value == options.null
        || value.contains([options.delimiter, quote, '\n', '\r']);
    if !needs_quotes {
        text.push_str(value);
        return;
    }
    let escape = options.escape.unwrap_or(quote);
    text.push(quote);
    for c in value.chars() {
        if c == quote || c == escape {
            text.push(escape);
        }
        text.push(c);
    }
    text.push(quote);
}

/// The text of one value of a partition column: as CSV would write it, without quotes.
pub(crate) fn plain_text(array: &dyn Array, row: usize) -> Result<String> {
    let options = CsvEncoding::default();
    let format = display_options(&options);
    let mut text = String::new();
    if is_uuid(array.data_type()) {
        return Ok(uuid_text(array.as_fixed_size_binary().value(row)));
    }
    let formatter = ArrayFormatter::try_new(array, &format)?;
    write!(text, "{}", formatter.value(row).try_to_string()?)
        .map_err(|error| sheaf_base::SheafError::internal(error.to_string()))?;
    Ok(text)
}
