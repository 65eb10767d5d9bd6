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
    name: String,
    sink: Mutex<Box<dyn Write + Send>>,
    closed: AtomicBool,
    is_terminal: bool,
}

impl Output {
    /// Standard output.
    pub(crate) fn stdout() -> Self {
        let is_terminal = terminal::is_output_terminal();
        Self::new("standard output", Box::new(io::stdout()), is_terminal)
    }

    /// The file `path`, made anew.
    ///
    /// # Errors
    /// `Data` or `UserInput` if the file cannot be made; the message names it.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file =
            File::create(path).map_err(|error| SheafError::from(error).with_context(&name))?;
        Ok(Self::new(&name, Box::new(BufWriter::new(file)), false))
    }

    /// Any stream; errors call it `name`.
    pub(crate) fn new(name: &str, sink: Box<dyn Write + Send>, is_terminal: bool) -> Self {
        Self(Arc::new(Shared {
            name: name.to_owned(),
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

    /// The error with this output's name in it.
    fn named(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        if kind == io::ErrorKind::BrokenPipe {
            self.0.closed.store(true, Ordering::Relaxed);
        }
        io::Error::new(kind, SheafError::from(error).with_context(&self.0.name))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.sink().write(bytes);
        result.map_err(|error| self.named(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.sink().flush();
        result.map_err(|error| self.named(error))
    }
}
