//! The layer table of `crates/README.md` against every manifest.
//!
//! Three rules: a crate imports crates of lower layers only; above the facade nothing below the
//! facade is imported; crates without a layer (the tools) import the facade alone, and nobody
//! imports them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::crates;
use super::manifest::dependencies;
use crate::failure::{Context, Result};

/// The crate that users and front doors import.
const FACADE: &str = "sheaf";

/// A crate's layer; `None` for tools.
pub(super) type Layers = BTreeMap<String, Option<u32>>;

/// Imports that point up or sideways, crates that the table lacks, rows without a crate.
pub(super) fn faults(root: &Path) -> Result<Vec<String>> {
    let path = root.join("crates/README.md");
    let layers = table(&fs::read_to_string(&path).context(path.display())?);
    Ok(compare(&layers, &crates(root)?))
}

/// The rows `| layer | crates | … |` of the first table whose first column is called `layer`.
pub(super) fn table(text: &str) -> Layers {
    let mut layers = Layers::new();
    let rows = text
        .lines()
        .skip_while(|line| !line.starts_with("| layer "));
    for row in rows.take_while(|line| line.starts_with('|')).skip(2) {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let layer = cells.next().and_then(|layer| layer.parse().ok());
        // Names stand in backquotes: every second piece.
        let names = cells
            .next()
            .unwrap_or_default()
            .split('`')
            .skip(1)
            .step_by(2);
        layers.extend(names.map(|name| (name.to_owned(), layer)));
    }
    layers
}

/// Faults of `crates` (name, manifest) against the table.
pub(super) fn compare(layers: &Layers, crates: &[(String, String)]) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, manifest) in crates {
        let Some(layer) = layers.get(name) else {
            faults.push(format!("{name} is not in the table of crates/README.md"));
            continue;
        };
        for dependency in dependencies(manifest) {
            if let Some(imported) = layers.get(&dependency)
                && let Some(reason) = objection(layers, *layer, &dependency, *imported)
            {
                faults.push(format!("{name} imports {dependency}: {reason}"));
            }
        }
    }
    for name in layers
        .keys()
        .filter(|name| crates.iter().all(|(known, _)| known != *name))
    {
        faults.push(format!(
            "crates/README.md lists {name}, which does not exist"
        ));
    }
    faults
}

/// Why a crate of layer `importer` may not import `dependency`.
fn objection(
    layers: &Layers,
    importer: Option<u32>,
    dependency: &str,
    imported: Option<u32>,
) -> Option<&'static str> {
    let facade = layers.get(FACADE).copied().flatten();
    let Some(imported) = imported else {
        return Some("tools are imported by nobody");
    };
    let is_above_facade = match (importer, facade) {
        (Some(importer), Some(facade)) => importer > facade,
        (importer, _) => importer.is_none(),
    };
    if importer.is_some_and(|importer| imported >= importer) {
        return Some("imports point down only");
    }
    if is_above_facade && dependency != FACADE && facade.is_some_and(|facade| imported < facade) {
        return Some("front doors and tools see the facade alone");
    }
    None
}
