//! Rows of the wire beside the rows that a test expects.

use sqllogictest::{Normalizer, default_validator};

use super::binary;
use super::client::{Column, Values, broken};
use super::notation::{spellings, spellings_count};
use crate::connection::Failure;
use crate::values::{NULL, cell};

/// Between the spellings of one value.
const OR: char = '\u{1f}';
/// Choices of spellings that are tried; columns of records are few.
const CHOICES_MAX: usize = 10_000;

/// A row as the runner compares it; values that have several spellings have all of them.
pub(super) fn shown(columns: &[Column], values: &Values) -> Result<Vec<String>, Failure> {
    if columns.len() != values.len() {
        return Err(broken("a row has not the columns that were described"));
    }
    columns
        .iter()
        .zip(values)
        .map(|(column, value)| cell_of(column, value.as_deref()))
        .collect()
}

fn cell_of(column: &Column, value: Option<&[u8]>) -> Result<String, Failure> {
    let Some(bytes) = value else {
        return Ok(vec![NULL; spellings_count(column.oid)].join(&OR.to_string()));
    };
    let text = match column.is_binary {
        true => binary::text_of(column.oid, bytes),
        false => String::from_utf8(bytes.to_vec()).ok(),
    };
    let spellings = text.and_then(|text| spellings(column.oid, &text));
    let spellings = spellings.ok_or_else(|| {
        let form = if column.is_binary { "binary" } else { "text" };
        broken(&format!("type {} in {form}: {bytes:?}", column.oid))
    })?;
    let cells: Vec<String> = spellings.iter().map(|text| cell(text)).collect();
    Ok(cells.join(&OR.to_string()))
}

/// Whether rows are as expected in one spelling of each column. Rows that the runner has put in order
/// were in the order of all their spellings, so the chosen ones are put in order again.
pub fn rows_agree(normalizer: Normalizer, actual: &[Vec<String>], expected: &[String]) -> bool {
    let counts: Vec<usize> = actual.first().map_or_else(Vec::new, |row| {
        row.iter().map(|cell| cell.split(OR).count()).collect()
    });
    let choices = counts.iter().product::<usize>().min(CHOICES_MAX);
    (0..choices).any(|choice| {
        let mut rows: Vec<Vec<String>> = actual.iter().map(|row| chosen(row, choice)).collect();
        if default_validator(normalizer, &rows, expected) {
            return true;
        }
        rows.sort_unstable();
        choices > 1 && default_validator(normalizer, &rows, expected)
    }) || actual.is_empty() && default_validator(normalizer, actual, expected)
}

/// A row in the spellings of choice number `choice`.
fn chosen(row: &[String], mut choice: usize) -> Vec<String> {
    row.iter()
        .map(|cell| {
            let spellings: Vec<&str> = cell.split(OR).collect();
            let which = choice % spellings.len();
            choice /= spellings.len();
            spellings[which].to_owned()
        })
        .collect()
}
