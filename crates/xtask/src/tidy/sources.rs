//! The shape of source files: length, opening words, names.

use std::fs;
use std::path::Path;

use crate::failure::{Context, Result};
use crate::workspace;

/// Lines of a file; longer ones hold more than one thing.
const LINES_MAX: usize = 500;
/// Words that name no thing, and so gather everything.
const VAGUE_WORDS: [&str; 8] = [
    "util", "utils", "helper", "helpers", "common", "manager", "misc", "stuff",
];

/// Faults of every Rust file below `root`.
pub(super) fn faults(root: &Path) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for path in workspace::files(&root.join("crates"), ".rs")? {
        let text = fs::read_to_string(&path).context(path.display())?;
        let shown = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        faults.extend(file_faults(&shown, &text));
    }
    Ok(faults)
}

/// Faults of one file, whose path is relative to the checkout.
pub(super) fn file_faults(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = text.lines().count();
    if lines > LINES_MAX {
        faults.push(format!("{path} has {lines} lines, more than {LINES_MAX}"));
    }
    if !text.starts_with("//!") {
        faults.push(format!(
            "{path} does not open with //!, what it is and where in the flow"
        ));
    }
    let stem = path.trim_end_matches(".rs");
    if let Some(word) = stem
        .split(['/', '_', '-'])
        .find(|word| VAGUE_WORDS.contains(word))
    {
        faults.push(format!("{path} is called {word}, which says nothing"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("#[ignore") {
            faults.push(format!("{path}:{number} ignores a test"));
        }
    }
    faults
}
