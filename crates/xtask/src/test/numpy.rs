//! Arrays beside NumPy, zarr-python and h5py: an example of `sheaf-arrays` computes random cases, and reads
//! and writes files; NumPy computes the same again, it and the others read and write the files.
//!
//! Then the same once more in SQL, through the program `sheaf`: the functions as users call them, their
//! arguments, lambdas, types, rows and files (`test/arrays/oracle.py`).

use std::path::Path;
use std::process::Command;

use crate::failure::Result;
use crate::process::{self, Tally, run_tests};
use crate::{test, workspace};

const PYTHON_PACKAGES: [&str; 3] = ["numpy==2.*", "zarr==3.*", "h5py==3.*"];

/// The same cases each time.
const SEED: &str = "1";

/// How many of the cases run in SQL: a minute's.
const SQL_SHARE: &str = "0.5";

/// Writes the cases and compares.
pub(super) fn run() -> Result<Tally> {
    let python = workspace::python("numpy", &PYTHON_PACKAGES)?;
    let target = workspace::target()?;
    let cases = target.join("xtask/numpy");
    test::fresh_directory(&cases)?;
    let oracle = workspace::root().join("crates/sheaf-arrays/examples/numpy_oracle.py");
    let oracle = |task: &str| {
        let mut command = Command::new(&python);
        command
            .args(["-B", "-W", "ignore"])
            .arg(&oracle)
            .arg(task)
            .arg(&cases);
        command
    };
    process::run(&mut oracle("write"))?;
    process::run(
        Command::new(target.join("debug/examples/numpy"))
            .arg(&cases)
            .arg(SEED),
    )?;
    let mut tally = run_tests(&mut oracle("compare"))?;
    tally.add(run_tests(&mut in_sql(&python, &target)?)?);
    Ok(tally)
}

/// What runs the functions in SQL.
fn in_sql(python: &Path, target: &Path) -> Result<Command> {
    let directory = target.join("xtask/numpy-sql");
    test::fresh_directory(&directory)?;
    let oracle = workspace::root().join("crates/xtask/src/test/arrays/oracle.py");
    let mut command = Command::new(python);
    command
        .args(["-B", "-W", "ignore"])
        .arg(oracle)
        .arg(target.join("debug/sheaf"))
        .arg(directory)
        .args([SEED, SQL_SHARE]);
    Ok(command)
}
