//! One file of spilled data: what operators see of it, and what is known of its content.
//!
//! A file is a row of blocks. Their lengths and checksums are kept in memory, not in the file:
//! it is read by no other process, and so nothing that is read has to be trusted.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use datafusion::common::Result as EngineResult;
use datafusion::execution::spill_file::{SpillFile, SpillWriter};
use futures::{Stream, StreamExt, TryStreamExt};
use parking_lot::Mutex;
use sheaf_base::SheafError;
use tokio::sync::Notify;

use super::Shared;
use super::directory::SpillDirectory;
use super::label::Label;
use super::read::read;
use super::write::{Admitted, LocalSpillWriter, WriteJob};

/// Bytes that are written, checked and read as one. A file that is being written gathers so many;
/// each takes eight bytes of memory as long as the file is there.
pub(super) const BLOCK_BYTES: usize = 64 * 1024;

/// A spill file on the local disk; dropping the last reference removes it.
pub(super) struct LocalSpillFile(Arc<Content>);

/// A file, for its owner, its writers and the streams that read it.
pub(super) struct Content {
    pub(super) label: Arc<Label>,
    pub(super) blocks: Arc<Blocks>,
    pub(super) shared: Arc<Shared>,
    /// What the budget has been charged for this file.
    bytes: AtomicU64,
    /// Keeps the directory while the file is there.
    _directory: Arc<SpillDirectory>,
}

/// The blocks of a file, on disk and on their way to it.
#[derive(Default)]
pub(super) struct Blocks {
    state: Mutex<BlocksState>,
    /// A block has reached the file, or none will any more.
    changed: Notify,
}

#[derive(Default)]
struct BlocksState {
    written: Vec<Block>,
    waiting: VecDeque<Admitted>,
    /// A job has been queued that writes what waits.
    is_writing: bool,
    /// Why nothing more is written.
    error: Option<SheafError>,
}

/// What must be read back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) bytes: u32,
    pub(super) checksum: u32,
}

impl Block {
    /// Of bytes, [`BLOCK_BYTES`] at most.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            checksum: crc32fast::hash(bytes),
        }
    }

    /// Whether `bytes` are those that were written.
    pub(super) fn is(self, bytes: &[u8]) -> bool {
        crc32fast::hash(bytes) == self.checksum
    }
}

impl LocalSpillFile {
    /// Makes an empty file for `operator`.
    pub(super) fn create(
        directory: Arc<SpillDirectory>,
        number: u64,
        operator: &str,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let path = directory.path().join(format!("{number}.spill"));
        File::create_new(&path)?;
        shared.books.files.fetch_add(1, Ordering::Relaxed);
        Ok(Self(Arc::new(Content {
            label: Arc::new(Label::new(operator, path)),
            blocks: Arc::default(),
            shared,
            bytes: AtomicU64::new(0),
            _directory: directory,
        })))
    }
}

impl SpillFile for LocalSpillFile {
    fn path(&self) -> Option<&Path> {
        Some(&self.0.label.path)
    }

    fn size(&self) -> Option<u64> {
        Some(self.0.bytes.load(Ordering::Relaxed))
    }

    fn read_stream(&self) -> EngineResult<Pin<Box<dyn Stream<Item = EngineResult<Bytes>> + Send>>> {
        // The stream keeps the file: its owner may let go of it as soon as reading has begun.
        Ok(read(Arc::clone(&self.0)).err_into().boxed())
    }

    fn open_writer(&self) -> EngineResult<Box<dyn SpillWriter>> {
        let label = &self.0.label;
        let file = OpenOptions::new()
            .append(true)
            .open(&label.path)
            .map_err(|error| label.cannot_open(&error))?;
        Ok(Box::new(LocalSpillWriter::new(Arc::clone(&self.0), file)))
    }
}

impl Content {
    /// Charges the budget for a block.
    pub(super) fn charge(&self, bytes: u64) -> Result<(), SheafError> {
        let books = &self.shared.books;
        books.charge(bytes).map_err(|left| {
            let max = books.bytes_max.load(Ordering::Relaxed);
            self.label.over_budget(bytes, max, left)
        })?;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Hands a block over to be written to `file`.
    pub(super) fn submit(&self, block: Vec<u8>, file: &Arc<File>) -> Result<(), SheafError> {
        let backlog = &self.shared.backlog;
        if self.blocks.push(backlog.admit(block))? {
            let job = WriteJob::new(&self.label, &self.blocks, file);
            backlog.run(&self.shared.io, job);
        }
        Ok(())
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        // What waits is not written any more. A block that is being written goes to a file that
        // has no name, and no job holds what would keep it in the books.
        self.blocks.fail(self.label.removed());
        let _ = fs::remove_file(&self.label.path);
        self.shared.books.refund(self.bytes.load(Ordering::Relaxed));
        self.shared.books.files.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Blocks {
    /// Adds a block to those that wait; whether a job must be queued for them.
    fn push(&self, block: Admitted) -> Result<bool, SheafError> {
        let mut state = self.state.lock();
        if let Some(error) = &state.error {
            return Err(error.clone());
        }
        state.waiting.push_back(block);
        Ok(!std::mem::replace(&mut state.is_writing, true))
    }

    /// Why nothing more is written, if so.
    pub(super) fn check(&self) -> Result<(), SheafError> {
        self.state.lock().error.clone().map_or(Ok(()), Err)
    }

    /// The next block to write; without one the job must end.
    pub(super) fn next(&self) -> Option<Admitted> {
        let mut state = self.state.lock();
        let block = state.waiting.pop_front();
        state.is_writing = block.is_some();
        drop(state);
        if block.is_none() {
            // A reader that has seen all blocks learns that it is at the end.
            self.changed.notify_waiters();
        }
        block
    }

    /// A block has been written.
    pub(super) fn add(&self, block: Block) {
        self.state.lock().written.push(block);
        self.changed.notify_waiters();
    }

    /// Nothing more is written, for a reason of which the first counts.
    pub(super) fn fail(&self, error: SheafError) {
        let mut state = self.state.lock();
        state.error.get_or_insert(error);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
        self.changed.notify_waiters();
    }

    /// Blocks from number `first` on that are in the file: one at least, more if they take no
    /// more than `bytes_max` together. None if the file ends there, for now.
    pub(super) async fn read(
        &self,
        first: usize,
        bytes_max: usize,
    ) -> Result<Vec<Block>, SheafError> {
        loop {
            let changed = self.changed.notified();
            if let Some(blocks) = self.try_read(first, bytes_max)? {
                return Ok(blocks);
            }
            changed.await;
        }
    }

    /// Like [`read`](Self::read), or nothing if blocks are on their way.
    pub(super) fn try_read(
        &self,
        first: usize,
        bytes_max: usize,
    ) -> Result<Option<Vec<Block>>, SheafError> {
        let state = self.state.lock();
        if let Some(error) = &state.error {
            return Err(error.clone());
        }
        let mut bytes = 0;
        let written = state.written.get(first..).unwrap_or_default();
        let fitting = written.iter().take_while(|block| {
            let is_first = bytes == 0;
            bytes += block.bytes as usize;
            is_first || bytes <= bytes_max
        });
        let blocks: Vec<Block> = fitting.copied().collect();
        let is_end = !state.is_writing;
        Ok((is_end || !blocks.is_empty()).then_some(blocks))
    }
}
