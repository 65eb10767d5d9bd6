//! VARIANTs as Parquet stores them: a binary form, with what most records have in columns of its own.
//!
//! A column becomes a struct of `metadata` (the names of keys), `value` (what has no column) and
//! `typed_value` (what has), as the specifications "Variant Binary Encoding" and "Variant Shredding" of
//! Apache Parquet have it, so that other engines read it, and read single fields of it alone. Which fields
//! get columns is told from the first rows ([`Shape`]).
//!
//! Numbers are kept exactly up to 38 digits; longer ones become the nearest double.

mod decode;
mod encode;
mod function;
mod narrow;
mod nested;
mod shape;
mod shred;
#[cfg(test)]
mod tests;

pub use self::decode::from_parquet;
pub use self::function::{stored_nested, stored_variant};
pub use self::narrow::narrowed;
pub use self::nested::{Layout, holds_variants, restored, stores_variants};
pub use self::shape::Shape;
pub use self::shred::{parquet_field, to_parquet};
