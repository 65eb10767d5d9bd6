//! Where things are: the checkout, the target directory, private Python environments.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Context, Failure, Result};
use crate::process;

/// The checkout.
///
/// Cargo's word for it at run time comes first: checkouts that share a target directory share this program.
pub(crate) fn root() -> PathBuf {
    let crate_dir = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    crate_dir
        .ancestors()
        .nth(2)
        .unwrap_or(&crate_dir)
        .to_path_buf()
}

/// Cargo's target directory: this program was built into `TARGET/PROFILE/xtask`.
pub(crate) fn target() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        .nth(2)
        .ok_or_else(|| Failure::new("no target directory"))?;
    Ok(target.to_path_buf())
}

/// A Python interpreter that has `packages`, in an environment of its own named `name` in the
/// target directory. Packages are installed when the list differs from the last one installed.
pub(crate) fn python(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let directory = target()?.join("python").join(name);
    let python = directory.join("bin/python");
    let stamp = directory.join("packages.txt");
    let wanted = packages.join("\n");
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    process::run(Command::new("python3").args(["-m", "venv"]).arg(&directory))?;
    process::run(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(packages),
    )?;
    fs::write(&stamp, wanted).context(stamp.display())?;
    Ok(python)
}

/// A directory of its own named `name` in the target directory whose `node_modules` has `packages`.
/// They are installed when the list differs from the last one installed.
pub(crate) fn node(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let directory = target()?.join("node").join(name);
    let stamp = directory.join("packages.txt");
    let wanted = packages.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(directory);
    }
    fs::create_dir_all(&directory).context(directory.display())?;
    fs::write(directory.join("package.json"), "{}").context(directory.display())?;
    process::run(
        Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--loglevel=error"])
            .args(packages)
            .current_dir(&directory),
    )?;
    fs::write(&stamp, wanted).context(stamp.display())?;
    Ok(directory)
}

/// Every file below `folder` whose name ends in `suffix`, sorted; hidden folders and build output
/// are left out.
pub(crate) fn files(folder: &Path, suffix: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(folder, suffix, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, suffix: &str, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).context(folder.display())? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            collect(&path, suffix, found)?;
        } else if name.ends_with(suffix) {
            found.push(path);
        }
    }
    Ok(())
}
