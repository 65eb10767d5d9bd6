//! Writing: a directory of version 3, which has its name only when all is written.

use std::path::{Path, PathBuf};

use sheaf_base::{Result, SheafError};

use super::codec::{Chain, Packing};
use super::meta;
use crate::context::Context;
use crate::dtype::Scalar;
use crate::grid::{Grid, Region, to_usize};
use crate::store::Array;
use crate::tensor::Tensor;
use crate::view::rechunk;

/// How chunks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZarrOptions {
    /// Packed with zstd.
    #[default]
    Zstd,
    /// Packed with gzip.
    Gzip,
    /// As they are.
    Plain,
}

/// Writes `source` as a Zarr array of version 3, a directory that must not be there yet. Chunks are the
/// array's, or, where they are not of the same length, as long as its longest.
///
/// # Memory
/// A chunk and its packed bytes for each thread.
/// # Errors
/// `UserInput` if the directory is there; `Resource` if it cannot be written; what reading gives.
pub fn write_zarr(
    source: &Array,
    path: &Path,
    options: ZarrOptions,
    context: &Context,
) -> Result<()> {
    if path.exists() {
        return Err(SheafError::user(format!(
            "{} is there already",
            path.display()
        )));
    }
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = directory
        .unwrap_or(Path::new("."))
        .join(format!(".{name}.{}.part", std::process::id()));
    let written = write_all(source, &part, options, context)
        .and_then(|()| std::fs::rename(&part, path).map_err(|error| failed(path, &error)));
    if written.is_err() {
        let _ = std::fs::remove_dir_all(&part);
    }
    written
}

fn failed(path: &Path, error: &std::io::Error) -> SheafError {
    SheafError::resource(format!("{} cannot be written: {error}", path.display()))
}

fn write_all(source: &Array, part: &Path, options: ZarrOptions, context: &Context) -> Result<()> {
    let chunks: Vec<u64> = source
        .grid()
        .chunk_max()
        .into_iter()
        .map(|length| length.max(1))
        .collect();
    let source = rechunk(source, &chunks)?;
    let grid = source.grid();
    let packing = match options {
        ZarrOptions::Zstd => Some(Packing::Zstd),
        ZarrOptions::Gzip => Some(Packing::Gzip),
        ZarrOptions::Plain => None,
    };
    let names = grid.names();
    let text = meta::describe(
        &grid.shape(),
        &chunks,
        grid.dtype(),
        &names,
        packing.as_ref(),
    );
    std::fs::create_dir_all(part).map_err(|error| failed(part, &error))?;
    write_file(&part.join("zarr.json"), &text)?;
    let codecs = Chain {
        order: None,
        is_big_endian: false,
        packings: packing.into_iter().collect(),
    };
    context.in_order(
        to_usize(grid.chunks()),
        to_usize(grid.chunk_bytes_max()).saturating_mul(2),
        |number, context| {
            let coordinates = grid.chunk_at(number as u64);
            let block = whole(&source, grid, &coordinates, &chunks, context)?;
            let bytes = codecs.encode(&block.contiguous(context)?)?;
            let mut path: PathBuf = part.join("c");
            path.extend(coordinates.iter().map(ToString::to_string));
            write_file(&path, &bytes)
        },
        |_, ()| Ok(()),
    )
}

/// The block of a chunk, the last of an axis filled up to the length of the others.
fn whole(
    source: &Array,
    grid: &Grid,
    coordinates: &[u32],
    chunks: &[u64],
    context: &Context,
) -> Result<Tensor> {
    let region: Region = grid.region_of(coordinates)?;
    let block = source.read(&region, context)?;
    let shape: Vec<usize> = chunks.iter().map(|&length| to_usize(length)).collect();
    if block.shape() == shape {
        return Ok(block);
    }
    let mut filled = Tensor::full(&shape, grid.dtype(), Scalar::ZERO, context)?;
    filled.assign(&vec![0; shape.len()], &block)?;
    Ok(filled)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = std::fs::File::create(path)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()
    };
    write().map_err(|error| failed(path, &error))
}
