//! Arrays beside NumPy, zarr-python and h5py: an example of `sheaf-arrays` computes random cases, and reads
//! and writes files; NumPy computes the same again, it and the others read and write the files.

use std::process::Command;

use crate::failure::Result;
use crate::process::{self, Tally, run_tests};
use crate::{test, workspace};

const PYTHON_PACKAGES: [&str; 3] = ["numpy==2.*", "zarr==3.*", "h5py==3.*"];

/// The same cases each time.
const SEED: &str = "1";

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
    run_tests(&mut oracle("compare"))
}
