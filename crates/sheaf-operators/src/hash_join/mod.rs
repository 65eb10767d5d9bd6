//! The hash join: one table for all threads while memory lasts, files for what it does not hold.
//!
//! ```text
//! left (build) partitions ──> BuildSide ──┬─ chunks in memory ──> Table ──┐
//!   one task each             (build.rs)  └─ evicted buckets ─> files     │
//!                                                                         v
//! right (probe) partitions ─────────────────────────────> Prober ──> output batches
//!   as they are polled                    └─ rows of evicted buckets ─> files
//!                                                                         │
//! when the last probe has ended: unmatched build rows, then the buckets <─┘ (buckets.rs)
//! ```
//!
//! **In memory.** All build partitions are collected at once, each by its own task; batches stay as
//! they came, less what they hold beyond their rows (string views above all, `chunk.rs`). Rows are
//! named by 32 bits: chunk and row. The index (`index.rs`) is a table of tags with linear probing,
//! cut by hash into regions that tasks fill without locks, or addressed by the key itself where that
//! is one integer of a range that is not too wide (`integer_index.rs`). The probe side is not repartitioned: every partition
//! probes the shared table, a vector at a time: look up all, compare keys by column, evaluate the
//! residual filter, gather the output once (`probe.rs`, `gather.rs`).
//!
//! **Beyond memory.** Every chunk is reserved before it is kept. When a reservation is refused,
//! the largest of `BUCKETS` hash buckets are evicted until a third of the rows are on disk
//! (`evict.rs`), and again when memory is refused again; rows of evicted buckets that arrive later,
//! on either side, go to the buckets' files. A Bloom filter over the evicted build rows spares the
//! probe side most rows that match nothing. When all probes have ended, each bucket is joined on its
//! own: in memory if it fits, cut into buckets once more (with other hashes) if it does not, and in
//! blocks of build rows against the whole of its probe file where cutting does not help: one key
//! larger than memory. The last probe partition to end sees to this (`probes.rs`), with a task for
//! each bucket; no partition waits for another, and one that is dropped holds nobody up.
//!
//! **For others.** A task of its own answers when other operators need memory: while rows arrive it
//! evicts; while they are probed it waits until nobody uses the table, evicts, and indexes the rest
//! anew (`built.rs`), with what is known of matches beside the evicted rows; when they are handed
//! out it writes those to a file that have not been taken (`tail.rs`). Not given back: the blocks
//! of a key larger than memory, a quarter of the limit at most; a table while one of its keys
//! has more matches for a probe row than an output batch, and those are handed out; and what is on
//! its way to files, `STAGE_BYTES_MAX` a task at most.
//!
//! Output has no order and no partitioning by key: spilled rows come last, from one partition.
//!
//! Memory: the holdings `HashJoin` and, for each bucket being joined, `HashJoin[bucket]`; besides
//! them one batch in flight a task, and `OUTPUT_QUEUE_BATCHES` from the buckets.
//!
//! # Sources
//! GRACE partitioning: Kitsuregawa, Tanaka, Moto-Oka (1983). The hybrid: DeWitt et al. (1984) and
//! Shapiro (1986). Cutting by hash bits for the caches' sake: Manegold, Boncz, Kersten (2002).
//! One table by all threads, probes without repartitioning: Leis et al., morsel-driven parallelism
//! (2014). Robustness beyond memory: Kuiper et al., external hash aggregation and joins (2024).
//! The filter: Bloom (1970). Here evictions go by thirds rather than one bucket at a time,
//! which bounds how often what stays is copied.

mod blocks;
mod bloom;
mod buckets;
mod build;
mod built;
mod chunk;
mod collect;
mod dynamic;
mod emit;
mod evict;
mod exec;
mod gather;
mod index;
mod indexing;
mod integer_index;
mod keys;
mod matcher;
mod membership;
mod metrics;
mod output;
mod portion;
mod probe;
mod probes;
mod run;
mod spec;
mod spill;
mod table;
mod tail;
#[cfg(test)]
mod tests;

pub use exec::HybridHashJoinExec;

/// Buckets that rows are cut into when memory is refused. Each open bucket has a file and a write
/// buffer; a bucket that is still too large is cut again.
const BUCKETS: usize = 32;

/// How often a bucket is cut again before blocks of it are joined in turn: 32^4 pieces.
const LEVELS_MAX: u32 = 4;

/// Rows in a chunk: row numbers are 16 bits of a row's name.
const CHUNK_ROWS_MAX: usize = 1 << 16;

/// Chunks of a table: 16 bits of a row's name, less one, so that no row is called `u32::MAX`.
const CHUNKS_MAX: usize = (1 << 16) - 1;

/// Rows of evicted buckets are written when so many bytes of them have gathered in a task (or
/// fewer, when memory is refused), so that files are written in large pieces.
const STAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Batches between the tasks that join spilled buckets and the output.
const OUTPUT_QUEUE_BATCHES: usize = 2;

/// Who spills, in errors.
const OPERATOR: &str = "the hash join";
