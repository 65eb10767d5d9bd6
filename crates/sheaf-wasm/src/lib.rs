//! Functions in WebAssembly: modules that can do nothing but compute, called a batch at a time.
//!
//! What a module exports, and how columns look to it, is in [ABI.md](../ABI.md), the one page that who
//! writes functions needs. Here is the other side:
//!
//! | module | what it does |
//! |---|---|
//! | `machine` | compiles modules, keeps what was compiled, ticks so that calls can be stopped |
//! | `host` | what an instance may use: memory of the query, time, tables |
//! | `instance` | one instance: its memory, calls into it, what a call that ended badly means |
//! | `function` | a function of a module: its instances, in a pool that lives as long as a query |
//! | `columns` | Arrow arrays into an instance's memory, and back, believing nothing |
//! | `plain` | functions over plain numbers, called in a loop that is itself WebAssembly |
//! | `scalar`, `aggregate`, `table` | the three kinds |
//!
//! # What a guest cannot do
//!
//! It sees its own memory only: modules may import nothing but `env.abort`. Its memory is the query's, as
//! far as that goes; its time ends with the query's, and one call may take [`CALL_SECONDS_MAX`]. Every
//! address, offset, length and text that it gives is checked where it is read. Whatever it does wrong
//! ends in an error of that query.
//!
//! # Limits
//!
//! All are constants here and in `machine`: what a module may weigh, how many are kept compiled, how many
//! instances there may be, and what each may take.
//!
//! This crate must not know of statements, sessions, or where code comes from.

mod aggregate;
mod columns;
mod function;
mod host;
mod instance;
mod language;
mod machine;
mod plain;
mod scalar;
mod table;

pub use language::Wasm;

/// What one call of a guest may take: a batch of rows, not a query.
pub const CALL_SECONDS_MAX: u64 = 60;
/// Rows that a table function is asked for at once.
pub const OUTPUT_ROWS_MAX: usize = 8192;
/// What the state of one group may take.
pub const STATE_BYTES_MAX: usize = 64 * 1024;
