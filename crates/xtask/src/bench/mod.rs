//! `cargo xtask bench SUITE`: measures the release binary on data made for it.
//!
//! A suite makes its data once, runs Sheaf as users run it (the binary, a script, its output read
//! from a pipe) and, if asked, its peers in processes of their own on the same files and threads.
//! Answers are compared before any time is believed.

mod answers;
mod apart;
mod arrays;
mod csv;
mod json;
mod options;
mod peers;
mod report;
mod sheaf;
mod soak;
mod spill;
mod tpch;
mod udf;
mod watch;
mod wire;

use std::path::PathBuf;

use crate::failure::{Failure, Result};
use crate::workspace;
use options::Options;

/// One suite.
pub(crate) struct Suite {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// The options that it takes.
    pub(crate) arguments: &'static str,
    /// What it measures.
    pub(crate) doc: &'static str,
    run: fn(&Options) -> Result<()>,
}

/// Every suite.
pub(crate) static SUITES: &[Suite] = &[
    Suite {
        name: "tpch",
        arguments: "[--scale 1] [--threads 2] [--memory 1GB] [--queries 1,6] [--runs 3] [--peers] [--binary target/release/sheaf]",
        doc: "the 22 queries of TPC-H over Parquet, answers compared with DuckDB's",
        run: tpch::run,
    },
    Suite {
        name: "csv",
        arguments: "[--size 10GB] [--threads 2] [--memory 500MB] [--runs 3] [--peers] [--binary target/release/sheaf]",
        doc: "a glob of CSV files: the first rows at once, a group-by in little memory; with --peers 1 GB of \
              nine columns, and types that widen from file to file",
        run: csv::run,
    },
    Suite {
        name: "json",
        arguments: "[--size 1GB] [--threads 2] [--memory 256MB] [--runs 3] [--peers] [--binary target/release/sheaf]",
        doc: "records of a glob of JSON lines: three of nine fields, and ten million distinct texts",
        run: json::run,
    },
    Suite {
        name: "spill",
        arguments: "[--scale 10] [--limits 1GB,512MB,256MB] [--queries 1,6,sort] [--threads 2] \
                    [--runs 1] [--time-limit 600] [--peers] [--binary target/release/sheaf]",
        doc: "TPC-H and six queries larger than memory, each in a process of its own",
        run: spill::run,
    },
    Suite {
        name: "udf",
        arguments: "[--rows 10000000] [--lines 2000000] [--threads 1] [--runs 5] [--peers] \
                    [--binary target/release/sheaf]",
        doc: "functions of users beside what is built in: an expression over ten million rows, words of text; \
              with --peers Dask's map_partitions on the same",
        run: udf::run,
    },
    Suite {
        name: "wire",
        arguments: "[--rows 10000000] [--only rows,points,idle,stalled] [--slow 10GB] [--threads 2] [--runs 3] [--peers] \
                    [--binary target/release/sheaf]",
        doc: "sheaf serve: all rows to psql, libpq and ADBC, a row by its number to 1 and 64 connections, \
              500 idle connections, a large result read slowly; with --peers beside PostgreSQL 18",
        run: wire::run,
    },
    Suite {
        name: "soak",
        arguments: "[--minutes 60] [--clients 8] [--rows 10000000] [--memory 1GB] [--threads 2] \
                    [--binary target/release/sheaf]",
        doc: "sheaf serve under clients of every kind, those that fail, cancel, leave and stall among them: its \
              memory, files and threads all the while, every answer checked",
        run: soak::run,
    },
    Suite {
        name: "arrays",
        arguments: "[--size 10000] [--only \"x @ y,fft\"] [--threads 2] [--memory 1GB] [--runs 3] [--peers] [--large] \
                    [--binary target/release/sheaf]",
        doc: "chunked arrays, drawn and from Zarr: ten rows; with --peers beside NumPy and Dask; with --large \
              alone a product larger than memory",
        run: arrays::run,
    },
];

/// Runs the suite that the first argument names.
///
/// # Errors
/// An unknown suite or option; whatever stops the suite; answers that differ.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let Some((name, rest)) = arguments.split_first() else {
        return Err(Failure::new(
            "which suite? tpch, csv, json, spill, udf, wire, soak or arrays",
        ));
    };
    let Some(suite) = SUITES.iter().find(|suite| suite.name == name) else {
        return Err(Failure::new(format!("there is no suite {name}")));
    };
    (suite.run)(&Options::parse(suite.arguments, rest)?)
}

/// Where the data of `suite` are kept between runs.
fn data_directory(suite: &str) -> Result<PathBuf> {
    let directory = workspace::target()?.join("bench-data").join(suite);
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}
