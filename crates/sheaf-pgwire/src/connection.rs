//! The bytes of one connection: messages cut out of the input, output that waits to be sent.
//!
//! What a client can make the server hold is bounded: a message by [`MESSAGE_BYTES_MAX`], all
//! messages before the client has proved who it is by [`STARTUP_BYTES_MAX`], and what it sends while
//! a query of its runs by [`WATCH_BYTES_MAX`]. Output is sent when it exceeds [`OUTPUT_BYTES`], and
//! whoever writes waits for that: a client that does not read makes its query wait.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, Ready};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

use crate::errors::{Flow, violation};

/// Bytes that one message may have.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes that a client may send before it has proved who it is.
pub(crate) const STARTUP_BYTES_MAX: usize = 64 * 1024;
/// Bytes of output that are worth sending.
const OUTPUT_BYTES: usize = 64 * 1024;
/// Bytes that are read at a time.
const READ_BYTES: usize = 8 * 1024;
/// Bytes read ahead while a query runs, to notice that the client has gone. Of a client that has sent
/// more, the socket is asked from time to time.
const WATCH_BYTES_MAX: usize = 256 * 1024;
const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// Buffers of idle connections that are larger are given back.
const KEPT_BYTES_MAX: usize = 128 * 1024;

/// What carries a connection: TCP, a Unix socket, TLS.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {
    /// Whether the client has closed its side, though perhaps not all that it sent has been read.
    fn is_closed(&self) -> bool;
}

impl Socket for TcpStream {
    fn is_closed(&self) -> bool {
        is_over(self.ready(Interest::READABLE).now_or_never())
    }
}

impl Socket for UnixStream {
    fn is_closed(&self) -> bool {
        is_over(self.ready(Interest::READABLE).now_or_never())
    }
}

impl Socket for TlsStream<TcpStream> {
    fn is_closed(&self) -> bool {
        self.get_ref().0.is_closed()
    }
}

fn is_over(ready: Option<io::Result<Ready>>) -> bool {
    match ready {
        None => false,
        Some(Ok(ready)) => ready.is_read_closed() || ready.is_error(),
        Some(Err(_)) => true,
    }
}

/// Bytes that are read and forgotten when a connection is closed, and the time for that.
const FORGOTTEN_BYTES_MAX: usize = 1024 * 1024;
const CLOSE_TIME: Duration = Duration::from_millis(500);

/// One connection.
pub(crate) struct Connection {
    socket: Box<dyn Socket>,
    input: BytesMut,
    /// What is to be sent; messages are appended by `message::backend`.
    pub(crate) output: BytesMut,
    /// Bytes that may still come in all; no limit once the client is known.
    budget: Option<usize>,
}

impl Connection {
    pub(crate) fn new(socket: Box<dyn Socket>) -> Self {
        Self {
            socket,
            input: BytesMut::new(),
            output: BytesMut::new(),
            budget: Some(STARTUP_BYTES_MAX),
        }
    }

    /// The client has proved who it is.
    pub(crate) fn trust(&mut self) {
        self.budget = None;
    }

    /// The next message: its type and content. `None` at the end of the input. May be dropped and
    /// called anew without loss.
    pub(crate) async fn read_message(
        &mut self,
        is_known: fn(u8) -> bool,
    ) -> Flow<Option<(u8, Bytes)>> {
        loop {
            if let Some(message) = self.take_message(is_known)? {
                return Ok(Some(message));
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Cuts a message out of the input, if it is all there. A type or length that cannot be is
    /// refused before the content is read.
    fn take_message(&mut self, is_known: fn(u8) -> bool) -> Flow<Option<(u8, Bytes)>> {
        let Some(&tag) = self.input.first() else {
            return Ok(None);
        };
        if !is_known(tag) {
            return Err(violation(format!("invalid frontend message type {tag}")));
        }
        let Some(length) = self
            .input
            .get(1..5)
            .and_then(|b| <[u8; 4]>::try_from(b).ok())
        else {
            return Ok(None);
        };
        let length = content_bytes(i32::from_be_bytes(length), MESSAGE_BYTES_MAX)?;
        if self.input.len() < 5 + length {
            let missing = 5 + length - self.input.len();
            self.input.reserve(missing.min(OUTPUT_BYTES));
            return Ok(None);
        }
        self.input.advance(5);
        let content = self.input.split_to(length).freeze();
        Ok(Some((tag, content)))
    }

    /// The first message of a connection, which has no type.
    pub(crate) async fn read_startup(&mut self, first: [u8; 8]) -> Flow<Bytes> {
        let length = i32::from_be_bytes([first[0], first[1], first[2], first[3]]);
        let length = content_bytes(length, STARTUP_BYTES_MAX)?;
        if length < 4 {
            return Err(violation("invalid length of startup packet"));
        }
        let mut content = vec![0; length];
        content[..4].copy_from_slice(&first[4..]);
        self.socket.read_exact(&mut content[4..]).await?;
        self.spend(length + 4)?;
        Ok(content.into())
    }

    /// Exactly the first eight bytes: nothing that stands behind them is read.
    pub(crate) async fn read_first(&mut self) -> Flow<[u8; 8]> {
        let mut first = [0; 8];
        self.socket.read_exact(&mut first).await?;
        Ok(first)
    }

    /// Reads what has come, at least a byte; 0 at the end.
    async fn fill(&mut self) -> Flow<usize> {
        self.input.reserve(READ_BYTES);
        let count = self.socket.read_buf(&mut self.input).await?;
        self.spend(count)?;
        Ok(count)
    }

    fn spend(&mut self, count: usize) -> Flow<()> {
        if let Some(budget) = &mut self.budget {
            *budget = budget
                .checked_sub(count)
                .ok_or_else(|| violation("too much was sent before authentication"))?;
        }
        Ok(())
    }

    /// Waits until the client has gone, keeping what it sends meanwhile. May be dropped at any time.
    pub(crate) async fn gone(&mut self) {
        while self.input.len() < WATCH_BYTES_MAX {
            match self.fill().await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        while !self.socket.is_closed() {
            sleep(WATCH_INTERVAL).await;
        }
    }

    /// Whether there is much output.
    pub(crate) fn is_full(&self) -> bool {
        self.output.len() >= OUTPUT_BYTES
    }

    /// Sends the output if there is much of it.
    pub(crate) async fn flush_if_full(&mut self) -> io::Result<()> {
        match self.is_full() {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// Sends the output. May be dropped: what was not sent stays, and goes with the next call.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            if self.socket.write_buf(&mut self.output).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.socket.flush().await?;
        if self.output.capacity() > KEPT_BYTES_MAX {
            self.output = BytesMut::new();
        }
        if self.input.is_empty() && self.input.capacity() > KEPT_BYTES_MAX {
            self.input = BytesMut::new();
        }
        Ok(())
    }

    /// Sends the output and says that nothing follows. What the client is still sending is read and
    /// forgotten for a while: a socket closed over unread bytes takes back what was sent last.
    pub(crate) async fn close(&mut self) {
        if self.flush().await.is_err() || self.socket.shutdown().await.is_err() {
            return;
        }
        let mut forgotten = [0; READ_BYTES];
        let forget = async {
            let mut rest = FORGOTTEN_BYTES_MAX;
            while let Ok(count) = self.socket.read(&mut forgotten).await {
                rest = rest.saturating_sub(count);
                if count == 0 || rest == 0 {
                    return;
                }
            }
        };
        let _ = timeout(CLOSE_TIME, forget).await;
    }
}

/// The bytes behind a length that counts its own four.
fn content_bytes(length: i32, bytes_max: usize) -> Flow<usize> {
    let content = usize::try_from(length).ok().and_then(|l| l.checked_sub(4));
    match content {
        Some(content) if content <= bytes_max => Ok(content),
        _ => Err(violation(format!("invalid message length {length}"))),
    }
}
