//! Results as boxes: names, types under them, values, a note on what was left out.
//!
//! A box fits the terminal (see [`super::fit`]) and keeps only the first and last rows of a result
//! (see [`super::excerpt`]), so that its memory does not grow with the result. With the expanded
//! display each row is a list of `name │ value` lines.

use std::fmt::Write as _;

use sheaf::arrow::datatypes::Schema;
use sheaf::sql_field_type_name;

use super::excerpt::{Cell, Excerpt, VALUE_WIDTH_MAX};
use super::fit::{Fit, TEXT_WIDTH_FLOOR, Wish, fit};
use super::text;
use super::value::is_numeric;
use crate::terminal::Paint;

/// Columns of the terminal that a name or type may take.
const TITLE_WIDTH_MAX: usize = 60;

/// How a box is drawn.
#[derive(Debug, Clone)]
pub(crate) struct BoxStyle {
    /// Columns of the terminal; `None`: as wide as it needs.
    pub(crate) width: Option<usize>,
    /// What stands for NULL.
    pub(crate) null_text: String,
    /// Colours, or none.
    pub(crate) paint: Paint,
}

/// A column: its titles and whether it stands to the right.
struct Title {
    name: String,
    type_name: String,
    right: bool,
}

fn titles(schema: &Schema) -> Vec<Title> {
    schema
        .fields()
        .iter()
        .map(|field| Title {
            name: text::shorten(&text::escape(field.name()), TITLE_WIDTH_MAX),
            type_name: text::shorten(
                &text::escape(&sql_field_type_name(field).to_lowercase()),
                TITLE_WIDTH_MAX,
            ),
            right: is_numeric(field.data_type()),
        })
        .collect()
}

/// Draws the rows of `excerpt` as a box.
pub(crate) fn draw(schema: &Schema, excerpt: &Excerpt, style: &BoxStyle) -> String {
    let titles = titles(schema);
    if titles.is_empty() {
        return String::new(); // a result without columns has nothing to draw
    }
    let fit = fit(&wishes(&titles, excerpt, style), style.width);
    let mut out = String::new();
    Drawing {
        titles: &titles,
        fit: &fit,
        style,
        columns: titles.len(),
    }
    .draw(excerpt, &mut out);
    out
}

/// Whether a box of the style's width shows every column.
pub(crate) fn holds_all_columns(schema: &Schema, excerpt: &Excerpt, style: &BoxStyle) -> bool {
    let titles = titles(schema);
    fit(&wishes(&titles, excerpt, style), style.width).elided == 0
}

fn wishes(titles: &[Title], excerpt: &Excerpt, style: &BoxStyle) -> Vec<Wish> {
    let null_width = text::width(&style.null_text);
    titles
        .iter()
        .enumerate()
        .map(|(i, title)| {
            let values = excerpt
                .head
                .iter()
                .chain(&excerpt.tail)
                .map(|row| row[i].as_deref().map_or(null_width, text::width))
                .max()
                .unwrap_or(0);
            let names = text::width(&title.name).max(text::width(&title.type_name));
            let natural = values.max(names).max(1);
            let floor = if title.right {
                values.max(names.min(TEXT_WIDTH_FLOOR))
            } else {
                natural.min(TEXT_WIDTH_FLOOR)
            };
            Wish { natural, floor }
        })
        .collect()
}

struct Drawing<'a> {
    titles: &'a [Title],
    fit: &'a Fit,
    style: &'a BoxStyle,
    columns: usize,
}

/// One cell of a line: its text, its side, and how it is painted.
struct Piece<'a> {
    text: &'a str,
    right: bool,
    paint: fn(Paint, &str) -> String,
}

fn plain(_: Paint, text: &str) -> String {
    text.to_owned()
}

impl Drawing<'_> {
    fn draw(&self, excerpt: &Excerpt, out: &mut String) {
        self.rule('┌', '┬', '┐', out);
        self.line(out, |i| {
            let title = &self.titles[i];
            Piece {
                text: &title.name,
                right: title.right,
                paint: Paint::bold,
            }
        });
        self.line(out, |i| {
            let title = &self.titles[i];
            Piece {
                text: &title.type_name,
                right: title.right,
                paint: Paint::dim,
            }
        });
        self.rule('├', '┼', '┤', out);
        for row in &excerpt.head {
            self.row(row, out);
        }
        let elided = excerpt.rows_elided();
        if elided > 0 {
            self.elision(elided, out);
        }
        for row in &excerpt.tail {
            self.row(row, out);
        }
        self.rule('└', '┴', '┘', out);
        if self.fit.elided > 0 {
            let note = format!(
                "… {} more {} …",
                self.fit.elided,
                columns_word(self.fit.elided)
            );
            let _ = writeln!(out, "{}", self.style.paint.dim(&note));
        }
    }

    fn row(&self, row: &[Cell], out: &mut String) {
        self.line(out, |i| Piece {
            text: row[i].as_deref().unwrap_or(&self.style.null_text),
            right: self.titles[i].right,
            paint: if row[i].is_none() { Paint::dim } else { plain },
        });
    }

    /// The columns shown, as indices into the result; `None` is the gap.
    fn slots(&self) -> impl Iterator<Item = (Option<usize>, usize)> + '_ {
        let fit = self.fit;
        let right = fit.widths.len() - fit.left;
        let left = (0..fit.left).map(|i| (Some(i), fit.widths[i]));
        let gap = (fit.elided > 0).then_some((None, 1));
        let first_right = self.columns - right;
        let rest = (0..right).map(move |i| (Some(first_right + i), fit.widths[fit.left + i]));
        left.chain(gap).chain(rest)
    }

    fn line<'b>(&self, out: &mut String, piece: impl Fn(usize) -> Piece<'b>) {
        for (slot, width) in self.slots() {
            let piece = slot.map_or(
                Piece {
                    text: "…",
                    right: false,
                    paint: Paint::dim,
                },
                &piece,
            );
            let shown = text::shorten(piece.text, width);
            let mut cell = String::new();
            text::pad(&shown, width, piece.right, &mut cell);
            let _ = write!(out, "│ {} ", (piece.paint)(self.style.paint, &cell));
        }
        out.push_str("│\n");
    }

    fn rule(&self, start: char, middle: char, end: char, out: &mut String) {
        for (i, (_, width)) in self.slots().enumerate() {
            out.push(if i == 0 { start } else { middle });
            out.extend(std::iter::repeat_n('─', width + 2));
        }
        out.push(end);
        out.push('\n');
    }

    /// A line over all columns that says how many rows are missing.
    fn elision(&self, rows: u64, out: &mut String) {
        let inner = self.slots().map(|(_, width)| width + 3).sum::<usize>() - 1;
        let note = format!("… {} more {} …", sheaf::RowCount(rows), rows_word(rows));
        let note = if text::width(&note) <= inner {
            note
        } else {
            text::shorten("…", inner)
        };
        let before = (inner - text::width(&note)) / 2;
        let after = inner - text::width(&note) - before;
        let _ = writeln!(
            out,
            "│{:before$}{}{:after$}│",
            "",
            self.style.paint.dim(&note),
            ""
        );
    }
}

fn rows_word(count: u64) -> &'static str {
    if count == 1 { "row" } else { "rows" }
}

fn columns_word(count: usize) -> &'static str {
    if count == 1 { "column" } else { "columns" }
}

/// Draws the rows of `excerpt` one value a line, as psql's expanded display does.
pub(crate) fn draw_expanded(schema: &Schema, excerpt: &Excerpt, style: &BoxStyle) -> String {
    let titles = titles(schema);
    let name_width = titles
        .iter()
        .map(|t| text::width(&t.name))
        .max()
        .unwrap_or(0);
    let value_width = style.width.map_or(VALUE_WIDTH_MAX, |width| {
        width.saturating_sub(name_width + 3).max(TEXT_WIDTH_FLOOR)
    });
    let mut out = String::new();
    let mut number = 0;
    let record = |row: &[Cell], number: u64, out: &mut String| {
        let title = format!("─[ record {number} ]");
        let fill = (name_width + 16).saturating_sub(text::width(&title)).max(2);
        let title = format!("{title}{}", "─".repeat(fill));
        let _ = writeln!(out, "{}", style.paint.dim(&title));
        for (title, cell) in titles.iter().zip(row) {
            let mut name = String::new();
            text::pad(&title.name, name_width, false, &mut name);
            let value = match cell {
                Some(value) => text::shorten(value, value_width),
                None => style.paint.dim(&style.null_text),
            };
            let _ = writeln!(out, "{} │ {value}", style.paint.bold(&name));
        }
    };
    for row in &excerpt.head {
        number += 1;
        record(row, number, &mut out);
    }
    let elided = excerpt.rows_elided();
    if elided > 0 {
        let note = format!("… {} more {} …", sheaf::RowCount(elided), rows_word(elided));
        let _ = writeln!(out, "{}", style.paint.dim(&note));
        number += elided;
    }
    for row in &excerpt.tail {
        number += 1;
        record(row, number, &mut out);
    }
    out
}
