//! Names for the files of a directory, so that they can be served as tables without a word.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sheaf::files::FORMATS;
use sheaf::{Result, SheafError};

/// Files that can be served under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFiles {
    /// The table's name.
    pub name: String,
    /// A path or glob.
    pub location: String,
}

/// Directories that are looked into for data files, one within the other.
const DEPTH_MAX: usize = 8;
/// Tables that a directory makes.
const TABLES_MAX: usize = 10_000;
/// Endings of compressed files.
const COMPRESSIONS: &[&str] = &["gz", "zst", "bz2", "xz"];

/// The tables of a directory: one for each data file, called by its name up to the first point, and
/// one for each directory in it that holds data files (at any depth), called by its name. Names are
/// in lower case, with `_` for what is no letter or digit; if two would have the same, the second
/// has its format's name behind it (`sales_parquet`). What begins with `.` or `_` is left out.
///
/// # Errors
/// `Resource` if the directory cannot be read, or makes too many tables.
pub fn tables_of(directory: &Path) -> Result<Vec<NamedFiles>> {
    let named = |error: std::io::Error| SheafError::from(error).with_context(directory.display());
    let mut entries: Vec<_> = fs::read_dir(directory)
        .map_err(named)?
        .collect::<std::io::Result<_>>()
        .map_err(named)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut tables: BTreeMap<String, String> = BTreeMap::new();
    for entry in entries {
        let file_name = entry.file_name();
        let Some(file_name) = file_name.to_str() else {
            continue;
        };
        if is_hidden(file_name) {
            continue;
        }
        let path = entry.path();
        let format = match path.is_dir() {
            true => format_within(&path, DEPTH_MAX),
            false => format_of(file_name),
        };
        let Some(format) = format else { continue };
        let stem = match path.is_dir() {
            true => file_name,
            false => file_name.split('.').next().unwrap_or(file_name),
        };
        let name = table_name(stem);
        let name = match tables.contains_key(&name) {
            true => format!("{name}_{format}"),
            false => name,
        };
        if tables.len() >= TABLES_MAX {
            return Err(SheafError::resource(format!(
                "{} makes more than {TABLES_MAX} tables",
                directory.display()
            ))
            .with_hint("--table name=glob serves only what it names"));
        }
        tables
            .entry(name)
            .or_insert_with(|| path.display().to_string());
    }
    let tables = tables.into_iter();
    Ok(tables
        .map(|(name, location)| NamedFiles { name, location })
        .collect())
}

fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

/// The name of the format that a file's ending means.
fn format_of(file_name: &str) -> Option<&'static str> {
    let mut endings = file_name.rsplit('.').map(str::to_ascii_lowercase);
    let mut ending = endings.next()?;
    if COMPRESSIONS.contains(&ending.as_str()) {
        ending = endings.next()?;
    }
    // What is left has to be a name.
    endings.next()?;
    let known = FORMATS
        .iter()
        .find(|format| format.extensions.contains(&ending.as_str()));
    known.map(|format| format.name)
}

/// The format of the first data file in a directory, at any depth.
fn format_within(directory: &Path, depth: usize) -> Option<&'static str> {
    let entries = fs::read_dir(directory).ok()?;
    let mut directories = vec![];
    for entry in entries.filter_map(std::io::Result::ok) {
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str().filter(|name| !is_hidden(name)) else {
            continue;
        };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => directories.push(entry.path()),
            _ => {
                if let Some(format) = format_of(name) {
                    return Some(format);
                }
            }
        }
    }
    match depth {
        0 => None,
        depth => directories.iter().find_map(|d| format_within(d, depth - 1)),
    }
}

fn table_name(stem: &str) -> String {
    let name: String = stem
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '_' })
        .collect();
    name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_directories_are_tables() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for file in [
            "Sales 2024.csv",
            "b.csv.gz",
            "b.parquet",
            "notes.txt.bak",
            ".hidden.csv",
            "csv",
        ] {
            fs::write(path.join(file), "a\n1\n").unwrap();
        }
        fs::create_dir_all(path.join("logs/year=2024")).unwrap();
        fs::write(path.join("logs/year=2024/x.json"), "{}").unwrap();
        fs::create_dir_all(path.join("empty")).unwrap();
        let tables = tables_of(path).unwrap();
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["b", "b_parquet", "logs", "sales_2024"]);
        assert!(tables[2].location.ends_with("/logs"));
    }
}
