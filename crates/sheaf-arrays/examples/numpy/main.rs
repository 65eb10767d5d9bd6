//! Writes cases for NumPy: inputs and results of operations on random arrays as npy files, and beside
//! them, line by line, the expression by which NumPy computes the same. `numpy_oracle.py` compares.
//!
//! Usage: `numpy DIRECTORY SEED`. The same seed gives the same cases.

mod cases;
mod files;
mod groups;

use std::path::PathBuf;

use cases::Cases;

fn main() -> sheaf_base::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().unwrap_or_else(|| "numpy-cases".to_owned()));
    let seed = arguments
        .next()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1);
    std::fs::create_dir_all(&directory)?;
    let mut cases = Cases::new(directory, seed);
    for (name, count, group) in groups::GROUPS {
        for _ in 0..*count {
            group(&mut cases).map_err(|error| error.with_context(name))?;
        }
    }
    files::all(&mut cases)?;
    cases.finish()
}
