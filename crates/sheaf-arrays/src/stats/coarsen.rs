//! Reductions of neighbours: groups of as many elements along each axis become one.

use sheaf_base::{Result, SheafError};

use super::difference::part;
use crate::context::Context;
use crate::grid::{Grid, Region, to_usize, tuple};
use crate::reduce::{ReduceOptions, Reduction, reduce};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Stride, Tensor};

/// An array each of whose axes is two of this one: groups, and places in a group.
#[derive(Debug)]
struct Groups {
    grid: Grid,
    source: Array,
    factors: Vec<u64>,
}

/// `reduction` of groups of `factors` elements along each axis. What is left over at the end of an axis
/// is cut off if `trim`.
///
/// # Errors
/// `UserInput` if there are not as many factors as axes, one is 0, or an axis is no multiple of its
/// factor and `trim` is not set.
pub fn coarsen(source: &Array, reduction: Reduction, factors: &[u64], trim: bool) -> Result<Array> {
    let shape = source.shape();
    let fits = |(&length, &factor): (&u64, &u64)| trim || length.is_multiple_of(factor);
    if factors.len() != shape.len() || factors.contains(&0) || !shape.iter().zip(factors).all(fits)
    {
        return Err(SheafError::user(format!(
            "array_coarsen: groups of {} do not divide the shape {}",
            tuple(factors),
            tuple(&shape)
        ))
        .with_hint("trim => true cuts off what is left over"));
    }
    let mut trimmed = source.clone();
    for (axis, (&length, &factor)) in shape.iter().zip(factors).enumerate() {
        if !length.is_multiple_of(factor) {
            let end = i64::try_from(length - length % factor).unwrap_or(i64::MAX);
            trimmed = part(&trimmed, axis, None, Some(end))?;
        }
    }
    let mut sizes = Vec::new();
    for (axis, &factor) in factors.iter().enumerate() {
        let groups = trimmed.shape()[axis] / factor;
        let chunk = trimmed.grid().chunk_max()[axis].div_ceil(factor).max(1);
        let whole = Grid::regular(&[groups], &[chunk], source.dtype())?;
        sizes.push(whole.sizes(0));
        sizes.push(vec![factor]);
    }
    let groups = Array::new(Groups {
        grid: Grid::irregular(&sizes, source.dtype())?,
        source: trimmed,
        factors: factors.to_vec(),
    });
    let places = (0..factors.len()).map(|axis| i64::try_from(2 * axis + 1).unwrap_or(0));
    let options = ReduceOptions {
        axes: Some(places.collect()),
        ..ReduceOptions::default()
    };
    reduce(&groups, reduction, &options)
}

impl ChunkStore for Groups {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let mut inner = Region::empty();
        let mut shape = Vec::new();
        let mut strides = Vec::new();
        for (axis, &factor) in self.factors.iter().enumerate() {
            let groups = region.shape[2 * axis];
            inner.push(region.start[2 * axis] * factor, groups * to_usize(factor));
            shape.extend([groups, to_usize(factor)]);
            for (start, length) in [
                (0, groups),
                (
                    to_usize(region.start[2 * axis + 1]),
                    region.shape[2 * axis + 1],
                ),
            ] {
                strides.push(Stride {
                    start,
                    length,
                    step: 1,
                });
            }
        }
        let block = self
            .source
            .read(&inner, context)?
            .reshape(&shape, context)?;
        Ok(block.slice(&strides))
    }

    fn cost(&self) -> Cost {
        self.source.cost().max(Cost::Chunks)
    }
}
