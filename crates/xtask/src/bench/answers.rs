//! Whether two engines gave the same rows.
//!
//! Rows are lists of text. Numbers may differ by rounding: by one part in a million, or by one
//! unit in the last place of a decimal that was cut off there (engines give averages of decimals
//! different scales). Order counts where the query orders: the key columns must agree row by row,
//! and rows with equal keys may come in any order among themselves.

use std::fs;
use std::path::Path;

use crate::failure::{Context, Result};

/// Relative difference that is rounding.
const RELATIVE_MAX: f64 = 1e-6;
/// Digits behind the point from which a decimal's last place may be rounded away.
const CUT_SCALE_MIN: usize = 4;

/// Rows of an answer.
pub(super) type Rows = Vec<Vec<String>>;

/// Reads tab-separated rows under a header.
pub(super) fn read(path: &Path) -> Result<Rows> {
    Ok(rows(&fs::read_to_string(path).context(path.display())?))
}

/// Tab-separated rows under a header; the header is left out.
pub(super) fn rows(text: &str) -> Rows {
    text.lines()
        .skip(1)
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}

/// The first difference between two answers, in words; `None` if they agree.
///
/// `keys` are the columns (from 0) by which the query orders.
pub(super) fn difference(expected: &Rows, actual: &Rows, keys: &[usize]) -> Option<String> {
    if expected.len() != actual.len() {
        return Some(format!("{} rows, not {}", actual.len(), expected.len()));
    }
    let mut start = 0;
    while start < expected.len() {
        let run = expected[start..]
            .iter()
            .take_while(|row| same_keys(row, &expected[start], keys));
        let end = start + run.count().max(1);
        let mut rest: Vec<&Vec<String>> = actual[start..end].iter().collect();
        for row in &expected[start..end] {
            let Some(place) = rest.iter().position(|candidate| same_row(row, candidate)) else {
                let given = rest.first().map_or_else(String::new, |row| row.join(" | "));
                return Some(format!(
                    "row {}: {given}, not {}",
                    start + 1,
                    row.join(" | ")
                ));
            };
            rest.swap_remove(place);
        }
        start = end;
    }
    None
}

fn same_keys(left: &[String], right: &[String], keys: &[usize]) -> bool {
    keys.iter()
        .all(|&key| match (left.get(key), right.get(key)) {
            (Some(left), Some(right)) => same_value(left, right),
            _ => false,
        })
}

fn same_row(left: &[String], right: &[String]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same_value(l, r))
}

fn same_value(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    let (Ok(l), Ok(r)) = (left.parse::<f64>(), right.parse::<f64>()) else {
        return false;
    };
    let scale = scale_of(left).min(scale_of(right));
    let cut = if scale >= CUT_SCALE_MIN {
        last_place(scale)
    } else {
        0.0
    };
    (l - r).abs() <= (RELATIVE_MAX * l.abs().max(r.abs())).max(cut)
}

/// Digits behind the point; the largest number for numbers in scientific notation.
fn scale_of(number: &str) -> usize {
    if number.contains(['e', 'E']) {
        return usize::MAX;
    }
    number.split_once('.').map_or(0, |(_, digits)| digits.len())
}

fn last_place(scale: usize) -> f64 {
    let scale = i32::try_from(scale).unwrap_or(i32::MAX);
    10_f64.powi(scale.saturating_neg())
}

#[cfg(test)]
mod tests {
    use super::{difference, rows};

    #[test]
    fn rounding_is_no_difference() {
        let left = rows("h\na\t0.04998529583\n");
        assert_eq!(difference(&left, &rows("h\na\t0.049985\n"), &[0]), None);
        assert!(difference(&left, &rows("h\na\t0.0501\n"), &[0]).is_some());
        assert!(difference(&rows("h\n10.25\n"), &rows("h\n10.26\n"), &[]).is_some());
        assert_eq!(difference(&rows("h\n10\n"), &rows("h\n10.0\n"), &[]), None);
    }

    #[test]
    fn order_counts_by_its_keys_alone() {
        let left = rows("h\n1\ta\n1\tb\n2\tc\n");
        assert_eq!(
            difference(&left, &rows("h\n1\tb\n1\ta\n2\tc\n"), &[0]),
            None
        );
        assert!(difference(&left, &rows("h\n2\tc\n1\ta\n1\tb\n"), &[0]).is_some());
        assert!(difference(&left, &rows("h\n1\tb\n1\ta\n2\tc\n"), &[0, 1]).is_some());
        assert!(difference(&left, &rows("h\n1\ta\n1\tb\n"), &[0]).is_some());
    }
}
