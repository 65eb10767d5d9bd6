//! Files that are written: under a hidden name first, then whole in their place.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use object_store::{Error, MultipartUpload, PutPayload, PutResult, Result, UploadPart};
use rustix::fs::{AtFlags, OFlags, RenameFlags, renameat, renameat_with, unlinkat};

use super::Root;
use super::resolve::{make_directory, open, split};
use super::store::{blocking, e_tag, failure};

/// How the names of unfinished files begin and end.
const UNFINISHED: (&str, &str) = (".", ".sheaf-part");
/// Bytes of a file's name that its unfinished file's name has.
const NAME_BYTES_MAX: usize = 64;

/// Whether a name is that of a file that somebody is writing, or was killed while writing.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.starts_with(UNFINISHED.0) && name.ends_with(UNFINISHED.1)
}

/// A file that is being written; unless it is committed, nothing stays of it.
#[derive(Debug)]
pub(super) struct Place {
    path: String,
    directory: OwnedFd,
    hidden: String,
    file: File,
    is_committed: bool,
}

impl Place {
    /// Creates the hidden file of `path`, and the directories that it stands in.
    pub(super) fn create(root: &Root, path: &str) -> Result<Self> {
        let (parent, name) = split(path);
        let named = |error| failure(path, error);
        let directory = make_directory(&root.directory, parent).map_err(named)?;
        let start = name.char_indices().map(|(at, _)| at);
        let end = start.take_while(|at| *at < NAME_BYTES_MAX).last();
        let short = &name[..end.unwrap_or(0)];
        let random = RandomState::new().hash_one(path);
        let hidden = format!("{}{short}-{random:016x}{}", UNFINISHED.0, UNFINISHED.1);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let file = File::from(open(&directory, &hidden, flags).map_err(named)?);
        Ok(Self {
            path: path.to_owned(),
            directory,
            hidden,
            file,
            is_committed: false,
        })
    }

    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let written = self.file.write_all_at(bytes, offset);
        written.map_err(|error| failure(&self.path, error))
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// `AlreadyExists` if it is to be a new one and is not.
    pub(super) fn commit(mut self, is_new: bool) -> Result<PutResult> {
        let named = |error: std::io::Error| failure(&self.path, error);
        self.file.sync_all().map_err(named)?;
        let tag = e_tag(&self.file.metadata().map_err(named)?);
        let (at, name) = (&self.directory, split(&self.path).1);
        match is_new {
            true => renameat_with(at, &self.hidden, at, name, RenameFlags::NOREPLACE),
            false => renameat(at, &self.hidden, at, name),
        }
        .map_err(|error| named(error.into()))?;
        self.is_committed = true;
        rustix::fs::fsync(&self.directory).map_err(|error| failure(&self.path, error.into()))?;
        Ok(PutResult {
            e_tag: Some(tag),
            version: None,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_committed {
            // Nobody can be told.
            let _ = unlinkat(&self.directory, &self.hidden, AtFlags::empty());
        }
    }
}

/// A file that is written in parts, whose order is that in which they are given.
#[derive(Debug)]
pub(super) struct Upload {
    place: Option<Arc<Place>>,
    offset: u64,
}

impl Upload {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place: Some(Arc::new(place)),
            offset: 0,
        }
    }
}

fn ended() -> Error {
    Error::Generic {
        store: "files",
        source: "the file is complete, or was given up".into(),
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let mut offset = self.offset;
        self.offset += data.content_length() as u64;
        let place = self.place.clone();
        async move {
            let place = place.ok_or_else(ended)?;
            blocking(move || {
                for piece in data.iter() {
                    place.write(piece, offset)?;
                    offset += piece.len() as u64;
                }
                Ok(())
            })
            .await
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let place = self.place.take().and_then(Arc::into_inner);
        let place = place.ok_or_else(ended)?;
        blocking(move || place.commit(false)).await
    }

    async fn abort(&mut self) -> Result<()> {
        // What is dropped last removes the file.
        self.place = None;
        Ok(())
    }
}
