//! Where results go: standard output or a file, shared by the writers of a run.
//!
//! A reader that goes away (`| head`) is no error: the write fails, [`Output::is_closed`] tells
//! why, and whoever runs the statement ends quietly. Rust leaves SIGPIPE ignored, so that the
//! failure arrives here rather than as a signal that would skip every clean-up.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sheaf::{Result, SheafError};

use crate::terminal;

/// A stream of bytes out of the program. Clones write to the same place.
#[derive(Clone)]
pub(crate) struct Output(Arc<Shared>);

struct Shared {
    sink: Mutex<Box<dyn Write + Send>>,
    closed: AtomicBool,
    is_terminal: bool,
}

impl Output {
    /// Standard output.
    pub(crate) fn stdout() -> Self {
        Self::new(Box::new(io::stdout()), terminal::is_output_terminal())
    }

    /// The file `path`, made anew.
    ///
    /// # Errors
    /// `Data` or `UserInput` if the file cannot be made; the message names it.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path)
            .map_err(|error| SheafError::from(error).with_context(path.display()))?;
        Ok(Self::new(Box::new(BufWriter::new(file)), false))
    }

    /// Any stream.
    pub(crate) fn new(sink: Box<dyn Write + Send>, is_terminal: bool) -> Self {
        Self(Arc::new(Shared {
            sink: Mutex::new(sink),
            closed: AtomicBool::new(false),
            is_terminal,
        }))
    }

    /// Whether the reader has gone away.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Relaxed)
    }

    /// Whether it is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.0.is_terminal
    }

    fn sink(&self) -> MutexGuard<'_, Box<dyn Write + Send>> {
        self.0.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn noted<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            self.0.closed.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.sink().write(bytes);
        self.noted(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.sink().flush();
        self.noted(result)
    }
}
