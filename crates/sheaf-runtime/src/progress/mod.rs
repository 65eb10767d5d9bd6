//! How far a running query has come, read from the metrics of its physical plan.
//!
//! Progress is measured at the scans: the share of the input that they have done, weighted by its
//! bytes. A scan tells in up to three ways, and the furthest counts: input files (or parts of
//! files) done, rows given out where the number of rows is known beforehand, and, for formats that
//! are read from end to end, bytes read. A scan that has ended counts whole, whatever it skipped.
//! The share never falls and stays below 1 until the query ends, since work above the scans may
//! remain.
//!
//! Measuring walks the metrics of every scan, which grow with the number of files: the cost of
//! one measurement decides when the next may be made. Knows the engine's plans and metrics, no
//! terminals.

mod gauge;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::registry::QueryState;

pub(crate) use gauge::{PlanGauge, Reading};

/// How far a query has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// What the query is doing, or how it ended.
    pub state: QueryState,
    /// Share of the input that is done, 0 to 1; `None` where the input's size is unknown.
    pub fraction: Option<f64>,
    /// Rows that came out of the scans.
    pub rows_scanned: u64,
    /// Bytes of input that the scans have read, or that the files they have done take.
    pub bytes_scanned: u64,
    /// Bytes of all input, if it is known.
    pub bytes_total: Option<u64>,
    /// Rows of the result that were handed over.
    pub rows_out: u64,
    /// Bytes written to spill files, by all operators.
    pub spilled_bytes: u64,
    /// Spill files written, by all operators.
    pub spill_count: u64,
    /// The most memory that the query had reserved at one time, in bytes.
    pub memory_peak_bytes: u64,
    /// Time since the statement began.
    pub elapsed: Duration,
    /// Time that is left if the query goes on as it has; `None` until that can be told.
    pub remaining: Option<Duration>,
}

/// Before this share is done, nothing is said about the time that is left.
const REMAINING_FRACTION_MIN: f64 = 0.02;

/// Before this time has passed, nothing is said about the time that is left.
const REMAINING_ELAPSED_MIN: Duration = Duration::from_millis(200);

/// The largest share shown before a query has ended.
pub(crate) const RUNNING_FRACTION_MAX: f64 = 0.99;

/// Time left, by the rule of three.
pub(crate) fn remaining(fraction: Option<f64>, elapsed: Duration) -> Option<Duration> {
    let fraction = fraction.filter(|f| *f >= REMAINING_FRACTION_MIN)?;
    if elapsed < REMAINING_ELAPSED_MIN {
        return None;
    }
    Duration::try_from_secs_f64(elapsed.as_secs_f64() * (1.0 - fraction) / fraction).ok()
}
