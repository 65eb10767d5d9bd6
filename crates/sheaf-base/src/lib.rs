//! The ground floor of Sheaf: what every other crate may use and none may bypass.
//!
//! - [`error`]: the one error type, split by what the caller must do, each kind with a SQLSTATE;
//! - [`units`]: byte counts, row counts and durations as users write and read them;
//! - [`settings`]: the table of settings, declared once, which makes `SET`, `SHOW ALL`, the
//!   command line's help and the documentation page;
//! - [`type_names`]: the SQL names of Arrow types;
//! - [`list_text`]: texts of lists, in the forms of PostgreSQL and DuckDB;
//! - [`uuid`]: UUIDs, their bytes and texts;
//! - [`suggest`]: the nearest known name, for hints.
//!
//! This crate must not know of statements, files, sessions or terminals.

pub mod error;
pub mod list_text;
pub mod settings;
pub mod suggest;
pub mod type_names;
pub mod units;
pub mod uuid;

pub use error::{ErrorKind, Result, SheafError};
pub use type_names::{EXTENSION_KEY, TENSOR_EXTENSION, sql_field_type_name, sql_type_name};
pub use units::{ByteCount, RowCount, VALUE_BYTES_MAX};
