//! What a function of the user's own in another language than SQL is: one trait for each kind.
//!
//! | kind | trait | called with | gives |
//! |---|---|---|---|
//! | scalar | [`ScalarFunction`] | a batch of rows of arguments | a value a row |
//! | aggregate | [`AggregateFunction`] | rows of arguments and the group of each | a value a group |
//! | table | [`TableFunction`] | rows of arguments, or the batches of a relation | batches of rows |
//!
//! Who implements them: functions in WebAssembly (`sheaf-wasm`), functions in Python
//! (`sheaf-python`), and Rust programs that embed Sheaf. Who calls them: `sheaf-session`, which makes
//! of each what the engine below can plan. A bag is a relation whose records are one column, an array
//! is a relation whose rows are chunks: a table function over either is a [`TableFunction`].
//!
//! Everything is called from several threads at once. A call may block the thread it is on, but not
//! for longer than the query lives: it looks at [`CallContext::stop_token`].
//!
//! This crate must not know of statements, sessions, files or any language.

mod aggregate;
mod check;
mod context;
mod declaration;
mod guard;
mod language;
mod scalar;
mod table;

pub use aggregate::{AggregateFunction, Groups};
pub use check::{as_declared, broken, rows_without_null};
pub use context::{CallContext, Show};
pub use declaration::{Declaration, Parameter, ParameterKind};
pub use guard::{guarded, named};
pub use language::{Code, Language};
pub use scalar::ScalarFunction;
pub use table::{TableCall, TableFunction, TableInput, TableInstance, TableOutput};

pub use datafusion::logical_expr::Volatility;
