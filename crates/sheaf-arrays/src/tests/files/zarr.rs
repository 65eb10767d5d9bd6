//! Zarr arrays and groups that are wrong, and what is read of them.

use super::*;

#[test]
fn a_zarr_chunk_that_is_gone_is_fill_and_one_that_is_corrupt_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let (context, _) = context(1 << 20, 2);
    let source = uniform(&[10, 6], &[4, 6]);
    let (target, options) = (Target::local(&path), ZarrOptions::default());
    write_zarr(&source, &target, &options, &context).unwrap();
    let error = write_zarr(&source, &target, &options, &context).unwrap_err();
    assert!(
        error.message().ends_with("a.zarr is there already"),
        "{error}"
    );
    std::fs::remove_file(path.join("c/0/0")).unwrap();
    let array = read_zarr(local(&path)).unwrap();
    let first = array.chunk(&[0, 0], &context).unwrap();
    assert!(
        first
            .view::<f64>()
            .unwrap()
            .iter()
            .all(|value| *value == 0.0)
    );
    let second = array.chunk(&[1, 0], &context).unwrap();
    assert_eq!(
        second.view::<f64>(),
        source.chunk(&[1, 0], &context).unwrap().view::<f64>()
    );
    let chunk = path.join("c/1/0");
    let bytes = std::fs::read(&chunk).unwrap();
    for length in 0..bytes.len() {
        std::fs::write(&chunk, &bytes[..length]).unwrap();
        let error = array.chunk(&[1, 0], &context).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(
            error.message().contains("a.zarr/c/1/0: the chunk"),
            "{error}"
        );
    }
    let error = read_zarr(local(directory.path())).unwrap_err();
    assert!(error.message().contains("is no Zarr array"), "{error}");
}

/// Of three chunks the second is stored. The others are fill, and are there in a copy, whose own fill is 0.
#[test]
fn fill_is_written_as_elements() {
    let directory = tempfile::tempdir().unwrap();
    let (source, copy) = (
        directory.path().join("a.zarr"),
        directory.path().join("b.zarr"),
    );
    std::fs::create_dir_all(source.join("c")).unwrap();
    let stored = [1.5f64.to_le_bytes(), 2.5f64.to_le_bytes()].concat();
    std::fs::write(source.join("c/1"), stored).unwrap();
    let (context, _) = context(1 << 20, 1);
    for (text, fill) in [("7", 7.0), ("\"NaN\"", f64::NAN)] {
        let description = format!(
            r#"{{"zarr_format": 3, "node_type": "array", "shape": [5], "data_type": "float64",
            "chunk_grid": {{"name": "regular", "configuration": {{"chunk_shape": [2]}}}},
            "chunk_key_encoding": {{"name": "default"}}, "fill_value": {text}, "codecs": [
            {{"name": "bytes", "configuration": {{"endian": "little"}}}}]}}"#
        );
        std::fs::write(source.join("zarr.json"), description).unwrap();
        let array = read_zarr(local(&source)).unwrap();
        for (version, shards, keys) in [
            (2, None, &["0", "1", "2"][..]),
            (3, None, &["c/0", "c/1", "c/2"][..]),
            (3, Some(vec![4]), &["c/0", "c/1"][..]),
        ] {
            let options = ZarrOptions {
                version,
                shards,
                ..ZarrOptions::default()
            };
            write_zarr(&array, &Target::local(&copy), &options, &context).unwrap();
            for key in keys {
                assert!(copy.join(key).exists(), "{key} of version {version}");
            }
            let read = read_zarr(local(&copy)).unwrap();
            let read = read.load(&context).unwrap();
            let bits: Vec<u64> = read
                .view::<f64>()
                .unwrap()
                .iter()
                .map(|x| x.to_bits())
                .collect();
            assert_eq!(bits, [fill, fill, 1.5, 2.5, fill].map(f64::to_bits));
            std::fs::remove_dir_all(&copy).unwrap();
        }
    }
}

/// 16 MB of zeros in a few bytes, in a chunk that should have 8: no more than that is unpacked.
#[test]
fn a_chunk_that_swells_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    for (packing, bomb) in [
        (
            ZarrPacking::Zstd,
            zstd::bulk::compress(&vec![0; 16 << 20], 1).unwrap(),
        ),
        (ZarrPacking::Gzip, {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            std::io::Write::write_all(&mut encoder, &vec![0; 16 << 20]).unwrap();
            encoder.finish().unwrap()
        }),
    ] {
        let (context, memory) = context(1 << 20, 1);
        let target = Target::local(&path).overwriting(true);
        let options = ZarrOptions {
            packing,
            ..ZarrOptions::default()
        };
        let one = full(
            Grid::regular(&[1], &[1], DType::Float64).unwrap(),
            Scalar::ZERO,
        );
        write_zarr(&one, &target, &options, &context).unwrap();
        std::fs::write(path.join("c/0"), &bomb).unwrap();
        let error = read_zarr(local(&path)).unwrap().load(&context).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        assert!(error.message().contains("c/0: "), "{error}");
        assert!(memory.peak() < 1 << 20);
    }
}

#[test]
fn a_group_names_its_arrays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("g.zarr");
    let (context, _) = context(1 << 20, 1);
    for name in ["b", "a", "inner/c"] {
        let target = Target::local(&path.join(name));
        let options = ZarrOptions {
            version: 2,
            ..ZarrOptions::default()
        };
        write_zarr(&uniform(&[3], &[2]), &target, &options, &context).unwrap();
    }
    for group in ["", "inner"] {
        std::fs::write(path.join(group).join(".zgroup"), r#"{"zarr_format": 2}"#).unwrap();
    }
    let error = read_zarr(local(&path)).unwrap_err();
    assert!(error.message().contains("is a Zarr group"), "{error}");
    let name = path.display();
    assert_eq!(
        error.hint().unwrap(),
        format!("name one of the arrays in it: {name}/a, {name}/b, {name}/inner/c")
    );
    assert!(read_zarr(local(&path.join("inner/c"))).is_ok());
    // A group is replaced where that is asked for; another directory never.
    let target = Target::local(&path).overwriting(true);
    write_zarr(
        &uniform(&[3], &[2]),
        &target,
        &ZarrOptions::default(),
        &context,
    )
    .unwrap();
    assert!(!path.join("a").exists());
    let target = Target::local(directory.path()).overwriting(true);
    let written = write_zarr(
        &uniform(&[3], &[2]),
        &target,
        &ZarrOptions::default(),
        &context,
    );
    assert!(message(written).contains("is no Zarr array or group: it is not replaced"));
}

/// Of uniform doubles only sign and exponent pack: zstd takes about 6 % off.
#[test]
fn random_numbers_are_stored_as_they_are_unless_a_level_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let (context, _) = context(4 << 20, 1);
    let grid = Grid::regular(&[10_000], &[10_000], DType::Float64).unwrap();
    let (random, zeros) = (uniform(&[10_000], &[10_000]), full(grid, Scalar::ZERO));
    for (source, level, at_least, at_most) in [
        (&random, None, 80_000, 80_100),
        (&random, Some(1), 70_000, 79_000),
        (&zeros, None, 1, 1_000),
    ] {
        let target = Target::local(&path).overwriting(true);
        let options = ZarrOptions {
            level,
            ..ZarrOptions::default()
        };
        write_zarr(source, &target, &options, &context).unwrap();
        let bytes = std::fs::metadata(path.join("c/0")).unwrap().len();
        assert!(
            (at_least..=at_most).contains(&bytes),
            "{bytes} with level {level:?}"
        );
        let read = read_zarr(local(&path)).unwrap().load(&context).unwrap();
        let expected = source.load(&context).unwrap();
        assert_eq!(read.view::<f64>(), expected.view::<f64>());
    }
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (context, _) = context(1 << 20, 1);
    let write = |options: ZarrOptions| {
        let target = Target::local(&directory.path().join("a.zarr"));
        message(write_zarr(
            &uniform(&[10, 6], &[4, 3]),
            &target,
            &options,
            &context,
        ))
    };
    let default = ZarrOptions::default;
    let level = ZarrOptions {
        level: Some(23),
        ..default()
    };
    assert_eq!(
        write(level),
        "the level of packing 'zstd' is from 1 to 22, not 23"
    );
    let version = ZarrOptions {
        version: 4,
        ..default()
    };
    assert_eq!(
        write(version),
        "the version of a Zarr array is 2 or 3, not 4"
    );
    for (shards, version, expected) in [
        (vec![8, 6], 2, "Zarr arrays of version 2 have no shards"),
        (
            vec![9, 6],
            3,
            "shards of (9, 6) are not made of whole chunks of (4, 3)",
        ),
        (
            vec![8],
            3,
            "shards of (8,) are not made of whole chunks of (4, 3)",
        ),
    ] {
        let options = ZarrOptions {
            shards: Some(shards),
            version,
            ..default()
        };
        assert_eq!(write(options), expected);
    }
    assert!(entries(directory.path()).is_empty());
}

#[test]
fn chunks_that_promise_too_much_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let zarr = directory.path().join("a.zarr");
    std::fs::create_dir_all(zarr.join("c")).unwrap();
    let (context, memory) = context(1 << 20, 1);
    for (shape, chunk) in [
        ("[1]", "[1000000000000]"),
        ("[1, 1]", "[18446744073709551615, 18446744073709551615]"),
        ("[4000000000000]", "[1]"),
        ("[1]", "[0]"),
        ("[1]", "[1, 1]"),
    ] {
        let text = format!(
            r#"{{"zarr_format": 3, "node_type": "array", "shape": {shape}, "data_type": "float64",
            "chunk_grid": {{"name": "regular", "configuration": {{"chunk_shape": {chunk}}}}},
            "chunk_key_encoding": {{"name": "default"}}, "fill_value": 0, "codecs": [{{"name": "bytes"}}]}}"#
        );
        std::fs::write(zarr.join("zarr.json"), text).unwrap();
        std::fs::write(zarr.join("c/0"), [0; 8]).unwrap();
        match read_zarr(local(&zarr)) {
            Ok(array) => {
                // Chunks of two axes are not there: fill.
                if array.rank() == 1 {
                    let error = array.load(&context).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Resource, "{error}");
                }
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Data, "{error}"),
        }
    }
    assert_eq!(memory.left(), memory.limit());
}

/// A chunk of 64 bytes that Blosc has packed with blosclz: the bytes 1, 2 and 3, then a run of the last.
#[test]
fn what_blosc_has_packed_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    std::fs::create_dir_all(&path).unwrap();
    let text = r#"{"zarr_format": 2, "shape": [64], "chunks": [64], "dtype": "|u1", "fill_value": 0,
        "order": "C", "filters": null, "compressor": {"id": "blosc"}}"#;
    std::fs::write(path.join(".zarray"), text).unwrap();
    let (context, memory) = context(1 << 20, 1);
    let load = |codec: u8, stream: &[u8]| {
        let packed = u32::try_from(stream.len()).unwrap().to_le_bytes();
        let all = u32::try_from(stream.len() + 24).unwrap().to_le_bytes();
        let lengths = [[64, 0, 0, 0], [64, 0, 0, 0], all, [20, 0, 0, 0], packed].concat();
        let chunk = [&[2, 1, codec << 5 | 0x10, 1], lengths.as_slice(), stream].concat();
        std::fs::write(path.join("0"), chunk).unwrap();
        read_zarr(local(&path)).unwrap().load(&context)
    };
    // Three bytes; from one byte back, 7 + 2 + 52 of them.
    let stream = [2, 1, 2, 3, 7 << 5, 52, 0];
    let tensor = load(0, &stream).unwrap();
    let expected = [1u8, 2].into_iter().chain([3; 62]);
    assert!(tensor.view::<u8>().unwrap().iter().copied().eq(expected));
    let mut state = 1u64;
    for round in 0..900 {
        let mut wrong = stream.to_vec();
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let random = state.to_be_bytes();
        wrong[usize::from(random[0]) % stream.len()] = random[1];
        wrong.truncate(1 + usize::from(random[2]) % (2 * stream.len()));
        wrong.extend(&random[3..3 + round % 5]);
        if let Err(error) = load([0, 1, 3, 4, 2, 7][round % 6], &wrong) {
            let kinds = [ErrorKind::Data, ErrorKind::Unsupported];
            assert!(kinds.contains(&error.kind()), "{error}");
            assert!(error.message().contains("a.zarr/0: "), "{error}");
        }
    }
    assert!(memory.peak() < 1 << 16);
}
