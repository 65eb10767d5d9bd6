//! Where blocks go that do not fit into memory, and come back from.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sheaf_base::{ByteCount, Result, SheafError};

use crate::context::Context;
use crate::dtype::DType;
use crate::tensor::Tensor;

/// A place for files that go with their last user. The engine's spill store is one,
/// [`ScratchDirectory`] another.
pub trait Scratch: Send + Sync {
    /// A new file for `user`, as errors name it.
    ///
    /// # Errors
    /// `Resource` if there can be none.
    fn create(&self, user: &str) -> Result<Arc<dyn ScratchFile>>;
}

/// A file that is written and read at any place.
pub trait ScratchFile: Send + Sync {
    /// Adds `bytes`; where they begin.
    ///
    /// # Errors
    /// `Resource` if the disk or its budget is full.
    fn append(&self, bytes: &[u8]) -> Result<u64>;
    /// Reads as many bytes as `into` has room for, from `offset` on.
    ///
    /// # Errors
    /// `Resource` if they cannot be read.
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<()>;
}

/// Files in one directory, which have no name there and so go with the process.
#[derive(Debug)]
pub struct ScratchDirectory {
    path: PathBuf,
    books: Arc<Books>,
}

#[derive(Debug)]
struct Books {
    bytes_max: u64,
    bytes: AtomicU64,
}

struct UnnamedFile {
    user: String,
    file: File,
    end: AtomicU64,
    books: Arc<Books>,
}

/// A block in a file.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    offset: u64,
    shape: Vec<usize>,
    dtype: DType,
}

impl ScratchDirectory {
    /// Files under `path` that take at most `bytes_max` together.
    #[must_use]
    pub fn new(path: PathBuf, bytes_max: ByteCount) -> Self {
        Self {
            path,
            books: Arc::new(Books {
                bytes_max: bytes_max.0,
                bytes: AtomicU64::new(0),
            }),
        }
    }

    fn open(&self) -> io::Result<File> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("sheaf-array-{}-{number}", std::process::id());
        let path = self.path.join(name);
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    }
}

impl Scratch for ScratchDirectory {
    fn create(&self, user: &str) -> Result<Arc<dyn ScratchFile>> {
        let file = self.open().map_err(|error| {
            SheafError::resource(format!(
                "{user} cannot write to {}: {error}",
                self.path.display()
            ))
        })?;
        Ok(Arc::new(UnnamedFile {
            user: user.to_owned(),
            file,
            end: AtomicU64::new(0),
            books: Arc::clone(&self.books),
        }))
    }
}

impl ScratchFile for UnnamedFile {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        let count = bytes.len() as u64;
        let max = self.books.bytes_max;
        let charged = self
            .books
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(count).filter(|after| *after <= max)
            });
        if charged.is_err() {
            return Err(SheafError::resource(format!(
                "{} has used up the {} that it may write to disk",
                self.user,
                ByteCount(max)
            ))
            .with_hint("raise the limit for spilled data, or memory_limit"));
        }
        let offset = self.end.fetch_add(count, Ordering::Relaxed);
        self.file
            .write_all_at(bytes, offset)
            .map_err(|error| self.failed("write", &error))?;
        Ok(offset)
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.file
            .read_exact_at(into, offset)
            .map_err(|error| self.failed("read", &error))
    }
}

impl UnnamedFile {
    fn failed(&self, what: &str, error: &io::Error) -> SheafError {
        SheafError::resource(format!(
            "{} cannot {what} what it spills: {error}",
            self.user
        ))
    }
}

impl Drop for UnnamedFile {
    fn drop(&mut self) {
        self.books
            .bytes
            .fetch_sub(self.end.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Stored {
    /// Writes `tensor` to `file`.
    pub(crate) fn write(file: &dyn ScratchFile, tensor: &Tensor) -> Result<Self> {
        let offset = tensor.with_bytes(|bytes| file.append(bytes))?;
        Ok(Self {
            offset,
            shape: tensor.shape().to_vec(),
            dtype: tensor.dtype(),
        })
    }

    /// Reads it back.
    pub(crate) fn read(&self, file: &dyn ScratchFile, context: &Context) -> Result<Tensor> {
        let hold = context.hold_chunk(&self.shape, self.dtype)?;
        let tensor =
            Tensor::filled_by(&self.shape, self.dtype, |into| file.read(self.offset, into))?;
        Ok(tensor.held(hold))
    }
}
