//! Arrays that are made of nothing: by formulas, and of numbers drawn at random.

mod gathered;
mod memory;
mod random;
mod special;

pub use gathered::Gathered;
pub use memory::from_tensor;
pub use random::{Distribution, random};
pub use special::{arange, eye, full, linspace};

use sheaf_base::Result;

use crate::context::Context;
use crate::dtype::DType;
use crate::grid::Region;
use crate::tensor::{Store, Tensor, Wide};

/// Elements by a formula: `row` is given the coordinates at which each row of the last axis begins, and
/// room for its values.
fn by_rows<W: Wide>(
    region: &Region,
    dtype: DType,
    context: &Context,
    mut row: impl FnMut(&[u64], &mut [W]),
) -> Result<Tensor> {
    let hold = context.hold_chunk(&region.shape, dtype)?;
    let mut store = Store::new(dtype, region.elements());
    let width = region.shape.last().copied().unwrap_or(1);
    let mut values = vec![W::default(); width.min(crate::tensor::PIECE)];
    let mut at = region.start.clone();
    let rows = region.elements().checked_div(width).unwrap_or(0);
    for _ in 0..rows {
        for first in (0..width).step_by(values.len()) {
            let piece = &mut values[..crate::tensor::PIECE.min(width - first)];
            if let (Some(last), Some(start)) = (at.last_mut(), region.start.last()) {
                *last = start + first as u64;
            }
            row(&at, piece);
            store.push(piece);
        }
        advance(&mut at, region);
    }
    Ok(Tensor::from_store(store, &region.shape)?.held(hold))
}

/// The coordinates of the next row.
fn advance(at: &mut [u64], region: &Region) {
    for axis in (0..at.len().saturating_sub(1)).rev() {
        at[axis] += 1;
        if at[axis] < region.start[axis] + region.shape[axis] as u64 {
            return;
        }
        at[axis] = region.start[axis];
    }
}
