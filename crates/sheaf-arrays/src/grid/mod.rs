//! The shape of an array and how it is cut into chunks, and boxes of its elements.

mod region;

use std::fmt;
use std::sync::Arc;

use sheaf_base::{ByteCount, Result, SheafError};

use crate::dtype::{DType, Scalar};

pub use region::Region;

/// Axes that an array can have.
pub const AXES_MAX: usize = 8;

/// Chunks that an array can have along one axis: where each begins is kept in memory.
pub const AXIS_CHUNKS_MAX: usize = 1 << 20;

/// Bytes of a chunk where the user does not say.
pub const CHUNK_BYTES_DEFAULT: u64 = 32_000_000;

/// What an array is without its values: shape, chunks, type of the elements, fill and names of the axes.
///
/// An axis of length 0 has no chunks; an array of no axes has one chunk of one element.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    axes: Vec<Axis>,
    dtype: DType,
    fill: Scalar,
}

/// One axis.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Axis {
    name: Option<String>,
    /// Where each chunk ends; the last is the axis's length.
    ends: Arc<[u64]>,
}

impl Grid {
    /// An array of `shape` in chunks of `chunk` elements per axis; the last of an axis may be smaller.
    ///
    /// # Errors
    /// `UserInput` if lengths and chunks do not fit each other, a chunk is 0 long, or there are more
    /// than [`AXES_MAX`] axes or [`AXIS_CHUNKS_MAX`] chunks along one.
    pub fn regular(shape: &[u64], chunk: &[u64], dtype: DType) -> Result<Self> {
        if chunk.len() != shape.len() {
            return Err(SheafError::user(format!(
                "chunks of {} do not fit the shape {}: {} sizes for {} axes",
                tuple(chunk),
                tuple(shape),
                chunk.len(),
                shape.len()
            )));
        }
        let axes: Result<Vec<Vec<u64>>> = shape
            .iter()
            .zip(chunk)
            .enumerate()
            .map(|(axis, (&length, &size))| regular_axis(axis, length, size))
            .collect();
        Self::irregular(&axes?, dtype)
    }

    /// An array in chunks of the sizes given for each axis, one list an axis.
    ///
    /// # Errors
    /// As [`Grid::regular`].
    pub fn irregular(sizes: &[Vec<u64>], dtype: DType) -> Result<Self> {
        if sizes.len() > AXES_MAX {
            return Err(SheafError::user(format!(
                "an array has at most {AXES_MAX} axes, not {}",
                sizes.len()
            )));
        }
        let axes: Result<Vec<Axis>> = sizes.iter().enumerate().map(Axis::of_sizes).collect();
        let grid = Self {
            axes: axes?,
            dtype,
            fill: Scalar::ZERO,
        };
        let elements = grid.axes.iter().try_fold(1u64, |product, axis| {
            product.checked_mul(axis.length().max(1))
        });
        match elements.and_then(|elements| elements.checked_mul(dtype.bytes() as u64)) {
            Some(bytes) if i64::try_from(bytes).is_ok() => Ok(grid),
            _ => Err(SheafError::user(format!(
                "an array of shape {} has more bytes than can be counted",
                tuple(&grid.shape())
            ))),
        }
    }

    /// An array of `shape` in chunks of about [`CHUNK_BYTES_DEFAULT`], as nearly cubic as may be.
    ///
    /// # Errors
    /// As [`Grid::regular`].
    pub fn automatic(shape: &[u64], dtype: DType) -> Result<Self> {
        Self::regular(
            shape,
            &automatic_chunk(shape, dtype, CHUNK_BYTES_DEFAULT),
            dtype,
        )
    }

    /// The same grid for elements of another type.
    #[must_use]
    pub fn with_dtype(mut self, dtype: DType) -> Self {
        self.dtype = dtype;
        self
    }

    /// The same grid, in which elements that are nowhere stored have this value.
    #[must_use]
    pub fn with_fill(mut self, fill: Scalar) -> Self {
        self.fill = fill;
        self
    }

    /// The same grid with names for its axes.
    ///
    /// # Errors
    /// `UserInput` if there are not as many names as axes, or one is there twice.
    pub fn with_names(mut self, names: Vec<Option<String>>) -> Result<Self> {
        if names.len() != self.axes.len() {
            return Err(SheafError::user(format!(
                "{} names for an array of {} axes",
                names.len(),
                self.axes.len()
            )));
        }
        let given: Vec<&String> = names.iter().flatten().collect();
        if let Some(twice) = given
            .iter()
            .enumerate()
            .find(|(i, name)| given[..*i].contains(name))
        {
            return Err(SheafError::user(format!(
                "two axes are called \"{}\"",
                twice.1
            )));
        }
        for (axis, name) in self.axes.iter_mut().zip(names) {
            axis.name = name;
        }
        Ok(self)
    }

    /// Elements along each axis.
    #[must_use]
    pub fn shape(&self) -> Vec<u64> {
        self.axes.iter().map(Axis::length).collect()
    }

    /// The number of axes.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.axes.len()
    }

    /// Elements in all.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.axes.iter().map(Axis::length).product()
    }

    /// Bytes of all elements.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.elements() * self.dtype.bytes() as u64
    }

    /// The type of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The value of elements that are nowhere stored.
    #[must_use]
    pub fn fill(&self) -> Scalar {
        self.fill
    }

    /// The names of the axes, of those that have one.
    #[must_use]
    pub fn names(&self) -> Vec<Option<String>> {
        self.axes.iter().map(|axis| axis.name.clone()).collect()
    }

    /// The lengths of the chunks along `axis`; of an axis that does not exist, none.
    #[must_use]
    pub fn sizes(&self, axis: usize) -> Vec<u64> {
        let ends = self.axes.get(axis).map_or(&[][..], |axis| &axis.ends);
        let starts = std::iter::once(0).chain(ends.iter().copied());
        ends.iter()
            .zip(starts)
            .map(|(end, start)| end - start)
            .collect()
    }

    /// The lengths of the chunks along every axis.
    #[must_use]
    pub fn all_sizes(&self) -> Vec<Vec<u64>> {
        (0..self.rank()).map(|axis| self.sizes(axis)).collect()
    }

    /// The length of the longest chunk along each axis.
    #[must_use]
    pub fn chunk_max(&self) -> Vec<u64> {
        (0..self.rank())
            .map(|axis| self.sizes(axis).into_iter().max().unwrap_or(0))
            .collect()
    }

    /// Bytes of the largest chunk.
    #[must_use]
    pub fn chunk_bytes_max(&self) -> u64 {
        self.chunk_max().iter().product::<u64>() * self.dtype.bytes() as u64
    }

    /// The number of chunks along each axis.
    #[must_use]
    pub fn chunk_counts(&self) -> Vec<u64> {
        self.axes
            .iter()
            .map(|axis| axis.ends.len() as u64)
            .collect()
    }

    /// The number of chunks.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.chunk_counts()
            .iter()
            .fold(1, |product, count| product.saturating_mul(*count))
    }

    /// The coordinates of chunk number `number`, where the last axis counts fastest.
    #[must_use]
    pub fn chunk_at(&self, number: u64) -> Vec<u32> {
        let mut rest = number;
        let mut coordinates: Vec<u32> = Vec::with_capacity(self.rank());
        for count in self.chunk_counts().iter().rev() {
            let count = (*count).max(1);
            coordinates.push(u32::try_from(rest % count).unwrap_or(u32::MAX));
            rest /= count;
        }
        coordinates.reverse();
        coordinates
    }

    /// The elements of the chunk at `coordinates`.
    ///
    /// # Errors
    /// `UserInput` if there is no such chunk.
    pub fn region_of(&self, coordinates: &[u32]) -> Result<Region> {
        let missing = || {
            SheafError::user(format!(
                "there is no chunk {} in a grid of {} chunks",
                tuple(coordinates),
                tuple(&self.chunk_counts())
            ))
        };
        if coordinates.len() != self.rank() {
            return Err(missing());
        }
        let mut region = Region::empty();
        for (axis, &coordinate) in self.axes.iter().zip(coordinates) {
            let (start, end) = axis.chunk(coordinate as usize).ok_or_else(missing)?;
            region.push(start, to_usize(end - start));
        }
        Ok(region)
    }

    /// All elements.
    #[must_use]
    pub fn whole(&self) -> Region {
        Region {
            start: vec![0; self.rank()],
            shape: self
                .axes
                .iter()
                .map(|axis| to_usize(axis.length()))
                .collect(),
        }
    }

    /// `region` cut where chunks end: boxes that lie in one chunk each, in the order of the chunks.
    #[must_use]
    pub fn cut(&self, region: &Region) -> Vec<Region> {
        let mut boxes = vec![Region::empty()];
        for (axis, range) in self.axes.iter().zip(region.ranges()) {
            let pieces = axis.cut(range.0, range.1);
            let mut next = Vec::with_capacity(boxes.len() * pieces.len());
            for begun in &boxes {
                for &(start, end) in &pieces {
                    let mut region = begun.clone();
                    region.push(start, to_usize(end - start));
                    next.push(region);
                }
            }
            boxes = next;
        }
        boxes
    }

    /// The coordinates of the chunk in which the first element of `region` lies.
    #[must_use]
    pub fn chunk_of(&self, region: &Region) -> Vec<u32> {
        self.axes
            .iter()
            .zip(&region.start)
            .map(|(axis, &start)| u32::try_from(axis.number_of(start)).unwrap_or(u32::MAX))
            .collect()
    }
}

impl Axis {
    fn of_sizes((axis, sizes): (usize, &Vec<u64>)) -> Result<Self> {
        if sizes.len() > AXIS_CHUNKS_MAX {
            return Err(SheafError::user(format!(
                "axis {axis} would have {} chunks, and may have {AXIS_CHUNKS_MAX}",
                sizes.len()
            ))
            .with_hint("take larger chunks"));
        }
        let mut end = 0u64;
        let mut ends = Vec::with_capacity(sizes.len());
        for &size in sizes.iter().filter(|&&size| size > 0) {
            end = end.checked_add(size).ok_or_else(|| {
                SheafError::user(format!("axis {axis} is longer than can be counted"))
            })?;
            ends.push(end);
        }
        Ok(Self {
            name: None,
            ends: ends.into(),
        })
    }

    fn length(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    fn chunk(&self, number: usize) -> Option<(u64, u64)> {
        let end = *self.ends.get(number)?;
        let start = match number {
            0 => 0,
            _ => self.ends[number - 1],
        };
        Some((start, end))
    }

    /// The chunk in which element `position` lies.
    fn number_of(&self, position: u64) -> usize {
        self.ends.partition_point(|&end| end <= position)
    }

    /// The range from `start` to `end`, cut where chunks end.
    fn cut(&self, start: u64, end: u64) -> Vec<(u64, u64)> {
        let mut pieces = Vec::new();
        let mut position = start;
        for &boundary in &self.ends[self.number_of(start).min(self.ends.len())..] {
            if position >= end {
                break;
            }
            let next = boundary.min(end);
            pieces.push((position, next));
            position = next;
        }
        pieces
    }
}

fn regular_axis(axis: usize, length: u64, size: u64) -> Result<Vec<u64>> {
    if length == 0 {
        return Ok(Vec::new());
    }
    if size == 0 {
        return Err(SheafError::user(format!(
            "chunks along axis {axis} must have at least one element"
        )));
    }
    let count = length.div_ceil(size);
    if count > AXIS_CHUNKS_MAX as u64 {
        return Err(SheafError::user(format!(
            "axis {axis} of {length} elements would have {count} chunks, and may have {AXIS_CHUNKS_MAX}"
        ))
        .with_hint(format!(
            "take chunks of {} elements or more along it",
            length.div_ceil(AXIS_CHUNKS_MAX as u64)
        )));
    }
    Ok((0..count).map(|i| size.min(length - i * size)).collect())
}

/// Chunk lengths for `shape` with about `bytes_max` a chunk: axes are cut to the same length, and those
/// that are shorter stay whole.
#[must_use]
pub fn automatic_chunk(shape: &[u64], dtype: DType, bytes_max: u64) -> Vec<u64> {
    let elements_max = (bytes_max / dtype.bytes() as u64).max(1);
    let mut chunk: Vec<u64> = shape.iter().map(|&length| length.max(1)).collect();
    let mut order: Vec<usize> = (0..shape.len()).collect();
    order.sort_by_key(|&axis| chunk[axis]);
    let mut left = elements_max as f64;
    for (done, &axis) in order.iter().enumerate() {
        let axes_left = (order.len() - done) as f64;
        let side = left.powf(1.0 / axes_left).floor().max(1.0);
        if chunk[axis] as f64 > side {
            chunk[axis] = to_u64(side).max(chunk[axis].div_ceil(AXIS_CHUNKS_MAX as u64));
        }
        left = (left / chunk[axis] as f64).max(1.0);
    }
    chunk
}

/// Numbers as a shape is written: `(100, 30)`.
#[must_use]
pub fn tuple<T: fmt::Display>(numbers: &[T]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    match numbers.as_slice() {
        [one] => format!("({one},)"),
        all => format!("({})", all.join(", ")),
    }
}

/// A chunk of `shape`, for errors: its lengths, type and bytes.
pub(crate) fn describe(shape: &[usize], dtype: DType) -> String {
    let bytes = shape.iter().fold(dtype.bytes() as u64, |bytes, &length| {
        bytes.saturating_mul(length as u64)
    });
    format!("{} {dtype} ({})", tuple(shape), ByteCount(bytes))
}

/// `value` as a length in memory; a length that has none is refused when memory is reserved.
pub(crate) fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A float that is known to be whole and in range.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole and in range"
)]
pub(crate) fn to_u64(value: f64) -> u64 {
    value as u64
}
