//! A disk that gives back something else, is full, slow or gone, or whose threads have ended.

use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use datafusion::common::Result as EngineResult;
use sheaf_base::error::ErrorKind;

use super::super::file::BLOCK_BYTES;
use super::super::write::WRITE_BEHIND_BYTES_MAX;
use super::*;

/// What waits for another thread gives up after this.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length)
            .map(|_| u8::try_from(self.below(256)).unwrap())
            .collect()
    }
}

fn write(file: &Arc<dyn SpillFile>, data: &[u8]) -> EngineResult<()> {
    let mut writer = file.open_writer()?;
    writer.write_all(data)?;
    writer.finish()
}

async fn read(file: &Arc<dyn SpillFile>) -> Result<Vec<u8>, SheafError> {
    let chunks: Vec<_> = file.read_stream()?.try_collect().await?;
    Ok(chunks.concat())
}

fn path(file: &Arc<dyn SpillFile>) -> PathBuf {
    file.path().unwrap().to_owned()
}

fn wait_until(is_so: impl Fn() -> bool) {
    let asked = Instant::now();
    while !is_so() {
        assert!(asked.elapsed() < WAIT_MAX, "it does not come");
        thread::yield_now();
    }
}

/// The error names operator, file and place, and says what to do.
fn assert_names(error: &SheafError, path: &Path, words: &[&str]) {
    assert_eq!(error.state(), SqlState::IO_ERROR, "{error}");
    let path = path.to_str().unwrap();
    for word in [path, "the sort cannot "].iter().chain(words) {
        assert!(error.message().contains(word), "{error} has no \"{word}\"");
    }
    assert!(error.hint().unwrap().contains("temp_directory"));
}

#[tokio::test]
async fn any_changed_byte_is_noticed() {
    let parent = tempfile::tempdir().unwrap();
    let store = store(parent.path(), 10_000_000);
    let mut numbers = Numbers(1);
    let file = store.create_temp_file("Sorting").unwrap();
    let data = numbers.bytes(3 * BLOCK_BYTES + 1_000);
    write(&file, &data).unwrap();
    assert_eq!(read(&file).await.unwrap(), data);
    let raw = fs::OpenOptions::new()
        .write(true)
        .open(path(&file))
        .unwrap();
    for _ in 0..100 {
        let at = numbers.below(data.len());
        raw.write_all_at(&[data[at] ^ 1 << numbers.below(8)], at as u64)
            .unwrap();
        let error = read(&file).await.unwrap_err();
        let block = at / BLOCK_BYTES * BLOCK_BYTES;
        let words = [&format!("at byte {block} of "), "it has changed on disk"];
        assert_names(&error, &path(&file), &words);
        assert_eq!(error.kind(), ErrorKind::Data);
        raw.write_all_at(&data[at..=at], at as u64).unwrap();
    }
    assert_eq!(read(&file).await.unwrap(), data);
}

#[tokio::test]
async fn blocks_in_other_places_and_files_cut_short_are_noticed() {
    let parent = tempfile::tempdir().unwrap();
    let store = store(parent.path(), 10_000_000);
    let mut numbers = Numbers(2);
    let file = store.create_temp_file("Sorting").unwrap();
    let data = numbers.bytes(4 * BLOCK_BYTES);
    write(&file, &data).unwrap();
    assert_eq!(read(&file).await.unwrap(), data);
    let raw = fs::OpenOptions::new()
        .write(true)
        .open(path(&file))
        .unwrap();
    raw.write_all_at(&data[BLOCK_BYTES..2 * BLOCK_BYTES], 2 * BLOCK_BYTES as u64)
        .unwrap();
    raw.write_all_at(&data[2 * BLOCK_BYTES..3 * BLOCK_BYTES], BLOCK_BYTES as u64)
        .unwrap();
    let error = read(&file).await.unwrap_err();
    assert_names(&error, &path(&file), &["byte 65536 of ", "has changed"]);
    raw.write_all_at(&data, 0).unwrap();
    for _ in 0..30 {
        let length = numbers.below(data.len());
        raw.set_len(length as u64).unwrap();
        let error = read(&file).await.unwrap_err();
        let block = length / BLOCK_BYTES * BLOCK_BYTES;
        let words = [&format!("at byte {block} of "), "has been cut short"];
        assert_names(&error, &path(&file), &words);
        raw.write_all_at(&data, 0).unwrap();
    }
    assert_eq!(read(&file).await.unwrap(), data);
}

#[tokio::test]
async fn files_that_are_gone_are_named_and_new_ones_made() {
    let parent = tempfile::tempdir().unwrap();
    let store = store(parent.path(), 10_000_000);
    let file = store.create_temp_file("Sorting").unwrap();
    write(&file, b"rows").unwrap();
    assert_eq!(read(&file).await.unwrap(), b"rows");
    fs::remove_dir_all(store.path().unwrap()).unwrap();
    let error = read(&file).await.unwrap_err();
    assert_names(&error, &path(&file), &["no such file"]);
    let error = SheafError::from(file.open_writer().err().unwrap());
    assert_names(&error, &path(&file), &["no such file"]);
    let next = store.create_temp_file("Sorting").unwrap();
    write(&next, b"more").unwrap();
    assert_eq!(read(&next).await.unwrap(), b"more");
    drop((file, next, store));
    assert!(entries(parent.path()).is_empty());
}

#[tokio::test]
async fn a_full_disk_is_told_when_writing_goes_on_and_when_reading() {
    let parent = tempfile::tempdir().unwrap();
    let store = store(parent.path(), 1_000_000_000);
    let file = store.create_temp_file("Sorting").unwrap();
    fs::remove_file(path(&file)).unwrap();
    symlink("/dev/full", path(&file)).unwrap();
    let mut writer = file.open_writer().unwrap();
    let error = loop {
        if let Err(error) = writer.write_all(&[7; 1_000]) {
            break SheafError::from(error);
        }
    };
    let of_reading = read(&file).await.unwrap_err();
    let of_finishing = SheafError::from(writer.finish().unwrap_err());
    for error in [error, of_reading, of_finishing] {
        assert_eq!(
            (error.kind(), error.state()),
            (ErrorKind::Resource, SqlState::DISK_FULL)
        );
        assert_eq!(
            error.message(),
            format!(
                "the sort cannot write 65.5 kB to {}: no space left on device",
                path(&file).display()
            )
        );
        assert!(error.hint().unwrap().contains("temp_directory"));
    }
    drop((file, writer));
    assert_eq!((store.bytes(), store.files()), (ByteCount(0), 0));
}

/// A pipe in place of the file: it takes as much as somebody reads from its other end.
fn slow(file: &Arc<dyn SpillFile>) -> File {
    fs::remove_file(path(file)).unwrap();
    let made = Command::new("mkfifo").arg(path(file)).status().unwrap();
    assert!(made.success());
    let mut both = fs::OpenOptions::new();
    both.read(true).write(true).open(path(file)).unwrap()
}

#[tokio::test]
async fn writers_wait_for_a_slow_disk_and_hold_a_bounded_amount() {
    let parent = tempfile::tempdir().unwrap();
    let store = Arc::new(store(parent.path(), 1_000_000_000));
    let file = store.create_temp_file("Sorting").unwrap();
    let mut pipe = slow(&file);
    let length = 3 * WRITE_BEHIND_BYTES_MAX;
    let is_done = Arc::new(AtomicBool::new(false));
    let writing = thread::spawn({
        let (file, is_done) = (Arc::clone(&file), Arc::clone(&is_done));
        move || {
            write(&file, &vec![7; length]).unwrap();
            is_done.store(true, Ordering::Release);
        }
    });
    // It stops when the pipe and the backlog are full.
    let backlog = WRITE_BEHIND_BYTES_MAX as u64;
    wait_until(|| file.size().unwrap() >= backlog);
    thread::sleep(Duration::from_millis(50));
    assert!(!is_done.load(Ordering::Acquire));
    assert!(file.size().unwrap() <= backlog + 10 * BLOCK_BYTES as u64);
    let mut read = vec![0; length];
    std::io::Read::read_exact(&mut pipe, &mut read).unwrap();
    writing.join().unwrap();
    assert!(read.iter().all(|byte| *byte == 7));
}

#[tokio::test]
async fn what_is_dropped_while_the_disk_is_slow_is_gone_at_once() {
    let parent = tempfile::tempdir().unwrap();
    let store = store(parent.path(), 1_000_000_000);
    let file = store.create_temp_file("Sorting").unwrap();
    let mut pipe = slow(&file);
    write(&file, &vec![7; WRITE_BEHIND_BYTES_MAX / 2]).unwrap();
    let path = path(&file);
    // A thread is about to write the first block, which does not fit into the pipe.
    std::io::Read::read_exact(&mut pipe, &mut [0]).unwrap();
    drop(file);
    assert_eq!((store.bytes(), store.files()), (ByteCount(0), 0));
    assert!(!path.exists());
    // The thread that writes can end, and no block is left for it.
    std::io::Read::read_exact(&mut pipe, &mut [0; BLOCK_BYTES - 1]).unwrap();
    wait_until(|| store.shared.backlog.bytes() == 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_files_are_written_and_read_side_by_side() {
    let parent = tempfile::tempdir().unwrap();
    let store = Arc::new(store(parent.path(), 1_000_000_000));
    let tasks: Vec<_> = (0..8)
        .map(|seed| {
            let store = Arc::clone(&store);
            tokio::task::spawn_blocking(move || {
                let mut numbers = Numbers(seed);
                let files: Vec<_> = (0..6)
                    .map(|_| store.create_temp_file("Sorting").unwrap())
                    .collect();
                let written: Vec<Vec<u8>> = files
                    .iter()
                    .map(|file| {
                        let length = numbers.below(10 * BLOCK_BYTES);
                        let data = numbers.bytes(length);
                        write(file, &data).unwrap();
                        data
                    })
                    .collect();
                for (file, data) in files.iter().zip(&written) {
                    assert!(Handle::current().block_on(read(file)).unwrap() == *data);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((store.bytes(), store.files()), (ByteCount(0), 0));
    assert_eq!(store.shared.read_ahead.available_permits(), READ_AHEAD_MAX);
}

#[test]
fn files_of_an_engine_that_is_gone_fail_instead_of_waiting() {
    let parent = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let store = runtime.block_on(async { store(parent.path(), 1_000_000_000) });
    let file = store.create_temp_file("Sorting").unwrap();
    runtime.shutdown_background();
    let mut writer = file.open_writer().unwrap();
    let error = loop {
        if let Err(error) = writer.write_all(&[7; 1_000]) {
            break SheafError::from(error);
        }
    };
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    store.close();
    assert!(entries(parent.path()).is_empty());
    let error = store.create_temp_file("Sorting").err().unwrap();
    assert!(error.to_string().contains("shutting down"), "{error}");
}
