//! The Postgres wire: a front door through which psql, drivers and BI tools read Sheaf's tables.
//!
//! The life of a connection: `listen` accepts it and counts it; `startup` agrees on TLS, reads
//! whom the client claims to be, and `auth` has it prove that; `protocol` then serves its
//! statements with a session of its own, whose rows `encode` writes and whose parameters
//! `decode` reads. What a role may do is decided below, in the session (`sheaf::Access`): nothing
//! here looks at the text of a statement to find out. Knows no files and no plans.
//!
//! The messages are read and written here (`message`) rather than by a library: each is cut out of
//! the stream at the length it states before a byte of it is looked at, every read is checked, and
//! rows are written straight from Arrow's arrays into the output.

mod auth;
mod cancel;
mod clients;
mod connection;
mod decode;
mod encode;
mod errors;
mod half_open;
mod listen;
mod message;
mod parameters;
mod protocol;
mod startup;
mod tables;
mod tls;
mod types;

pub use auth::{Role, Users, Verifier};
pub use listen::{Address, DATABASE, Limits, Server, ServerOptions};
pub use tables::{NamedFiles, tables_of};
pub use tls::TlsFiles;
