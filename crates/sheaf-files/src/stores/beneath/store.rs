//! The store: what the engine asks of any.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};
use rustix::fs::{AtFlags, Dir, unlinkat};

use super::Root;
use super::resolve::{open_directory, open_file, split};
use super::write::{Place, Upload, is_unfinished};

/// Entries that a listing is ahead of who reads it.
const LISTED_AHEAD_MAX: usize = 1024;
/// Directories within each other.
const DEPTH_MAX: usize = 128;
/// Files deleted at a time.
const DELETED_AT_ONCE_MAX: usize = 4;

/// The files beneath a root.
#[derive(Debug, Clone)]
pub(crate) struct BeneathStore {
    root: Arc<Root>,
}

impl BeneathStore {
    pub(crate) fn new(root: Arc<Root>) -> Self {
        Self { root }
    }
}

impl fmt::Display for BeneathStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Beneath({})", self.root.path.display())
    }
}

/// Does what may wait for the disk where that harms nobody.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await?,
        Err(_) => work(),
    }
}

/// The system's error about `path`, in the store's words.
pub(super) fn failure(path: &str, error: io::Error) -> Error {
    let path = path.to_owned();
    let leaves = [libc::EXDEV, libc::ELOOP];
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::NotFound {
            path,
            source: error.into(),
        },
        io::ErrorKind::AlreadyExists => Error::AlreadyExists {
            path,
            source: error.into(),
        },
        io::ErrorKind::PermissionDenied => Error::PermissionDenied {
            path,
            source: error.into(),
        },
        _ if error
            .raw_os_error()
            .is_some_and(|code| leaves.contains(&code)) =>
        {
            Error::PermissionDenied {
                path,
                source: "it leads out of the directories that this session may use".into(),
            }
        }
        _ => Error::Generic {
            store: "files",
            source: format!("{path}: {error}").into(),
        },
    }
}

pub(super) fn meta_of(location: Path, metadata: &Metadata) -> ObjectMeta {
    let modified = metadata.modified().map(DateTime::<Utc>::from);
    ObjectMeta {
        location,
        last_modified: modified.unwrap_or_default(),
        size: metadata.len(),
        e_tag: Some(e_tag(metadata)),
        version: None,
    }
}

pub(super) fn e_tag(metadata: &Metadata) -> String {
    let (inode, size) = (metadata.ino(), metadata.len());
    format!(
        "{inode:x}-{:x}.{:x}-{size:x}",
        metadata.mtime(),
        metadata.mtime_nsec()
    )
}

#[async_trait]
impl ObjectStore for BeneathStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let is_new = match options.mode {
            PutMode::Overwrite => false,
            PutMode::Create => true,
            PutMode::Update(_) => return Err(self.cannot("put_opts with PutMode::Update")),
        };
        let (root, location) = (Arc::clone(&self.root), location.clone());
        blocking(move || {
            let place = Place::create(&root, location.as_ref())?;
            let mut offset = 0;
            for piece in payload.iter() {
                place.write(piece, offset)?;
                offset += piece.len() as u64;
            }
            place.commit(is_new)
        })
        .await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let (root, location) = (Arc::clone(&self.root), location.clone());
        let place = blocking(move || Place::create(&root, location.as_ref())).await?;
        Ok(Box::new(Upload::new(place)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (root, location) = (Arc::clone(&self.root), location.clone());
        blocking(move || {
            let named = |error| failure(location.as_ref(), error);
            let file = open_file(&root.directory, location.as_ref()).map_err(named)?;
            let meta = meta_of(location.clone(), &file.metadata().map_err(named)?);
            options.check_preconditions(&meta)?;
            let range = match options.range {
                Some(range) => range.as_range(meta.size).map_err(|error| Error::Generic {
                    store: "files",
                    source: error.into(),
                })?,
                None => 0..meta.size,
            };
            Ok(GetResult {
                payload: GetResultPayload::File(file, root.path.join(location.as_ref())),
                attributes: Attributes::default(),
                range,
                meta,
            })
        })
        .await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let root = Arc::clone(&self.root);
        let deleted = locations.map(move |location| {
            let root = Arc::clone(&root);
            blocking(move || {
                let location = location?;
                let (parent, name) = split(location.as_ref());
                let named = |error| failure(location.as_ref(), error);
                let parent = open_directory(&root.directory, parent).map_err(named)?;
                unlinkat(parent, name, AtFlags::empty()).map_err(|error| named(error.into()))?;
                Ok(location)
            })
        });
        deleted.buffered(DELETED_AT_ONCE_MAX).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (root, prefix) = (Arc::clone(&self.root), prefix.cloned().unwrap_or_default());
        let (sender, receiver) = tokio::sync::mpsc::channel(LISTED_AHEAD_MAX);
        let begun = stream::once(async move {
            // Ends by itself when nobody receives any more.
            drop(tokio::task::spawn_blocking(move || {
                let mut send = |found| sender.blocking_send(found).is_ok();
                if let Err(error) = walk(&root, &prefix, &mut send) {
                    send(Err(error));
                }
            }));
            receiver
        });
        let found = begun.flat_map(|receiver| {
            stream::unfold(receiver, async |mut receiver| {
                receiver.recv().await.map(|found| (found, receiver))
            })
        });
        found.boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let (root, prefix) = (Arc::clone(&self.root), prefix.cloned().unwrap_or_default());
        blocking(move || {
            let mut directories = BTreeSet::new();
            let mut objects = vec![];
            if let Some(directory) = opened(&root.directory, prefix.as_ref())? {
                for entry in entries(&root, &directory, &prefix)? {
                    match entry? {
                        Entry::Directory(path) => {
                            directories.insert(path);
                        }
                        Entry::File(meta) => objects.push(meta),
                    }
                }
            }
            Ok(ListResult {
                common_prefixes: directories.into_iter().collect(),
                objects,
            })
        })
        .await
    }

    async fn copy_opts(&self, _from: &Path, _to: &Path, _options: CopyOptions) -> Result<()> {
        Err(self.cannot("copy_opts"))
    }
}

impl BeneathStore {
    fn cannot(&self, operation: &str) -> Error {
        Error::NotImplemented {
            operation: operation.to_owned(),
            implementer: self.to_string(),
        }
    }
}

/// What a directory holds.
enum Entry {
    Directory(Path),
    File(ObjectMeta),
}

/// The directory `path`; `None` if there is none.
fn opened(directory: &OwnedFd, path: &str) -> Result<Option<OwnedFd>> {
    match open_directory(directory, path) {
        Ok(directory) => Ok(Some(directory)),
        Err(error) => match failure(path, error) {
            Error::NotFound { .. } => Ok(None),
            error => Err(error),
        },
    }
}

/// What an open directory holds. What leads out of the root, is unfinished, has no name that a store
/// can have, or is neither file nor directory, is not there.
fn entries<'a>(
    root: &'a Root,
    directory: &OwnedFd,
    prefix: &'a Path,
) -> Result<impl Iterator<Item = Result<Entry>> + 'a> {
    let named = |error: rustix::io::Errno| failure(prefix.as_ref(), error.into());
    let listed = Dir::read_from(directory).map_err(named)?;
    Ok(listed.filter_map(move |entry| {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Some(Err(named(error))),
        };
        let name = entry.file_name().to_str().ok()?;
        if matches!(name, "." | "..") || is_unfinished(name) {
            return None;
        }
        let path = match prefix.as_ref() {
            "" => Path::parse(name).ok()?,
            prefix => Path::parse(format!("{prefix}/{name}")).ok()?,
        };
        entry_of(root, path)
    }))
}

/// What `path` is; `None` for what is not to be listed.
fn entry_of(root: &Root, path: Path) -> Option<Result<Entry>> {
    use rustix::fs::OFlags;
    // Only looked at: a file that may not be read is listed, and a pipe does not wait.
    let file = super::resolve::open(&root.directory, path.as_ref(), OFlags::PATH).ok()?;
    let metadata = match std::fs::File::from(file).metadata() {
        Ok(metadata) => metadata,
        Err(error) => return Some(Err(failure(path.as_ref(), error))),
    };
    match () {
        () if metadata.is_dir() => Some(Ok(Entry::Directory(path))),
        () if metadata.is_file() => Some(Ok(Entry::File(meta_of(path, &metadata)))),
        () => None,
    }
}

/// Sends every file beneath `prefix`; a directory is not entered again from within itself.
fn walk(
    root: &Root,
    prefix: &Path,
    send: &mut dyn FnMut(Result<ObjectMeta>) -> bool,
) -> Result<()> {
    struct Open {
        path: Path,
        identity: (u64, u64),
        entries: std::vec::IntoIter<Entry>,
    }
    let enter = |path: &Path| -> Result<Option<Open>> {
        let Some(directory) = opened(&root.directory, path.as_ref())? else {
            return Ok(None);
        };
        let stat = rustix::fs::fstat(&directory);
        let stat = stat.map_err(|error| failure(path.as_ref(), error.into()))?;
        let entries = entries(root, &directory, path)?.collect::<Result<Vec<_>>>()?;
        Ok(Some(Open {
            path: path.clone(),
            identity: (stat.st_dev, stat.st_ino),
            entries: entries.into_iter(),
        }))
    };
    let mut open: Vec<Open> = enter(prefix)?.into_iter().collect();
    while let Some(top) = open.last_mut() {
        match top.entries.next() {
            None => {
                open.pop();
            }
            Some(Entry::File(meta)) => {
                if !send(Ok(meta)) {
                    return Ok(());
                }
            }
            Some(Entry::Directory(path)) => {
                if open.len() >= DEPTH_MAX {
                    return Err(Error::Generic {
                        store: "files",
                        source: format!("{}: over {DEPTH_MAX} directories deep", open[0].path)
                            .into(),
                    });
                }
                if let Some(inner) = enter(&path)?
                    && open.iter().all(|outer| outer.identity != inner.identity)
                {
                    open.push(inner);
                }
            }
        }
    }
    Ok(())
}
