//! Targets that are taken, writing that fails, stores.

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Runtime;

use super::hdf5::TWO_DATASETS;
use super::*;

#[test]
fn what_fails_leaves_the_target_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let (context, memory) = context(1 << 20, 2);
    let (array, whole) = broken(directory.path(), &context);
    let options = ZarrOptions::default();
    let target = |name: &str| Target::local(&directory.path().join(name)).overwriting(true);
    type Write<'a> = (&'a str, &'a dyn Fn(&Array, &Target) -> Result<()>);
    let writes: [Write<'_>; 3] = [
        ("a.npy", &|array, target| write_npy(array, target, &context)),
        ("a.npz", &|array, target| {
            write_npz(array, target, true, None, &context)
        }),
        ("a.zarr", &|array, target| {
            write_zarr(array, target, &options, &context)
        }),
    ];
    for (name, write) in writes {
        assert!(message(write(&array, &target(name))).contains("source.zarr/c/3"));
        assert!(!directory.path().join(name).exists());
        write(&whole, &target(name)).unwrap();
        let read = || match name {
            "a.npy" => read_npy(local(&directory.path().join(name)), None).unwrap(),
            "a.npz" => read_npz(local(&directory.path().join(name)), None, None).unwrap(),
            _ => read_zarr(local(&directory.path().join(name))).unwrap(),
        };
        assert!(is_same(&read(), &whole, &context));
        assert!(write(&array, &target(name)).is_err());
        assert!(is_same(&read(), &whole, &context));
        let twice = binary(BinaryOp::Add, &whole, &whole).unwrap();
        write(&twice, &target(name)).unwrap();
        assert!(is_same(&read(), &twice, &context));
        let again = write(&whole, &target(name).overwriting(false));
        assert!(message(again).ends_with("is there already"));
    }
    assert_eq!(
        entries(directory.path()),
        ["a.npy", "a.npz", "a.zarr", "source.zarr"]
    );
    drop(context);
    assert_eq!(memory.left(), memory.limit());
}

#[test]
fn the_places_of_dead_writers_are_removed_and_those_of_others_stay() {
    let directory = tempfile::tempdir().unwrap();
    let (context, _) = context(1 << 20, 1);
    let dead = directory.path().join(".a.npy.sheaf-1-0123456789abcdef.tmp");
    let held = directory.path().join(".b.npy.sheaf-1-0123456789abcdef.tmp");
    let own = directory.path().join(".c.npy.sheaf-x.tmp");
    for path in [&dead, &held, &own] {
        std::fs::write(path, b"").unwrap();
    }
    let file = std::fs::File::open(&held).unwrap();
    file.lock().unwrap();
    let target = Target::local(&directory.path().join("a.npy"));
    write_npy(&uniform(&[3], &[2]), &target, &context).unwrap();
    assert!(!dead.exists() && held.exists() && own.exists());
}

#[test]
fn a_store_holds_all_formats() {
    holds_all_formats(&(Arc::new(InMemory::new()) as Arc<dyn ObjectStore>));
    let directory = tempfile::tempdir().unwrap();
    let files = LocalFileSystem::new_with_prefix(directory.path()).unwrap();
    holds_all_formats(&(Arc::new(files) as Arc<dyn ObjectStore>));
}

fn holds_all_formats(store: &Arc<dyn ObjectStore>) {
    let runtime = runtime();
    let (context, memory) = context(4 << 20, 2);
    let source = uniform(&[70, 90], &[20, 37]);
    let objects = |path: &str| stored(&runtime, store, path);
    let target = |path: &str| Target::store(objects(path));
    write_npy(&source, &target("a.npy"), &context).unwrap();
    write_npz(&source, &target("a.npz"), true, Some(1), &context).unwrap();
    write_npz(&source, &target("b.npz"), false, None, &context).unwrap();
    let sharded = ZarrOptions {
        shards: Some(vec![40, 74]),
        ..ZarrOptions::default()
    };
    write_zarr(&source, &target("a.zarr"), &sharded, &context).unwrap();
    let read = [
        read_npy(Arc::new(objects("a.npy")), Some(&[9, 90])),
        read_npz(Arc::new(objects("a.npz")), None, None),
        read_npz(Arc::new(objects("b.npz")), Some("arr_0"), None),
        read_zarr(Arc::new(objects("a.zarr"))),
    ];
    for array in read {
        assert!(is_same(&array.unwrap(), &source, &context));
    }
    for number in 0..3 {
        let part = slice_of(&source, number * 30, 30.min(70 - number * 30));
        write_npy(&part, &target(&format!("s/{number}.npy")), &context).unwrap();
    }
    let stack = read_npy_stack(Arc::new(objects("s")), 0).unwrap();
    assert!(is_same(&stack, &source, &context));
    assert!(message(write_npy(&source, &target("a.npy"), &context)).ends_with("is there already"));
    let again = write_zarr(&source, &target("a.zarr"), &sharded, &context);
    assert_eq!(message(again), "memory://a.zarr is there already");
    let missing = read_npy(Arc::new(objects("z.npy")), None);
    assert_eq!(message(missing), "there is no file memory://z.npy");
    let again = target("a.zarr").overwriting(true);
    write_zarr(&source, &again, &ZarrOptions::default(), &context).unwrap();
    let read = read_zarr(Arc::new(objects("a.zarr"))).unwrap();
    assert!(is_same(&read, &source, &context));
    let hdf5 = runtime.block_on(store.put(&"a.h5".into(), TWO_DATASETS.to_vec().into()));
    hdf5.unwrap();
    let read = read_hdf5(Arc::new(objects("a.h5")), Some("g/b"), None).unwrap();
    assert_eq!(read.load(&context).unwrap().shape(), [6, 10]);
    drop((read, context));
    assert_eq!(memory.left(), memory.limit());
}

#[test]
fn what_fails_in_a_store_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (context, _) = context(1 << 20, 2);
    let (array, whole) = broken(directory.path(), &context);
    let target = |path: &str| Target::store(stored(&runtime, &store, path));
    let count = |path: &str| {
        stored(&runtime, &store, path)
            .names("c", &|| Ok(()))
            .unwrap()
            .0
            .len()
    };
    let options = ZarrOptions::default();
    assert!(write_zarr(&array, &target("a.zarr"), &options, &context).is_err());
    assert_eq!(count("a.zarr"), 0);
    assert!(write_npy(&array, &target("a.npy"), &context).is_err());
    let missing = runtime.block_on(store.head(&"a.npy".into()));
    assert!(matches!(missing, Err(object_store::Error::NotFound { .. })));
    // What is replaced leaves nothing behind.
    write_zarr(&whole, &target("a.zarr"), &options, &context).unwrap();
    assert_eq!(count("a.zarr"), 5);
    let less = slice_of(&whole, 0, 30);
    let again = target("a.zarr").overwriting(true);
    write_zarr(&less, &again, &options, &context).unwrap();
    assert_eq!(count("a.zarr"), 2);
    let read = read_zarr(Arc::new(stored(&runtime, &store, "a.zarr"))).unwrap();
    assert!(is_same(&read, &less, &context));
    assert!(write_zarr(&array, &again, &options, &context).is_err());
    assert!(
        message(read_zarr(Arc::new(stored(&runtime, &store, "a.zarr"))))
            .contains("is no Zarr array")
    );
}

#[test]
fn a_wait_for_a_store_can_be_stopped() {
    let runtime = runtime();
    // Requests to it are not answered within an hour.
    let silent = ThrottleConfig {
        wait_get_per_call: std::time::Duration::from_secs(3600),
        ..ThrottleConfig::default()
    };
    let store = Arc::new(ThrottledStore::new(InMemory::new(), silent));
    let objects = StoreObjects::new(
        store,
        "a.npy".into(),
        "memory://a.npy",
        runtime.handle().clone(),
    );
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    let stopping = objects
        .clone()
        .stopped_by(move || seen.fetch_add(1, Ordering::Relaxed) > 1);
    let error = read_npy(Arc::new(stopping), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let (context, _) = context(1 << 20, 1);
    let context = context.stopped_by(|| true);
    let read = objects.get("", 8, &|| context.check());
    assert_eq!(read.unwrap_err().kind(), ErrorKind::Cancelled);
}

/// An array whose second chunk cannot be read.
fn broken(directory: &Path, context: &Context) -> (Array, Array) {
    let path = directory.join("source.zarr");
    let whole = uniform(&[100], &[20]);
    write_zarr(
        &whole,
        &Target::local(&path),
        &ZarrOptions::default(),
        context,
    )
    .unwrap();
    let array = read_zarr(local(&path)).unwrap();
    std::fs::write(path.join("c/3"), b"broken").unwrap();
    (array, whole)
}

/// What is in a store, whose requests run on `runtime`.
fn stored(runtime: &Runtime, store: &Arc<dyn ObjectStore>, path: &str) -> StoreObjects {
    let text = format!("memory://{path}");
    StoreObjects::new(
        Arc::clone(store),
        path.into(),
        &text,
        runtime.handle().clone(),
    )
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_time().build().unwrap()
}

/// 20 MB in parts of 8 MiB, of chunks that are no rows.
#[test]
fn what_is_sent_in_parts_arrives_in_order() {
    let (runtime, (context, memory)) = (runtime(), context(64 << 20, 2));
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let objects = stored(&runtime, &store, "a.npy");
    let source = uniform(&[1600, 1600], &[500, 300]);
    write_npy(&source, &Target::store(objects.clone()), &context).unwrap();
    let header = 128;
    assert_eq!(
        objects.size("", &|| Ok(())).unwrap(),
        Some(header + 1600 * 1600 * 8)
    );
    let read = read_npy(Arc::new(objects), Some(&[1600, 100])).unwrap();
    let difference = binary(BinaryOp::Subtract, &read, &source).unwrap();
    let norm = reduced(&difference, Reduction::Norm(f64::INFINITY));
    assert_eq!(value(&norm, &context), 0.0);
    drop(context);
    assert_eq!(memory.left(), memory.limit());
}

fn slice_of(source: &Array, start: u64, length: u64) -> Array {
    let parts = parse_slice(&format!("{start}:{}", start + length), source.rank()).unwrap();
    slice(source, &parts).unwrap()
}

fn is_same(one: &Array, other: &Array, context: &Context) -> bool {
    let (one, other) = (one.load(context).unwrap(), other.load(context).unwrap());
    one.shape() == other.shape() && one.view::<f64>() == other.view::<f64>()
}
