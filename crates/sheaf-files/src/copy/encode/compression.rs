//! Compression of text files, as a `Write` in front of a `Write`.
//!
//! The codecs are those of `async-compression`, which the readers use too. Its encoders are
//! asynchronous; over an output that never makes them wait they finish in one poll, which is what
//! [`Output`] does.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use async_compression::Level;
use async_compression::tokio::write::{BzEncoder, GzipEncoder, XzEncoder, ZstdEncoder};
use sheaf_base::Result;
use tokio::io::AsyncWrite;

use super::names::{Names, by_name};

/// How a text file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextCompression {
    /// Not at all.
    #[default]
    None,
    /// gzip, `.gz`.
    Gzip,
    /// Zstandard, `.zst`.
    Zstd,
    /// bzip2, `.bz2`.
    Bzip2,
    /// xz, `.xz`.
    Xz,
}

/// Names (the first is the documentation's), extension without dot, range of levels.
type CompressionRow = (TextCompression, Names, &'static str, (i32, i32));

const COMPRESSIONS: &[CompressionRow] = &[
    (TextCompression::None, &["none", "uncompressed"], "", (0, 0)),
    (TextCompression::Gzip, &["gzip", "gz"], "gz", (0, 9)),
    (TextCompression::Zstd, &["zstd", "zst"], "zst", (1, 22)),
    (TextCompression::Bzip2, &["bzip2", "bz2"], "bz2", (1, 9)),
    (TextCompression::Xz, &["xz"], "xz", (0, 9)),
];

impl TextCompression {
    /// The compression of a name, as after `COMPRESSION`.
    ///
    /// # Errors
    /// `UserInput` for an unknown name.
    pub fn from_name(name: &str) -> Result<Self> {
        by_name(name, COMPRESSIONS.iter().map(|row| (row.0, row.1)))
    }

    /// The compression of a file extension without dot; `None` if it names no compression.
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        let lower = extension.to_ascii_lowercase();
        let found = COMPRESSIONS
            .iter()
            .find(|row| !row.2.is_empty() && row.2 == lower);
        found.map(|row| row.0)
    }

    /// The extension without dot; empty if not compressed.
    #[must_use]
    pub fn extension(self) -> &'static str {
        COMPRESSIONS
            .iter()
            .find(|row| row.0 == self)
            .map_or("", |row| row.2)
    }

    /// The least and the greatest level; `None` if not compressed.
    #[must_use]
    pub fn levels(self) -> Option<(i32, i32)> {
        let row = COMPRESSIONS.iter().find(|row| row.0 == self)?;
        (self != Self::None).then_some(row.3)
    }
}

/// The output of a text format, compressed or not.
pub(super) enum Output {
    /// Bytes go on as they are.
    Plain(Box<dyn Write + Send>),
    /// Bytes pass a codec.
    Compressed(Box<dyn AsyncWrite + Send + Unpin>),
}

impl Output {
    /// The output behind `compression`; `level` is within the compression's range.
    pub(super) fn new(
        compression: TextCompression,
        level: Option<i32>,
        output: Box<dyn Write + Send>,
    ) -> Self {
        let level = level.map_or(Level::Default, Level::Precise);
        let inner = Immediate(output);
        match compression {
            TextCompression::None => Self::Plain(inner.0),
            TextCompression::Gzip => {
                Self::Compressed(Box::new(GzipEncoder::with_quality(inner, level)))
            }
            TextCompression::Zstd => {
                Self::Compressed(Box::new(ZstdEncoder::with_quality(inner, level)))
            }
            TextCompression::Bzip2 => {
                Self::Compressed(Box::new(BzEncoder::with_quality(inner, level)))
            }
            TextCompression::Xz => {
                Self::Compressed(Box::new(XzEncoder::with_quality(inner, level)))
            }
        }
    }

    /// Ends the compressed stream and flushes the output.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(output) => output.flush(),
            Self::Compressed(encoder) => poll_now(Pin::new(encoder).poll_shutdown(&mut context())),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(output) => output.write(bytes),
            Self::Compressed(encoder) => {
                poll_now(Pin::new(encoder).poll_write(&mut context(), bytes))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(output) => output.flush(),
            // Flushing a codec after every batch would spoil the compression.
            Self::Compressed(_) => Ok(()),
        }
    }
}

/// A `Write` as an `AsyncWrite` that is always ready.
struct Immediate(Box<dyn Write + Send>);

impl AsyncWrite for Immediate {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.write(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.flush())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.flush())
    }
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn poll_now<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::Error::other(
            "the codec waits for an output that never waits",
        )),
    }
}
