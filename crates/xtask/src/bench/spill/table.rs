//! The table in Markdown: time and resident memory of both engines, a query a row.

use super::super::report::to_megabytes;
use super::verdict::{Judged, resident_bytes_max};

/// One query under one limit.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// The query's name.
    pub(super) query: String,
    /// What Sheaf did.
    pub(super) sheaf: Cell,
    /// What DuckDB did, if it was asked.
    pub(super) duckdb: Option<Cell>,
}

/// What one engine did with one query.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    /// The best of the runs (seconds), or why there is none.
    pub(super) seconds: Result<f64, String>,
    /// The most memory (bytes) that its process had resident.
    pub(super) peak_bytes: u64,
    /// How its answer differs, in words.
    pub(super) difference: Option<String>,
}

/// Prints the head; `engines` are names with versions, empty where there is none.
pub(super) fn print_head(engines: &[&str]) {
    let (mut head, mut rule) = (String::from("| query |"), String::from("|---|"));
    for engine in engines.iter().filter(|engine| !engine.is_empty()) {
        head += &format!(" {engine}, s | resident, MB |");
        rule += "--:|--:|";
    }
    if engines.iter().filter(|engine| !engine.is_empty()).count() > 1 {
        head += " × |";
        rule += "--:|";
    }
    println!("{head}\n{rule}");
}

/// Prints one row, measured under `limit` (bytes).
pub(super) fn print_row(row: &Row, limit: u64) {
    println!("{}", text_of(row, limit));
}

/// Prints sums of times, the ratio over the queries that both answered, and the largest peaks.
pub(super) fn print_totals(rows: &[Row]) {
    println!("{}\n{}\n", total_text(rows), peak_text(rows));
}

/// Prints what is wrong, a line each.
pub(super) fn print_notes(judged: &[Judged]) {
    let notes = judged.iter().flat_map(|judged| &judged.own);
    for note in notes.chain(judged.iter().flat_map(|judged| &judged.peer)) {
        println!("- {note}");
    }
}

fn text_of(row: &Row, limit: u64) -> String {
    let mut text = format!("| {} |", row.query);
    for cell in [Some(&row.sheaf), row.duckdb.as_ref()]
        .into_iter()
        .flatten()
    {
        let mark = match (&cell.seconds, &cell.difference) {
            (Ok(seconds), None) => format!("{seconds:.2}"),
            (Ok(seconds), Some(_)) => format!("{seconds:.2} (differs)"),
            (Err(_), _) => "fails".to_owned(),
        };
        let is_over = cell.peak_bytes > resident_bytes_max(limit);
        let over = if is_over { " (over)" } else { "" };
        text += &format!(" {mark} | {:.0}{over} |", to_megabytes(cell.peak_bytes));
    }
    if let Some(duckdb) = &row.duckdb {
        text += &match (&row.sheaf.seconds, &duckdb.seconds) {
            (Ok(own), Ok(peer)) => format!(" {:.2} |", own / peer),
            _ => " – |".to_owned(),
        };
    }
    text
}

fn total_text(rows: &[Row]) -> String {
    let total = |cells: &[&Cell]| {
        let seconds: Vec<f64> = cells
            .iter()
            .filter_map(|c| c.seconds.clone().ok())
            .collect();
        let failed = match cells.len() - seconds.len() {
            0 => String::new(),
            failed => format!(" (without {failed})"),
        };
        format!(" {:.2}{failed} | |", seconds.iter().sum::<f64>())
    };
    let own: Vec<&Cell> = rows.iter().map(|row| &row.sheaf).collect();
    let peer: Vec<&Cell> = rows.iter().filter_map(|row| row.duckdb.as_ref()).collect();
    let mut text = format!("| total |{}", total(&own));
    if peer.is_empty() {
        return text;
    }
    let both = rows.iter().filter_map(|row| {
        let peer = row.duckdb.as_ref()?.seconds.clone().ok()?;
        Some((row.sheaf.seconds.clone().ok()?, peer))
    });
    let (own, other) = both.fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    text += &format!("{} {:.2} |", total(&peer), own / other);
    text
}

fn peak_text(rows: &[Row]) -> String {
    let peak = |cells: &mut dyn Iterator<Item = &Cell>| {
        let bytes = cells.map(|cell| cell.peak_bytes).max();
        bytes.map(|bytes| format!(" | {:.0} |", to_megabytes(bytes)))
    };
    let mut text = format!(
        "| peak |{}",
        peak(&mut rows.iter().map(|row| &row.sheaf)).unwrap_or_default()
    );
    if let Some(peer) = peak(&mut rows.iter().filter_map(|row| row.duckdb.as_ref())) {
        text += &format!("{peer} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Cell, Row, peak_text, text_of, total_text};

    fn cell(seconds: Result<f64, &str>, peak_bytes: u64) -> Cell {
        Cell {
            seconds: seconds.map_err(str::to_owned),
            peak_bytes,
            difference: None,
        }
    }

    #[test]
    fn rows_and_sums_count_what_was_answered() {
        let row = |sheaf: Cell, duckdb: Cell| Row {
            query: "sort".to_owned(),
            sheaf,
            duckdb: Some(duckdb),
        };
        let rows = [
            row(cell(Ok(1.0), 300_000_000), cell(Ok(2.0), 200_000_000)),
            row(cell(Err("full"), 900_000_000), cell(Ok(4.0), 500_000_000)),
        ];
        let limit = 256_000_000;
        assert_eq!(
            text_of(&rows[0], limit),
            "| sort | 1.00 | 300 | 2.00 | 200 | 0.50 |"
        );
        assert_eq!(
            text_of(&rows[1], limit),
            "| sort | fails | 900 (over) | 4.00 | 500 (over) | – |"
        );
        assert_eq!(
            total_text(&rows),
            "| total | 1.00 (without 1) | | 6.00 | | 0.50 |"
        );
        assert_eq!(peak_text(&rows), "| peak | | 900 | | 500 | |");
    }

    #[test]
    fn without_a_peer_there_are_three_columns() {
        let row = Row {
            query: "q01".to_owned(),
            sheaf: cell(Ok(1.5), 100_000_000),
            duckdb: None,
        };
        assert_eq!(text_of(&row, 1_000_000_000), "| q01 | 1.50 | 100 |");
        assert_eq!(total_text(std::slice::from_ref(&row)), "| total | 1.50 | |");
        assert_eq!(peak_text(&[row]), "| peak | | 100 |");
    }
}
