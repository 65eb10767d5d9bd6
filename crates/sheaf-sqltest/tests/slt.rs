//! `cargo test -p sheaf-sqltest`: one named test for every file of `sql-tests/` and every mode.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sql-tests");
    sheaf_sqltest::suite::main(&tests, Path::new(env!("CARGO_TARGET_TMPDIR")))
}
