//! One request and its reply.
//!
//! States of a reply: `Prefix` (two lengths) → `Header` → `Body` → whole. While the request goes out the
//! reply may come in already, and what is printed is taken all the time, so that no pipe is full for good.

use std::io::IoSlice;
use std::time::{Duration, Instant};

use arrow::buffer::{Buffer, MutableBuffer};
use datafusion::execution::memory_pool::MemoryReservation;
use serde_json::Value;
use sheaf_base::SheafError;
use sheaf_udf::CallContext;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::pipes::Pipes;

/// The lengths of header (4 bytes) and body (8 bytes) that a frame begins with.
const PREFIX_BYTES: usize = 12;

/// Bytes of a header; tracebacks and what else is in it are shorter.
const HEADER_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a reply's body that are not asked memory for.
const FREE_BODY_BYTES: usize = 256 * 1024;

/// The longest wait between two looks at whether the query goes on.
const TICK: Duration = Duration::from_millis(20);

/// How long a call keeps its thread to itself. One that takes longer lets the runtime replace it.
const PATIENCE: Duration = Duration::from_millis(5);

/// Parts that are written at a time.
const PARTS_MAX: usize = 64;

/// What a call may take, and whom it asks.
pub(crate) struct Call<'a> {
    /// The query; of none, a function is being made.
    context: Option<&'a CallContext>,
    /// What the reply's memory is reserved with.
    memory: Option<MemoryReservation>,
    /// The longest that each request may take.
    timeout: Option<Duration>,
}

impl<'a> Call<'a> {
    /// Requests for the query of `context`, each of `timeout` at most.
    pub(crate) fn of_query(context: &'a CallContext, timeout: Option<Duration>) -> Self {
        Self {
            context: Some(context),
            memory: Some(context.reservation("python")),
            timeout,
        }
    }

    /// Requests of `timeout` at most that belong to no query.
    pub(crate) fn alone(timeout: Duration) -> Self {
        Self {
            context: None,
            memory: None,
            timeout: Some(timeout),
        }
    }

    /// The same query with another limit.
    pub(super) fn within(&self, timeout: Duration) -> Self {
        Self {
            context: self.context,
            memory: None,
            timeout: Some(timeout),
        }
    }

    /// Reserves `bytes` for as long as the call lasts.
    ///
    /// # Errors
    /// `Resource` if the query may not have them.
    pub(crate) fn reserve(&self, bytes: usize) -> sheaf_base::Result<()> {
        match &self.memory {
            Some(memory) => Ok(memory.try_resize(bytes)?),
            None => Ok(()),
        }
    }

    pub(super) fn notify(&self, printed: &str) {
        if let Some(context) = self.context {
            context.notify(printed);
        }
    }

    pub(super) fn late_error(&self) -> SheafError {
        let seconds = self.timeout.unwrap_or_default().as_secs_f64();
        SheafError::cancelled(format!("a call took longer than {seconds} s"))
            .with_hint("SET python_timeout says how long a call for a batch of rows may take")
    }

    fn is_stopped(&self) -> bool {
        self.context
            .is_some_and(|context| context.stop_token().is_cancelled())
    }

    /// Whether a request that began at `start` must end now, and else how long it may wait.
    fn wait(&self, start: Instant) -> Result<Duration, Interruption> {
        if self.is_stopped() {
            return Err(Interruption::Stopped);
        }
        let Some(timeout) = self.timeout else {
            return Ok(TICK);
        };
        let left = timeout.saturating_sub(start.elapsed());
        match left.is_zero() {
            true => Err(Interruption::Late),
            // A poll counts milliseconds.
            false => Ok(left.clamp(Duration::from_millis(1), TICK)),
        }
    }
}

/// Why there is no reply.
pub(super) enum Interruption {
    /// The query ended.
    Stopped,
    /// The call took too long.
    Late,
    /// The worker closed its pipe.
    Closed,
    /// The query may not have the memory for the reply.
    Refused(SheafError),
    /// The worker does not keep to the protocol.
    Broken(String),
}

/// A reply.
pub(super) struct Frame {
    pub(super) header: Vec<u8>,
    pub(super) body: Buffer,
}

/// One request and its reply, as far as they have come.
pub(super) struct Exchange {
    parts: Vec<Buffer>,
    /// The part that is being written, and how much of it has been.
    part: usize,
    written: usize,
    prefix: [u8; PREFIX_BYTES],
    header: Vec<u8>,
    body: MutableBuffer,
    read: usize,
    state: State,
    body_bytes_max: usize,
    start: Instant,
}

enum State {
    Prefix,
    Header,
    Body,
}

impl Exchange {
    /// `parts` are what is sent; a body of more than `body_bytes_max` is not taken.
    pub(super) fn new(parts: Vec<Buffer>, body_bytes_max: usize) -> Self {
        Self {
            parts,
            part: 0,
            written: 0,
            prefix: [0; PREFIX_BYTES],
            header: Vec::new(),
            body: MutableBuffer::new(0),
            read: 0,
            state: State::Prefix,
            body_bytes_max,
            start: Instant::now(),
        }
    }

    /// A request as it is sent.
    pub(super) fn frame(header: &Value, body: Vec<Buffer>) -> Vec<Buffer> {
        let header = header.to_string().into_bytes();
        let body_bytes: usize = body.iter().map(Buffer::len).sum();
        let header_bytes = u32::try_from(header.len()).unwrap_or(u32::MAX);
        let mut start = Vec::with_capacity(PREFIX_BYTES + header.len());
        start.extend_from_slice(&header_bytes.to_le_bytes());
        start.extend_from_slice(&(body_bytes as u64).to_le_bytes());
        start.extend_from_slice(&header);
        let body = body.into_iter().filter(|part| !part.is_empty());
        std::iter::once(Buffer::from_vec(start))
            .chain(body)
            .collect()
    }

    /// Sends the request and waits for the reply, on this thread for a moment, and then in a way that
    /// lets others have what this thread was to do.
    pub(super) fn run(mut self, pipes: &mut Pipes, call: &Call<'_>) -> Result<Frame, Interruption> {
        let pause = self.start + PATIENCE;
        if !self.advance(pipes, call, Some(pause))? {
            let is_replaceable = Handle::try_current()
                .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
            match is_replaceable {
                true => tokio::task::block_in_place(|| self.advance(pipes, call, None))?,
                false => self.advance(pipes, call, None)?,
            };
        }
        pipes.take_printed();
        Ok(Frame {
            header: self.header,
            body: self.body.into(),
        })
    }

    /// Goes on until the reply is there (true) or `pause` has come.
    fn advance(
        &mut self,
        pipes: &mut Pipes,
        call: &Call<'_>,
        pause: Option<Instant>,
    ) -> Result<bool, Interruption> {
        loop {
            let has_sent = self.send(pipes)?;
            let has_read = self.receive(pipes, call)?;
            if self.is_whole() {
                return Ok(true);
            }
            let wait = call.wait(self.start)?;
            if has_sent || has_read {
                continue;
            }
            pipes.take_printed();
            if pause.is_some_and(|pause| Instant::now() >= pause) {
                return Ok(false);
            }
            let wait = match pause {
                Some(_) => wait.min(PATIENCE),
                None => wait,
            };
            pipes.wait(self.part < self.parts.len(), wait);
        }
    }

    /// Writes what can be; whether that was anything.
    fn send(&mut self, pipes: &mut Pipes) -> Result<bool, Interruption> {
        let Some(left) = self.parts.get(self.part..).filter(|left| !left.is_empty()) else {
            return Ok(false);
        };
        let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(left.len().min(PARTS_MAX));
        for (index, part) in left.iter().take(PARTS_MAX).enumerate() {
            let from = if index == 0 { self.written } else { 0 };
            slices.push(IoSlice::new(&part.as_slice()[from..]));
        }
        let written = match pipes.write(&slices) {
            Ok(written) => written,
            // It has ended; what it said before is still to be read.
            Err(_) => {
                self.part = self.parts.len();
                return Ok(false);
            }
        };
        let Some(mut written) = written else {
            return Ok(false);
        };
        while let Some(part) = self.parts.get(self.part) {
            let rest = part.len() - self.written;
            if written < rest {
                self.written += written;
                break;
            }
            written -= rest;
            self.part += 1;
            self.written = 0;
        }
        Ok(true)
    }

    /// Reads what is there; whether that was anything.
    fn receive(&mut self, pipes: &mut Pipes, call: &Call<'_>) -> Result<bool, Interruption> {
        let mut has_read = false;
        while !self.is_whole() {
            let target = match self.state {
                State::Prefix => &mut self.prefix[self.read..],
                State::Header => &mut self.header[self.read..],
                State::Body => &mut self.body.as_slice_mut()[self.read..],
            };
            match pipes.read(target) {
                Ok(None) => return Ok(has_read),
                Ok(Some(0)) | Err(_) => return Err(Interruption::Closed),
                Ok(Some(bytes)) => self.read += bytes,
            }
            has_read = true;
            self.step(call)?;
        }
        Ok(has_read)
    }

    /// Goes to the next state if this one has all of its bytes.
    fn step(&mut self, call: &Call<'_>) -> Result<(), Interruption> {
        match self.state {
            State::Prefix if self.read == PREFIX_BYTES => {
                let [a, b, c, d, body @ ..] = self.prefix;
                let header_bytes = u32::from_le_bytes([a, b, c, d]) as usize;
                let body_bytes = usize::try_from(u64::from_le_bytes(body)).unwrap_or(usize::MAX);
                if header_bytes == 0 || header_bytes > HEADER_BYTES_MAX {
                    return Err(Interruption::Broken("a reply without a header".to_owned()));
                }
                if body_bytes > self.body_bytes_max {
                    let what = format!("a reply of {body_bytes} bytes");
                    return Err(Interruption::Broken(what));
                }
                if body_bytes > FREE_BODY_BYTES {
                    call.reserve(body_bytes).map_err(Interruption::Refused)?;
                }
                self.header = vec![0; header_bytes];
                self.body = MutableBuffer::from_len_zeroed(body_bytes);
                (self.state, self.read) = (State::Header, 0);
            }
            State::Header if self.read == self.header.len() => {
                (self.state, self.read) = (State::Body, 0);
            }
            _ => {}
        }
        Ok(())
    }

    fn is_whole(&self) -> bool {
        matches!(self.state, State::Body) && self.read == self.body.len()
    }
}
