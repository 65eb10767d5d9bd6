//! The session: the one crate that assembles Sheaf.
//!
//! The life of a statement: `sheaf-sql` parses the text; [`binder`](crate) opens what it names and
//! plans it; `sheaf-optimizer`'s rules rewrite the plan; the query registers with
//! `sheaf-runtime`, which runs its partitions; the front door pulls the rows out of a
//! [`QueryResult`]. Knows no terminal and no wire.

mod access;
mod apply;
mod binder;
mod builder;
mod catalog;
mod conceal;
mod engine_state;
mod explain;
mod held_table;
mod kept;
mod languages;
mod names;
mod persisted;
mod planner;
mod postgres;
mod prepared;
mod quarantine;
mod registered;
mod result;
mod scrolled;
mod session;
mod statements;
mod system;
#[cfg(test)]
mod tests;
mod versioned;
mod wide_rows;

pub use access::Access;
pub use builder::SessionBuilder;
pub use kept::{KEPT_STATEMENTS_MAX, KEPT_TEXT_BYTES_MAX, KeptPlace};
pub use names::{FunctionName, Names, TableName};
pub use prepared::PreparedStatement;
pub use result::{CollectedRows, QueryResult};
pub use scrolled::ScrolledRows;
pub use session::Session;
pub use statements::Description;
