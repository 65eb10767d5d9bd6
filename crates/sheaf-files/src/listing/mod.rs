//! From what the user wrote to the list of files: globs, directories, single paths, URLs.
//!
//! Listing reads names and sizes, never contents. Directory walks leave out hidden files, those
//! that begin with `_`, and empty ones; what a glob's segment matches by name is taken. Files are
//! sorted by path within each argument.

pub(crate) mod glob;
pub(crate) mod hive;
mod missing;

use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use sheaf_base::{Result, SheafError};

use self::glob::{Glob, Segment, expand_braces, is_hidden};
use crate::formats::Compression;
use crate::request::ReadRequest;
use crate::stores::{Location, ensure_store, locate};

/// Files that one table may have.
pub(crate) const FILES_MAX: usize = 1_000_000;

/// Directories listed at the same time.
const LISTINGS_CONCURRENT_MAX: usize = 16;

/// A file of a table.
#[derive(Debug, Clone)]
pub(crate) struct FoundFile {
    pub(crate) meta: ObjectMeta,
    /// Its path as users know it: relative if they wrote it so.
    pub(crate) path: Arc<str>,
    pub(crate) compression: Compression,
    pub(crate) found: Found,
}

/// How a file was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Its whole name was given.
    ByName,
    /// Its name matches a pattern.
    ByPattern,
    /// It is in a directory that was given.
    InDirectory,
}

/// The files of a table, all in one store.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) store_url: ObjectStoreUrl,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) files: Vec<FoundFile>,
}

/// Lists the files that the paths of `request` name.
///
/// # Errors
/// `UserInput` if a path names nothing, with the nearest name as hint; `Data` if listing fails;
/// `Unsupported` if the paths lie in several stores.
pub(crate) async fn list(request: &ReadRequest, runtime: &RuntimeEnv) -> Result<Listing> {
    let paths = &request.paths;
    let variable = |name: &str| {
        request
            .environment
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
    };
    let here = std::env::current_dir()?;
    let mut listing: Option<Listing> = None;
    for text in paths {
        let mut location = match &request.roots {
            Some(roots) => roots.locate(text)?,
            None => locate(text, &here, &variable)?,
        };
        if let Some(name) = &request.shown_as {
            location.text.clone_from(name);
        }
        let store = ensure_store(&location, runtime, &variable, request.io.as_ref())?;
        let place = Place {
            location: &location,
            store: &store,
            here: &here,
            shown_as: request.shown_as.as_deref(),
        };
        let files = place.files().await?;
        match &mut listing {
            None => {
                let store_url = location.store_url.clone();
                listing = Some(Listing {
                    store_url,
                    store,
                    files,
                });
            }
            Some(listing) if listing.store_url == location.store_url => listing.files.extend(files),
            Some(_) => {
                return Err(SheafError::unsupported(format!(
                    "\"{}\" and \"{text}\" lie in different stores",
                    paths[0]
                ))
                .with_hint("read each store by itself and unite them with UNION ALL BY NAME"));
            }
        }
    }
    let listing = listing.ok_or_else(|| SheafError::user("no path is given"))?;
    if listing.files.len() > FILES_MAX {
        return Err(SheafError::resource(format!(
            "{} files are more than one table may have ({FILES_MAX})",
            listing.files.len()
        )));
    }
    Ok(listing)
}

/// One path argument with its store.
struct Place<'a> {
    location: &'a Location,
    store: &'a Arc<dyn ObjectStore>,
    here: &'a std::path::Path,
    shown_as: Option<&'a str>,
}

impl Place<'_> {
    async fn files(&self) -> Result<Vec<FoundFile>> {
        let location = self.location;
        if !location.is_directory_text()
            && let Some(meta) = self.head(&location.path).await?
        {
            return Ok(vec![self.found(meta, Found::ByName)]);
        }
        if !location.has_glob() {
            let mut files = self.walk(&location.object_path()?).await?;
            if files.is_empty() {
                return Err(self.hidden(missing::no_such_file(location, self.store).await));
            }
            sort(&mut files);
            return Ok(files);
        }
        let mut files = Vec::new();
        for pattern in expand_braces(&location.path)? {
            files.extend(self.expand(&pattern).await?);
        }
        sort(&mut files);
        files.dedup_by(|a, b| a.meta.location == b.meta.location);
        if files.is_empty() {
            return Err(self.hidden(missing::no_match(location, self.store).await));
        }
        Ok(files)
    }

    /// The file at `path`, if there is one.
    async fn head(&self, path: &str) -> Result<Option<ObjectMeta>> {
        let Ok(path) = Path::parse(path) else {
            return Ok(None);
        };
        match self.store.head(&path).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. } | object_store::Error::InvalidPath { .. }) => {
                Ok(None)
            }
            Err(error) => {
                // A local directory is no object, and says so in words of its own.
                let is_directory = self.location.local_path().is_some_and(|path| path.is_dir());
                if is_directory {
                    Ok(None)
                } else {
                    Err(self.named(error))
                }
            }
        }
    }

    /// The files that a pattern without braces matches. Walks segment by segment, so that only
    /// directories that can match are listed.
    async fn expand(&self, pattern: &str) -> Result<Vec<FoundFile>> {
        let glob = Glob::parse(pattern);
        let ends_in_directory = pattern.ends_with('/');
        let mut directories = vec![Path::default()];
        for (i, segment) in glob.segments.iter().enumerate() {
            let rest = &glob.segments[i..];
            let is_last = rest.len() == 1 && !ends_in_directory;
            directories = match segment {
                Segment::AnyDepth => return self.match_below(&directories, rest).await,
                Segment::Literal(name) if !is_last => {
                    directories.iter().filter_map(|d| child(d, name)).collect()
                }
                Segment::Literal(name) => return self.heads(&directories, name).await,
                Segment::Pattern(_) if is_last => {
                    return self.match_within(&directories, segment).await;
                }
                Segment::Pattern(_) => self.match_directories(&directories, segment).await?,
            };
        }
        let mut files = Vec::new();
        for directory in &directories {
            files.extend(self.walk(directory).await?);
        }
        Ok(files)
    }

    /// Directories within `directories` whose names match.
    async fn match_directories(
        &self,
        directories: &[Path],
        segment: &Segment,
    ) -> Result<Vec<Path>> {
        let listed: Vec<Vec<Path>> = futures::stream::iter(directories.to_vec())
            .map(|directory| async move {
                let listed = self.store.list_with_delimiter(Some(&directory)).await?;
                Ok(listed.common_prefixes)
            })
            .buffered(LISTINGS_CONCURRENT_MAX)
            .try_collect()
            .await
            .map_err(|error| self.named(error))?;
        let matching = listed
            .into_iter()
            .flatten()
            .filter(|path| path.filename().is_some_and(|name| segment.matches(name)));
        Ok(matching.collect())
    }

    /// Files right within `directories` whose names match.
    async fn match_within(
        &self,
        directories: &[Path],
        segment: &Segment,
    ) -> Result<Vec<FoundFile>> {
        let listed: Vec<Vec<ObjectMeta>> = futures::stream::iter(directories.to_vec())
            .map(|directory| async move {
                Ok(self
                    .store
                    .list_with_delimiter(Some(&directory))
                    .await?
                    .objects)
            })
            .buffered(LISTINGS_CONCURRENT_MAX)
            .try_collect()
            .await
            .map_err(|error| self.named(error))?;
        let matching = listed.into_iter().flatten().filter(|meta| {
            meta.size > 0
                && meta
                    .location
                    .filename()
                    .is_some_and(|name| segment.matches(name))
        });
        Ok(matching
            .map(|meta| self.found(meta, Found::ByPattern))
            .collect())
    }

    /// Files anywhere below `directories` whose relative paths match `segments`.
    async fn match_below(
        &self,
        directories: &[Path],
        segments: &[Segment],
    ) -> Result<Vec<FoundFile>> {
        let mut files = Vec::new();
        for directory in directories {
            let base = directory.parts_count();
            for meta in self.list_all(directory).await? {
                let names: Vec<&str> = meta.location.as_ref().split('/').skip(base).collect();
                // `a/**` alone means every file below.
                let matches = match segments {
                    [Segment::AnyDepth] => !names.iter().any(|name| is_hidden(name)),
                    _ => Glob::matches(segments, &names),
                };
                if meta.size > 0 && matches {
                    files.push(self.found(meta, Found::ByPattern));
                }
            }
        }
        Ok(files)
    }

    async fn heads(&self, directories: &[Path], name: &str) -> Result<Vec<FoundFile>> {
        let mut files = Vec::new();
        for path in directories
            .iter()
            .filter_map(|directory| child(directory, name))
        {
            match self.head(path.as_ref()).await? {
                Some(meta) => files.push(self.found(meta, Found::ByPattern)),
                None => files.extend(self.walk(&path).await?),
            }
        }
        Ok(files)
    }

    /// Every visible file below `directory`.
    async fn walk(&self, directory: &Path) -> Result<Vec<FoundFile>> {
        if !self.location.can_list() {
            return Ok(vec![]);
        }
        let base = directory.parts_count();
        let all = self.list_all(directory).await?;
        let visible = all.into_iter().filter(|meta| {
            meta.size > 0 && !meta.location.as_ref().split('/').skip(base).any(is_hidden)
        });
        Ok(visible
            .map(|meta| self.found(meta, Found::InDirectory))
            .collect())
    }

    async fn list_all(&self, directory: &Path) -> Result<Vec<ObjectMeta>> {
        let listed = self
            .store
            .list(Some(directory))
            .take(FILES_MAX + 1)
            .try_collect()
            .await;
        listed.map_err(|error| self.named(error))
    }

    fn found(&self, meta: ObjectMeta, found: Found) -> FoundFile {
        let path: Arc<str> = self.display(&meta.location).into();
        let compression = Compression::of_file(&path).0;
        FoundFile {
            meta,
            path,
            compression,
            found,
        }
    }

    /// The path as the user would write it.
    fn display(&self, path: &Path) -> String {
        if let Some(name) = self.shown_as {
            let directory = self.location.directory();
            let rest = path.as_ref().strip_prefix(directory);
            let rest = rest.unwrap_or_else(|| path.filename().unwrap_or_default());
            return format!("{name}/{}", rest.trim_start_matches('/'));
        }
        if let Some(root) = &self.location.root {
            return root.display(path.as_ref(), &self.location.text);
        }
        if self.location.local_path().is_none() {
            let store = self.location.store_url.as_str().trim_end_matches('/');
            return format!("{store}/{path}");
        }
        let absolute = format!("/{path}");
        if self.location.text.starts_with(['/', '~']) || self.location.text.contains("://") {
            return absolute;
        }
        let relative = self
            .here
            .to_str()
            .and_then(|here| absolute.strip_prefix(here));
        match relative.and_then(|rest| rest.strip_prefix('/')) {
            Some(relative) => relative.to_owned(),
            None => absolute,
        }
    }

    /// An error whose hint would say what lies where.
    fn hidden(&self, error: SheafError) -> SheafError {
        match self.shown_as {
            Some(_) => SheafError::new(error.kind(), error.message()).with_state(error.state()),
            None => error,
        }
    }

    fn named(&self, error: object_store::Error) -> SheafError {
        SheafError::from(error).with_context(&self.location.text)
    }
}

fn child(directory: &Path, name: &str) -> Option<Path> {
    let prefix = directory.as_ref();
    let text = if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}/{name}")
    };
    Path::parse(text).ok()
}

fn sort(files: &mut [FoundFile]) {
    files.sort_by(|a, b| a.meta.location.cmp(&b.meta.location));
}
