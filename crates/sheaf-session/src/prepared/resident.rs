//! Small files whose rows stay in memory as long as the files are as they were.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use sheaf_runtime::EngineRuntime;

/// Bytes of files whose rows a template may hold.
pub(super) const FILES_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Files whose rows a template may hold: each is looked at before each run.
pub(super) const FILES_MAX: usize = 8;

/// Bytes of their rows.
pub(super) const ROWS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// All templates of the process take at most one in this many bytes of `memory_limit`.
const MEMORY_PART: usize = 32;

/// Bytes that the templates of all sessions hold.
#[derive(Debug, Default)]
pub(crate) struct TemplateMemory(AtomicUsize);

/// The memory of one template.
#[derive(Debug)]
pub(super) struct Held {
    bytes: usize,
    all: Arc<TemplateMemory>,
    _reservation: MemoryReservation,
}

impl TemplateMemory {
    /// Memory for the rows of a template, if it may have as much.
    pub(super) fn hold(self: &Arc<Self>, bytes: usize, engine: &EngineRuntime) -> Option<Held> {
        let budget = Arc::clone(engine.memory());
        let most = budget.limit().as_usize() / MEMORY_PART;
        let held = self.0.fetch_add(bytes, Ordering::Relaxed);
        let pool = budget as Arc<dyn MemoryPool>;
        let reservation = MemoryConsumer::new("prepared statements").register(&pool);
        let is_held = bytes <= ROWS_BYTES_MAX
            && held.saturating_add(bytes) <= most
            && reservation.try_grow(bytes).is_ok();
        // Gives the bytes back if it goes at once.
        let held = Held {
            bytes,
            all: Arc::clone(self),
            _reservation: reservation,
        };
        is_held.then_some(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A file as it was when its rows were read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
    /// Device and number of its inode, and when that was changed, where there are such.
    inode: [i64; 4],
}

impl Stamp {
    /// The file as it is now, if it is there.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            path: path.to_owned(),
            bytes: metadata.len(),
            modified: metadata.modified().ok()?,
            inode: inode(&metadata),
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn is_current(&self) -> bool {
        Self::of(&self.path).as_ref() == Some(self)
    }
}

#[cfg(unix)]
fn inode(metadata: &std::fs::Metadata) -> [i64; 4] {
    use std::os::unix::fs::MetadataExt;
    let signed = u64::cast_signed;
    [
        signed(metadata.dev()),
        signed(metadata.ino()),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ]
}

#[cfg(not(unix))]
fn inode(_metadata: &std::fs::Metadata) -> [i64; 4] {
    [0; 4]
}
