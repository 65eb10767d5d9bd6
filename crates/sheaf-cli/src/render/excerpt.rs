//! The first and the last rows of a result, as text: all that a box needs to keep.
//!
//! Memory: at most `rows_max` rows, each value at most [`VALUE_WIDTH_MAX`] columns wide.

use std::collections::VecDeque;

use sheaf::arrow::array::RecordBatch;

use super::text;
use super::value::{Column, DateTimeStyle};

/// Columns of the terminal that one value may take; longer ones are shortened.
pub(crate) const VALUE_WIDTH_MAX: usize = 240;

/// Bytes of one value that are looked at: enough for [`VALUE_WIDTH_MAX`] columns of any script.
const VALUE_BYTES_MAX: usize = VALUE_WIDTH_MAX * 16;

/// A value as text, escaped and shortened; `None` is NULL.
pub(crate) type Cell = Option<String>;

/// The rows kept of a result.
pub(crate) struct Excerpt {
    rows_max: usize,
    /// Rows seen, kept or not.
    pub(crate) rows: u64,
    /// The first rows.
    pub(crate) head: Vec<Vec<Cell>>,
    /// The last rows, without those in `head`.
    pub(crate) tail: VecDeque<Vec<Cell>>,
}

impl Excerpt {
    /// An empty one that will keep `rows_max` rows.
    pub(crate) fn new(rows_max: usize) -> Self {
        Self {
            rows_max: rows_max.max(1),
            rows: 0,
            head: Vec::new(),
            tail: VecDeque::new(),
        }
    }

    /// Rows that were seen and not kept.
    pub(crate) fn rows_elided(&self) -> u64 {
        self.rows - (self.head.len() + self.tail.len()) as u64
    }

    /// Takes in one batch.
    pub(crate) fn add(&mut self, batch: &RecordBatch) {
        let columns: Vec<Column<'_>> = batch
            .columns()
            .iter()
            .map(|c| Column::new(c, DateTimeStyle::Sql))
            .collect();
        let head_max = self.rows_max.div_ceil(2);
        let tail_max = self.rows_max - head_max;
        let to_head = head_max
            .saturating_sub(self.head.len())
            .min(batch.num_rows());
        for row in 0..to_head {
            self.head.push(cells(&columns, row));
        }
        // Of the rest, only the last rows of this batch can be among the last of the result.
        let first = to_head.max(batch.num_rows().saturating_sub(tail_max));
        for row in first..batch.num_rows() {
            if self.tail.len() == tail_max {
                self.tail.pop_front();
            }
            if tail_max > 0 {
                self.tail.push_back(cells(&columns, row));
            }
        }
        self.rows += batch.num_rows() as u64;
    }
}

fn cells(columns: &[Column<'_>], row: usize) -> Vec<Cell> {
    columns
        .iter()
        .map(|column| {
            (!column.is_null(row)).then(|| {
                let mut value = String::new();
                column.write(row, &mut value);
                shown(value)
            })
        })
        .collect()
}

fn shown(mut value: String) -> String {
    if value.len() > VALUE_BYTES_MAX {
        let end = value.floor_char_boundary(VALUE_BYTES_MAX);
        value.truncate(end);
        value.push('…');
    }
    let shown = text::shorten(&text::escape(&value), VALUE_WIDTH_MAX);
    shown.into_boxed_str().into_string() // gives spare capacity back: thousands are kept
}
