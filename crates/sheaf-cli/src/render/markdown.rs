//! Results as Markdown tables (GitHub's), streamed batch by batch.
//!
//! The columns are as wide as the first batch needs; later values that are wider push their line
//! out, which Markdown does not mind. That keeps memory bounded by one batch.

use std::io::Write;

use sheaf::Result;
use sheaf::arrow::array::RecordBatch;
use sheaf::arrow::datatypes::SchemaRef;

use super::value::{Column, DateTimeStyle, is_numeric};
use super::{ResultWriter, Summary, text};
use crate::output::Output;

/// Columns of padding at most: wider values are not worth aligning the others to.
const PADDED_WIDTH_MAX: usize = 60;

/// Writes one result as a Markdown table.
pub(crate) struct MarkdownWriter {
    output: Output,
    schema: SchemaRef,
    null_text: String,
    /// Known once the first batch has come.
    widths: Option<Vec<usize>>,
}

impl MarkdownWriter {
    /// Begins a result.
    pub(crate) fn new(output: Output, schema: SchemaRef, null_text: &str) -> Self {
        Self {
            output,
            schema,
            null_text: escape(null_text),
            widths: None,
        }
    }

    fn write_header(&mut self, rows: &[Vec<String>]) -> Result<Vec<usize>> {
        let names: Vec<String> = self
            .schema
            .fields()
            .iter()
            .map(|f| escape(f.name()))
            .collect();
        let widths: Vec<usize> = names
            .iter()
            .enumerate()
            .map(|(i, name)| {
                let widest = rows
                    .iter()
                    .map(|row| text::width(&row[i]))
                    .max()
                    .unwrap_or(0);
                widest.max(text::width(name)).clamp(3, PADDED_WIDTH_MAX)
            })
            .collect();
        let mut out = String::new();
        self.push_line(&names, &widths, &mut out);
        for (field, width) in self.schema.fields().iter().zip(&widths) {
            let right = is_numeric(field.data_type());
            out.push_str("| ");
            out.extend(std::iter::repeat_n('-', width - usize::from(right)));
            out.push_str(if right { ": " } else { " " });
        }
        out.push_str("|\n");
        self.output.write_all(out.as_bytes())?;
        Ok(widths)
    }

    fn push_line(&self, cells: &[String], widths: &[usize], out: &mut String) {
        for ((cell, width), field) in cells.iter().zip(widths).zip(self.schema.fields()) {
            out.push_str("| ");
            text::pad(cell, *width, is_numeric(field.data_type()), out);
            out.push(' ');
        }
        out.push_str("|\n");
    }

    fn write_rows(&mut self, rows: &[Vec<String>]) -> Result<()> {
        let widths = match self.widths.take() {
            Some(widths) => widths,
            None => self.write_header(rows)?,
        };
        let mut out = String::new();
        for row in rows {
            self.push_line(row, &widths, &mut out);
        }
        self.widths = Some(widths);
        self.output.write_all(out.as_bytes())?;
        self.output.flush()?;
        Ok(())
    }
}

impl ResultWriter for MarkdownWriter {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let columns: Vec<Column<'_>> = batch
            .columns()
            .iter()
            .map(|c| Column::new(c, DateTimeStyle::Sql))
            .collect();
        let rows: Vec<Vec<String>> = (0..batch.num_rows())
            .map(|row| {
                columns
                    .iter()
                    .map(|column| self.cell(column, row))
                    .collect()
            })
            .collect();
        self.write_rows(&rows)
    }

    fn finish(mut self: Box<Self>, _summary: &Summary) -> Result<()> {
        if self.widths.is_none() {
            self.write_rows(&[])?;
        }
        Ok(())
    }
}

impl MarkdownWriter {
    fn cell(&self, column: &Column<'_>, row: usize) -> String {
        if column.is_null(row) {
            return self.null_text.clone();
        }
        let mut value = String::new();
        column.write(row, &mut value);
        escape(&value)
    }
}

/// A value that stays within its cell: bars are escaped, line breaks become `<br>`.
fn escape(value: &str) -> String {
    let lines = value
        .replace("\r\n", "\n")
        .replace('\n', "<br>")
        .replace('\t', " ");
    text::escape(&lines).replace('|', "\\|")
}
