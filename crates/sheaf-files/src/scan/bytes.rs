//! Bytes of one file, in chunks: a range, the whole decompressed and decoded, or a prefix.
//!
//! Local files are read in large blocks right where the data is decoded: the page cache answers
//! most reads, and a hand-over to another thread costs more than the read. Remote files stream.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_compression::tokio::bufread::{BzDecoder, GzipDecoder, XzDecoder, ZstdDecoder};
use bytes::Bytes;
use datafusion::physical_plan::metrics::Count;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::{GetOptions, GetRange, GetResultPayload, ObjectMeta, ObjectStore};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use tokio::io::AsyncRead;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::encoding::decoded;
use crate::formats::Compression;

/// Bytes read from a local file at a time.
const BLOCK_BYTES: usize = 512 * 1024;

/// Bytes of decompressed data handed on at a time.
const DECOMPRESSED_BLOCK_BYTES: usize = 256 * 1024;

/// Chunks of a file, in order.
pub(crate) type Chunks = BoxStream<'static, Result<Bytes>>;

/// A file that can be read: where it is, what users call it, how it is compressed.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) meta: ObjectMeta,
    pub(crate) path: Arc<str>,
    pub(crate) compression: Compression,
    /// What decodes text that is not UTF-8.
    pub(crate) transcoder: Option<&'static encoding_rs::Encoding>,
    /// Counts what is read, if somebody wants to know.
    pub(crate) gauge: Option<Arc<ReadGauge>>,
}

/// Counts the stored bytes of a piece as they are read, so that progress moves within a file.
/// Bytes read twice (a header) or beyond the piece do not count: the sum is the piece's size.
#[derive(Debug)]
pub(crate) struct ReadGauge {
    read: Count,
    left: AtomicU64,
}

/// The first bytes of a file, decompressed.
#[derive(Debug)]
pub(crate) struct Prefix {
    pub(crate) bytes: Vec<u8>,
    /// Whether these are all the file has.
    pub(crate) is_whole: bool,
}

impl ReadGauge {
    /// A gauge of `bytes`, which adds to `read`.
    pub(crate) fn new(read: Count, bytes: u64) -> Self {
        Self {
            read,
            left: AtomicU64::new(bytes),
        }
    }

    fn add(&self, bytes: u64) {
        let take = |left: u64| Some(left.saturating_sub(bytes));
        let before = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .unwrap_or(0);
        let counted = usize::try_from(before.min(bytes)).unwrap_or(usize::MAX);
        self.read.add(counted);
    }

    /// Counts what was not read: the piece is done.
    pub(crate) fn finish(&self) {
        self.add(u64::MAX);
    }
}

impl SourceFile {
    /// Stored bytes of `range`, cut at the file's end.
    ///
    /// # Errors
    /// Names the file if it cannot be opened.
    pub(crate) async fn range(&self, range: Range<u64>) -> Result<Chunks> {
        let range = range.start..range.end.min(self.meta.size);
        if range.is_empty() {
            return Ok(futures::stream::empty().boxed());
        }
        let is_all = range == (0..self.meta.size);
        let options = GetOptions {
            range: (!is_all).then_some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let result = self.store.get_opts(&self.meta.location, options).await;
        let result = result.map_err(|error| self.store_error(error))?;
        let range = result.range.clone();
        let chunks = match result.payload {
            GetResultPayload::File(file, _) => self.local_blocks(file, &range)?,
            GetResultPayload::Stream(stream) => {
                let file = self.clone();
                stream.map_err(move |error| file.store_error(error)).boxed()
            }
        };
        Ok(match self.gauge.clone() {
            Some(gauge) => chunks
                .inspect_ok(move |chunk| gauge.add(chunk.len() as u64))
                .boxed(),
            None => chunks,
        })
    }

    fn local_blocks(&self, mut file: std::fs::File, range: &Range<u64>) -> Result<Chunks> {
        let path = Arc::clone(&self.path);
        let named = move |error: std::io::Error| SheafError::from(error).with_context(&path);
        file.seek(SeekFrom::Start(range.start)).map_err(&named)?;
        let left = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let blocks = futures::stream::try_unfold((file, left), move |(mut file, left)| {
            let block = read_block(&mut file, left.min(BLOCK_BYTES)).map_err(&named);
            futures::future::ready(block.map(|block| {
                let left = left - block.len();
                (!block.is_empty()).then_some((block, (file, left)))
            }))
        });
        Ok(blocks.boxed())
    }

    /// Whether the bytes are read as they are stored, so that they can be read from the middle.
    pub(crate) fn is_plain(&self) -> bool {
        self.compression == Compression::None && self.transcoder.is_none()
    }

    /// The whole file, decompressed and decoded.
    ///
    /// # Errors
    /// Names the file if it cannot be opened.
    pub(crate) async fn whole(&self) -> Result<Chunks> {
        let chunks = self.decompressed().await?;
        Ok(match self.transcoder {
            Some(encoding) => decoded(chunks, encoding),
            None => chunks,
        })
    }

    async fn decompressed(&self) -> Result<Chunks> {
        let raw = self.range(0..self.meta.size).await?;
        if self.compression == Compression::None {
            return Ok(raw);
        }
        let reader = StreamReader::new(raw.map_err(std::io::Error::other));
        let decoder: Box<dyn AsyncRead + Send + Unpin> = match self.compression {
            Compression::Gzip => {
                let mut decoder = GzipDecoder::new(reader);
                decoder.multiple_members(true);
                Box::new(decoder)
            }
            Compression::Bzip2 => {
                let mut decoder = BzDecoder::new(reader);
                decoder.multiple_members(true);
                Box::new(decoder)
            }
            Compression::Xz => {
                let mut decoder = XzDecoder::new(reader);
                decoder.multiple_members(true);
                Box::new(decoder)
            }
            Compression::Zstd | Compression::None => {
                let mut decoder = ZstdDecoder::new(reader);
                decoder.multiple_members(true);
                Box::new(decoder)
            }
        };
        let file = self.clone();
        let chunks = ReaderStream::with_capacity(decoder, DECOMPRESSED_BLOCK_BYTES)
            .map_err(move |error| file.decompression_error(error));
        Ok(chunks.boxed())
    }

    /// The first bytes of the file, decompressed and decoded: at least `bytes_max` if it has so many.
    ///
    /// # Errors
    /// Names the file if it cannot be read.
    pub(crate) async fn prefix(&self, bytes_max: usize) -> Result<Prefix> {
        let is_plain = self.is_plain();
        let mut chunks = if is_plain {
            self.range(0..bytes_max as u64).await?
        } else {
            self.whole().await?
        };
        let mut bytes = Vec::new();
        while bytes.len() < bytes_max {
            match chunks.try_next().await? {
                Some(chunk) => bytes.extend_from_slice(&chunk),
                None => {
                    return Ok(Prefix {
                        is_whole: self.is_all(&bytes),
                        bytes,
                    });
                }
            }
        }
        Ok(Prefix {
            is_whole: is_plain && bytes.len() as u64 == self.meta.size,
            bytes,
        })
    }

    /// Whether `bytes`, after which the stream ended, are the whole file.
    fn is_all(&self, bytes: &[u8]) -> bool {
        !self.is_plain() || bytes.len() as u64 >= self.meta.size
    }

    fn store_error(&self, error: object_store::Error) -> SheafError {
        match error {
            object_store::Error::NotFound { .. } => {
                SheafError::data(format!("{}: the file is gone", self.path))
                    .with_state(SqlState::UNDEFINED_FILE)
                    .with_hint("it was there when the statement was planned")
            }
            other => SheafError::from(other).with_context(&self.path),
        }
    }

    fn decompression_error(&self, error: std::io::Error) -> SheafError {
        let error = match error.downcast::<SheafError>() {
            Ok(inner) => return inner,
            Err(error) => error,
        };
        let name = match self.compression {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Bzip2 => "bzip2",
            Compression::Xz => "xz",
            Compression::None => "compressed",
        };
        let message = match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                format!(
                    "{}: the file is truncated: its {name} data ends too early",
                    self.path
                )
            }
            _ => format!("{}: not valid {name} data: {error}", self.path),
        };
        SheafError::data(message).with_state(SqlState::BAD_COPY_FILE_FORMAT)
    }
}

fn read_block(file: &mut std::fs::File, bytes_max: usize) -> std::io::Result<Bytes> {
    let mut block = Vec::with_capacity(bytes_max);
    file.take(bytes_max as u64).read_to_end(&mut block)?;
    Ok(Bytes::from(block))
}
