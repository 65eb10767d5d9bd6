//! Joins beside a naive reference: every pair of rows is looked at.

mod cases;
mod faults;
mod fixture;
mod integer_index;
mod memory;
mod partitions;
mod pressure;
