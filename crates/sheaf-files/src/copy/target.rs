//! Where a COPY writes: one file or a directory, here or in a remote store, and what is there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::ObjectStore;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::encode::{TextCompression, WRITE_FORMATS, WriteFormatDecl, format_names};
use super::options::{Existing, FileOptions};
use crate::stores::{Location, StoreKind};

/// Where rows go.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// A pipe, terminal or other device: written straight.
    Device(PathBuf),
    /// Exactly this file.
    LocalFile(PathBuf),
    /// Files below this directory.
    LocalDirectory(PathBuf),
    /// Exactly this object.
    Object(Arc<dyn ObjectStore>, object_store::path::Path),
    /// Objects below this prefix.
    Objects(Arc<dyn ObjectStore>, object_store::path::Path),
}

impl Target {
    /// Whether the target is one file.
    pub(super) fn is_single(&self) -> bool {
        matches!(
            self,
            Self::Device(_) | Self::LocalFile(_) | Self::Object(..)
        )
    }
}

/// What the name of a target says: the format and the compression of its extension.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NameMeaning {
    pub(super) format: Option<&'static WriteFormatDecl>,
    pub(super) compression: Option<TextCompression>,
    /// Whether there is any extension at all.
    pub(super) has_extension: bool,
}

/// Reads the extensions of `path`: `sales.csv.gz` is CSV in gzip.
pub(super) fn name_meaning(path: &str) -> NameMeaning {
    let name = path
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let Some((stem, extension)) = split_extension(name) else {
        return NameMeaning::default();
    };
    let compression = TextCompression::from_extension(extension);
    let extension = match compression {
        Some(_) => split_extension(stem).map(|(_, extension)| extension),
        None => Some(extension),
    };
    let format = extension.and_then(|extension| {
        let lower = extension.to_ascii_lowercase();
        WRITE_FORMATS
            .iter()
            .find(|decl| decl.extensions.contains(&lower.as_str()))
    });
    NameMeaning {
        format,
        compression,
        has_extension: true,
    }
}

fn split_extension(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('.')
        .filter(|(stem, extension)| !stem.is_empty() && !extension.is_empty())
}

/// An error for a target whose format nobody said.
pub(super) fn format_unknown(location: &Location) -> SheafError {
    SheafError::user(format!("cannot tell the format of \"{}\"", location.text)).with_hint(format!(
        "add FORMAT, for example (FORMAT parquet); the formats are {}",
        format_names()
    ))
}

/// Decides what the target is, and refuses what cannot be written.
pub(super) async fn resolve(
    location: &Location,
    meaning: NameMeaning,
    options: &FileOptions,
    store: Option<Arc<dyn ObjectStore>>,
) -> Result<Target> {
    let wants_directory = location.is_directory_text()
        || !options.partition_columns.is_empty()
        || options.per_thread_output == Some(true)
        || options.file_bytes_max.is_some()
        || options.single_file == Some(false);
    if wants_directory && options.single_file == Some(true) {
        return Err(SheafError::user(
            "single_file excludes partition_by, per_thread_output and file_size_bytes",
        ));
    }
    // Known extensions, and any extension beside an explicit format, name a file.
    let names_file = meaning.has_extension || options.single_file == Some(true);
    let is_file = names_file && !wants_directory;
    let target = match (location.scheme.kind, store) {
        (StoreKind::Local, _) => local(location, is_file, options.single_file == Some(true))?,
        (StoreKind::Http, _) => {
            return Err(SheafError::unsupported(format!(
                "cannot write \"{}\": web servers are read only",
                location.text
            ))
            .with_hint("write to a file, or to s3://, gs:// or az://"));
        }
        (_, None) => {
            return Err(SheafError::internal(format!(
                "no store for {}",
                location.text
            )));
        }
        (_, Some(store)) if is_file => Target::Object(store, location.object_path()?),
        (_, Some(store)) => Target::Objects(store, location.object_path()?),
    };
    check(location, &target, options.existing).await?;
    Ok(target)
}

fn local(location: &Location, is_file: bool, is_single: bool) -> Result<Target> {
    let path = location.local_path().unwrap_or_default();
    // A link stays a link: what it leads to is written.
    let path = path.canonicalize().unwrap_or(path);
    let Ok(metadata) = path.metadata() else {
        return Ok(if is_file {
            Target::LocalFile(path)
        } else {
            Target::LocalDirectory(path)
        });
    };
    if location.text.starts_with("/dev/") || !(metadata.is_file() || metadata.is_dir()) {
        return Ok(Target::Device(PathBuf::from(format!("/{}", location.path))));
    }
    if metadata.is_dir() && is_single {
        return Err(exists(location, "is a directory").with_hint("give the file's name too"));
    }
    if metadata.is_dir() {
        return Ok(Target::LocalDirectory(path));
    }
    if is_file {
        return Ok(Target::LocalFile(path));
    }
    Err(exists(location, "is a file, not a directory")
        .with_hint("give another name, an extension, or (single_file true) to replace the file"))
}

/// Refuses a directory that has files, unless the options say what becomes of them.
async fn check(location: &Location, target: &Target, existing: Existing) -> Result<()> {
    if target.is_single() && existing == Existing::Append {
        return Err(
            SheafError::unsupported(format!("cannot append to \"{}\"", location.text))
                .with_hint("APPEND adds files to a directory: give a name without extension"),
        );
    }
    let is_taken = match target {
        Target::LocalFile(path) => {
            let parent = path.parent().unwrap_or(Path::new("/"));
            if !parent.is_dir() {
                return Err(SheafError::user(format!(
                    "cannot write \"{}\": there is no directory {}",
                    location.text,
                    parent.display()
                ))
                .with_state(SqlState::UNDEFINED_FILE));
            }
            false
        }
        Target::LocalDirectory(path) => {
            if existing == Existing::Overwrite {
                check_overwritable(location, path)?;
            }
            has_entries(path)?
        }
        Target::Objects(store, prefix) => {
            // Some programs mark a "directory" by an empty object of its name.
            let objects = store
                .list(Some(prefix))
                .try_filter(|object| std::future::ready(object.location != *prefix));
            std::pin::pin!(objects).try_next().await?.is_some()
        }
        Target::Device(_) | Target::Object(..) => false,
    };
    if is_taken && existing == Existing::Default {
        return Err(exists(location, "is not empty")
            .with_hint("(OVERWRITE true) replaces its files, (APPEND true) adds to them"));
    }
    Ok(())
}

fn exists(location: &Location, what: &str) -> SheafError {
    SheafError::user(format!("\"{}\" {what}", location.text)).with_state(SqlState::DUPLICATE_FILE)
}

/// Overwriting moves the whole directory away: not the root, nor one that is worked in.
fn check_overwritable(location: &Location, path: &Path) -> Result<()> {
    let holds_working_directory =
        std::env::current_dir().is_ok_and(|working| working.starts_with(path));
    if path.parent().is_none() || holds_working_directory {
        return Err(SheafError::user(format!(
            "cannot overwrite \"{}\": the working directory is in it",
            location.text
        )));
    }
    Ok(())
}

/// Whether a directory has anything in it; one that is absent has nothing.
pub(super) fn has_entries(path: &Path) -> Result<bool> {
    match std::fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(SheafError::from(error).with_context(path.display())),
    }
}
