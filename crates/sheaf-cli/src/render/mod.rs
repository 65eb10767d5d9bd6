//! Results as people and programs read them: one declared list of formats, one writer each.
//!
//! A writer takes the batches of one result as they come and owns nothing but what its format
//! needs: text and columnar formats stream, boxes keep the first and last rows. Nothing here knows
//! of sessions, queries or the terminal's input.

mod box_table;
mod columnar;
mod delimited;
mod excerpt;
mod fit;
mod json;
mod markdown;
mod temporal;
mod tensor;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod value;

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use sheaf::arrow::array::RecordBatch;
use sheaf::arrow::datatypes::SchemaRef;
use sheaf::{ByteCount, Result};

pub(crate) use box_table::BoxStyle;
pub(crate) use excerpt::Excerpt;
pub(crate) use value::{Column, DateTimeStyle};

use crate::output::Output;
use crate::pager::Pager;
use crate::terminal::Paint;

/// Text that a writer gathers before it writes it out.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// The formats of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A box that fits the terminal; shows the first and last rows
    Box,
    /// Comma-separated values with a header line
    Csv,
    /// Tab-separated values with a header line
    Tsv,
    /// One array of objects
    Json,
    /// One object a line
    Ndjson,
    /// A Markdown table
    Markdown,
    /// A Parquet file
    Parquet,
    /// An Arrow IPC file
    Arrow,
}

impl Format {
    /// Whether one file of the format can hold one result only.
    pub(crate) fn is_one_result(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }
}

/// When each row is shown as a list of `name │ value` lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expanded {
    /// Never.
    Off,
    /// Always.
    On,
    /// When a box would not hold all columns.
    Auto,
}

/// How results are shown; `\pset`, `\x`, `\timing` change it.
#[derive(Debug, Clone)]
pub(crate) struct Display {
    /// The format.
    pub(crate) format: Format,
    /// The expanded display.
    pub(crate) expanded: Expanded,
    /// What stands for NULL in boxes and Markdown.
    pub(crate) null_text: String,
    /// Rows that a box shows.
    pub(crate) rows_max: usize,
    /// Columns of the terminal, if set by hand.
    pub(crate) width: Option<usize>,
    /// Whether boxes end with a line about the result.
    pub(crate) footer: bool,
    /// Whether that line tells time and memory.
    pub(crate) timing: bool,
}

/// What is known when a result has ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    /// Its rows.
    pub(crate) rows: u64,
    /// From the statement's start to its last batch.
    pub(crate) elapsed: Duration,
    /// The most memory the query held at once, if known.
    pub(crate) memory_peak: Option<ByteCount>,
}

/// Writes one result.
pub(crate) trait ResultWriter {
    /// Writes the rows of one batch.
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Ends the result.
    fn finish(self: Box<Self>, summary: &Summary) -> Result<()>;
}

/// Where a result goes and how it may be drawn there.
pub(crate) struct Target {
    /// Its end.
    pub(crate) output: Output,
    /// The pager for results longer than the terminal, if there is one.
    pub(crate) pager: Option<Pager>,
    /// Columns of the terminal; `None` if it is none.
    pub(crate) width: Option<usize>,
    /// Colours, or none.
    pub(crate) paint: Paint,
}

/// The writer for one result in the format of `display`.
pub(crate) fn writer(
    display: &Display,
    schema: &SchemaRef,
    target: Target,
) -> Result<Box<dyn ResultWriter>> {
    Ok(match display.format {
        Format::Box => Box::new(BoxWriter::new(display, schema, target)),
        Format::Csv => Box::new(delimited::DelimitedWriter::new(target.output, schema, ',')),
        Format::Tsv => Box::new(delimited::DelimitedWriter::new(target.output, schema, '\t')),
        Format::Json => Box::new(json::JsonWriter::new(target.output, true)),
        Format::Ndjson => Box::new(json::JsonWriter::new(target.output, false)),
        Format::Markdown => Box::new(markdown::MarkdownWriter::new(
            target.output,
            Arc::clone(schema),
            &display.null_text,
        )),
        Format::Parquet => Box::new(columnar::ParquetWriter::new(target.output, schema)?),
        Format::Arrow => Box::new(columnar::ArrowFileWriter::new(target.output, schema)?),
    })
}

/// Draws a box when its result has ended.
struct BoxWriter {
    target: Target,
    schema: SchemaRef,
    display: Display,
    excerpt: Excerpt,
}

impl BoxWriter {
    fn new(display: &Display, schema: &SchemaRef, target: Target) -> Self {
        Self {
            target,
            schema: Arc::clone(schema),
            display: display.clone(),
            excerpt: Excerpt::new(display.rows_max),
        }
    }
}

impl ResultWriter for BoxWriter {
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        self.excerpt.add(batch);
        Ok(())
    }

    fn finish(self: Box<Self>, summary: &Summary) -> Result<()> {
        let style = BoxStyle {
            width: self.display.width.or(self.target.width),
            null_text: self.display.null_text.clone(),
            paint: self.target.paint,
        };
        let mut drawn = draw(&self.display, &self.schema, &self.excerpt, &style);
        if self.display.footer {
            let footer = footer(&self.display, summary, self.excerpt.rows_elided());
            drawn.push_str(&style.paint.dim(&footer));
            drawn.push('\n');
        }
        crate::pager::show(&drawn, self.target.pager.as_ref(), &self.target.output)
    }
}

/// The rows of `excerpt` as a box, or expanded if `display` says so.
pub(crate) fn draw(
    display: &Display,
    schema: &SchemaRef,
    excerpt: &Excerpt,
    style: &BoxStyle,
) -> String {
    match display.expanded {
        Expanded::On => box_table::draw_expanded(schema, excerpt, style),
        Expanded::Auto if !box_table::holds_all_columns(schema, excerpt, style) => {
            box_table::draw_expanded(schema, excerpt, style)
        }
        Expanded::Off | Expanded::Auto => box_table::draw(schema, excerpt, style),
    }
}

/// `80,000 rows (40 shown) · 0.034 s · peak 12.3 MB`.
fn footer(display: &Display, summary: &Summary, rows_elided: u64) -> String {
    let mut out = text::count(summary.rows, "row");
    if rows_elided > 0 {
        let shown = sheaf::RowCount(summary.rows - rows_elided);
        out.push_str(&format!(" ({shown} shown)"));
    }
    if display.timing {
        out.push_str(" · ");
        out.push_str(&sheaf::units::format_duration(summary.elapsed));
        if let Some(peak) = summary.memory_peak.filter(|peak| peak.0 > 0) {
            out.push_str(&format!(" · peak {peak}"));
        }
    }
    out
}
