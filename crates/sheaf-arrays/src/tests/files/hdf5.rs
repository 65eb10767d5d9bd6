//! HDF5 files that are wrong, and what is read of them.

use super::*;

/// As h5py writes it: `a`, the floats from 0 to 11 in 3 rows, contiguous, and `g/b`, the whole numbers of 16
/// bits from 0 to 59 in 6 rows, in chunks of 4 × 3, shuffled and deflated.
pub(super) const TWO_DATASETS: &[u8] = include_bytes!("two_datasets.h5");

fn written(bytes: &[u8]) -> (tempfile::TempDir, Arc<dyn Objects>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.h5");
    std::fs::write(&path, bytes).unwrap();
    (directory, local(&path))
}

fn loaded(file: &Arc<dyn Objects>, name: &str, context: &Context) -> Result<Tensor> {
    read_hdf5(Arc::clone(file), Some(name), None)?.load(context)
}

#[test]
fn datasets_are_read_by_their_paths() {
    let (context, memory) = context(1 << 20, 2);
    let (_directory, file) = written(TWO_DATASETS);
    assert_eq!(list_hdf5(Arc::clone(&file)).unwrap(), ["a", "g/b"]);
    let a = loaded(&file, "/a", &context).unwrap();
    assert_eq!(a.shape(), [3, 4]);
    let expected: Vec<f64> = (0..12).map(f64::from).collect();
    assert!(a.view::<f64>().unwrap().iter().eq(&expected));
    let b = read_hdf5(Arc::clone(&file), Some("g/b"), Some(&[2, 10])).unwrap();
    assert_eq!(b.grid().chunk_counts(), [3, 1]);
    let b = b.load(&context).unwrap();
    let expected: Vec<i16> = (0..60).collect();
    assert!(b.view::<i16>().unwrap().iter().eq(&expected));
    drop((a, b, context));
    assert_eq!(memory.left(), memory.limit());
}

#[test]
fn what_is_not_there_is_told() {
    let (_directory, file) = written(TWO_DATASETS);
    let error = read_hdf5(Arc::clone(&file), None, None).unwrap_err();
    assert!(
        error.message().ends_with("a.h5 has 2 datasets: a, g/b"),
        "{error}"
    );
    for name in ["b", "g", "a/b", "g/b/c", "", "x/y"] {
        let error = read_hdf5(Arc::clone(&file), Some(name), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UserInput, "{error}");
        assert_eq!(error.hint(), Some("its datasets are a, g/b"));
    }
    let (_directory, file) = written(b"no array at all");
    let error = read_hdf5(Arc::clone(&file), Some("a"), None).unwrap_err();
    assert!(
        error.message().ends_with("a.h5: this is no HDF5 file"),
        "{error}"
    );
    let missing = local(Path::new("/nowhere.h5"));
    assert_eq!(message(list_hdf5(missing)), "there is no file /nowhere.h5");
}

/// Whatever bytes are others, and wherever the file ends: elements, or an error that names the file.
#[test]
fn hdf5_files_that_are_wrong_are_named() {
    let (context, memory) = context(1 << 20, 1);
    let check = |bytes: &[u8]| {
        let (_directory, file) = written(bytes);
        let errors = [
            list_hdf5(Arc::clone(&file)).map(|_| ()),
            loaded(&file, "a", &context).map(|_| ()),
            loaded(&file, "g/b", &context).map(|_| ()),
        ];
        for error in errors.into_iter().filter_map(Result::err) {
            assert_ne!(error.kind(), ErrorKind::Internal, "{error}");
            let is_named = error.message().contains("a.h5");
            assert!(is_named || error.kind() == ErrorKind::Resource, "{error}");
        }
    };
    for at in (0..TWO_DATASETS.len()).step_by(3) {
        let mut wrong = TWO_DATASETS.to_vec();
        wrong[at] ^= [1, 0x80, 0xff][at / 3 % 3];
        check(&wrong);
        if at % 8 < 3 {
            check(&TWO_DATASETS[..at]);
            wrong[at..].iter_mut().take(8).for_each(|byte| *byte = 0xff);
            check(&wrong);
        }
    }
    assert!(memory.peak() <= 1 << 20);
    drop(context);
    assert_eq!(memory.left(), memory.limit());
}
