//! From a plan to a better plan: ordered lists of rules, and the engine's options.
//!
//! - [`analyzer_rules`]: what a plan needs before it can be rewritten: its numbers get their types,
//!   sub-queries become joins;
//! - [`logical_rules`]: rewrites of logical plans, in the order in which they run;
//! - [`physical_rules`]: rewrites of physical plans, in the order in which they run;
//! - [`options`]: the engine's own options where Sheaf's choice differs, each with its reason.
//!
//! A rule of ours is one file. This crate must not know of statements, sessions or front doors.

mod analyzer;
mod logical;
pub mod options;
pub mod physical;

pub use analyzer::{
    BoundedCalls, Lists, Numbers, Uuids, Variants, analyzer_rules, any_numeric, converted_literal,
    is_comparison, with_lists_read,
};
pub use logical::logical_rules;
pub use options::{engine_options, set_in_order, set_memory_limit};
pub use physical::physical_rules;
