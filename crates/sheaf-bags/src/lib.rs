//! Records of any shape: what a VARIANT is, and what SQL does with it.
//!
//! A VARIANT is one JSON value. In memory it is text in a normal form ([`json::normal`]), so that
//! two values are equal when their texts are; columns of it bear Arrow's extension name
//! `arrow.json` (`sheaf_base::type_names::variant_field`). From the bottom up:
//! - [`json`]: one pass over JSON text that checks all of it and finds the values at some paths;
//!   the normal form; the order of values;
//! - [`cast`]: columns of SQL types out of JSON values;
//! - [`functions`]: `get`, `variant_type`, … and the casts, which scans take over ([`extract`]);
//! - [`logs`]: records out of lines of logs;
//! - [`stored`]: the binary form that Parquet files hold;
//! - [`planner`]: what `rec.a[0]` and `rec.a > 5` mean.
//!
//! This crate must not know of files, sessions or rules of the optimizer.

pub mod cast;
pub mod extract;
pub mod functions;
pub mod json;
pub mod logs;
pub mod planner;
pub mod stored;
