//! Spill files: round trip, damage, a disk that is slow, full or gone, budget, and that nothing is
//! left behind.

use std::fs::{self, File};
use std::io::Write;

use datafusion::common::DataFusionError;
use datafusion::execution::spill_file::TempFileFactory;
use futures::TryStreamExt;
use sheaf_base::error::SqlState;

use super::*;

#[cfg(target_os = "linux")]
mod disk;

fn store(parent: &std::path::Path, bytes_max: u64) -> SpillStore {
    let io = Handle::current();
    SpillStore::new(Some(parent.to_owned()), ByteCount(bytes_max), io)
}

fn entries(path: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_was_written_is_read_back_while_and_after_writing() {
    let parent = tempfile::tempdir().unwrap();
    let store = store(parent.path(), 10_000_000);
    let file = store.create_temp_file("test").unwrap();
    let mut writer = file.open_writer().unwrap();
    let data: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    writer.write_all(&data[..100]).unwrap();
    writer.flush().unwrap();
    assert_eq!(file.size(), Some(100));
    writer.write_all(&data[100..]).unwrap();
    writer.finish().unwrap();
    assert_eq!((store.bytes(), store.files()), (ByteCount(1_200_000), 1));
    let stream = file.read_stream().unwrap();
    drop((file, writer));
    let chunks: Vec<_> = stream
        .try_collect()
        .await
        .expect("the stream keeps the file");
    assert_eq!(chunks.concat(), data);
    assert_eq!((store.bytes(), store.files()), (ByteCount(0), 0));
}

#[tokio::test]
async fn nothing_is_made_before_it_is_needed_and_nothing_is_left() {
    let parent = tempfile::tempdir().unwrap();
    let spill = store(parent.path(), 1_000);
    assert!(entries(parent.path()).is_empty());
    let file = spill.create_temp_file("test").unwrap();
    let directory = spill.path().unwrap();
    assert_eq!(entries(&directory).len(), 1);
    drop(spill);
    assert!(directory.exists(), "a file in use keeps its directory");
    drop(file);
    assert!(entries(parent.path()).is_empty());
}

#[tokio::test]
async fn the_budget_is_kept_and_can_be_raised() {
    let parent = tempfile::tempdir().unwrap();
    let store = store(parent.path(), 1_000);
    let file = store.create_temp_file("test").unwrap();
    let mut writer = file.open_writer().unwrap();
    writer.write_all(&[0; 2_000]).unwrap();
    let error = SheafError::from(DataFusionError::IoError(writer.flush().unwrap_err()));
    assert_eq!(error.state(), SqlState::DISK_FULL);
    assert!(
        error
            .message()
            .contains("max_temp_directory_size = 1.00 kB"),
        "{error}"
    );
    assert_eq!(store.bytes(), ByteCount(0));
    store.set_bytes_max(ByteCount(5_000));
    writer.flush().unwrap();
    assert_eq!(
        (store.bytes(), store.bytes_max()),
        (ByteCount(2_000), ByteCount(5_000))
    );
}

#[tokio::test]
async fn what_dead_processes_left_is_removed_and_what_live_ones_use_is_not() {
    let parent = tempfile::tempdir().unwrap();
    for name in ["sheaf-spill-1-0", "sheaf-spill-2-0", "somebody-elses"] {
        fs::create_dir(parent.path().join(name)).unwrap();
        fs::write(parent.path().join(name).join("0.spill"), "rows").unwrap();
        File::create(parent.path().join(format!("{name}.lock"))).unwrap();
    }
    let live = File::open(parent.path().join("sheaf-spill-2-0.lock")).unwrap();
    live.lock().unwrap();
    let _store = store(parent.path(), 1_000);
    assert_eq!(
        entries(parent.path()),
        [
            "sheaf-spill-2-0",
            "sheaf-spill-2-0.lock",
            "somebody-elses",
            "somebody-elses.lock"
        ]
    );
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let occupied = parent.path().join("occupied");
    fs::write(&occupied, "a file").unwrap();
    let Err(error) = store(&occupied, 1_000).create_temp_file("test") else {
        panic!("a file is no directory");
    };
    let error = SheafError::from(error);
    let message = error.message();
    assert!(message.starts_with("test cannot spill to "), "{error}");
    assert!(message.contains("occupied"), "{error}");
    assert!(error.hint().unwrap().contains("temp_directory"));
}
