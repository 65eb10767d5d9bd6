//! Counting, sorting in, differences, and what columns have to do with each other.

mod bins;
mod coarsen;
mod counts;
mod difference;
mod histogram;
mod topk;
mod unique;

pub use bins::{bincount, digitize, searchsorted};
pub use coarsen::coarsen;
pub(crate) use difference::part;
pub use difference::{corrcoef, cov, diff, gradient};
pub use histogram::{Bins, Histogram, histogram};
pub use topk::topk;
pub use unique::{Unique, unique};
