//! A disk that fails at any one operation: an error, nothing kept, nobody left waiting.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use datafusion::common::{JoinType, Result, exec_err};
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::spill_file::{SpillFile, SpillWriter, TempFileFactory};
use futures::{Stream, stream};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::fixture::{Case, JOIN_TYPES, pool, rows, run};

pub(super) const MESSAGE: &str = "the disk is broken";

/// Counts operations, and fails at one of them.
#[derive(Debug)]
pub(super) struct Disk {
    fails_at: AtomicUsize,
    operations: AtomicUsize,
    files: AtomicUsize,
}

impl Disk {
    /// One that fails at its operation number `fails_at`.
    pub(super) fn new(fails_at: usize) -> Arc<Self> {
        Arc::new(Self {
            fails_at: AtomicUsize::new(fails_at),
            operations: AtomicUsize::new(0),
            files: AtomicUsize::new(0),
        })
    }

    /// Fails at the next operation.
    pub(super) fn fail(&self) {
        let next = self.operations.load(Ordering::Relaxed) + 1;
        self.fails_at.store(next, Ordering::Relaxed);
    }

    pub(super) fn manager(self: &Arc<Self>) -> DiskManagerBuilder {
        let files = Arc::new(Files(Arc::clone(self)));
        DiskManagerBuilder::default().with_temp_file_factory(files)
    }

    fn step(&self) -> Result<()> {
        let operation = self.operations.fetch_add(1, Ordering::Relaxed) + 1;
        match operation == self.fails_at.load(Ordering::Relaxed) {
            true => exec_err!("{MESSAGE}"),
            false => Ok(()),
        }
    }
}

struct Files(Arc<Disk>);

struct File {
    disk: Arc<Disk>,
    content: Arc<Mutex<Vec<u8>>>,
}

impl TempFileFactory for Files {
    fn create_temp_file(&self, _description: &str) -> Result<Arc<dyn SpillFile>> {
        self.0.step()?;
        self.0.files.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(File {
            disk: Arc::clone(&self.0),
            content: Arc::default(),
        }))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.disk.files.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SpillFile for File {
    fn size(&self) -> Option<u64> {
        Some(self.content.lock().len() as u64)
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        self.disk.step()?;
        let content = self.content.lock().clone();
        let pieces: Vec<Bytes> = content.chunks(4096).map(Bytes::copy_from_slice).collect();
        let disk = Arc::clone(&self.disk);
        let pieces = pieces
            .into_iter()
            .map(move |piece| disk.step().map(|()| piece));
        Ok(Box::pin(stream::iter(pieces)))
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        self.disk.step()?;
        Ok(Box::new(Writer {
            disk: Arc::clone(&self.disk),
            content: Arc::clone(&self.content),
        }))
    }
}

struct Writer {
    disk: Arc<Disk>,
    content: Arc<Mutex<Vec<u8>>>,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.step().map_err(io::Error::other)?;
        self.content.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SpillWriter for Writer {
    fn finish(&mut self) -> Result<()> {
        self.disk.step()
    }
}

/// Runs `case` on a disk that fails at one operation; how many there were.
async fn check(case: &Case, memory_bytes: usize, fails_at: usize) -> usize {
    let (left, right) = (rows(120, 30, 9, true, 41), rows(110, 30, 9, true, 42));
    let disk = Disk::new(fails_at);
    let env = RuntimeEnvBuilder::new()
        .with_memory_pool(pool(memory_bytes))
        .with_disk_manager_builder(disk.manager())
        .build_arc()
        .unwrap();
    let ran = timeout(
        Duration::from_secs(60),
        run(case.plan(&left, &right), 16, &env),
    );
    let context = format!("{case:?}, failing at {fails_at}");
    let ran = ran.await.expect(&context);
    let operations = disk.operations.load(Ordering::Relaxed);
    match ran {
        Ok(rows) => {
            assert!(operations < fails_at, "{context}: nobody was told");
            assert_eq!(rows, case.expected(&left, &right), "{context}");
        }
        Err(error) => assert!(error.to_string().contains(MESSAGE), "{context}: {error}"),
    }
    // Tasks that were dropped end at their next pause.
    let mut waits = 0;
    while disk.files.load(Ordering::Relaxed) > 0 || env.memory_pool.reserved() > 0 {
        tokio::task::yield_now().await;
        waits += 1;
        assert!(waits < 10_000_000, "{context}: something was left behind");
    }
    operations
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_at_any_operation_ends_the_query_with_its_error() {
    for join_type in [JoinType::Inner, JoinType::Full, JoinType::LeftAnti] {
        let case = Case::of(join_type, &[0]);
        let mut fails_at = 1;
        while fails_at <= check(&case, 10_000, fails_at).await {
            fails_at += 1 + fails_at / 8;
        }
        assert!(fails_at > 20, "{join_type}: there was nothing to fail");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_of_join_ends_when_the_disk_fails() {
    for join_type in JOIN_TYPES {
        let case = Case::of(join_type, &[1]);
        let operations = check(&case, 10_000, usize::MAX).await;
        for part in 1..=6 {
            check(&case, 10_000, (operations * part / 7).max(1)).await;
        }
    }
}
