//! Positions along an axis in any order and number.

use std::collections::BTreeMap;
use std::sync::Arc;

use sheaf_base::{Result, SheafError};

use super::axis_of;
use crate::context::Context;
use crate::grid::{Grid, Region, to_usize};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Stride, Tensor};

#[derive(Debug)]
struct Take {
    grid: Grid,
    source: Array,
    axis: usize,
    positions: Arc<[u64]>,
}

/// The elements at `positions` along `axis`, in this order; negative ones count from the end.
///
/// # Errors
/// `UserInput` if there is no such axis or position.
pub fn take(source: &Array, positions: &[i64], axis: i64) -> Result<Array> {
    let axis = axis_of("array_take", axis, source.rank())?;
    let length = source.shape()[axis];
    let found: Result<Vec<u64>> = positions
        .iter()
        .map(|&position| {
            let from_start = match position < 0 {
                true => length.checked_sub(position.unsigned_abs()),
                false => Some(position.unsigned_abs()),
            };
            from_start.filter(|&at| at < length).ok_or_else(|| {
                SheafError::user(format!(
                    "array_take: there is no position {position} on axis {axis} of {length} elements"
                ))
            })
        })
        .collect();
    let positions: Arc<[u64]> = found?.into();
    let mut sizes = source.grid().all_sizes();
    let chunk = to_usize(sizes[axis].iter().copied().max().unwrap_or(1)).max(1);
    sizes[axis] = positions
        .chunks(chunk)
        .map(|chunk| chunk.len() as u64)
        .collect();
    let grid = Grid::irregular(&sizes, source.dtype())?
        .with_fill(source.grid().fill())
        .with_names(source.grid().names())?;
    Ok(Array::new(Take {
        grid,
        source: source.clone(),
        axis,
        positions,
    }))
}

impl ChunkStore for Take {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let axis = self.axis;
        let first = to_usize(region.start[axis]);
        let wanted = &self.positions[first..first + region.shape[axis]];
        // Per chunk of the source, where its positions go.
        let mut chunks: BTreeMap<u32, Vec<(u64, usize)>> = BTreeMap::new();
        let mut probe = Region {
            start: vec![0; self.source.rank()],
            shape: vec![1; self.source.rank()],
        };
        for (to, &position) in wanted.iter().enumerate() {
            probe.start[axis] = position;
            let chunk = self.source.grid().chunk_of(&probe)[axis];
            chunks.entry(chunk).or_default().push((position, to));
        }
        let mut all = Tensor::full(&region.shape, self.grid.dtype(), self.grid.fill(), context)?;
        for moves in chunks.values() {
            let lowest = moves
                .iter()
                .map(|(position, _)| *position)
                .min()
                .unwrap_or(0);
            let highest = moves
                .iter()
                .map(|(position, _)| *position)
                .max()
                .unwrap_or(0);
            let mut inner = region.clone();
            inner.start[axis] = lowest;
            inner.shape[axis] = to_usize(highest - lowest + 1);
            let part = self.source.read(&inner, context)?;
            let mut offset = vec![0; region.shape.len()];
            for (position, to) in moves {
                let lane: Vec<Stride> = (0..region.shape.len())
                    .map(|at| Stride {
                        start: if at == axis {
                            to_usize(position - lowest)
                        } else {
                            0
                        },
                        length: if at == axis { 1 } else { region.shape[at] },
                        step: 1,
                    })
                    .collect();
                offset[axis] = *to;
                all.assign(&offset, &part.clone().slice(&lane))?;
            }
        }
        Ok(all)
    }

    fn cost(&self) -> Cost {
        self.source.cost().max(Cost::Chunks)
    }
}
