//! Files: those that NumPy, zarr-python and h5py have written, as they are read, and those
//! that they are to read.

use std::sync::Arc;

use sheaf_arrays::{
    ZarrOptions, ZarrPacking, list_hdf5, list_zarr, read_hdf5, read_npy, read_npy_stack, read_npz,
    read_zarr, write_npz, write_zarr,
};
use sheaf_base::{Result, SheafError};

use crate::cases::{ALL, Cases};

/// All kinds of files, both ways.
pub(crate) fn all(cases: &mut Cases) -> Result<()> {
    read_all(cases)?;
    for &dtype in ALL {
        for packing in [ZarrPacking::Zstd, ZarrPacking::Gzip, ZarrPacking::Plain] {
            for version in [2, 3] {
                let shape = cases.shape(0..=3);
                let array = cases.array(&shape, dtype)?;
                let options = ZarrOptions {
                    packing,
                    version,
                    level: (cases.below(2) == 0)
                        .then_some(3 * i32::from(packing != ZarrPacking::Plain)),
                    shards: None,
                };
                cases.written(&array, ".zarr", |target, context| {
                    write_zarr(&array, target, &options, context)
                })?;
            }
        }
        for is_deflated in [false, true] {
            let shape = cases.shape(0..=3);
            let array = cases.array(&shape, dtype)?;
            cases.written(&array, ".npz", |target, context| {
                write_npz(&array, target, is_deflated, None, context)
            })?;
        }
        let shape = cases.shape(0..=3);
        let array = cases.array(&shape, dtype)?;
        let times = |chunk: u64, cases: &mut Cases| chunk.max(1) * (1 + cases.below(4));
        let chunks = array.grid().chunk_max();
        let shards = chunks
            .into_iter()
            .map(|chunk| times(chunk, cases))
            .collect();
        let options = ZarrOptions {
            shards: Some(shards),
            ..ZarrOptions::default()
        };
        cases.written(&array, ".zarr", |target, context| {
            write_zarr(&array, target, &options, context)
        })?;
    }
    Ok(())
}

/// What others have written, in the order of their numbers.
fn read_all(cases: &mut Cases) -> Result<()> {
    let mut number = 0;
    while let Some(objects) = cases.file(&format!("z{number}.zarr")) {
        cases.read(&read_zarr(objects)?, &format!("z{number}.npy"))?;
        number += 1;
    }
    number = 0;
    while let Some(file) = cases.file(&format!("n{number}.npy")) {
        // The same in a file of its own, in an npz file with others, and packed in one.
        let chunk = None;
        let name = format!("n{number}.npy");
        cases.read(&read_npy(Arc::clone(&file), chunk)?, &name)?;
        for npz in ["stored.npz", "deflated.npz"] {
            if let Some(file) = cases.file(npz) {
                let array = read_npz(file, Some(&format!("n{number}")), chunk)?;
                cases.read(&array, &name)?;
            }
        }
        number += 1;
    }
    number = 0;
    while let Some(objects) = cases.file(&format!("s{number}.stack")) {
        let array = read_npy_stack(objects, i64::from(number))?;
        cases.read(&array, &format!("s{number}.npy"))?;
        number += 1;
    }
    number = 0;
    while let Some(file) = cases.file(&format!("h{number}.h5")) {
        for name in list_hdf5(Arc::clone(&file))? {
            let array = read_hdf5(Arc::clone(&file), Some(&name), None)?;
            cases.read(&array, &format!("h{number}_{}.npy", name.replace('/', "_")))?;
        }
        number += 1;
    }
    for group in ["g0", "g1", "g2", "g3"] {
        let Some(objects) = cases.file(&format!("{group}.zarr")) else {
            continue;
        };
        let names = list_zarr(&*objects)?;
        if names != ["a", "inner/b"] {
            return Err(SheafError::internal(format!("{group}.zarr has {names:?}")));
        }
        for (name, npy) in names.iter().zip(["ga.npy", "gb.npy"]) {
            if let Some(objects) = cases.file(&format!("{group}.zarr/{name}")) {
                cases.read(&read_zarr(objects)?, npy)?;
            }
        }
    }
    Ok(())
}
