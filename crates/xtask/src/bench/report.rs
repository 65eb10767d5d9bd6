//! Measurements as a table in Markdown, ready for `benches/README.md`.

use std::process::Command;

use super::sheaf::Measurement;
use super::tpch::{Column, Plan};
use crate::{machine, process, workspace};

const MEGABYTE: f64 = 1e6;

/// Prints the table: times, ratios of Sheaf's time to each peer's, totals, peaks, differences.
pub(super) fn print(title: &str, plan: &Plan, columns: &[Column]) {
    println!(
        "\n### {title}\n\n{}",
        circumstances(plan.threads, plan.memory_bytes)
    );
    println!(
        "Best of {} runs, seconds; × is Sheaf's time over the peer's.\n",
        plan.runs
    );
    print_head(columns);
    for name in &plan.names {
        let mut row = format!("| {name} |");
        for (index, column) in columns.iter().enumerate() {
            let seconds = seconds_of(column, name);
            let differs = column.differences.iter().any(|(query, _)| query == name);
            let mark = if differs { " (differs)" } else { "" };
            row += &seconds.map_or(" fails |".to_owned(), |s| format!(" {s:.3}{mark} |"));
            if index > 0 {
                row += &ratio(seconds_of(&columns[0], name), seconds);
            }
        }
        println!("{row}");
    }
    print_totals(plan, columns);
    for column in columns {
        for Measurement { query, seconds, .. } in &column.measurements {
            if let Err(reason) = seconds {
                println!("- {} fails on {query}: {reason}", column.engine);
            }
        }
        for (query, difference) in &column.differences {
            println!(
                "- {} differs from DuckDB on {query}: {difference}",
                column.engine
            );
        }
    }
}

/// Commit, machine and limits, as one line of Markdown.
pub(super) fn circumstances(threads: usize, memory_bytes: Option<u64>) -> String {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty"])
        .current_dir(workspace::root());
    let commit = process::capture(&mut git).unwrap_or_default();
    let memory = memory_bytes.map_or_else(
        || "each engine's own memory limit".to_owned(),
        |bytes| format!("memory limit {:.0} MB", to_megabytes(bytes)),
    );
    let machine = machine::description();
    format!(
        "Commit {}; {machine}; {threads} threads; {memory}.",
        commit.trim()
    )
}

/// Bytes in millions.
#[expect(clippy::cast_precision_loss, reason = "shown with one digit at most")]
pub(super) fn to_megabytes(bytes: u64) -> f64 {
    bytes as f64 / MEGABYTE
}

fn print_head(columns: &[Column]) {
    let (mut head, mut rule) = (String::from("| query |"), String::from("|---|"));
    for (index, column) in columns.iter().enumerate() {
        head += &format!(" {} |", column.engine);
        rule += "--:|";
        if index > 0 {
            head += " × |";
            rule += "--:|";
        }
    }
    println!("{head}\n{rule}");
}

fn print_totals(plan: &Plan, columns: &[Column]) {
    let answered = |column: &Column| {
        plan.names
            .iter()
            .filter_map(|name| seconds_of(column, name))
            .collect::<Vec<_>>()
    };
    let mut total = String::from("| total |");
    let mut mean = String::from("| geometric mean of × |");
    let mut peak = String::from("| peak resident, MB |");
    for (index, column) in columns.iter().enumerate() {
        let seconds = answered(column);
        let count = match plan.names.len() - seconds.len() {
            0 => String::new(),
            failed => format!(" (without {failed})"),
        };
        total += &format!(" {:.2}{count} |", seconds.iter().sum::<f64>());
        let bytes = column
            .measurements
            .iter()
            .map(|m| m.peak_bytes)
            .max()
            .unwrap_or(0);
        peak += &format!(" {:.0} |", to_megabytes(bytes));
        mean += " |";
        if index > 0 {
            total += " |";
            peak += " |";
            let ratios = plan.names.iter().filter_map(|name| {
                Some(seconds_of(&columns[0], name)? / seconds_of(column, name)?)
            });
            mean += &format!(" {:.2} |", geometric_mean(&ratios.collect::<Vec<_>>()));
        }
    }
    println!("{total}\n{mean}\n{peak}\n");
}

fn seconds_of(column: &Column, name: &str) -> Option<f64> {
    let measurement = column
        .measurements
        .iter()
        .find(|measurement| measurement.query == name)?;
    measurement.seconds.as_ref().ok().copied()
}

fn ratio(own: Option<f64>, peer: Option<f64>) -> String {
    match (own, peer) {
        (Some(own), Some(peer)) => format!(" {:.2} |", own / peer),
        _ => " – |".to_owned(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are 22 at most")]
fn geometric_mean(ratios: &[f64]) -> f64 {
    let logarithms: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
    (logarithms / ratios.len() as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::geometric_mean;

    #[test]
    fn a_ratio_and_its_inverse_cancel() {
        assert!((geometric_mean(&[4.0, 0.25]) - 1.0).abs() < 1e-12);
    }
}
