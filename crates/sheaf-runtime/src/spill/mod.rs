//! Files of spilled data: where they lie, how much they may take, and that none is left behind.
//!
//! A process has one spill directory, `sheaf-spill-PID-N`, made when the first file is needed,
//! beside a file `sheaf-spill-PID-N.lock` that the process holds locked for its life. Files go
//! when their last user drops them, the directory when the store is dropped. The operating system
//! gives up the lock of a process that was killed, so that the next store to start in the same
//! place can tell and remove what it left ([`remove_stale`]); process ids alone could not tell,
//! since they are used again and mean nothing across containers that share a directory.
//!
//! Writing is synchronous and buffered, as the engine's writer is; the budget is charged as bytes
//! reach the file. Knows nothing of what is in the files.

mod directory;
mod file;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::common::Result as EngineResult;
use datafusion::execution::spill_file::{SpillFile, TempFileFactory};
use parking_lot::Mutex;
use sheaf_base::{ByteCount, SheafError};

use directory::SpillDirectory;
use file::LocalSpillFile;

pub use directory::remove_stale;

/// Makes spill files and keeps their books. One a process; operators reach it through the
/// engine's disk manager.
#[derive(Debug)]
pub struct SpillStore {
    parent: PathBuf,
    directory: Mutex<Option<Arc<SpillDirectory>>>,
    books: Arc<SpillBooks>,
}

/// What spilled data takes, and may take.
#[derive(Debug)]
pub(crate) struct SpillBooks {
    bytes: AtomicU64,
    bytes_max: AtomicU64,
    files: AtomicU64,
    files_made: AtomicU64,
}

impl SpillStore {
    /// A store whose files will lie under `parent` (the system's directory for temporary files if
    /// `None`) and take at most `bytes_max`. Makes nothing on disk, but removes what dead
    /// processes have left there.
    #[must_use]
    pub fn new(parent: Option<PathBuf>, bytes_max: ByteCount) -> Self {
        let parent = parent.unwrap_or_else(std::env::temp_dir);
        remove_stale(&parent);
        Self {
            parent,
            directory: Mutex::new(None),
            books: Arc::new(SpillBooks {
                bytes: AtomicU64::new(0),
                bytes_max: AtomicU64::new(bytes_max.0),
                files: AtomicU64::new(0),
                files_made: AtomicU64::new(0),
            }),
        }
    }

    /// Changes how much spilled data may take, for running queries too.
    pub fn set_bytes_max(&self, bytes_max: ByteCount) {
        self.books.bytes_max.store(bytes_max.0, Ordering::Relaxed);
    }

    /// How much spilled data may take.
    pub fn bytes_max(&self) -> ByteCount {
        ByteCount(self.books.bytes_max.load(Ordering::Relaxed))
    }

    /// Bytes on disk now.
    pub fn bytes(&self) -> ByteCount {
        ByteCount(self.books.bytes.load(Ordering::Relaxed))
    }

    /// Files on disk now.
    pub fn files(&self) -> u64 {
        self.books.files.load(Ordering::Relaxed)
    }

    /// The process's spill directory, if anything has been spilled.
    pub fn path(&self) -> Option<PathBuf> {
        self.directory.lock().as_ref().map(|d| d.path().to_owned())
    }

    fn directory(&self) -> Result<Arc<SpillDirectory>, SheafError> {
        let mut slot = self.directory.lock();
        if let Some(directory) = slot.as_ref() {
            return Ok(Arc::clone(directory));
        }
        let directory = SpillDirectory::create(&self.parent).map_err(|error| {
            SheafError::from(error)
                .with_context(format!("cannot spill to {}", self.parent.display()))
                .with_hint("SET temp_directory to a directory that can be written")
        })?;
        let directory = Arc::new(directory);
        *slot = Some(Arc::clone(&directory));
        Ok(directory)
    }
}

impl TempFileFactory for SpillStore {
    fn create_temp_file(&self, _description: &str) -> EngineResult<Arc<dyn SpillFile>> {
        let directory = self.directory()?;
        let number = self.books.files_made.fetch_add(1, Ordering::Relaxed);
        let file = LocalSpillFile::create(directory, number, Arc::clone(&self.books))
            .map_err(SheafError::from)?;
        Ok(Arc::new(file))
    }
}

impl SpillBooks {
    /// Charges `bytes`, or says what is left of the budget.
    fn charge(&self, bytes: u64) -> Result<(), u64> {
        let max = self.bytes_max.load(Ordering::Relaxed);
        self.bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|after| *after <= max)
            })
            .map(|_| ())
            .map_err(|used| max.saturating_sub(used))
    }

    fn refund(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
