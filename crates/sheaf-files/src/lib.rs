//! Files as tables: what is behind `FROM 'logs/*.jsonl'` and `read_csv(…)`.
//!
//! The way of a read: [`open`] takes a [`ReadRequest`], lists its files (`listing`), tells their
//! format ([`formats`]), infers a schema from bounded prefixes (`infer`), cuts the bytes into
//! numbered partitions (`partition`) and gives a [`FileTable`], whose scans read through the
//! sources in `scan`. Writing is in [`copy`], object stores are in [`stores`].
//!
//! This crate must not know of statements, sessions' catalogues or front doors.

pub mod copy;
mod encoding;
pub mod formats;
mod infer;
mod listing;
mod notation;
mod open;
mod partition;
mod rejects;
mod request;
mod scan;
pub mod stores;
mod table;
#[cfg(test)]
mod tests;

pub use formats::{
    FORMATS, FormatDecl, OptionDecl, OptionKind, format_by_function, format_by_name,
};
pub use open::open;
pub use partition::PartitionInfo;
pub use rejects::{Rejects, quarantine_of, reject_schema};
pub use request::{OptionValue, ReadRequest};
pub use scan::named::NamedSource;
pub use table::FileTable;
