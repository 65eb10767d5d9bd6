//! Chunked n-dimensional arrays, which may be larger than memory.
//!
//! An [`Array`] is lazy: a [`ChunkStore`] with a [`Grid`] (shape, chunks, type) that gives the elements of
//! any box when it is asked for them, by coordinates, from as many threads at once as the caller likes.
//! Operations make arrays of arrays and look at no element:
//!
//! ```text
//! caller ─ chunk (2, 0) ─> reduce ─ boxes ─> map ─ boxes ─> slice ─ box ─> random
//!        <── Tensor ─────         <─ Tensors        …                      (reads a Context)
//! ```
//!
//! - sources: [`random`], [`full`], [`arange`], [`linspace`], [`eye`], [`from_tensor`];
//! - files: [`read_npy`], [`read_npz`], [`read_npy_stack`], [`read_zarr`], [`read_hdf5`], from
//!   [`Objects`];
//! - views: [`slice()`], [`transpose`], [`reshape`], [`rechunk`], [`take`], [`pad`], [`roll`], [`flip`],
//!   [`concat()`], [`stack`], [`broadcast_to`], [`squeeze`], [`expand_dims`], [`move_axis`], [`shelved`];
//! - elementwise: [`map`] with a caller's [`Kernel`] over Arrow arrays, [`unary`], [`binary`], [`select`],
//!   [`cast`];
//! - reductions: [`reduce()`], [`quantile`], [`median`], [`cumulative`];
//! - statistics: [`histogram`], [`bincount`], [`digitize`], [`searchsorted`], [`unique`], [`topk`],
//!   [`coarsen`], [`diff`], [`gradient`], [`cov`], [`corrcoef`];
//! - linear algebra: [`matmul`], [`dot`], [`outer`], [`tensordot`], [`einsum`], [`diagonal`], [`trace`],
//!   [`qr`], [`svd`], [`svd_compressed`], [`lstsq`], [`solve`], [`inverse`], [`cholesky`];
//! - neighbourhoods: [`map_blocks`], [`map_overlap`], [`neighbour`], [`stencil`],
//!   [`sliding_window`];
//! - Fourier transforms: [`fft()`], [`fftn`];
//! - sinks: [`write_npy`], [`write_npz`], [`write_zarr`], to a [`Target`], or whatever reads chunk by chunk
//!   ([`Context::in_order`]).
//!
//! # Memory
//! Every block is reserved with the [`Context`]'s memory before it is made, and given back when the last
//! [`Tensor`] with its elements is dropped. What must be kept for later (chunks that are dear to read and
//! needed more than once) takes half of the limit at most, and goes to the context's scratch files beyond
//! that. It belongs to the context: one a query, or a [`SharedContext`] where a query has several readers.
//!
//! # Results
//! They do not depend on threads or memory: where rounding makes the order of additions matter, it follows
//! from the grid alone.
//!
//! This crate must not know of SQL, sessions, catalogues or plans.

mod context;
mod dtype;
mod elementwise;
mod engine;
mod grid;
mod hdf5;
mod linalg;
mod npy;
mod objects;
mod parallel;
mod reduce;
mod scratch;
mod shared;
mod sink;
mod source;
mod stats;
mod store;
mod tensor;
#[cfg(test)]
mod tests;
mod view;
mod window;
mod zarr;

pub use context::{Context, FixedMemory, Hold, Memory};
pub use dtype::{Class, DType, Scalar};
pub use elementwise::{BinaryOp, Kernel, UnaryOp, binary, cast, common_shape, map, select, unary};
pub use grid::{
    AXES_MAX, AXIS_CHUNKS_MAX, CHUNK_BYTES_DEFAULT, Grid, Region, automatic_chunk, tuple,
};
pub use hdf5::{list_hdf5, read_hdf5};
pub use linalg::{
    Qr, Svd, cholesky, diagonal, dot, einsum, inverse, lstsq, matmul, outer, qr, solve, svd,
    svd_compressed, tensordot, trace,
};
pub use npy::{list_npz, read_npy, read_npy_stack, read_npz, write_npy, write_npz};
pub use objects::{GoOn, LocalObjects, NAMES_MAX, Objects, StoreObjects};
pub use reduce::{Cumulative, ReduceOptions, Reduction, cumulative, median, quantile, reduce};
pub use scratch::{Scratch, ScratchDirectory, ScratchFile};
pub use shared::{SharedContext, Turn};
pub use sink::Target;
pub use source::{Distribution, Gathered, arange, eye, from_tensor, full, linspace, random};
pub use stats::{
    Bins, Histogram, Unique, bincount, coarsen, corrcoef, cov, diff, digitize, gradient, histogram,
    searchsorted, topk, unique,
};
pub use store::{Array, ChunkStore, Cost};
pub use tensor::{Element, Tensor, Wide};
pub use view::{
    AxisSlice, PadMode, axes_of, axis_of, broadcast_to, concat, expand_dims, flip, move_axis, pad,
    parse_slice, rechunk, reshape, roll, shelved, slice, squeeze, stack, take, transpose,
};
pub use window::{
    BlockKernel, Boundary, Fft, fft, fftn, map_blocks, map_overlap, neighbour, sliding_window,
    stencil,
};
pub use zarr::{ZarrOptions, ZarrPacking, list_zarr, read_zarr, write_zarr};
