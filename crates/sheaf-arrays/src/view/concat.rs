//! Arrays one behind the other.

use sheaf_base::{Result, SheafError};

use super::{assemble, axis_of, expand_dims};
use crate::context::Context;
use crate::elementwise::cast;
use crate::grid::{Grid, Region, to_usize, tuple};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::Tensor;

#[derive(Debug)]
struct Concat {
    grid: Grid,
    axis: usize,
    /// Each array and where it begins along the axis.
    sources: Vec<(u64, Array)>,
}

/// The arrays one behind the other along `axis`, their elements in a type that holds all.
///
/// # Errors
/// `UserInput` if there are none, or their other axes differ.
pub fn concat(sources: &[Array], axis: i64) -> Result<Array> {
    let Some(first) = sources.first() else {
        return Err(SheafError::user("array_concat: there is no array"));
    };
    let axis = axis_of("array_concat", axis, first.rank())?;
    let shape = first.shape();
    for source in sources {
        let other = source.shape();
        let fits = other.len() == shape.len()
            && (0..shape.len()).all(|at| at == axis || other[at] == shape[at]);
        if !fits {
            return Err(SheafError::user(format!(
                "array_concat: arrays of shape {} and {} differ beside axis {axis}",
                tuple(&shape),
                tuple(&other)
            )));
        }
    }
    let dtype = sources
        .iter()
        .fold(first.dtype(), |dtype, source| dtype.promote(source.dtype()));
    let mut sizes = first.grid().all_sizes();
    sizes[axis] = sources
        .iter()
        .flat_map(|source| source.grid().sizes(axis))
        .collect();
    let grid = Grid::irregular(&sizes, dtype)?
        .with_fill(first.grid().fill())
        .with_names(first.grid().names())?;
    let mut start = 0;
    let sources = sources.iter().map(|source| {
        let own = start;
        start += source.shape()[axis];
        (own, cast(source, dtype))
    });
    let sources = sources.collect();
    Ok(Array::new(Concat {
        grid,
        axis,
        sources,
    }))
}

/// The arrays one behind the other along a new axis at the place `axis` of the result.
///
/// # Errors
/// `UserInput` if there are none, or their shapes differ.
pub fn stack(sources: &[Array], axis: i64) -> Result<Array> {
    if let Some((first, other)) = sources.first().zip(
        sources
            .iter()
            .find(|other| other.shape() != sources[0].shape()),
    ) {
        return Err(SheafError::user(format!(
            "array_stack: arrays of shape {} and {} are not stacked",
            tuple(&first.shape()),
            tuple(&other.shape())
        )));
    }
    let layers: Result<Vec<Array>> = sources
        .iter()
        .map(|source| expand_dims(source, &[axis]))
        .collect();
    concat(&layers?, axis)
}

impl ChunkStore for Concat {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let axis = self.axis;
        let (begin, end) = (
            region.start[axis],
            region.start[axis] + region.shape[axis] as u64,
        );
        let mut parts = Vec::new();
        let mut readers = Vec::new();
        for (start, source) in &self.sources {
            let (from, to) = (begin.max(*start), end.min(start + source.shape()[axis]));
            if from < to {
                let mut part = region.clone();
                part.start[axis] = from;
                part.shape[axis] = to_usize(to - from);
                parts.push(part);
                readers.push((*start, source));
            }
        }
        let mut next = readers.into_iter();
        assemble(region, self.grid.dtype(), context, &parts, |part| {
            let (start, source) = next
                .next()
                .ok_or_else(|| SheafError::internal("more parts than arrays"))?;
            let mut inner = part.clone();
            inner.start[axis] -= start;
            source.read(&inner, context)
        })
    }

    fn cost(&self) -> Cost {
        self.sources
            .iter()
            .map(|(_, source)| source.cost())
            .max()
            .unwrap_or(Cost::Elements)
    }

    /// No chunk reaches from one array into the next.
    fn stored_in(&self, region: &Region) -> Option<String> {
        let begin = region.start[self.axis];
        let is_before = |(start, _): &&(u64, Array)| *start <= begin;
        let (start, source) = self.sources.iter().rev().find(is_before)?;
        let mut inner = region.clone();
        inner.start[self.axis] -= start;
        source.stored_in(&inner)
    }
}
