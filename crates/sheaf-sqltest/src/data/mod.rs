//! The files that the SQL tests read, made on first use and always the same bytes.
//!
//! `sql-tests/README.md` states every file's contents, so that expectations come from arithmetic
//! and not from running Sheaf. Writers are plain text or the Arrow project's own, never Sheaf's.

mod broken;
mod columns;
mod compressed;
mod csv;
mod csv_dialects;
mod hive;
mod json;
mod records;
#[cfg(test)]
mod tests;
mod types;

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use sheaf::{Result, SheafError};

/// One folder of test data.
struct DataSet {
    folder: &'static str,
    write: fn(&Path) -> Result<()>,
}

/// Every folder. `broken` comes last, since it cuts files of the others short.
static DATA_SETS: &[DataSet] = &[
    DataSet {
        folder: "logs",
        write: records::write_logs,
    },
    DataSet {
        folder: "events",
        write: records::write_events,
    },
    DataSet {
        folder: "sales",
        write: records::write_sales,
    },
    DataSet {
        folder: "text",
        write: records::write_text,
    },
    DataSet {
        folder: "numbers",
        write: columns::write,
    },
    DataSet {
        folder: "types",
        write: types::write,
    },
    DataSet {
        folder: "hive",
        write: hive::write_parquet,
    },
    DataSet {
        folder: "hive_csv",
        write: hive::write_csv,
    },
    DataSet {
        folder: "hive_text",
        write: hive::write_text,
    },
    DataSet {
        folder: "csv",
        write: csv::write,
    },
    DataSet {
        folder: "json",
        write: json::write,
    },
    DataSet {
        folder: "compressed",
        write: compressed::write,
    },
    DataSet {
        folder: "broken",
        write: broken::write,
    },
];

/// The source of the writers: data made by other writers is not used.
const SOURCES: &[&str] = &[
    include_str!("mod.rs"),
    include_str!("broken.rs"),
    include_str!("columns.rs"),
    include_str!("compressed.rs"),
    include_str!("csv.rs"),
    include_str!("csv_dialects.rs"),
    include_str!("hive.rs"),
    include_str!("json.rs"),
    include_str!("records.rs"),
    include_str!("types.rs"),
];

/// The directory of test data below `target`, written if this version of it is not there yet.
///
/// It appears by one rename, so processes that race for it all see it whole.
///
/// # Errors
/// A directory or file that cannot be written.
pub fn directory(target: &Path) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    SOURCES.hash(&mut hasher);
    let finished = target.join(format!("sqltest-data-{:016x}", hasher.finish()));
    if finished.is_dir() {
        return Ok(finished);
    }
    fs::create_dir_all(target)?;
    let draft = tempfile::Builder::new()
        .prefix("sqltest-draft-")
        .tempdir_in(target)?;
    write_all(draft.path())?;
    if let Err(error) = fs::rename(draft.path(), &finished)
        && !finished.is_dir()
    {
        return Err(error.into());
    }
    Ok(finished)
}

fn write_all(root: &Path) -> Result<()> {
    for set in DATA_SETS {
        let folder = root.join(set.folder);
        fs::create_dir_all(&folder)?;
        (set.write)(&folder).map_err(|e| e.with_context(set.folder))?;
    }
    Ok(())
}

/// Writes `bytes` to `folder/name`, making the folders on the way.
fn write_file(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, bytes).map_err(|e| SheafError::from(e).with_context(path.display()))
}
