//! JSON text: checked in one pass, values found by paths, a normal form, an order.

mod leads;
pub mod members;
pub mod normal;
pub mod number;
pub mod order;
pub mod path;
pub mod scan;
pub mod select;
pub mod text;

pub use path::{Path, Step};
pub use scan::{Fault, Kind, Scanner};
pub use select::{Selection, Span};
