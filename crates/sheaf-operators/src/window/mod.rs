//! Window functions inside a memory limit: partitions of rows that may be larger than memory.
//!
//! The input comes sorted by PARTITION BY and ORDER BY, as for the engine's operators, whose place
//! this one takes (`exec.rs`). A node runs in one of three ways, by what its functions need
//! (`function.rs`):
//!
//! - *Streaming*, if they only look back (`row_number`, `rank`, `dense_rank`): each batch gets its
//!   numbers and goes on; nothing is held.
//! - *By partition*, else (`run.rs`). Rows are gathered until partitions end. Many small partitions
//!   are evaluated at once (`chunk.rs`); the rows of one that memory has no room for go to disk
//!   (`large.rs`) while sizes and aggregates over all of it are taken, and come back in a second
//!   pass that adds the columns. What a batch of a partition needs to know of the rest is its
//!   size, those aggregates, and where its peers end, for which a second reader runs ahead.
//!
//! - *By frames* (`frames.rs`), if they look at rows near or far: running and sliding aggregates
//!   (`framed.rs`), also from the end of the partition, `lag`, `lead`, `first_value`. Rows lie in a
//!   spool (`spool.rs`), along which each end of a frame (`frame.rs`) and each function goes by
//!   itself (`reader.rs`). Rows that all have passed are dropped, and go on as soon as they have
//!   their values; where the rest does not fit, it goes to disk.
//!
//!   An aggregate takes rows in and out (`aggregate.rs`), the least and greatest value keep what may
//!   still be it (`extreme.rs`), others find a row (`value.rs`). EXCLUDE (`exclude.rs`) cuts a frame
//!   into pieces that each go along like one.
//!
//! What a call says besides its function — FILTER, IGNORE NULLS, EXCLUDE — is part of a function that
//! stands for it in the plan (`call.rs`). The state of an aggregate must fit into memory; so must a
//! partition for window functions that are not SQL's.
//!
//! Memory: reserved before rows are held, by partition with as much again for the columns to come; a
//! batch of output more. While streaming, a batch; on disk, a batch a reader. While rows are waited
//! for, others who want memory get that of the open partition.

mod aggregate;
mod call;
mod chunk;
mod exclude;
mod exec;
mod extreme;
mod frame;
mod framed;
mod frames;
mod function;
mod keys;
mod large;
mod numbering;
mod reader;
mod run;
mod spool;
#[cfg(test)]
mod tests;
mod value;

pub use exclude::{WindowCallsRule, exclusion_marker};
pub use exec::WindowExec;

/// Who spills, in errors.
const OPERATOR: &str = "the window";
