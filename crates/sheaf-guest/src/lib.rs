//! Functions for Sheaf in Rust: an attribute makes of a function what a module exports.
//!
//! ```
//! use sheaf_guest::{aggregate, scalar, table};
//!
//! /// A scalar function over values; `Option` sees NULL, without it NULL gives NULL.
//! #[scalar]
//! fn score(x: f64, y: Option<f64>) -> f64 {
//!     x * 2.0 + y.unwrap_or(0.0)
//! }
//!
//! /// The same over whole columns, as fast as the compiler can make the loop.
//! #[scalar(slices)]
//! fn scores(x: &[f64], y: &[f64], result: &mut [f64]) {
//!     for ((result, x), y) in result.iter_mut().zip(x).zip(y) {
//!         *result = x * 2.0 + y;
//!     }
//! }
//!
//! /// A table function: rows for each row of arguments.
//! #[table]
//! fn tokens(text: &str) -> impl Iterator<Item = (&str, i64)> {
//!     text.split(' ').zip(1..)
//! }
//!
//! /// An aggregate function: `mean(x)`.
//! #[derive(Clone, Copy, Default)]
//! struct Mean {
//!     sum: f64,
//!     count: u64,
//! }
//!
//! #[aggregate(mean)]
//! impl Mean {
//!     fn update(&mut self, x: f64) {
//!         self.sum += x;
//!         self.count += 1;
//!     }
//!     fn merge(&mut self, other: &Mean) {
//!         self.sum += other.sum;
//!         self.count += other.count;
//!     }
//!     fn finish(&self) -> Option<f64> {
//!         (self.count > 0).then(|| self.sum / self.count as f64)
//!     }
//! }
//!
//! // They are functions still, and tested as such.
//! assert_eq!(score(1.0, None), 2.0);
//! assert_eq!(tokens("a b").last(), Some(("b", 2)));
//! ```
//!
//! Compile it as a `cdylib` for `wasm32-unknown-unknown`. A function may give a `Result` whose error can be
//! displayed: that is what the query then fails with. What a module exports, and what crosses its border,
//! is in `ABI.md` of `sheaf-wasm`; this crate is that page in Rust. On other targets a module's memory is
//! an arena of the thread ([`native`]), so that what is exported can be tested without a host.
//!
//! The only place with `unsafe` is `memory`: there numbers become addresses.

#![cfg_attr(target_arch = "wasm32", no_std)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "addresses and counts have 32 bits in WebAssembly, and arenas of tests are smaller"
)]

extern crate alloc;

mod aggregates;
mod column;
mod memory;
mod scalars;
mod tables;
mod values;

#[cfg(not(target_arch = "wasm32"))]
pub mod native;

pub use aggregates::{finish, init, merge, update};
pub use column::{Column, DESCRIPTOR_BYTES, Slot};
pub use scalars::{batch, slices};
pub use sheaf_guest_macros::{aggregate, scalar, table};
pub use tables::{next, push};
pub use values::{Argument, Number, Outcome, Row, Value};
