//! The objects of an array: files of a directory, or whatever the caller has.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sheaf_base::{Result, SheafError};

/// Objects by their keys. Object stores are others.
pub trait Objects: Send + Sync {
    /// What errors call them.
    fn name(&self) -> String;

    /// A whole object, or `None` if it is not there.
    ///
    /// # Errors
    /// `Data` if it cannot be read.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// `length` bytes of an object from `offset` on.
    ///
    /// # Errors
    /// As [`Objects::get`]; `Data` if it is shorter.
    fn get_range(&self, key: &str, offset: u64, length: u64) -> Result<Option<Vec<u8>>>;

    /// The last `length` bytes of an object, or, if not `is_end`, the first.
    ///
    /// # Errors
    /// As [`Objects::get_range`].
    fn get_end(&self, key: &str, length: u64, is_end: bool) -> Result<Option<Vec<u8>>>;
}

/// Files of a directory.
#[derive(Debug, Clone)]
pub struct LocalObjects {
    directory: PathBuf,
}

impl LocalObjects {
    /// The files under `directory`.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    fn open(&self, key: &str) -> Result<Option<File>> {
        match File::open(self.directory.join(key)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(key, &error)),
        }
    }

    fn failed(&self, key: &str, error: &std::io::Error) -> SheafError {
        SheafError::data(format!(
            "{}/{key} cannot be read: {error}",
            self.directory.display()
        ))
    }

    fn part(&self, key: &str, from: SeekFrom, length: u64) -> Result<Option<Vec<u8>>> {
        let Some(mut file) = self.open(key)? else {
            return Ok(None);
        };
        let failed = |error: std::io::Error| self.failed(key, &error);
        let size = file.metadata().map_err(failed)?.len();
        if length > size {
            return Err(SheafError::data(format!(
                "{}/{key} has {size} bytes, of which {length} are asked for",
                self.directory.display()
            )));
        }
        file.seek(from).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes).map_err(failed)?;
        match bytes.len() as u64 == length {
            true => Ok(Some(bytes)),
            false => Err(failed(ErrorKind::UnexpectedEof.into())),
        }
    }
}

impl Objects for LocalObjects {
    fn name(&self) -> String {
        self.directory.display().to_string()
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let Some(mut file) = self.open(key)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|error| self.failed(key, &error))?;
        Ok(Some(bytes))
    }

    fn get_range(&self, key: &str, offset: u64, length: u64) -> Result<Option<Vec<u8>>> {
        self.part(key, SeekFrom::Start(offset), length)
    }

    fn get_end(&self, key: &str, length: u64, is_end: bool) -> Result<Option<Vec<u8>>> {
        let from = match is_end {
            true => SeekFrom::End(-i64::try_from(length).unwrap_or(i64::MAX)),
            false => SeekFrom::Start(0),
        };
        self.part(key, from, length)
    }
}
