//! One file of spilled data.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result as EngineResult};
use datafusion::execution::spill_file::{SpillFile, SpillWriter};
use futures::{Stream, StreamExt, TryFutureExt, TryStreamExt};
use sheaf_base::{ByteCount, SheafError};
use tokio_util::io::ReaderStream;

use super::SpillBooks;
use super::directory::SpillDirectory;

/// Bytes asked for at a read.
const BUFFER_BYTES: usize = 128 * 1024;

/// Bytes gathered before a write. Operators have many files open at a time, and write batches of them.
const WRITE_BUFFER_BYTES: usize = 32 * 1024;

/// A spill file on the local disk; dropping the last reference removes it.
pub(super) struct LocalSpillFile(Arc<Content>);

struct Content {
    path: PathBuf,
    bytes: AtomicU64,
    books: Arc<SpillBooks>,
    /// Keeps the directory while the file is there.
    _directory: Arc<SpillDirectory>,
}

impl LocalSpillFile {
    pub(super) fn create(
        directory: Arc<SpillDirectory>,
        number: u64,
        books: Arc<SpillBooks>,
    ) -> io::Result<Self> {
        let path = directory.path().join(format!("{number}.spill"));
        File::create_new(&path)?;
        books.files.fetch_add(1, Ordering::Relaxed);
        let bytes = AtomicU64::new(0);
        Ok(Self(Arc::new(Content {
            path,
            bytes,
            books,
            _directory: directory,
        })))
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        self.books.refund(self.bytes.load(Ordering::Relaxed));
        self.books.files.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SpillFile for LocalSpillFile {
    fn path(&self) -> Option<&Path> {
        Some(&self.0.path)
    }

    fn size(&self) -> Option<u64> {
        Some(self.0.bytes.load(Ordering::Relaxed))
    }

    fn read_stream(&self) -> EngineResult<Pin<Box<dyn Stream<Item = EngineResult<Bytes>> + Send>>> {
        // The stream keeps the file: its owner may let go of it as soon as reading has begun.
        let content = Arc::clone(&self.0);
        let open = async move {
            let file = tokio::fs::File::open(&content.path).await?;
            let chunks = ReaderStream::with_capacity(file, BUFFER_BYTES);
            Ok::<_, io::Error>(chunks.inspect(move |_| {
                let _keep = &content;
            }))
        };
        Ok(open
            .try_flatten_stream()
            .map_err(DataFusionError::IoError)
            .boxed())
    }

    fn open_writer(&self) -> EngineResult<Box<dyn SpillWriter>> {
        let file = OpenOptions::new().append(true).open(&self.0.path)?;
        let charged = ChargedFile {
            file,
            content: Arc::clone(&self.0),
        };
        Ok(Box::new(LocalSpillWriter(BufWriter::with_capacity(
            WRITE_BUFFER_BYTES,
            charged,
        ))))
    }
}

struct LocalSpillWriter(BufWriter<ChargedFile>);

impl Write for LocalSpillWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl SpillWriter for LocalSpillWriter {
    fn finish(&mut self) -> EngineResult<()> {
        // Not synced to the disk: nobody reads the file after the process has ended.
        self.0
            .flush()
            .map_err(|error| SheafError::from(error).into())
    }
}

/// A file whose bytes are charged to the budget before they are written.
struct ChargedFile {
    file: File,
    content: Arc<Content>,
}

impl Write for ChargedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len() as u64;
        let books = &self.content.books;
        books.charge(length).map_err(|left| {
            let max = ByteCount(books.bytes_max.load(Ordering::Relaxed));
            io::Error::new(
                io::ErrorKind::StorageFull,
                format!(
                    "spilled data would take more than max_temp_directory_size = {max} \
                     ({} are left)",
                    ByteCount(left)
                ),
            )
        })?;
        let written = self.file.write(bytes);
        let written_bytes = written.as_ref().map_or(0, |n| *n as u64);
        books.refund(length - written_bytes);
        self.content
            .bytes
            .fetch_add(written_bytes, Ordering::Relaxed);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
