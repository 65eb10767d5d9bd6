//! A filter that evaluates conjunctions one conjunct after another, in the order that costs least.
//!
//! ```text
//! batch ─> conjunct ─> conjunct ─> … ─> guarded conjuncts ─> coalescer ─> batches
//!             │ mask of rows │ or list of rows │  (rows that all others keep)
//! ```
//!
//! A row is kept if every conjunct is true of it. Between conjuncts the rows that are left are a
//! `Selection`: one bit a row while many are left, a list of row numbers when few are. Nothing is
//! copied for a conjunct that computes over all rows and clears bits; where its measured cost says
//! that gathering its columns for the rows that are left is cheaper, that is done. The projected
//! columns are copied once, straight into the batch that is being filled.
//!
//! - `conjunction`: order, selection, measurement;
//! - `conjunct`: one conjunct, with a test of its own for
//!   - `range`: comparisons of integers, dates, times and decimals with constants, those of one
//!     column joined into one range, found without branches;
//!   - `pattern`: LIKE with `%` alone, without regular expressions, for the rows that are left;
//!   - and the engine's evaluation for the rest;
//! - `fallible`: which conjuncts may fail;
//! - `run_time`: the same over the input of another operator, for filters that joins fill in.
//!
//! # Errors of conjuncts
//! Conjuncts that cannot fail change places freely. Those that may come after them, and see the rows
//! that are left alone: first functions, then divisions and casts (which the engine's optimizer may
//! have moved before functions that guard them), else in the order written. So `x <> 0 AND
//! 10 / x > 1` never divides by zero, and whether a statement fails does not depend on what was
//! measured.
//!
//! # Memory
//! What the engine's filter has: at most two batches of output.
//!
//! # Sources
//! The order by cost a dropped row is J. Hellerstein, M. Stonebraker, "Predicate Migration" (SIGMOD
//! 1993), measured while running as in Velox ("time to drop a value", P. Pedreira et al., VLDB 2022)
//! and, by trial swaps, in DuckDB's adaptive filter. Comparison without branches is K. Ross,
//! "Conjunctive Selection Conditions in Main Memory" (PODS 2002). Cost models for when to gather:
//! F. Kastrati, G. Moerkotte, "Optimization of Conjunctive Predicates for Main Memory Column Stores"
//! (VLDB 2017).

mod conjunct;
mod conjunction;
mod exec;
mod fallible;
mod pattern;
mod range;
mod run;
mod run_time;
mod selection;
#[cfg(test)]
mod tests;

pub use exec::AdaptiveFilterExec;
pub(crate) use run_time::{filtered_at_run_time, is_filled_at_run_time};
