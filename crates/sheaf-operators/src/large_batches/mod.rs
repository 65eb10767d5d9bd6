//! Joins batches for functions that are called in other processes, where each call costs as much as thousands
//! of rows ([`sheaf_udf::ScalarFunction::rows_wanted`]).
//!
//! Batches grow while what is above takes them quickly, and shrink again when it is slow: of a function that
//! takes a millisecond a row, a batch of the engine's size is more than enough, and nobody waits for more.
//!
//! Memory: at most `BYTES_MAX` of rows are gathered (unless one batch of the input has more, which passes as
//! it is) and reserved twice, with the batch that they become. What may not be reserved is not gathered.
//!
//! Rows and their order stay what they are.

mod exec;
mod gather;
#[cfg(test)]
mod tests;

pub use exec::LargeBatchesExec;

/// Bytes that are gathered to one batch.
const BYTES_MAX: usize = 2 * 1024 * 1024;
