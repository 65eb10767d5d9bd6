//! The engine's options where Sheaf's choice differs from its default, and what our rules are told.
//!
//! What users set by short names (`threads`, `batch_size`, …) is the session's to carry over; here
//! are the choices that nobody is asked about. Every line has its reason; where there is a
//! measurement it is named.

#[cfg(test)]
mod tests;

use datafusion::common::extensions_options;
use datafusion::config::{ConfigExtension, ConfigNonZeroUsize, ConfigOptions, SpillCompression};
use sheaf_base::ByteCount;

extensions_options! {
    /// What Sheaf's rules need to know. Set by [`set_memory_limit`] and [`set_in_order`], not by users.
    pub struct SheafOptions {
        /// Bytes that all queries together may hold; 0 if that is not limited.
        pub memory_limit_bytes: u64, default = 0
        /// Whether one thing is to run after another.
        pub is_in_order: bool, default = false
    }
}

impl ConfigExtension for SheafOptions {
    const PREFIX: &'static str = "sheaf";
}

/// The buffer in place of a sort of sorted files takes this share (one in so many) of the memory
/// a thread has.
const SORTED_SCAN_BUFFER_PART: u64 = 8;

/// Memory that a thread has for each row of a batch, in bytes. A sort that merges, a join and an
/// aggregate hold a dozen batches each, of rows that may take hundreds of bytes: where memory is
/// small, batches are, too.
const THREAD_BYTES_A_ROW: u64 = 4 * 1024;

/// Batches have no fewer rows than this, unless the user asks for fewer: the work done once a
/// batch would show.
const BATCH_ROWS_MIN: u64 = 1_024;

/// Makes Sheaf's choices in `options`.
pub fn engine_options(options: &mut ConfigOptions) {
    options.extensions.insert(SheafOptions::default());

    // Errors point at the place in the statement.
    options.sql_parser.collect_spans = true;
    // Names fold to lower case unless quoted, as in PostgreSQL.
    options.sql_parser.enable_ident_normalization = true;
    // Literals with a point are exact; beside a double they are doubles, which is the `Numbers`
    // rule's to see to.
    options.sql_parser.parse_float_as_decimal = true;

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

/// Tells the rules of `memory_limit`, and sizes what operators set aside by it and by
/// `target_partitions`, which must have its value already, as must `batch_size`, which becomes
/// less if it is too large for the limit.
pub fn set_memory_limit(options: &mut ConfigOptions, limit: ByteCount) {
    match options.extensions.get_mut::<SheafOptions>() {
        Some(sheaf) => sheaf.memory_limit_bytes = limit.0,
        None => options.extensions.insert(SheafOptions {
            memory_limit_bytes: limit.0,
            ..SheafOptions::default()
        }),
    }
    let threads = options.execution.target_partitions.max(1) as u64;
    let a_thread = limit.0 / threads;
    options.execution.sort_pushdown_buffer_capacity =
        ByteCount(a_thread / SORTED_SCAN_BUFFER_PART).as_usize();
    let rows_max = ByteCount((a_thread / THREAD_BYTES_A_ROW).max(BATCH_ROWS_MIN)).as_usize();
    if let Ok(rows) = ConfigNonZeroUsize::try_new(rows_max)
        && rows.get() < options.execution.batch_size.get()
    {
        options.execution.batch_size = rows;
    }
}

/// Tells the rules whether one thing is to run after another, where the engine would run them side by side
/// although `target_partitions` is 1.
pub fn set_in_order(options: &mut ConfigOptions, is_in_order: bool) {
    match options.extensions.get_mut::<SheafOptions>() {
        Some(sheaf) => sheaf.is_in_order = is_in_order,
        None => options.extensions.insert(SheafOptions {
            is_in_order,
            ..SheafOptions::default()
        }),
    }
}

/// Whether one thing is to run after another.
pub(crate) fn is_in_order(options: &ConfigOptions) -> bool {
    let sheaf = options.extensions.get::<SheafOptions>();
    sheaf.is_some_and(|sheaf| sheaf.is_in_order)
}

/// The memory limit that rules are to plan for, if there is one.
pub(crate) fn memory_limit(options: &ConfigOptions) -> Option<ByteCount> {
    options
        .extensions
        .get::<SheafOptions>()
        .map(|sheaf| ByteCount(sheaf.memory_limit_bytes))
        .filter(|limit| limit.0 > 0)
}
