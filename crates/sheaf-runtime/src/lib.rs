//! What a running query stands on: the machine's limits, memory, disk, threads, and the list of
//! queries.
//!
//! - [`limits`]: what the machine or container allows;
//! - [`memory`]: the budget of the process, and each query's account with it;
//! - [`spill`]: files of spilled data, their budget, and their removal;
//! - [`progress`]: how far a plan has come, read from its operators' metrics;
//! - [`registry`]: the queries that run and those that have ended, cancellation, time limits;
//! - [`engine`]: the threads, and the way of a physical plan to a stream of batches.
//!
//! This crate must not know of SQL, catalogues, file formats or front doors: it sees physical
//! plans only.

pub mod engine;
pub mod limits;
pub mod memory;
pub mod progress;
pub mod registry;
pub mod spill;

pub use engine::{EngineRuntime, RuntimeOptions};
pub use limits::MachineLimits;
pub use progress::Progress;
pub use registry::{Outcome, Query, QueryLimits, QueryRegistry, QuerySnapshot, QueryState};
