//! CSV and TSV, streamed batch by batch.
//!
//! RFC 4180 quoting: a value is quoted when it holds the delimiter, a quote or a line break. NULL
//! is an empty field, the empty text a quoted one (`""`), so that both read back as they were.

use std::io::Write;

use sheaf::Result;
use sheaf::arrow::array::RecordBatch;
use sheaf::arrow::datatypes::Schema;

use super::value::{Column, DateTimeStyle};
use super::{ResultWriter, Summary};
use crate::output::Output;

/// Writes one result as delimited text with a header line.
pub(crate) struct DelimitedWriter {
    output: Output,
    delimiter: char,
    buffer: String,
}

impl DelimitedWriter {
    /// Begins a result: the header line is written when the first batch, or the end, comes.
    pub(crate) fn new(output: Output, schema: &Schema, delimiter: char) -> Self {
        let mut buffer = String::new();
        for (i, field) in schema.fields().iter().enumerate() {
            if i > 0 {
                buffer.push(delimiter);
            }
            let start = buffer.len();
            buffer.push_str(field.name());
            quote_where_needed(&mut buffer, start, delimiter);
        }
        buffer.push('\n');
        Self {
            output,
            delimiter,
            buffer,
        }
    }

    fn write_out(&mut self) -> Result<()> {
        self.output.write_all(self.buffer.as_bytes())?;
        self.output.flush()?;
        self.buffer.clear();
        Ok(())
    }
}

impl ResultWriter for DelimitedWriter {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns: Vec<Column<'_>> = batch
            .columns()
            .iter()
            .map(|c| Column::new(c, DateTimeStyle::Sql))
            .collect();
        for row in 0..batch.num_rows() {
            for (i, column) in columns.iter().enumerate() {
                if i > 0 {
                    self.buffer.push(self.delimiter);
                }
                if column.is_null(row) {
                    continue;
                }
                let start = self.buffer.len();
                column.write(row, &mut self.buffer);
                quote_where_needed(&mut self.buffer, start, self.delimiter);
            }
            self.buffer.push('\n');
            if self.buffer.len() >= super::BUFFER_BYTES_MAX {
                self.write_out()?;
            }
        }
        self.write_out()
    }

    fn finish(mut self: Box<Self>, _summary: &Summary) -> Result<()> {
        self.write_out()
    }
}

fn quote_where_needed(buffer: &mut String, start: usize, delimiter: char) {
    let text = &buffer[start..];
    if !text.is_empty() && !text.contains([delimiter, '"', '\n', '\r']) {
        return;
    }
    let quoted = text.replace('"', "\"\"");
    buffer.truncate(start);
    buffer.push('"');
    buffer.push_str(&quoted);
    buffer.push('"');
}
