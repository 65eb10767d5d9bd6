//! Writing behind the operators: they hand over blocks, and threads of the I/O runtime write them.
//!
//! ```text
//! operator ── write ──> block ── submit ──> its file's queue ──> Worker (at most WORKERS_MAX)
//!                          waits while WRITE_BEHIND_BYTES_MAX are queued
//! ```
//!
//! What fails is told to the operator when it hands over the next block or flushes, at the latest
//! when it reads. Waiting gives the thread's other tasks to another thread, where that is possible.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use datafusion::common::Result as EngineResult;
use datafusion::execution::spill_file::SpillWriter;
use parking_lot::{Condvar, Mutex};
use sheaf_base::SheafError;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::file::{BLOCK_BYTES, Block, Blocks, Content};
use super::label::Label;

/// Bytes of all files together that wait to be written. The disk is given work while operators
/// compute, and no more is of use: it would only be written later.
pub(super) const WRITE_BEHIND_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Threads that write at a time. A local disk needs no more, and one over a network some.
const WORKERS_MAX: usize = 4;

/// Gathers what an operator writes into blocks.
pub(super) struct LocalSpillWriter {
    content: Arc<Content>,
    file: Arc<File>,
    block: Vec<u8>,
}

/// What waits to be written, of all files of a store.
#[derive(Default)]
pub(super) struct Backlog {
    state: Mutex<BacklogState>,
    /// Bytes have been released.
    freed: Condvar,
}

#[derive(Default)]
struct BacklogState {
    bytes: usize,
    jobs: VecDeque<WriteJob>,
    workers: usize,
}

/// A block for which there is room in the backlog, as long as this lives.
pub(super) struct Admitted {
    bytes: Vec<u8>,
    backlog: Arc<Backlog>,
}

/// Writes the blocks of a file that wait. Dropped before it is done, it fails the file.
pub(super) struct WriteJob {
    label: Arc<Label>,
    blocks: Arc<Blocks>,
    file: Arc<File>,
    is_done: bool,
}

/// A thread that writes. Dropped before it has ended, it drops the jobs.
struct Worker {
    backlog: Arc<Backlog>,
    has_ended: bool,
}

impl LocalSpillWriter {
    pub(super) fn new(content: Arc<Content>, file: File) -> Self {
        Self {
            content,
            file: Arc::new(file),
            block: Vec::new(),
        }
    }

    /// Hands over what has been gathered. If the budget refuses it, it is kept.
    fn submit(&mut self) -> Result<(), SheafError> {
        if self.block.is_empty() {
            return self.content.blocks.check();
        }
        self.content.charge(self.block.len() as u64)?;
        let block = std::mem::take(&mut self.block);
        self.content.submit(block, &self.file)
    }
}

impl Write for LocalSpillWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK_BYTES {
            self.flush()?;
        }
        if self.block.capacity() == 0 {
            self.block.reserve_exact(BLOCK_BYTES);
        }
        let taken = bytes.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.submit().map_err(io::Error::other)
    }
}

impl SpillWriter for LocalSpillWriter {
    fn finish(&mut self) -> EngineResult<()> {
        // Neither awaited nor synced to the disk: who reads waits for what is on its way, and
        // nobody does after the process has ended.
        Ok(self.submit()?)
    }
}

impl Backlog {
    /// Bytes that wait to be written, or are being written.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// Takes on a block when it fits; anything fits when nothing else is there.
    pub(super) fn admit(self: &Arc<Self>, block: Vec<u8>) -> Admitted {
        let bytes = block.len();
        let fits = |state: &BacklogState| {
            state.bytes == 0 || state.bytes.saturating_add(bytes) <= WRITE_BEHIND_BYTES_MAX
        };
        let mut state = self.state.lock();
        if fits(&state) {
            state.bytes += bytes;
        } else {
            drop(state);
            blocking(|| {
                let mut state = self.state.lock();
                while !fits(&state) {
                    self.freed.wait(&mut state);
                }
                state.bytes += bytes;
            });
        }
        Admitted {
            bytes: block,
            backlog: Arc::clone(self),
        }
    }

    /// Has a worker run `job`.
    pub(super) fn run(self: &Arc<Self>, io: &Handle, job: WriteJob) {
        let mut state = self.state.lock();
        state.jobs.push_back(job);
        if state.workers == WORKERS_MAX {
            return;
        }
        state.workers += 1;
        drop(state);
        let worker = Worker {
            backlog: Arc::clone(self),
            has_ended: false,
        };
        drop(io.spawn_blocking(move || worker.run()));
    }
}

impl Worker {
    fn run(mut self) {
        while let Some(job) = self.next() {
            job.run();
        }
    }

    fn next(&mut self) -> Option<WriteJob> {
        let mut state = self.backlog.state.lock();
        let job = state.jobs.pop_front();
        if job.is_none() {
            state.workers -= 1;
            self.has_ended = true;
        }
        job
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.has_ended {
            let mut state = self.backlog.state.lock();
            state.workers -= 1;
            let jobs = std::mem::take(&mut state.jobs);
            drop(state);
            drop(jobs);
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.backlog.state.lock().bytes -= self.bytes.len();
        self.backlog.freed.notify_all();
    }
}

impl WriteJob {
    pub(super) fn new(label: &Arc<Label>, blocks: &Arc<Blocks>, file: &Arc<File>) -> Self {
        Self {
            label: Arc::clone(label),
            blocks: Arc::clone(blocks),
            file: Arc::clone(file),
            is_done: false,
        }
    }

    fn run(mut self) {
        while let Some(block) = self.blocks.next() {
            match (&*self.file).write_all(&block.bytes) {
                Ok(()) => self.blocks.add(Block::of(&block.bytes)),
                Err(error) => {
                    let error = self.label.cannot_write(block.bytes.len(), &error);
                    self.blocks.fail(error);
                }
            }
        }
        self.is_done = true;
    }
}

impl Drop for WriteJob {
    fn drop(&mut self) {
        if !self.is_done {
            self.blocks.fail(self.label.shut_down());
        }
    }
}

/// Runs what may block for long, so that the thread's other tasks need not wait.
fn blocking<T>(wait: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
    match flavor {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
        _ => wait(),
    }
}
