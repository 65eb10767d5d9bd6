//! Arrays that are other arrays seen in another way: nothing is copied before they are read, and views of
//! views read the innermost array once.

mod axes;
mod concat;
mod pad;
mod rechunk;
mod reshape;
mod shelf;
mod slice;
mod take;

pub use axes::{broadcast_to, expand_dims, move_axis, squeeze, transpose};
pub use concat::{concat, stack};
pub use pad::{PadMode, pad, roll};
pub use rechunk::rechunk;
pub use reshape::reshape;
pub(crate) use reshape::rows_chunk;
pub use shelf::shelved;
pub(crate) use shelf::{KeptChunks, strides};
pub use slice::{AxisSlice, flip, parse_slice, slice};
pub use take::take;

use sheaf_base::{Result, SheafError};

use crate::context::Context;
use crate::dtype::DType;
use crate::grid::Region;
use crate::tensor::Tensor;

/// The number of an axis, where negative ones count from the end.
///
/// # Errors
/// `UserInput`, for `operation`, if there is no such axis.
pub fn axis_of(operation: &str, axis: i64, rank: usize) -> Result<usize> {
    let count = i64::try_from(rank).unwrap_or(i64::MAX);
    let from_start = if axis < 0 { axis + count } else { axis };
    usize::try_from(from_start)
        .ok()
        .filter(|&number| number < rank)
        .ok_or_else(|| {
            SheafError::user(format!(
                "{operation}: there is no axis {axis} in an array of {rank} axes"
            ))
        })
}

/// The numbers of several axes, each once; of none, all.
///
/// # Errors
/// `UserInput` if one does not exist or is there twice.
pub fn axes_of(operation: &str, axes: Option<&[i64]>, rank: usize) -> Result<Vec<usize>> {
    let Some(axes) = axes else {
        return Ok((0..rank).collect());
    };
    let numbers: Result<Vec<usize>> = axes
        .iter()
        .map(|&axis| axis_of(operation, axis, rank))
        .collect();
    let mut numbers = numbers?;
    numbers.sort_unstable();
    if let Some(twice) = numbers.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(SheafError::user(format!(
            "{operation}: axis {} is there twice",
            twice[0]
        )));
    }
    Ok(numbers)
}

/// The block of `region`, put together of `parts`, each of which `read` gives.
pub(crate) fn assemble(
    region: &Region,
    dtype: DType,
    context: &Context,
    parts: &[Region],
    mut read: impl FnMut(&Region) -> Result<Tensor>,
) -> Result<Tensor> {
    if let [only] = parts
        && only == region
    {
        return read(only);
    }
    let mut all = Tensor::full(&region.shape, dtype, crate::dtype::Scalar::ZERO, context)?;
    for part in parts {
        all.assign(&part.offset_in(region), &read(part)?)?;
    }
    Ok(all)
}
