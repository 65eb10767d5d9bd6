//! As much of `Cargo.toml` as the checks need, read line by line.

use std::path::Path;

use super::crates;
use crate::failure::Result;

/// The names of all dependencies of a manifest: normal, for tests, for build scripts, for targets.
///
/// A renamed dependency counts under the name of its package.
pub(super) fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut section = String::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            header.trim_end_matches(']').clone_into(&mut section);
            if let Some((kind, name)) = section.rsplit_once('.')
                && lists_dependencies(kind)
            {
                names.push(name.trim_matches('"').to_owned());
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        if lists_dependencies(&section) {
            let key = key.trim().split('.').next().unwrap_or_default();
            names.push(
                package_of(value)
                    .unwrap_or(key)
                    .trim_matches('"')
                    .to_owned(),
            );
        }
    }
    names
}

/// A manifest that does not take the lints of the workspace, or is named unlike its folder.
pub(super) fn faults(root: &Path) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for (folder, manifest) in crates(root)? {
        let lines: Vec<&str> = manifest.lines().map(str::trim).collect();
        if !lines
            .windows(2)
            .any(|pair| pair == ["[lints]", "workspace = true"])
        {
            faults.push(format!("{folder} does not take the lints of the workspace"));
        }
        if !lines.contains(&format!("name = \"{folder}\"").as_str()) {
            faults.push(format!(
                "the package in crates/{folder} is named unlike its folder"
            ));
        }
    }
    Ok(faults)
}

/// `[dependencies]`, `[dev-dependencies]`, `[target.'cfg(unix)'.build-dependencies]`, …
fn lists_dependencies(section: &str) -> bool {
    let last = section.rsplit('.').next().unwrap_or_default();
    matches!(
        last,
        "dependencies" | "dev-dependencies" | "build-dependencies"
    ) && !section.starts_with("workspace")
}

/// `x` of `{ package = "x", … }`.
fn package_of(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("package")?;
    rest.trim_start()
        .strip_prefix('=')?
        .trim_start()
        .strip_prefix('"')?
        .split('"')
        .next()
}
