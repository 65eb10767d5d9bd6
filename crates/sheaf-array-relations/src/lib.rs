//! Arrays as SQL has them: the functions that make them, and the relations in which they are read.
//!
//! ```text
//! FROM array_sum(array_transpose(x), axis => [0])
//!        │          binder: arguments ─> FUNCTIONS[..].make ─> RowSource
//!        └─ ArrayTable ─ scan: columns, conditions, limit ─> ArrayExec ─ Driver on a thread of its own
//! ```
//!
//! - [`FUNCTIONS`] is the visible list: name, parameters, text and example of each, and what it makes of its
//!   [`Arguments`];
//! - what a function makes is a [`RowSource`]: the chunks of an array, its elements, or rows of another kind;
//! - [`ArrayTable`] is its table, [`ArrayExec`] its operator, which reads nothing before it is asked for rows;
//! - [`Cells`] are rows of a query that become elements: they are sorted by the engine and put down as
//!   chunks before the array that is made of them is read;
//! - [`tensor_functions`] are the functions of tensors, the values in which chunks stand in rows.
//!
//! This crate must not know of statements, catalogues or files.

mod arguments;
mod cells;
mod elements;
mod exec;
mod functions;
mod lambda;
mod numbers;
mod partitions;
mod rows;
mod table;
mod tensors;

pub use arguments::{Argument, Arguments, ArrayArgument, Kind, Parameter};
pub use cells::Cells;
pub use exec::ArrayExec;
pub use functions::{ArrayFunction, FUNCTIONS, function};
pub use lambda::{Lambda, LambdaCompiler};
pub use numbers::Number;
pub use partitions::partitions;
pub use rows::{Chunks, Give, RowSource, Wanted, written};
pub use table::ArrayTable;
pub use tensors::{ARRAY_METADATA, grid_of, tensor_functions};
