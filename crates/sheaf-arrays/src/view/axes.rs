//! Axes in another order, left out, added or repeated.

use sheaf_base::{Result, SheafError};

use super::{axes_of, axis_of};
use crate::context::Context;
use crate::grid::{Grid, Region, tuple};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::Tensor;

/// An array whose axis `i` is axis `from[i]` of the source, or new. Axes of the source that are not
/// there have the length 1; an axis of length 1, or a new one, may be repeated.
#[derive(Debug)]
struct Axes {
    grid: Grid,
    source: Array,
    from: Vec<Option<usize>>,
}

/// The axes in the order `axes`, or in reverse.
///
/// # Errors
/// `UserInput` if these are not all axes, each once.
pub fn transpose(source: &Array, axes: Option<&[i64]>) -> Result<Array> {
    let rank = source.rank();
    let order: Vec<usize> = match axes {
        None => (0..rank).rev().collect(),
        Some(axes) => {
            let known = axes_of("array_transpose", Some(axes), rank)?;
            if known.len() != rank {
                return Err(SheafError::user(format!(
                    "array_transpose: {} axes given for an array of shape {}",
                    axes.len(),
                    tuple(&source.shape())
                )));
            }
            let order: Result<Vec<usize>> = axes
                .iter()
                .map(|&axis| axis_of("array_transpose", axis, rank))
                .collect();
            order?
        }
    };
    // Twice transposed is the array itself where nothing has moved.
    if order.iter().enumerate().all(|(to, &from)| to == from) {
        return Ok(source.clone());
    }
    of_axes(source, order.into_iter().map(Some).collect())
}

/// Axis `from` moved to the place `to`; the others keep their order.
///
/// # Errors
/// `UserInput` if there are no such axes.
pub fn move_axis(source: &Array, from: i64, to: i64) -> Result<Array> {
    let rank = source.rank();
    let from = axis_of("array_move_axis", from, rank)?;
    let to = axis_of("array_move_axis", to, rank)?;
    let mut order: Vec<Option<usize>> = (0..rank).filter(|&axis| axis != from).map(Some).collect();
    order.insert(to, Some(from));
    of_axes(source, order)
}

/// The array without `axes`, which must have the length 1; of none given, without all such axes.
///
/// # Errors
/// `UserInput` if an axis is longer.
pub fn squeeze(source: &Array, axes: Option<&[i64]>) -> Result<Array> {
    let shape = source.shape();
    let gone = match axes {
        None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
        Some(axes) => axes_of("array_squeeze", Some(axes), shape.len())?,
    };
    if let Some(long) = gone.iter().find(|&&axis| shape[axis] != 1) {
        return Err(SheafError::user(format!(
            "array_squeeze: axis {long} of the shape {} has not the length 1",
            tuple(&shape)
        )));
    }
    let left = (0..shape.len())
        .filter(|axis| !gone.contains(axis))
        .map(Some);
    of_axes(source, left.collect())
}

/// The array with axes of length 1 at the places `axes` of the result.
///
/// # Errors
/// `UserInput` if a place is there twice or beyond the end.
pub fn expand_dims(source: &Array, axes: &[i64]) -> Result<Array> {
    let rank = source.rank() + axes.len();
    let new = axes_of("array_expand_dims", Some(axes), rank)?;
    let mut old = 0..source.rank();
    let from = (0..rank).map(|axis| {
        if new.contains(&axis) {
            None
        } else {
            old.next()
        }
    });
    of_axes(source, from.collect())
}

/// The array repeated along axes of length 1, and along new axes in front, to `shape`.
///
/// # Errors
/// `UserInput` if an axis is neither 1 nor as long as asked for.
pub fn broadcast_to(source: &Array, shape: &[u64]) -> Result<Array> {
    let own = source.shape();
    let new = shape.len().checked_sub(own.len());
    let fits = new.is_some_and(|new| {
        own.iter()
            .zip(&shape[new..])
            .all(|(&own, &wanted)| own == wanted || own == 1)
    });
    let (Some(new), true) = (new, fits) else {
        return Err(SheafError::user(format!(
            "array_broadcast: an array of shape {} cannot be repeated to {}",
            tuple(&own),
            tuple(shape)
        )));
    };
    if own == shape {
        return Ok(source.clone());
    }
    let automatic = Grid::automatic(shape, source.dtype())?;
    let sizes: Vec<Vec<u64>> = (0..shape.len())
        .map(|axis| match axis.checked_sub(new) {
            Some(from) if own[from] == shape[axis] => source.grid().sizes(from),
            _ => automatic.sizes(axis),
        })
        .collect();
    let from = (0..shape.len()).map(|axis| axis.checked_sub(new)).collect();
    let grid = Grid::irregular(&sizes, source.dtype())?.with_fill(source.grid().fill());
    Ok(Array::new(Axes {
        grid,
        source: source.clone(),
        from,
    }))
}

fn of_axes(source: &Array, from: Vec<Option<usize>>) -> Result<Array> {
    let names = source.grid().names();
    let sizes: Vec<Vec<u64>> = from
        .iter()
        .map(|from| from.map_or(vec![1], |from| source.grid().sizes(from)))
        .collect();
    let names = from
        .iter()
        .map(|from| from.and_then(|from| names[from].clone()));
    let grid = Grid::irregular(&sizes, source.dtype())?
        .with_fill(source.grid().fill())
        .with_names(names.collect())?;
    Ok(Array::new(Axes {
        grid,
        source: source.clone(),
        from,
    }))
}

impl ChunkStore for Axes {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        if region.elements() == 0 {
            return Tensor::full(&region.shape, self.grid.dtype(), self.grid.fill(), context);
        }
        let shape = self.source.shape();
        let mut inner = Region {
            start: vec![0; shape.len()],
            shape: vec![1; shape.len()],
        };
        for (axis, from) in self.from.iter().enumerate() {
            if let Some(from) = *from
                && shape[from] != 1
            {
                inner.start[from] = region.start[axis];
                inner.shape[from] = region.shape[axis];
            }
        }
        // First the axes that stay, in their new order, then those of length 1 that go.
        let kept: Vec<usize> = self.from.iter().flatten().copied().collect();
        let gone = (0..shape.len()).filter(|axis| !kept.contains(axis));
        let order: Vec<usize> = kept.iter().copied().chain(gone).collect();
        self.source
            .read(&inner, context)?
            .transpose(&order)
            .relabel(&self.from)
            .broadcast(&region.shape, context)
    }

    fn cost(&self) -> Cost {
        self.source.cost()
    }

    fn transpose_of(&self) -> Option<&Array> {
        (self.from == [Some(1), Some(0)] && self.source.rank() == 2).then_some(&self.source)
    }
}
