//! npy and npz files and stacks that are wrong, and what is read of them.

use super::*;

#[test]
fn an_npy_file_that_is_none_or_too_short_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.npy");
    let error = read_npy(local(&path), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UserInput);
    assert!(error.message().starts_with("there is no file"), "{error}");
    std::fs::write(&path, b"no array at all").unwrap();
    let error = read_npy(local(&path), None).unwrap_err();
    assert!(
        error.message().ends_with("a.npy: this is no npy file"),
        "{error}"
    );
    std::fs::remove_file(&path).unwrap();
    let (context, _) = context(1 << 20, 1);
    let target = Target::local(&path);
    write_npy(&uniform(&[10, 3], &[4, 2]), &target, &context).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = read_npy(local(&path), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(error.message().contains("a.npy: "), "{error}");
    }
    // What becomes shorter while it is read.
    std::fs::write(&path, &bytes).unwrap();
    let array = read_npy(local(&path), None).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let error = array.load(&context).unwrap_err();
    assert!(error.message().contains("ends too early"), "{error}");
}

/// Column-major, highest byte first, as NumPy writes `np.asfortranarray([[1, 2, 3], [4, 5, 6]], '>i2')`.
#[test]
fn npy_files_of_other_orders_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.npy");
    let text = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }";
    std::fs::write(&path, npy(text, &[0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6])).unwrap();
    let (context, _) = context(1 << 20, 1);
    let tensor = read_npy(local(&path), None)
        .unwrap()
        .load(&context)
        .unwrap();
    let rows: Vec<i16> = tensor.view::<i16>().unwrap().iter().copied().collect();
    assert_eq!(tensor.shape(), [2, 3]);
    assert_eq!(rows, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn headers_that_promise_too_much_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.npy");
    for shape in [
        "(1000000000000,)",
        "(18446744073709551615, 18446744073709551615)",
        "(99999999999999999999999,)",
        "(-1,)",
        "(1, 1, 1, 1, 1, 1, 1, 1, 1)",
        "(4294967296, 4294967296, 4294967296)",
        "1",
    ] {
        let text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
        std::fs::write(&path, npy(&text, &[0; 64])).unwrap();
        let error = read_npy(local(&path), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{shape}: {error}");
        assert!(error.message().contains("a.npy: "), "{error}");
    }
}

#[test]
fn npz_files_that_are_wrong_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.npz");
    let (context, _) = context(4 << 20, 1);
    for is_deflated in [false, true] {
        let target = Target::local(&path).overwriting(true);
        write_npz(&uniform(&[10], &[10]), &target, is_deflated, None, &context).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let load = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read_npz(local(&path), None, None)?.load(&context)
        };
        let whole = load(&bytes).unwrap();
        for length in 0..bytes.len() {
            let error = load(&bytes[..length]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Data, "{length}: {error}");
            assert!(error.message().contains("a.npz"), "{error}");
        }
        // Any byte may be another: what is read is the same, or an error that names the file.
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= [1, 0x80, 0xff][at % 3];
            match load(&wrong) {
                // Stored bytes have no checksum that readers of parts could look at, nor does an array
                // have one of which nothing is read.
                Ok(read) if is_deflated && read.elements() > 0 => {
                    assert_eq!(read.view::<f64>(), whole.view::<f64>());
                }
                Ok(_) => {}
                Err(error) => assert!(error.message().contains("a.npz"), "{at}: {error}"),
            }
        }
    }
    let error = read_npz(local(&path), Some("b"), None);
    assert!(error.is_err());
}

#[test]
fn an_npz_file_of_several_arrays_asks_for_a_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.npz");
    std::fs::write(&path, TWO_ARRAYS).unwrap();
    let (context, _) = context(1 << 20, 1);
    assert_eq!(list_npz(&*local(&path)).unwrap(), ["a", "b"]);
    assert!(message(read_npz(local(&path), None, None)).ends_with("a.npz has 2 arrays: a, b"));
    let error = read_npz(local(&path), Some("c"), None).unwrap_err();
    assert_eq!(error.hint(), Some("its arrays are a, b"));
    for (name, shape) in [("a", vec![2]), ("b.npy", vec![])] {
        let array = read_npz(local(&path), Some(name), None).unwrap();
        assert_eq!(array.load(&context).unwrap().shape(), shape);
    }
}

#[test]
fn a_stack_says_which_file_does_not_fit() {
    let directory = tempfile::tempdir().unwrap();
    let (context, _) = context(1 << 20, 1);
    let write = |name: &str, shape: &[u64], dtype: DType| {
        let target = Target::local(&directory.path().join(name)).overwriting(true);
        write_npy(&cast(&uniform(shape, shape), dtype), &target, &context).unwrap();
    };
    let read = |axis: i64| read_npy_stack(local(directory.path()), axis);
    assert!(message(read(0)).ends_with("is no stack: it has no file 0.npy"));
    write("0.npy", &[2, 3], DType::Float64);
    write("1.npy", &[5, 3], DType::Float64);
    write("3.npy", &[1, 3], DType::Float64);
    assert!(message(read(0)).ends_with("2.npy is missing"));
    write("2.npy", &[1, 4], DType::Float64);
    assert!(message(read(0)).contains("2.npy has the shape (1, 4), and 0.npy (2, 3)"));
    write("2.npy", &[1, 3], DType::Float32);
    assert!(message(read(0)).contains("2.npy has elements of type float32"));
    write("2.npy", &[1, 3], DType::Float64);
    assert_eq!(read(0).unwrap().shape(), [9, 3]);
    assert!(message(read(1)).contains("they differ beside axis 1"));
    assert!(message(read(2)).contains("there is no axis 2"));
}

fn npy(text: &str, elements: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{text:117}\n").bytes());
    bytes.extend(elements);
    bytes
}

/// A stored member, a deflated one, and one that is no array, as Python's zipfile writes them.
const TWO_ARRAYS: &[u8] = b"PK\x03\x04\x14\x00\x00\x00\x00\x00\x00\x00!\x00b\x02e_\x82\x00\x00\x00\x82\x00\x00\x00\x05\x00\
    \x00\x00a.npy\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (2,), \
    }                                                            \x0a\x01\x02PK\x03\x04\x14\x00\
    \x00\x00\x08\x00\x00\x00!\x00o\xca~\x8eC\x00\x00\x00\x81\x00\x00\x00\x05\x00\x00\x00b.npy\x9b\
    \xec\x17\xea\x1b\x10\xc9\xc8P\xc6P\xad\x9e\x92Z\x9c\x5c\xa4n\xa5\xa0^Sj\xa8\xae\xa3\xa0\x9e\
    \x96_TR\x94\x98\x17\x9f_\x94\x92\x0a\x12wK\xcc)N\x05\x8a\x17g$\x16\xa4\x02\xf9\x1a\x9a:\x0a\
    \xb5\x0a\x14\x01.f\x00PK\x03\x04\x14\x00\x00\x00\x00\x00\x00\x00!\x00\x00\x00\x00\x00\x00\x00\
    \x00\x00\x00\x00\x00\x00\x0a\x00\x00\x00readme.txtPK\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00\
    \x00\x00!\x00b\x02e_\x82\x00\x00\x00\x82\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\
    \x00\x00\x80\x01\x00\x00\x00\x00a.npyPK\x01\x02\x14\x03\x14\x00\x00\x00\x08\x00\x00\x00!\x00\
    o\xca~\x8eC\x00\x00\x00\x81\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\
    \x01\xa5\x00\x00\x00b.npyPK\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00\x00\x00!\x00\x00\x00\x00\
    \x00\x00\x00\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x01\
    \x0b\x01\x00\x00readme.txtPK\x05\x06\x00\x00\x00\x00\x03\x00\x03\x00\x9e\x00\x00\x003\x01\x00\
    \x00\x00\x00";
