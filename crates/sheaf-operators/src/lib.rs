//! SQL forms the engine below parses but cannot plan or run, and the operators that run them.
//!
//! In the life of a statement:
//! - [`rewrite()`] turns syntax trees the planner would refuse (`SELECT * RENAME`, `ASOF JOIN` in a
//!   chain of joins, `ORDER BY ALL` over expressions) into trees it passes on to …
//! - … [`relation_planners`], which plan relations of a FROM clause into logical plans: PIVOT,
//!   UNPIVOT, samples, ASOF and positional joins, `UNNEST … WITH ORDINALITY`;
//! - [`extension_planners`] turn the logical nodes of ours ([`sample::SampleNode`],
//!   [`asof::AsofJoinNode`], [`shared::SharedNode`], [`table_function::TableFunctionNode`]) into
//!   physical operators.
//!
//! Operators that replace the engine's, by physical rules of `sheaf-optimizer`, are here too
//! ([`filter`], [`nested_loop_join`], [`sort`], [`window`]), one that joins batches for functions that want large ones
//! ([`large_batches`]), and what they spill with ([`spill`]). The rows of created tables are kept, and scanned, in
//! [`stored`].
//!
//! This crate must not know of catalogues, files, sessions or settings.

pub mod aggregate;
pub mod asof;
mod counted;
mod extension;
pub mod filter;
pub mod hash_join;
pub mod large_batches;
pub mod nested_loop_join;
pub mod planners;
pub mod positional;
pub mod rewrite;
pub mod sample;
pub mod shared;
pub mod sort;
pub mod spill;
pub mod stored;
pub mod table_function;
mod task;
#[cfg(test)]
mod testing;
pub mod window;

pub(crate) use counted::counted;
pub use extension::{SheafExtensionPlanner, extension_planners};
pub use planners::relation_planners;
pub use rewrite::{is_positional_marker, rewrite};
