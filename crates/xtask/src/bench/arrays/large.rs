//! A product larger than memory, by hand: of a matrix of four times the size, 12.8 GB, under 1 GB.

use super::row::{self, Source};
use super::{Suite, report};
use crate::bench::sheaf::{Engine, Query};
use crate::failure::{Failure, Result};

/// How much longer the sides are.
const TIMES: usize = 4;
const MEMORY_BYTES_DEFAULT: u64 = 1_000_000_000;
/// Resident memory may exceed the limit by a quarter.
const RESIDENT_PERCENT_MAX: u64 = 125;

/// Multiplies, compares with what arithmetic expects, shows the time and the resident memory.
///
/// # Errors
/// The query fails; its answer is not what is expected; memory over the bound.
pub(super) fn run(suite: &Suite) -> Result<()> {
    let size = TIMES * suite.size;
    let memory_bytes = suite.memory_bytes.unwrap_or(MEMORY_BYTES_DEFAULT);
    // As many times the chunks, of the same size.
    let chunk = suite.size / 5;
    let setup = format!(
        "CREATE ARRAY x AS array_random(shape => [{size}, {size}], chunks => [{chunk}, {chunk}], seed => 42);"
    );
    let engine = Engine {
        binary: suite.binary.clone(),
        threads: suite.threads,
        memory_bytes: Some(memory_bytes),
        setup,
        runs: 1,
        time_limit: None,
    };
    let query = Query {
        name: format!("{}_large", Source::Drawn.name()),
        sql: row::PRODUCT.to_owned(),
    };
    let outcome = suite.outcome(&engine, query)?.map_err(Failure::new)?;
    let (resident_mb, limit_mb) = (
        report::to_megabytes(outcome.peak_bytes),
        report::to_megabytes(memory_bytes),
    );
    println!("\n### x.T @ x of {size} × {size} float64, drawn\n");
    println!(
        "{}",
        report::circumstances(suite.threads, Some(memory_bytes))
    );
    println!(
        "{:.1} s; {resident_mb:.0} MB resident under {limit_mb:.0} MB.",
        outcome.seconds
    );
    check_sum(size, &outcome.answer)?;
    match outcome.peak_bytes * 100 <= memory_bytes * RESIDENT_PERCENT_MAX {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "{resident_mb:.0} MB resident are more than {RESIDENT_PERCENT_MAX} % of the limit"
        ))),
    }
}

/// The sum of a product of uniform numbers: a third for each pair of a number with itself, else a quarter.
#[expect(clippy::cast_precision_loss, reason = "a size is no large number")]
fn check_sum(size: usize, answer: &[f64]) -> Result<()> {
    let sides = size as f64;
    let expected = sides * sides * (1.0 / 3.0 + (sides - 1.0) / 4.0);
    let tolerance = row::Kind::Whole.tolerance(size);
    match answer.first() {
        Some(sum) if (sum - expected).abs() <= tolerance * expected => Ok(()),
        other => Err(Failure::new(format!(
            "the sum is {other:?}, not {expected:e} (± {tolerance:.1e})"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::check_sum;

    #[test]
    fn sums_follow_from_the_mean() {
        // 100² elements: a hundred of 100/3, the others of 100/4.
        assert!(check_sum(100, &[100.0 * 100.0 / 3.0 + 9_900.0 * 25.0]).is_ok());
        assert!(check_sum(100, &[300_000.0]).is_err());
        assert!(check_sum(100, &[]).is_err());
    }
}
