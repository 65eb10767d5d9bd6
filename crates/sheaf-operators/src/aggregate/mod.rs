//! Grouped aggregation that partitions first, then aggregates, and spills by partition.
//!
//! ```text
//! input 0 ─> Sink: small table of groups ─┐               ┌─ output 0: table per partition ─> rows
//! input 1 ─> Sink: small table of groups ─┤─ PartStore ───┤
//!    …                                    ┘  (states,     └─ output 1: …
//!                                             by hash)
//! ```
//!
//! A `sink` aggregates its input in a table small enough for the processor's cache. When that is
//! full, its groups go as *states* (keys, then what the aggregates keep) to the `parts`, cut by
//! the hash of their keys. Where that does not reduce the rows, rows are turned into states and cut
//! without being grouped first. When every input has ended, each output takes one part after
//! another, merges its states in one table, and gives the results.
//!
//! # Memory
//! States in parts and tables are reserved before they grow. When memory is refused, or wanted by
//! other operators, the largest part goes to disk. A part whose table does not fit is cut into
//! `parts::LEVEL_PARTS` smaller ones by other bits of the hash, up to `output::LEVELS_MAX` times.
//! A group that does not fit by itself is computed from its values, sorted on disk (`large_group.rs`,
//! `lane.rs`): DISTINCT, medians and percentiles, `mode`, lists and strings in an order. What has
//! to fit is one result.
//!
//! Aggregates without keys are one group in one part. They are ours where a state may grow with
//! the rows ([`PartitionedAggregateExec::grows`]).
//!
//! # Sources
//! Partitioned, cache-sized pre-aggregation and spilling by radix partition follow L. Kuiper,
//! P. Boncz, H. Mühleisen, "Robust External Hash Aggregation in the Solid State Age" (ICDE 2024);
//! giving up on pre-aggregation follows P.-Å. Larson, "Data Reduction by Partial Preaggregation"
//! (ICDE 2002). Tables of groups and accumulators are the engine's.

mod exec;
mod growing;
mod lane;
mod large_group;
mod one_group;
mod ordered_lists;
mod output;
mod parts;
mod shape;
mod sink;
mod stage;
mod table;
#[cfg(test)]
mod tests;

pub use exec::PartitionedAggregateExec;
