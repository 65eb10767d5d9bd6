//! Whether a query is right: an answer, the same as DuckDB's, in the memory that it may take.

use super::super::report::to_megabytes;
use super::table::{Cell, Row};

/// Resident memory may exceed the limit by a quarter: what operators hold unreserved, the
/// allocator's slack, the program itself.
const RESIDENT_PERCENT_MAX: u64 = 125;
/// What a process may have resident however low its limit; the program alone takes a part of it.
const RESIDENT_BYTES_FLOOR: u64 = 400_000_000;

/// What is wrong with a row.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// Faults of Sheaf's, in words.
    pub(super) own: Vec<String>,
    /// Faults of DuckDB's, which are told and do not count.
    pub(super) peer: Vec<String>,
}

impl Judged {
    /// Whether the suite fails for it.
    pub(super) fn is_fault(&self) -> bool {
        !self.own.is_empty()
    }
}

/// The most memory (bytes) that a process may have resident under `limit` (bytes).
pub(super) fn resident_bytes_max(limit: u64) -> u64 {
    (limit / 100 * RESIDENT_PERCENT_MAX).max(RESIDENT_BYTES_FLOOR)
}

/// Judges one row under `limit` (bytes).
pub(super) fn judge(row: &Row, limit: u64) -> Judged {
    let told = |engine: &str, cell: &Cell| {
        let said = |fault: String| format!("{engine} {fault}");
        faults(&row.query, cell, limit)
            .into_iter()
            .map(said)
            .collect()
    };
    Judged {
        own: told("Sheaf", &row.sheaf),
        peer: row
            .duckdb
            .as_ref()
            .map_or_else(Vec::new, |cell| told("DuckDB", cell)),
    }
}

fn faults(query: &str, cell: &Cell, limit: u64) -> Vec<String> {
    let mut faults = Vec::new();
    if let Err(reason) = &cell.seconds {
        faults.push(format!("fails on {query}: {reason}"));
    } else if let Some(difference) = &cell.difference {
        faults.push(format!("is wrong on {query}: {difference}"));
    }
    let resident_max = resident_bytes_max(limit);
    if cell.peak_bytes > resident_max {
        faults.push(format!(
            "has {:.0} MB resident on {query}, more than {:.0} MB",
            to_megabytes(cell.peak_bytes),
            to_megabytes(resident_max)
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::table::{Cell, Row};
    use super::{judge, resident_bytes_max};

    fn row(seconds: Result<f64, &str>, peak_bytes: u64, difference: Option<&str>) -> Row {
        let cell = Cell {
            seconds: seconds.map_err(str::to_owned),
            peak_bytes,
            difference: difference.map(str::to_owned),
        };
        Row {
            query: "q01".to_owned(),
            sheaf: cell.clone(),
            duckdb: Some(cell),
        }
    }

    #[test]
    fn limits_leave_room_for_the_program() {
        assert_eq!(resident_bytes_max(1_000_000_000), 1_250_000_000);
        assert_eq!(resident_bytes_max(512_000_000), 640_000_000);
        assert_eq!(resident_bytes_max(256_000_000), 400_000_000);
    }

    #[test]
    fn a_row_is_right_or_says_what_is_wrong() {
        let limit = 256_000_000;
        assert!(!judge(&row(Ok(1.0), 400_000_000, None), limit).is_fault());
        let over = judge(&row(Ok(1.0), 401_000_000, None), limit);
        assert_eq!(
            over.own,
            ["Sheaf has 401 MB resident on q01, more than 400 MB"]
        );
        let failed = judge(&row(Err("out of memory"), 401_000_000, None), limit);
        assert_eq!(failed.own.len(), 2);
        assert_eq!(failed.peer[0], "DuckDB fails on q01: out of memory");
        assert!(judge(&row(Ok(1.0), 0, Some("2 rows, not 1")), limit).is_fault());
    }
}
