//! placeholder
pub mod copy;
pub mod stores;
