//! A spill store on which the n-th event goes wrong.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use datafusion::common::Result as EngineResult;
use datafusion::execution::spill_file::{SpillFile, SpillWriter, TempFileFactory};
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use sheaf_base::SheafError;
use sheaf_runtime::Query;
use sheaf_runtime::spill::SpillStore;

/// What a pipe holds.
const PIPE_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The n-th file cannot be made.
    Create,
    /// The n-th write fails.
    Write,
    /// The n-th chunk read fails.
    Read,
    /// The n-th file is on a full disk.
    Full,
    /// A byte of a file has changed when it is opened for the n-th reading.
    Damage,
    /// The query is cancelled at the n-th write …
    CancelWrite,
    /// … or chunk read.
    CancelRead,
    /// The n-th file takes nothing until it is released: it is a pipe that is full.
    Stall,
}

pub(super) struct FaultyDisk {
    store: Arc<SpillStore>,
    fault: Arc<Fault>,
}

/// What goes wrong, and when.
pub(super) struct Fault {
    kind: Kind,
    step: usize,
    events: AtomicUsize,
    query: Arc<Query>,
    pipe: Mutex<Option<File>>,
}

struct FaultyFile {
    file: Arc<dyn SpillFile>,
    fault: Arc<Fault>,
}

struct FaultyWriter {
    writer: Box<dyn SpillWriter>,
    fault: Arc<Fault>,
}

impl Fault {
    pub(super) fn has_struck(&self) -> bool {
        self.events.load(Ordering::Acquire) >= self.step
    }

    /// Lets go of a stalled file: what is written to it fails.
    pub(super) fn release(&self) {
        self.pipe.lock().take();
    }

    /// Counts an event of `kind`; whether it is the one.
    fn strikes(&self, kind: Kind) -> bool {
        kind == self.kind && self.events.fetch_add(1, Ordering::AcqRel) + 1 == self.step
    }

    /// An event that may fail or cancel.
    fn pass(&self, fails: Kind, cancels: Kind) -> Result<(), SheafError> {
        if self.strikes(cancels) {
            self.query.cancel();
        }
        match self.strikes(fails) {
            true => Err(SheafError::data("an injected fault")),
            false => Ok(()),
        }
    }
}

impl FaultyDisk {
    pub(super) fn new(store: Arc<SpillStore>, kind: Kind, step: usize, query: &Arc<Query>) -> Self {
        let fault = Arc::new(Fault {
            kind,
            step,
            events: AtomicUsize::new(0),
            query: Arc::clone(query),
            pipe: Mutex::default(),
        });
        Self { store, fault }
    }

    pub(super) fn fault(&self) -> Arc<Fault> {
        Arc::clone(&self.fault)
    }
}

impl TempFileFactory for FaultyDisk {
    fn create_temp_file(&self, description: &str) -> EngineResult<Arc<dyn SpillFile>> {
        let fault = &self.fault;
        if fault.strikes(Kind::Create) {
            return Err(SheafError::data("an injected fault").into());
        }
        let file = self.store.create_temp_file(description)?;
        let path = file.path().unwrap();
        if fault.strikes(Kind::Full) {
            fs::remove_file(path)?;
            symlink("/dev/full", path)?;
        }
        if fault.strikes(Kind::Stall) {
            fs::remove_file(path)?;
            assert!(Command::new("mkfifo").arg(path).status()?.success());
            let mut pipe = OpenOptions::new().read(true).write(true).open(path)?;
            pipe.write_all(&[0; PIPE_BYTES])?;
            *fault.pipe.lock() = Some(pipe);
        }
        let fault = Arc::clone(fault);
        Ok(Arc::new(FaultyFile { file, fault }))
    }
}

impl SpillFile for FaultyFile {
    fn path(&self) -> Option<&Path> {
        self.file.path()
    }

    fn size(&self) -> Option<u64> {
        self.file.size()
    }

    fn read_stream(&self) -> EngineResult<Pin<Box<dyn Stream<Item = EngineResult<Bytes>> + Send>>> {
        let fault = Arc::clone(&self.fault);
        if fault.kind == Kind::Damage {
            return self.read_damaged();
        }
        let chunks = self.file.read_stream()?.map(move |chunk| {
            fault.pass(Kind::Read, Kind::CancelRead)?;
            chunk
        });
        Ok(Box::pin(chunks))
    }

    fn open_writer(&self) -> EngineResult<Box<dyn SpillWriter>> {
        Ok(Box::new(FaultyWriter {
            writer: self.file.open_writer()?,
            fault: Arc::clone(&self.fault),
        }))
    }
}

impl FaultyFile {
    /// Changes a byte when all has been written, which a first reading has waited for.
    fn read_damaged(
        &self,
    ) -> EngineResult<Pin<Box<dyn Stream<Item = EngineResult<Bytes>> + Send>>> {
        if !self.fault.strikes(Kind::Damage) {
            return self.file.read_stream();
        }
        let first = self.file.read_stream()?;
        let again = self.file.read_stream()?;
        let length = self.file.size().unwrap_or(0);
        let path = self.file.path().unwrap().to_owned();
        let at = length * 7 / 11;
        let read = async move {
            first.for_each(|_| async {}).await;
            let raw = OpenOptions::new().read(true).write(true).open(path)?;
            let mut byte = [0];
            raw.read_exact_at(&mut byte, at)?;
            raw.write_all_at(&[!byte[0]], at)?;
            Ok(again)
        };
        Ok(Box::pin(futures::TryFutureExt::try_flatten_stream(read)))
    }
}

impl Write for FaultyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.fault
            .pass(Kind::Write, Kind::CancelWrite)
            .map_err(io::Error::other)?;
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl SpillWriter for FaultyWriter {
    fn finish(&mut self) -> EngineResult<()> {
        self.writer.finish()
    }
}
