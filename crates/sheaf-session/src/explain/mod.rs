//! Plans for people: a physical plan becomes a tree of [`PlanNode`]s, drawn as text, JSON or a graph.
//!
//! Names are those of the operators without `Exec`, details without the engine's column numbers;
//! after a run every node carries what it measured.

mod dot;
mod json;
mod node;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use dot::to_dot;
pub(crate) use json::to_json;
pub(crate) use node::PlanNode;
pub(crate) use tree::to_lines;
