//! Files of this machine.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use sheaf_base::{Result, SheafError};

use super::{GoOn, NAMES_MAX, Objects, too_large, too_many, too_short};

/// A file, or the files under a directory.
#[derive(Debug, Clone)]
pub struct LocalObjects {
    path: PathBuf,
    /// The file of that path, which stays the same though another takes its name meanwhile.
    own: Arc<OnceLock<Arc<File>>>,
}

impl LocalObjects {
    /// The file `path`, or the files under it.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            own: Arc::default(),
        }
    }

    fn path_of(&self, key: &str) -> PathBuf {
        match key {
            "" => self.path.clone(),
            key => self.path.join(key),
        }
    }

    fn open(&self, key: &str) -> Result<Option<Arc<File>>> {
        if let ("", Some(file)) = (key, self.own.get()) {
            return Ok(Some(Arc::clone(file)));
        }
        let opened = File::open(self.path_of(key)).and_then(|file| {
            // A pipe or a device would be waited for, or never end.
            match file.metadata()?.is_file() {
                true => Ok(file),
                false => Err(ErrorKind::NotFound.into()),
            }
        });
        match opened {
            Ok(file) => {
                let file = Arc::new(file);
                Ok(Some(match key {
                    "" => Arc::clone(self.own.get_or_init(|| file)),
                    _ => file,
                }))
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    fn failed(&self, key: &str, error: io::Error) -> SheafError {
        SheafError::from(error).with_context(format!("cannot read {}", self.name_of(key)))
    }

    fn name_of(&self, key: &str) -> String {
        super::name_of(self, key)
    }

    fn length(&self, key: &str, file: &File) -> Result<u64> {
        let metadata = file.metadata().map_err(|error| self.failed(key, error))?;
        Ok(metadata.len())
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory
    )
}

impl Objects for LocalObjects {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn size(&self, key: &str, _: GoOn<'_>) -> Result<Option<u64>> {
        let file = self.open(key)?;
        file.map(|file| self.length(key, &file)).transpose()
    }

    fn get(&self, key: &str, bytes_max: u64, _: GoOn<'_>) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.open(key)? else {
            return Ok(None);
        };
        let size = self.length(key, &file)?;
        if size > bytes_max {
            return Err(too_large(&self.name_of(key), size, bytes_max));
        }
        let mut bytes = Vec::with_capacity(crate::grid::to_usize(size));
        let mut from = (&*file).take(bytes_max);
        from.read_to_end(&mut bytes)
            .map_err(|error| self.failed(key, error))?;
        Ok(Some(bytes))
    }

    fn read(&self, key: &str, offset: u64, into: &mut [u8], _: GoOn<'_>) -> Result<bool> {
        let Some(file) = self.open(key)? else {
            return Ok(false);
        };
        match file.read_exact_at(into, offset) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                let (size, end) = (self.length(key, &file)?, offset + into.len() as u64);
                Err(too_short(&self.name_of(key), size, end))
            }
            Err(error) => Err(self.failed(key, error)),
        }
    }

    fn names(&self, key: &str, go_on: GoOn<'_>) -> Result<(Vec<String>, Vec<String>)> {
        let failed = |error| self.failed(key, error);
        let entries = match std::fs::read_dir(self.path_of(key)) {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => return Ok((Vec::new(), Vec::new())),
            Err(error) => return Err(failed(error)),
        };
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        for (number, entry) in entries.enumerate() {
            go_on()?;
            if number == NAMES_MAX {
                return Err(too_many(&self.name_of(key)));
            }
            let entry = entry.map_err(failed)?;
            // What has no name in UTF-8 is nothing that array files have.
            if let Ok(name) = entry.file_name().into_string() {
                match entry.path().is_dir() {
                    true => directories.push(name),
                    false => files.push(name),
                }
            }
        }
        files.sort_unstable();
        directories.sort_unstable();
        Ok((files, directories))
    }

    fn gap_bytes(&self) -> u64 {
        4096
    }
}
