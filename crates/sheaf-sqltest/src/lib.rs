//! Runs the SQL tests of `sql-tests/` against Sheaf.
//!
//! [`suite`] finds the files and makes one named test of every file and mode; [`modes`] is the list
//! of modes; [`connection`] is a session as the sqllogictest runner sees it, [`wire`] the same behind
//! the Postgres wire; [`values`] writes values as the expected rows spell them; [`data`] makes the files that the tests read;
//! `language` has functions that they create in `LANGUAGE test`.
//! `sql-tests/README.md` says how tests are written and what the data holds.
//!
//! The crate sees Sheaf through its front doors alone, the facade and the wire: it must not know how
//! a query is run.

pub mod connection;
pub mod data;
mod language;
pub mod modes;
pub mod suite;
pub mod values;
pub mod wire;
