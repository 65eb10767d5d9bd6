//! The engine's options where Sheaf's choice differs from its default.
//!
//! What users set by short names (`threads`, `batch_size`, …) is the session's to carry over; here
//! are the choices that nobody is asked about. Every line has its reason; where there is a
//! measurement it is named.

#[cfg(test)]
mod tests;

use datafusion::config::{ConfigOptions, SpillCompression};
use sheaf_base::ByteCount;

/// A sort keeps this share (one in so many) of the memory a thread has for the merge of its runs.
const SORT_RESERVATION_PART: u64 = 32;

/// The least that a sort keeps for its merge: a few batches' worth.
const SORT_RESERVATION_BYTES_MIN: u64 = 256 * 1024;

/// The most that a sort keeps for its merge: the engine's default.
const SORT_RESERVATION_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// The buffer in place of a sort of sorted files takes this share (one in so many) of the memory
/// a thread has.
const SORTED_SCAN_BUFFER_PART: u64 = 8;

/// Makes Sheaf's choices in `options`.
pub fn engine_options(options: &mut ConfigOptions) {
    // Errors point at the place in the statement.
    options.sql_parser.collect_spans = true;
    // Names fold to lower case unless quoted, as in PostgreSQL.
    options.sql_parser.enable_ident_normalization = true;

    // Spilled rows compress two to four times at more than a disk's speed; less is written, and
    // less of the disk budget is taken.
    options.execution.spill_compression = SpillCompression::Lz4Frame;
    // Build sides are chosen, counts answered and partitions pruned by the files' statistics.
    options.execution.collect_statistics = true;
    // Helps five of TPC-H's queries and hurts five others until there is a gate that looks at the
    // selectivity of the filter and the width of the projection.
    options.execution.parquet.pushdown_filters = false;
    // Would make top-n per group several times faster for few groups, but holds the rows of all
    // groups without being able to spill: it needs a gate, too.
    options.optimizer.enable_window_topn = false;
    // Sort-merge joins are 2 to 5 times slower; `HashJoinRule` makes hash joins that spill.
    options.optimizer.prefer_hash_join = true;
}

/// Sizes what operators set aside by `memory_limit` and by `target_partitions`, which must have
/// its value already.
pub fn set_memory_limit(options: &mut ConfigOptions, limit: ByteCount) {
    let threads = options.execution.target_partitions.max(1) as u64;
    let a_thread = limit.0 / threads;
    let reservation = (a_thread / SORT_RESERVATION_PART)
        .clamp(SORT_RESERVATION_BYTES_MIN, SORT_RESERVATION_BYTES_MAX);
    options.execution.sort_spill_reservation_bytes = ByteCount(reservation).as_usize();
    options.execution.sort_pushdown_buffer_capacity =
        ByteCount(a_thread / SORTED_SCAN_BUFFER_PART).as_usize();
}
