//! The three pipes of a worker, which never block.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sheaf_base::{Result, SheafError};

use super::printed::Printed;

/// Bytes that a pipe holds, where the system allows it: a batch goes into it at once.
#[cfg(target_os = "linux")]
const PIPE_BYTES: i32 = 1024 * 1024;

/// Bytes that are read at a time of what is printed.
const PRINTED_READ_BYTES: usize = 4096;

/// Reads of what is printed before the protocol is looked after again: a function may print without end.
const PRINTED_READS_MAX: usize = 64;

/// Ends of the pipes to a worker's standard input, output and errors.
#[derive(Debug)]
pub(super) struct Pipes {
    requests: ChildStdin,
    replies: ChildStdout,
    errors: ChildStderr,
    printed: Printed,
}

impl Pipes {
    pub(super) fn new(child: &mut Child) -> Result<Self> {
        let (Some(requests), Some(replies), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(SheafError::internal("a worker process without pipes"));
        };
        for end in [requests.as_fd(), replies.as_fd(), errors.as_fd()] {
            fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
                .map_err(|error| SheafError::resource(format!("cannot set up a pipe: {error}")))?;
        }
        // A smaller pipe works as well, only slower: unprivileged users have a budget of them.
        #[cfg(target_os = "linux")]
        for end in [requests.as_fd(), replies.as_fd()] {
            let _ = fcntl(end, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
        }
        Ok(Self {
            requests,
            replies,
            errors,
            printed: Printed::default(),
        })
    }

    /// Writes what the pipe takes now: the number of bytes, or `None` if it takes none. A worker that
    /// reads no more is told by the pipe of replies.
    pub(super) fn write(&mut self, parts: &[IoSlice<'_>]) -> std::io::Result<Option<usize>> {
        match self.requests.write_vectored(parts) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_busy(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads what the pipe has now: the number of bytes (0: it is closed), or `None` if it has none.
    pub(super) fn read(&mut self, target: &mut [u8]) -> std::io::Result<Option<usize>> {
        match self.replies.read(target) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_busy(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether nothing waits to be read that nobody asked for.
    pub(super) fn is_quiet(&mut self) -> bool {
        matches!(self.read(&mut [0]), Ok(None))
    }

    /// Takes what was printed, so that printing does not wait.
    pub(super) fn take_printed(&mut self) {
        let mut bytes = [0; PRINTED_READ_BYTES];
        for _ in 0..PRINTED_READS_MAX {
            match self.errors.read(&mut bytes) {
                Ok(0) | Err(_) => return,
                Ok(read) => self.printed.add(&bytes[..read]),
            }
        }
    }

    pub(super) fn clear_printed(&mut self) {
        self.take_printed();
        self.printed.clear();
    }

    /// What the last call printed.
    pub(super) fn printed_text(&self) -> String {
        self.printed.text()
    }

    /// `error` with what was printed until it came.
    pub(super) fn with_printed(&mut self, error: SheafError) -> SheafError {
        self.take_printed();
        match self.printed.text() {
            text if text.is_empty() => error,
            text => error.with_detail(format!("it printed:\n{text}")),
        }
    }

    /// Waits until something can be read, or written if `is_sending`, for `wait` at most.
    pub(super) fn wait(&self, is_sending: bool, wait: Duration) {
        let mut ends = vec![
            PollFd::new(self.replies.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.errors.as_fd(), PollFlags::POLLIN),
        ];
        if is_sending {
            ends.push(PollFd::new(self.requests.as_fd(), PollFlags::POLLOUT));
        }
        let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO);
        // Interrupted or not: the caller looks at everything again.
        let _ = poll(&mut ends, timeout);
    }
}

fn is_busy(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
