//! Checks on the source tree that no compiler makes: what only prose asks for does not stay true.
//!
//! [`layers`] holds `crates/README.md` against the manifests; [`sources`] looks at each file.

mod layers;
mod manifest;
mod sources;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use crate::failure::{Context, Failure, Result};
use crate::workspace;

/// A check gives one line for every fault that it finds below a checkout.
type Check = fn(&Path) -> Result<Vec<String>>;

/// Every check with its name.
static CHECKS: &[(&str, Check)] = &[
    ("layers", layers::faults),
    ("manifests", manifest::faults),
    ("sources", sources::faults),
];

/// `cargo xtask tidy`.
pub(crate) fn run(_: &[String]) -> Result<()> {
    check(&workspace::root())
}

/// Runs every check below `root` and prints the faults.
///
/// # Errors
/// The number of faults, if there are any.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut count = 0;
    for (name, check) in CHECKS {
        for fault in check(root)? {
            println!("tidy {name}: {fault}");
            count += 1;
        }
    }
    if count == 0 {
        return Ok(());
    }
    Err(Failure::new(format!("{count} faults")))
}

/// The crates below `root`: folder name and manifest text, sorted by name.
fn crates(root: &Path) -> Result<Vec<(String, String)>> {
    let folder = root.join("crates");
    let mut crates = Vec::new();
    for entry in fs::read_dir(&folder).context(folder.display())? {
        let path = entry?.path();
        let manifest = path.join("Cargo.toml");
        if manifest.is_file() {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            crates.push((
                name,
                fs::read_to_string(&manifest).context(manifest.display())?,
            ));
        }
    }
    crates.sort();
    Ok(crates)
}
