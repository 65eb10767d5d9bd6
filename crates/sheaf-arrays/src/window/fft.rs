//! Fourier transforms along axes.

use num_complex::Complex;
use sheaf_base::{Result, SheafError};

use super::plan::Plan;
use crate::context::Context;
use crate::dtype::Class;
use crate::grid::{CHUNK_BYTES_DEFAULT, Grid, Region, to_usize};
use crate::store::{Array, ChunkStore, Cost};
use crate::tensor::{Store, Stride, Tensor};
use crate::view::{axis_of, rechunk};

/// Which transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fft {
    /// From values to frequencies.
    Forward,
    /// From frequencies to values, divided by their number.
    Inverse,
    /// From real values to the frequencies that are not negative: half of them, and one.
    RealForward,
    /// Back from these to real values.
    RealInverse,
}

#[derive(Debug)]
struct Transform {
    grid: Grid,
    source: Array,
    axis: usize,
    kind: Fft,
    /// Values that are transformed.
    length: usize,
}

/// The transform along `axis`. With `length`, the axis is cut or filled up with zeros to it (for
/// [`Fft::RealInverse`]: the result's length; without it, twice the axis less 2).
///
/// # Memory
/// Some whole lanes along the axis. An array that is dear to read is put into such chunks first.
/// # Errors
/// `UserInput` if there is no such axis or nothing on it.
pub fn fft(source: &Array, kind: Fft, length: Option<u64>, axis: i64) -> Result<Array> {
    let axis = axis_of("array_fft", axis, source.rank())?;
    let own = source.shape()[axis];
    let length = length.unwrap_or(match kind {
        Fft::RealInverse => own.saturating_sub(1) * 2,
        _ => own,
    });
    if length == 0 {
        return Err(SheafError::user(format!(
            "array_fft: there are no values along axis {axis} of the shape {}",
            crate::grid::tuple(&source.shape())
        )));
    }
    if kind == Fft::RealForward && source.dtype().class() == Class::Complex {
        return Err(SheafError::user(
            "array_fft: a real transform is of real numbers",
        ));
    }
    let dtype = source.dtype().to_inexact();
    let (dtype, result) = match kind {
        Fft::Forward | Fft::Inverse => (dtype.to_complex(), length),
        Fft::RealForward => (dtype.to_complex(), length / 2 + 1),
        Fft::RealInverse => (dtype.to_real(), length),
    };
    // Lanes are whole; so many of them that a chunk stays as large as they are by default.
    let mut chunk = source.grid().chunk_max();
    chunk[axis] = own.max(1);
    let lanes = (CHUNK_BYTES_DEFAULT / 16 / length.max(own)).max(1);
    let mut left = lanes;
    for at in (0..chunk.len()).rev().filter(|&at| at != axis) {
        chunk[at] = chunk[at].min(left).max(1);
        left = (left / chunk[at]).max(1);
    }
    let source = rechunk(source, &chunk)?;
    let mut sizes = source.grid().all_sizes();
    sizes[axis] = vec![result];
    Ok(Array::new(Transform {
        grid: Grid::irregular(&sizes, dtype)?,
        source,
        axis,
        kind,
        length: to_usize(length),
    }))
}

/// The transform along several axes, one after the other; a real one along the last of them.
///
/// # Errors
/// As [`fft`].
pub fn fftn(source: &Array, kind: Fft, axes: &[i64]) -> Result<Array> {
    let Some((&last, others)) = axes.split_last() else {
        return Ok(source.clone());
    };
    match kind {
        Fft::RealInverse => {
            let mut result = source.clone();
            for &axis in others {
                result = fft(&result, Fft::Inverse, None, axis)?;
            }
            fft(&result, kind, None, last)
        }
        _ => {
            let whole = if kind == Fft::Inverse {
                Fft::Inverse
            } else {
                Fft::Forward
            };
            let mut result = fft(source, kind, None, last)?;
            for &axis in others.iter().rev() {
                result = fft(&result, whole, None, axis)?;
            }
            Ok(result)
        }
    }
}

impl ChunkStore for Transform {
    fn grid(&self) -> &Grid {
        &self.grid
    }

    fn read(&self, region: &Region, context: &Context) -> Result<Tensor> {
        let rank = region.shape.len();
        let mut lanes = region.clone();
        let own = to_usize(self.source.shape()[self.axis]);
        lanes.start[self.axis] = 0;
        lanes.shape[self.axis] = own;
        let mut order: Vec<usize> = (0..rank).filter(|&axis| axis != self.axis).collect();
        order.push(self.axis);
        let block = self
            .source
            .read(&lanes, context)?
            .transpose(&order)
            .contiguous(context)?;
        let length = to_usize(self.grid.shape()[self.axis]);
        let mut shape: Vec<usize> = order.iter().map(|&axis| region.shape[axis]).collect();
        shape[rank - 1] = length;
        let hold = context.hold_chunk(&shape, self.grid.dtype())?;
        let _lane = context.hold(Plan::bytes_of(self.length.max(own)), "array_fft")?;
        let elements = self.transform(&block, own, length, context)?;
        let result = Tensor::from_store(elements, &shape)?.held(hold);
        let mut back: Vec<usize> = (0..rank - 1).collect();
        back.insert(self.axis, rank - 1);
        let strides: Vec<Stride> = (0..rank)
            .map(|axis| Stride {
                start: if axis == self.axis {
                    to_usize(region.start[axis])
                } else {
                    0
                },
                length: region.shape[axis],
                step: 1,
            })
            .collect();
        Ok(result.transpose(&back).slice(&strides))
    }

    fn cost(&self) -> Cost {
        Cost::Work
    }
}

impl Transform {
    /// Transforms the lanes of a block, which are `own` long, to lanes of `result`.
    fn transform(
        &self,
        block: &Tensor,
        own: usize,
        result: usize,
        context: &Context,
    ) -> Result<Store> {
        let is_inverse = matches!(self.kind, Fft::Inverse | Fft::RealInverse);
        let plan = Plan::new(self.length);
        let mut room = vec![Complex::default(); plan.room()];
        let mut lane = vec![Complex::<f64>::default(); own.max(self.length)];
        let scale = if is_inverse {
            1.0 / self.length as f64
        } else {
            1.0
        };
        let count = block.elements().checked_div(own).unwrap_or(0);
        let mut store = Store::new(self.grid.dtype(), count * result);
        for number in 0..count {
            if number % 1024 == 0 {
                context.check()?;
            }
            lane.fill(Complex::default());
            block.load(number * own, &mut lane[..own]);
            lane.truncate(self.length);
            if self.kind == Fft::RealInverse {
                mirror(&mut lane, own);
            } else if own > self.length {
                lane.resize(self.length, Complex::default());
            }
            // Back is forward of the conjugates, conjugated.
            if is_inverse {
                lane.iter_mut().for_each(|value| *value = value.conj());
            }
            plan.run(&mut lane, &mut room);
            if is_inverse {
                lane[..result]
                    .iter_mut()
                    .for_each(|value| *value = value.conj() * scale);
            }
            store.push(&lane[..result]);
            lane.resize(own.max(self.length), Complex::default());
        }
        Ok(store)
    }
}

/// Fills the frequencies that real values have twice: the conjugates of the first `given`.
fn mirror(lane: &mut [Complex<f64>], given: usize) {
    let length = lane.len();
    let half = length / 2 + 1;
    for value in lane.iter_mut().take(half).skip(given) {
        *value = Complex::default();
    }
    lane[0].im = 0.0;
    if length.is_multiple_of(2) {
        lane[length / 2].im = 0.0;
    }
    for at in half..length {
        lane[at] = lane[length - at].conj();
    }
}
