//! Files of spilled data: where they lie, how much they may take, that they come back as they were
//! written, and that none is left behind.
//!
//! A process has one spill directory, `sheaf-spill-PID-N`, made when the first file is needed,
//! beside a file `sheaf-spill-PID-N.lock` that the process holds locked for its life. Files go
//! when their last user drops them, the directory when the store is dropped or closed. The
//! operating system gives up the lock of a process that was killed, so that the next store to
//! start in the same place can tell and remove what it left ([`remove_stale`]); process ids alone
//! could not tell, since they are used again and mean nothing across containers that share a
//! directory.
//!
//! ```text
//! operator ─ write ─> blocks ─ charge the budget ─> backlog ─> I/O threads ─> file   (write.rs)
//! operator <─ stream ─ checksums compared <─ I/O threads, a little ahead <─ file     (read.rs)
//! ```
//!
//! # Memory
//! A file being written gathers one block, one being read holds one or two: they are the
//! operator's to reserve. Beyond that, a store holds what waits to be written and what is read
//! ahead, a few megabytes each, and eight bytes a block. Knows nothing of what is in the files.

mod directory;
mod file;
mod label;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::common::Result as EngineResult;
use datafusion::execution::spill_file::{SpillFile, TempFileFactory};
use parking_lot::Mutex;
use sheaf_base::error::SqlState;
use sheaf_base::{ByteCount, SheafError};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use directory::SpillDirectory;
use file::LocalSpillFile;
use label::{ELSEWHERE, describe, operator_name};
use read::READ_AHEAD_MAX;
use write::Backlog;

pub use directory::remove_stale;

/// Makes spill files and keeps their books. One a process; operators reach it through the
/// engine's disk manager.
#[derive(Debug)]
pub struct SpillStore {
    place: Mutex<Place>,
    shared: Arc<Shared>,
}

/// Where new files are made.
#[derive(Debug)]
struct Place {
    parent: PathBuf,
    directory: Option<Arc<SpillDirectory>>,
    is_closed: bool,
}

/// What the files of a store have in common.
struct Shared {
    books: SpillBooks,
    backlog: Arc<Backlog>,
    read_ahead: Arc<Semaphore>,
    /// Whose threads write and read.
    io: Handle,
}

/// What spilled data takes, and may take.
#[derive(Debug)]
struct SpillBooks {
    bytes: AtomicU64,
    bytes_max: AtomicU64,
    files: AtomicU64,
    files_made: AtomicU64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.books.fmt(f)
    }
}

impl SpillStore {
    /// A store whose files will lie under `parent` (the system's directory for temporary files if
    /// `None`), take at most `bytes_max`, and be written and read by threads of `io`. Makes
    /// nothing on disk, but removes what dead processes have left there.
    #[must_use]
    pub fn new(parent: Option<PathBuf>, bytes_max: ByteCount, io: Handle) -> Self {
        let parent = parent.unwrap_or_else(std::env::temp_dir);
        remove_stale(&parent);
        Self {
            place: Mutex::new(Place {
                parent,
                directory: None,
                is_closed: false,
            }),
            shared: Arc::new(Shared {
                books: SpillBooks {
                    bytes: AtomicU64::new(0),
                    bytes_max: AtomicU64::new(bytes_max.0),
                    files: AtomicU64::new(0),
                    files_made: AtomicU64::new(0),
                },
                backlog: Arc::default(),
                read_ahead: Arc::new(Semaphore::new(READ_AHEAD_MAX)),
                io,
            }),
        }
    }

    /// Has files made from now on lie under `parent` (the system's directory for temporary files
    /// if `None`). Those that are there stay where they are.
    pub fn set_parent(&self, parent: Option<PathBuf>) {
        let parent = parent.unwrap_or_else(std::env::temp_dir);
        let mut place = self.place.lock();
        if place.parent != parent {
            remove_stale(&parent);
            place.directory = None;
            place.parent = parent;
        }
    }

    /// Removes the directory and all in it, whoever uses it still, and makes no more files.
    pub fn close(&self) {
        let mut place = self.place.lock();
        place.is_closed = true;
        if let Some(directory) = place.directory.take() {
            directory.remove();
        }
    }

    /// Changes how much spilled data may take, for running queries too.
    pub fn set_bytes_max(&self, bytes_max: ByteCount) {
        self.shared
            .books
            .bytes_max
            .store(bytes_max.0, Ordering::Relaxed);
    }

    /// How much spilled data may take.
    pub fn bytes_max(&self) -> ByteCount {
        ByteCount(self.shared.books.bytes_max.load(Ordering::Relaxed))
    }

    /// Bytes on disk now.
    pub fn bytes(&self) -> ByteCount {
        ByteCount(self.shared.books.bytes.load(Ordering::Relaxed))
    }

    /// Files on disk now.
    pub fn files(&self) -> u64 {
        self.shared.books.files.load(Ordering::Relaxed)
    }

    /// The process's spill directory, if anything has been spilled.
    pub fn path(&self) -> Option<PathBuf> {
        let place = self.place.lock();
        place.directory.as_ref().map(|d| d.path().to_owned())
    }

    fn create(&self, operator: &str) -> Result<LocalSpillFile, SheafError> {
        let mut place = self.place.lock();
        match self.try_create(&mut place, operator) {
            // Somebody has cleaned up: what was there is lost, but not what comes.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                place.directory = None;
                self.try_create(&mut place, operator)
            }
            result => result,
        }
        .map_err(|error| {
            SheafError::resource(format!(
                "{} cannot spill to {}: {}",
                operator_name(operator),
                place.parent.display(),
                describe(&error)
            ))
            .with_state(match error.kind() {
                io::ErrorKind::StorageFull => SqlState::DISK_FULL,
                _ => SqlState::IO_ERROR,
            })
            .with_hint(ELSEWHERE)
        })
    }

    fn try_create(&self, place: &mut Place, operator: &str) -> io::Result<LocalSpillFile> {
        if place.is_closed {
            return Err(io::Error::other("the engine is shutting down"));
        }
        let directory = match &place.directory {
            Some(directory) => Arc::clone(directory),
            None => {
                let directory = Arc::new(SpillDirectory::create(&place.parent)?);
                Arc::clone(place.directory.insert(directory))
            }
        };
        let number = self.shared.books.files_made.fetch_add(1, Ordering::Relaxed);
        LocalSpillFile::create(directory, number, operator, Arc::clone(&self.shared))
    }
}

impl TempFileFactory for SpillStore {
    fn create_temp_file(&self, description: &str) -> EngineResult<Arc<dyn SpillFile>> {
        Ok(Arc::new(self.create(description)?))
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
