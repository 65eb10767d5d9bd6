//! Paths beneath roots, links that lead out of them, and files that are written beneath them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use sheaf_base::error::SqlState;
use tempfile::TempDir;

use super::*;

fn root_of(path: &FilePath) -> Arc<Root> {
    Arc::new(Root::open(path).unwrap())
}

/// A directory `in` with two files, and a file beside it that nobody may reach.
fn house() -> (TempDir, BeneathStore) {
    let house = tempfile::tempdir().unwrap();
    fs::create_dir_all(house.path().join("in/deep")).unwrap();
    fs::write(house.path().join("in/a.csv"), "a\n1\n").unwrap();
    fs::write(house.path().join("in/deep/b.csv"), "b\n2\n").unwrap();
    fs::write(house.path().join("secret.csv"), "secret\n").unwrap();
    let store = BeneathStore::new(root_of(&house.path().join("in")));
    (house, store)
}

async fn read(store: &BeneathStore, path: &str) -> object_store::Result<Vec<u8>> {
    let found = store.get(&Path::from(path)).await?;
    Ok(found.bytes().await?.to_vec())
}

async fn names(store: &BeneathStore) -> Vec<String> {
    let found: Vec<_> = store.list(None).try_collect().await.unwrap();
    let mut names: Vec<String> = found.iter().map(|meta| meta.location.to_string()).collect();
    names.sort();
    names
}

#[test]
fn paths_lie_beneath_a_root_or_are_refused() {
    let (house, _) = house();
    let inside = root_of(&house.path().join("in"));
    let place = inside.path().display().to_string();
    let roots = Roots::new(vec![inside], None);
    for (text, path) in [
        ("a.csv", "a.csv"),
        ("./deep//b.csv", "deep/b.csv"),
        ("deep/", "deep/"),
        ("*/*.csv", "*/*.csv"),
        (&format!("{place}/deep/b.csv"), "deep/b.csv"),
        (&format!("file://{place}/a.csv"), "a.csv"),
    ] {
        assert_eq!(roots.locate(text).unwrap().path, path, "{text}");
    }
    for text in [
        "",
        "../secret.csv",
        "deep/../../secret.csv",
        "deep/../a.csv",
        "/etc/passwd",
        "~/x",
        "s3://bucket/x",
        "http://localhost/x",
        "beneath://1-2/x",
        "file:///etc/passwd",
        &format!("{place}x/a.csv"),
        &format!("{place}/../secret.csv"),
    ] {
        let error = roots.locate(text).unwrap_err();
        assert_eq!(error.state(), SqlState::INSUFFICIENT_PRIVILEGE, "{text}");
    }
    let error = roots.locate_for_writing("a.csv").unwrap_err();
    assert_eq!(error.state(), SqlState::INSUFFICIENT_PRIVILEGE);
}

#[tokio::test]
async fn files_are_read_and_listed() {
    let (_house, store) = house();
    assert_eq!(read(&store, "deep/b.csv").await.unwrap(), b"b\n2\n");
    assert_eq!(names(&store).await, ["a.csv", "deep/b.csv"]);
    let shallow = store.list_with_delimiter(None).await.unwrap();
    assert_eq!(shallow.common_prefixes, [Path::from("deep")]);
    assert_eq!(shallow.objects[0].location, Path::from("a.csv"));
    assert_eq!(shallow.objects[0].size, 4);
    let missing = read(&store, "none.csv").await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");
}

#[tokio::test]
async fn links_that_lead_out_are_not_followed() {
    let (house, store) = house();
    let inside = house.path().join("in");
    symlink(house.path().join("secret.csv"), inside.join("absolute.csv")).unwrap();
    symlink("../secret.csv", inside.join("relative.csv")).unwrap();
    symlink(house.path(), inside.join("directory")).unwrap();
    symlink("deep/b.csv", inside.join("within.csv")).unwrap();
    symlink(".", inside.join("circle")).unwrap();
    for path in ["absolute.csv", "relative.csv", "directory/secret.csv"] {
        let error = read(&store, path).await.unwrap_err();
        assert!(
            matches!(error, Error::PermissionDenied { .. }),
            "{path}: {error}"
        );
    }
    assert_eq!(read(&store, "within.csv").await.unwrap(), b"b\n2\n");
    // A circle ends, and what leads out is not there.
    assert_eq!(names(&store).await, ["a.csv", "deep/b.csv", "within.csv"]);
}

/// Somebody swaps a directory for a link that leads out, again and again, while it is read.
#[tokio::test]
async fn a_link_that_is_swapped_in_is_never_followed() {
    let (house, store) = house();
    let inside = house.path().join("in");
    fs::write(inside.join("deep/secret.csv"), "harmless\n").unwrap();
    symlink(house.path(), house.path().join("link")).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let swapping = {
        let (done, house) = (Arc::clone(&done), house.path().to_owned());
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                // Exchanges both in one step.
                let (link, deep) = (house.join("link"), house.join("in/deep"));
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let here = rustix::fs::CWD;
                rustix::fs::renameat_with(here, &link, here, &deep, flags).unwrap();
            }
        })
    };
    let mut harmless = 0;
    for _ in 0..2_000 {
        if let Ok(bytes) = read(&store, "deep/secret.csv").await {
            assert_eq!(bytes, b"harmless\n");
            harmless += 1;
        }
    }
    done.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    assert!(harmless > 0, "the directory was never there");
}

#[tokio::test]
async fn a_pipe_is_no_file() {
    let (house, store) = house();
    let pipe = house.path().join("in/pipe.csv");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    let error = read(&store, "pipe.csv").await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert_eq!(names(&store).await, ["a.csv", "deep/b.csv"]);
}

#[tokio::test]
async fn files_appear_whole_or_not_at_all() {
    let (house, store) = house();
    let path = Path::from("new/part/c.csv");
    let mut upload = store.put_multipart(&path).await.unwrap();
    // Parts may end in any order; their places are those in which they were given.
    let (first, second) = (
        upload.put_part("one\n".into()),
        upload.put_part("two\n".into()),
    );
    second.await.unwrap();
    first.await.unwrap();
    assert_eq!(names(&store).await, ["a.csv", "deep/b.csv"]);
    upload.complete().await.unwrap();
    assert_eq!(read(&store, "new/part/c.csv").await.unwrap(), b"one\ntwo\n");
    let mut upload = store.put_multipart(&path).await.unwrap();
    upload.put_part("three".into()).await.unwrap();
    upload.abort().await.unwrap();
    drop(store.put_multipart(&path).await.unwrap());
    assert_eq!(read(&store, "new/part/c.csv").await.unwrap(), b"one\ntwo\n");
    let left = fs::read_dir(house.path().join("in/new/part")).unwrap();
    assert_eq!(left.count(), 1);
    let again = store.put_opts(&path, PutPayload::from("x"), PutMode::Create.into());
    let again = again.await.unwrap_err();
    assert!(matches!(again, Error::AlreadyExists { .. }), "{again}");
    store.delete(&path).await.unwrap();
    assert_eq!(names(&store).await, ["a.csv", "deep/b.csv"]);
}

#[tokio::test]
async fn nothing_is_written_through_a_link_that_leads_out() {
    let (house, store) = house();
    symlink(house.path(), house.path().join("in/out")).unwrap();
    symlink("../secret.csv", house.path().join("in/x.csv")).unwrap();
    let error = store.put(&Path::from("out/new.csv"), "x".into()).await;
    assert!(
        matches!(error, Err(Error::PermissionDenied { .. })),
        "{error:?}"
    );
    assert!(!house.path().join("new.csv").exists());
    // A link in the file's own place is replaced, not followed.
    store.put(&Path::from("x.csv"), "x".into()).await.unwrap();
    let secret = fs::read_to_string(house.path().join("secret.csv")).unwrap();
    assert_eq!(secret, "secret\n");
    assert_eq!(read(&store, "x.csv").await.unwrap(), b"x");
}
