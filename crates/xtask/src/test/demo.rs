//! Runs `sheaf demo` twice and looks for the numbers that it must print.
//!
//! The tables below are worked out from the formulas of the sample data (see
//! `sql-tests/README.md`), not copied from a run.

use std::path::PathBuf;

use crate::failure::{Failure, Result};
use crate::process::{Tally, capture};
use crate::{test, workspace};

/// Rows that must appear as rows of one result, cell beside cell.
///
/// Logs: each endpoint has 80,000 / 5 requests; endpoint number `i` has the durations
/// `10 + e % 800` with `e % 5 = i`, whose mean is 407.5 + i and whose largest is 805 + i; two of
/// seven statuses are errors. Events: `j % 3 = 2` holds 333 times in each file of 1,000.
static EXPECTED: &[&[&str]] = &[
    &["/metrics", "16000", "411.5", "809", "4572", "28.58"],
    &["/health", "16000", "410.5", "808", "4571", "28.57"],
    &["/api/products", "16000", "409.5", "807", "4571", "28.57"],
    &["/api/orders", "16000", "408.5", "806", "4571", "28.57"],
    &["/api/users", "16000", "407.5", "805", "4571", "28.57"],
    &["80000"],
    &["22856"],
    &["30900"],
    &["1665"],
];

/// Cells that must stand in one line in any order: the events by service.
static EXPECTED_SERVICES: &[[&str; 3]] = &[
    ["api", "260.0", "415"],
    ["auth", "257.0", "415"],
    ["db", "260.0", "415"],
    ["worker", "260.0", "420"],
];

/// Where the demo's data are left for the steps that follow.
pub(super) fn directory() -> Result<PathBuf> {
    Ok(workspace::target()?.join("xtask/demo"))
}

/// Runs the demo into an empty directory, and again into the same.
pub(super) fn run() -> Result<Tally> {
    let directory = directory()?;
    test::fresh_directory(&directory)?;
    let mut tally = Tally::default();
    for run in ["first run", "second run"] {
        let output = capture(test::sheaf()?.arg("demo").arg(&directory))?;
        let missing = missing_rows(&output);
        tally.passed += (EXPECTED.len() + EXPECTED_SERVICES.len() - missing.len()) as u64;
        for row in &missing {
            let fault = format!("{run}: the demo does not print {row}");
            println!("{fault}");
            tally.add(Tally::failure(fault));
        }
        if !missing.is_empty() {
            println!("{output}");
        }
    }
    if tally.passed == 0 {
        return Err(Failure::new("the demo prints none of its numbers"));
    }
    Ok(tally)
}

/// The expected rows that `output` lacks.
fn missing_rows(output: &str) -> Vec<String> {
    let lines: Vec<Vec<String>> = output.lines().map(cells).collect();
    let has_row = |row: &[&str]| {
        lines
            .iter()
            .any(|line| line.windows(row.len()).any(|w| w == row))
    };
    let has_cells = |row: &[&str; 3]| {
        lines
            .iter()
            .any(|line| row.iter().all(|cell| line.iter().any(|c| same(c, cell))))
    };
    let rows = EXPECTED
        .iter()
        .filter(|row| !has_row(row))
        .map(|row| row.join(" "));
    let services = EXPECTED_SERVICES
        .iter()
        .filter(|row| !has_cells(row))
        .map(|row| row.join(" "));
    rows.chain(services).collect()
}

/// `260` and `260.0` are the same number.
fn same(left: &str, right: &str) -> bool {
    left == right || matches!((left.parse::<f64>(), right.parse::<f64>()), (Ok(l), Ok(r)) if l == r)
}

/// The words of a line of a box or a sentence; digits in groups (`80,000`) become one number.
fn cells(line: &str) -> Vec<String> {
    let words = line.split(|c: char| c.is_whitespace() || "│┃|".contains(c));
    let words = words.map(|word| word.trim_end_matches(['.', ',', ';', ':']).replace(',', ""));
    words.filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::{EXPECTED, EXPECTED_SERVICES, missing_rows};

    #[test]
    fn rows_are_found_in_boxes_and_sentences() {
        let mut output =
            String::from("80,000 requests, 22,856 errors, 30,900 slow; 1,665 events.\n");
        for row in EXPECTED.iter().filter(|row| row.len() > 1) {
            output += &format!("│ {} │\n", row.join(" │ "));
        }
        for [service, mean, count] in EXPECTED_SERVICES {
            output += &format!("│ {service} │ {count} │ {mean} │\n");
        }
        assert!(
            missing_rows(&output).is_empty(),
            "{:?}",
            missing_rows(&output)
        );
        let wrong = output.replace("411.5", "411.6");
        assert_eq!(
            missing_rows(&wrong),
            ["/metrics 16000 411.5 809 4572 28.58"]
        );
    }
}
