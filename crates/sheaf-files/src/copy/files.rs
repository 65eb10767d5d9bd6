//! The open files of one writing task: rows in, files of the staging place out.
//!
//! Without partition columns there is one file at a time. With them there is one for each
//! directory, up to a bound. When rows come for more directories than that, the set asks for the
//! rest of its rows in the order of directories; then it writes one after another, so that each
//! directory gets one file of the task however many there are. All memory (encoders, chunks, parts under way) is reserved in the
//! query's pool; when the pool refuses, the largest encoders hand over what they hold.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::physical_plan::metrics::Count;
use parking_lot::Mutex;
use sheaf_base::{Result, SheafError};

use super::encode::Encoding;
use super::encoder::FileEncoder;
use super::hive::HiveLayout;
use super::sink::{FileSink, Place};

/// Files that all tasks of one COPY have open together.
pub(super) const OPEN_FILES_MAX: usize = 128;
/// Uploads that all tasks of one COPY have open together; each holds parts of several MiB.
pub(super) const OPEN_UPLOADS_MAX: usize = 16;
/// Files that one COPY may write.
pub(super) const FILES_MAX: usize = 100_000;
/// Encoded bytes go to the sink when this many have gathered.
const CHUNK_BYTES: usize = 1 << 20;

/// What all writing tasks of one COPY share.
#[derive(Debug)]
pub(super) struct FileSpec {
    pub(super) encoding: Encoding,
    pub(super) layout: HiveLayout,
    /// Before and after the number in the names of a directory's files.
    pub(super) name_prefix: String,
    pub(super) name_suffix: String,
    pub(super) file_bytes_max: Option<u64>,
    pub(super) files_begun: AtomicUsize,
    pub(super) bytes_written: Count,
    pub(super) files_written: Count,
}

impl FileSpec {
    /// The name of the next file of a directory: `data_0.parquet`.
    fn next_name(&self, directory: &str) -> Result<String> {
        let number = self.files_begun.fetch_add(1, Ordering::Relaxed);
        if number >= FILES_MAX {
            return Err(SheafError::resource(format!(
                "COPY would write more than {FILES_MAX} files"
            ))
            .with_hint("partition by columns with fewer values, or sort the rows by them"));
        }
        Ok(format!(
            "{directory}{}{number}{}",
            self.name_prefix, self.name_suffix
        ))
    }
}

/// The open files of one task.
pub(super) struct FileSet {
    spec: Arc<FileSpec>,
    place: Place,
    open: HashMap<String, OpenFile>,
    open_max: usize,
    /// The directory under way, once rows come in the order of directories.
    sorted: Option<String>,
    finished: Vec<String>,
    reservation: MemoryReservation,
    rows: u64,
}

struct OpenFile {
    name: String,
    writer: FileEncoder,
    buffer: Buffer,
    sink: FileSink,
    bytes: u64,
}

impl FileSet {
    /// No file yet.
    pub(super) fn new(
        spec: Arc<FileSpec>,
        place: Place,
        open_max: usize,
        pool: &Arc<dyn MemoryPool>,
    ) -> Self {
        let reservation = MemoryConsumer::new("COPY")
            .with_can_spill(true)
            .register(pool);
        Self {
            spec,
            place,
            open: HashMap::new(),
            open_max: open_max.max(1),
            sorted: None,
            finished: Vec::new(),
            reservation,
            rows: 0,
        }
    }

    /// Writes the rows of one batch. Gives it back, with nothing written, if it needs more files
    /// than may be open: then [`FileSet::begin_sorted`], and rows in the order of directories.
    pub(super) async fn write(&mut self, batch: RecordBatch) -> Result<Option<RecordBatch>> {
        let parts = self.spec.layout.split(batch.clone())?;
        if self.sorted.is_none() && self.spec.layout.is_partitioned() {
            let is_new = |part: &&(String, RecordBatch)| !self.open.contains_key(&part.0);
            if self.open.len() + parts.iter().filter(is_new).count() > self.open_max {
                return Ok(Some(batch));
            }
        }
        self.rows += batch.num_rows() as u64;
        for (directory, rows) in parts {
            if rows.num_rows() > 0 {
                self.write_to(directory, &rows).await?;
            }
        }
        self.reserve().await?;
        Ok(None)
    }

    /// From now on rows come in the order of directories. Files stay open for their last rows, but
    /// hand over what they hold, since sorting needs the memory.
    pub(super) async fn begin_sorted(&mut self) -> Result<()> {
        self.sorted = Some(String::new());
        for file in self.open.values_mut() {
            file.writer.release().await?;
            file.pass_on(0).await?;
        }
        self.reserve().await
    }

    /// Makes sure of one file without rows, for results that have none.
    pub(super) async fn open_empty(&mut self) -> Result<()> {
        self.open_file("").await.map(drop)
    }

    /// Ends all files; gives the rows written and the names of the files.
    pub(super) async fn finish(mut self) -> Result<(u64, Vec<String>)> {
        let keys: Vec<String> = self.open.keys().cloned().collect();
        for key in keys {
            self.close(&key).await?;
        }
        Ok((self.rows, self.finished))
    }

    async fn write_to(&mut self, directory: String, rows: &RecordBatch) -> Result<()> {
        if let Some(before) = &self.sorted
            && *before != directory
            && let Some(done) = self.sorted.replace(directory.clone())
        {
            self.close(&done).await?;
        }
        if !self.open.contains_key(&directory) {
            self.open_file(&directory).await?;
        }
        let Some(file) = self.open.get_mut(&directory) else {
            return Err(SheafError::internal("a file of COPY is not open"));
        };
        file.writer.write(rows).await?;
        file.pass_on(CHUNK_BYTES).await?;
        let size = file.bytes + file.buffer.len() as u64 + file.writer.held_bytes() as u64;
        if self.spec.file_bytes_max.is_some_and(|most| size >= most) {
            self.close(&directory).await?;
        }
        Ok(())
    }

    async fn open_file(&mut self, directory: &str) -> Result<()> {
        let name = self.spec.next_name(directory)?;
        let sink = self.place.open(&name).await?;
        let buffer = Buffer::default();
        let output = Box::new(buffer.clone());
        let schema = self.spec.layout.schema();
        let is_alone = self.place.is_single();
        let writer = FileEncoder::new(&self.spec.encoding, schema, is_alone, output)?;
        let file = OpenFile {
            name,
            writer,
            buffer,
            sink,
            bytes: 0,
        };
        self.open.insert(directory.to_owned(), file);
        Ok(())
    }

    async fn close(&mut self, key: &str) -> Result<()> {
        let Some(mut file) = self.open.remove(key) else {
            return Ok(());
        };
        file.writer.finish().await?;
        let rest = file.buffer.take();
        file.bytes += rest.len() as u64;
        file.sink.write(rest).await?;
        file.sink.finish().await?;
        self.spec
            .bytes_written
            .add(usize::try_from(file.bytes).unwrap_or(usize::MAX));
        self.spec.files_written.add(1);
        self.finished.push(file.name);
        Ok(())
    }

    /// Reserves what is held; while the pool refuses, the largest holder gives its memory up, in a
    /// directory by ending its file.
    async fn reserve(&mut self) -> Result<()> {
        loop {
            let held = self.open.values().map(OpenFile::held_bytes).sum();
            let Err(refusal) = self.reservation.try_resize(held) else {
                return Ok(());
            };
            let largest = self
                .open
                .iter_mut()
                .max_by_key(|(_, file)| file.held_bytes());
            let Some((key, file)) = largest else {
                return Err(refusal.into());
            };
            let before = file.held_bytes();
            file.writer.release().await?;
            file.pass_on(0).await?;
            file.sink.settle().await?;
            if file.held_bytes() >= before {
                if self.place.is_single() {
                    return Err(refusal.into());
                }
                let key = key.clone();
                self.close(&key).await?;
            }
        }
    }
}

impl OpenFile {
    fn held_bytes(&self) -> usize {
        self.writer.held_bytes() + self.buffer.capacity() + self.sink.held_bytes()
    }

    /// Hands gathered bytes to the sink if there are at least `bytes_min`.
    async fn pass_on(&mut self, bytes_min: usize) -> Result<()> {
        if self.buffer.len() >= bytes_min {
            let chunk = self.buffer.take();
            self.bytes += chunk.len() as u64;
            self.sink.write(chunk).await?;
        }
        Ok(())
    }
}

/// Encoded bytes on their way from an encoder, which wants a `Write`, to the sink.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn len(&self) -> usize {
        self.0.lock().len()
    }

    fn capacity(&self) -> usize {
        self.0.lock().capacity()
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock())
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
