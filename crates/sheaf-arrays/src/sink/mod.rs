//! Where array files are written: to files of this machine, or to objects of a store. What is written
//! appears whole or not at all, as far as the place allows.

mod staging;
mod upload;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use crate::context::Context;
use crate::objects::{LocalObjects, Objects, StoreObjects};
use staging::Staging;
use upload::{Puts, Upload};

/// Where an array file is written.
#[derive(Debug, Clone)]
pub struct Target {
    place: Place,
    is_overwriting: bool,
}

#[derive(Debug, Clone)]
enum Place {
    Local(PathBuf),
    Store(StoreObjects),
}

/// A single file that is being written. Dropped before it is finished, nothing stays of it.
pub(crate) enum FileSink {
    Local(Staging, File),
    Store(Upload),
}

/// The objects of an array that are being written. Dropped before it is finished, nothing stays of them.
pub(crate) enum DirectorySink {
    Local(Staging),
    Store(Puts),
}

impl Target {
    /// The file or directory `path`, which must not be there yet.
    ///
    /// It is written under a hidden name beside it and renamed when all is on the disk.
    #[must_use]
    pub fn local(path: &Path) -> Self {
        Self {
            place: Place::Local(path.to_owned()),
            is_overwriting: false,
        }
    }

    /// The object or the objects of a store, which must not be there yet.
    ///
    /// A single object appears when all its parts are sent. Of an array of many objects that which describes
    /// it is written last, and after an error those that were written are removed.
    #[must_use]
    pub fn store(objects: StoreObjects) -> Self {
        Self {
            place: Place::Store(objects),
            is_overwriting: false,
        }
    }

    /// The same target, which may be there: then it is replaced.
    ///
    /// A file or directory of this machine stays as it is until the new one is complete, a single object of a
    /// store too. Of an array of many objects in a store the description is removed first, so that nobody
    /// reads a mixture: until the new one is complete, there is no array.
    #[must_use]
    pub fn overwriting(mut self, is_overwriting: bool) -> Self {
        self.is_overwriting = is_overwriting;
        self
    }

    /// What errors call it.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.place {
            Place::Local(path) => path.display().to_string(),
            Place::Store(objects) => objects.name(),
        }
    }

    /// What is there now.
    pub(crate) fn objects(&self) -> Arc<dyn Objects> {
        match &self.place {
            Place::Local(path) => Arc::new(LocalObjects::new(path)),
            Place::Store(objects) => Arc::new(objects.clone()),
        }
    }

    /// The error for a target that is there and is not to be replaced.
    pub(crate) fn taken(&self) -> SheafError {
        SheafError::user(format!("{} is there already", self.name()))
            .with_state(SqlState::DUPLICATE_FILE)
            .with_hint("give another name, or say that it is to be replaced")
    }

    /// Begins the single file, which will have about `bytes` bytes.
    ///
    /// # Errors
    /// `UserInput` if it is there and not to be replaced, or is a directory.
    pub(crate) fn create(&self, bytes: u64, context: &Context) -> Result<FileSink> {
        match &self.place {
            Place::Local(path) => {
                if path.is_dir() {
                    return Err(SheafError::user(format!("{} is a directory", self.name())));
                }
                if !self.is_overwriting && path.exists() {
                    return Err(self.taken());
                }
                let (staging, file) = Staging::file(path, self.is_overwriting)?;
                Ok(FileSink::Local(staging, file))
            }
            Place::Store(objects) => {
                let go_on = || context.check();
                if !self.is_overwriting && objects.size("", &go_on)?.is_some() {
                    return Err(self.taken());
                }
                Ok(FileSink::Store(Upload::new(objects, bytes, context)?))
            }
        }
    }

    /// Begins the objects of an array. What is there is replaced only if it has one of the `descriptions`.
    ///
    /// # Errors
    /// `UserInput` if something is there and not to be replaced, or is no array.
    pub(crate) fn create_all(
        &self,
        descriptions: &[&str],
        context: &Context,
    ) -> Result<DirectorySink> {
        let go_on = || context.check();
        let objects = self.objects();
        let mut is_array = false;
        for description in descriptions {
            is_array = is_array || objects.size(description, &go_on)?.is_some();
        }
        let (files, directories) = objects.names("", &go_on)?;
        let is_file = objects.size("", &go_on)?.is_some();
        let is_there = is_file || is_array || !(files.is_empty() && directories.is_empty());
        if is_there && !self.is_overwriting {
            return Err(self.taken());
        }
        if is_there && !is_array {
            return Err(SheafError::user(format!(
                "{} is there already and is no Zarr array or group: it is not replaced",
                self.name()
            ))
            .with_state(SqlState::DUPLICATE_FILE));
        }
        Ok(match &self.place {
            Place::Local(path) => {
                DirectorySink::Local(Staging::directory(path, self.is_overwriting)?)
            }
            Place::Store(objects) => {
                DirectorySink::Store(Puts::new(objects, is_there, descriptions, &go_on)?)
            }
        })
    }
}

impl FileSink {
    /// The file, if any place in it can be written.
    pub(crate) fn local(&self) -> Option<&File> {
        match self {
            Self::Local(_, file) => Some(file),
            Self::Store(_) => None,
        }
    }

    /// Adds bytes at the end.
    pub(crate) fn write(&mut self, bytes: &[u8], context: &Context) -> Result<()> {
        match self {
            Self::Local(staging, file) => {
                context.check()?;
                file.write_all(bytes).map_err(|error| staging.failed(error))
            }
            Self::Store(upload) => upload.write(bytes, context),
        }
    }

    /// Makes the file appear.
    pub(crate) fn finish(self, context: &Context) -> Result<()> {
        match self {
            Self::Local(staging, file) => {
                file.sync_all().map_err(|error| staging.failed(error))?;
                context.check()?;
                staging.commit()
            }
            Self::Store(upload) => upload.finish(context),
        }
    }
}

impl DirectorySink {
    /// Writes an object, from as many threads at once as the caller likes.
    pub(crate) fn put(&self, key: &str, bytes: Vec<u8>, context: &Context) -> Result<()> {
        context.check()?;
        match self {
            Self::Local(staging) => staging.write(key, &bytes),
            Self::Store(puts) => puts.put(key, bytes, &|| context.check()),
        }
    }

    /// Writes the description, and makes the array appear.
    pub(crate) fn finish(self, key: &str, description: Vec<u8>, context: &Context) -> Result<()> {
        self.put(key, description, context)?;
        match self {
            Self::Local(staging) => staging.commit(),
            Self::Store(puts) => puts.commit(),
        }
    }
}
