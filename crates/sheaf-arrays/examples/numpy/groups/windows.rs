//! Neighbourhoods and Fourier transforms.

use std::sync::Arc;

use sheaf_arrays::*;
use sheaf_base::Result;

use super::{any, axis, signed};
use crate::cases::{ALL, Cases, REAL, python};

/// The difference of each element and the one before it along the first axis, 0 where there is none.
#[derive(Debug)]
struct Steps;

impl BlockKernel for Steps {
    fn evaluate(&self, block: Tensor, _: &Region, context: &Context) -> Result<Tensor> {
        let chunk: Vec<u64> = block
            .shape()
            .iter()
            .map(|&length| length.max(1) as u64)
            .collect();
        let array = from_tensor(block, &chunk)?;
        let before = neighbour(&array, &[-1, 0], PadMode::Nearest)?;
        binary(BinaryOp::Subtract, &array, &before)?.load(context)
    }
}

pub(super) fn overlaps(cases: &mut Cases) -> Result<()> {
    let mut shape = cases.shape(2..=2);
    shape
        .iter_mut()
        .for_each(|length| *length = (*length).max(4));
    let array = cases.array(&shape, DType::Float64)?;
    let modes = [
        (Boundary::None, "'edge'"),
        (Boundary::Padded(PadMode::Nearest), "'edge'"),
        (Boundary::Padded(PadMode::Periodic), "'wrap'"),
        (Boundary::Padded(PadMode::Reflect), "'reflect'"),
        (
            Boundary::Padded(PadMode::Constant(Scalar::Float(2.0))),
            "'constant', constant_values=2",
        ),
    ];
    let (boundary, name) = cases.choose(&modes);
    let depth = [1 + cases.below(3), cases.below(2)];
    let result = map_overlap(
        &array,
        DType::Float64,
        &depth,
        &[boundary; 2],
        Arc::new(Steps),
    )?;
    let expression = format!("a0 - np.pad(a0, [(1, 0), (0, 0)], {name})[:-1]");
    cases.case(&[&array], &expression, &result)
}

pub(super) fn slidings(cases: &mut Cases) -> Result<()> {
    let array = any(cases, 1..=3, ALL)?;
    let along = axis(cases, &array);
    let rank = signed(array.rank() as u64);
    let length = array.shape()[usize::try_from(along.rem_euclid(rank)).unwrap_or(0)];
    if length == 0 {
        return Ok(());
    }
    let window = 1 + cases.below(length.min(6));
    let result = sliding_window(&array, &[window], &[along])?;
    let expression =
        format!("np.lib.stride_tricks.sliding_window_view(a0, {window}, axis={along})");
    cases.case(&[&array], &expression, &result)
}

pub(super) fn transforms(cases: &mut Cases) -> Result<()> {
    let mut shape = cases.shape(1..=3);
    shape
        .iter_mut()
        .for_each(|length| *length = (*length).max(2));
    let kinds = [
        (Fft::Forward, "fft"),
        (Fft::Inverse, "ifft"),
        (Fft::RealForward, "rfft"),
        (Fft::RealInverse, "irfft"),
    ];
    let (kind, name) = cases.choose(&kinds);
    let types = if kind == Fft::RealForward { REAL } else { ALL };
    let dtype = cases.choose(types);
    let array = cases.array(&shape, dtype)?;
    let source = if cases.below(2) == 0 {
        shelved(&cast(&array, array.dtype()))
    } else {
        array.clone()
    };
    if cases.below(3) == 0 {
        let axes: Vec<i64> = (0..signed(array.rank() as u64)).collect();
        let result = fftn(&source, kind, &axes)?;
        let expression = format!("np.fft.{name}n(a0, axes={})", python(&axes));
        return cases.case_within(&[&array], &expression, &result, 4000.0);
    }
    let along = axis(cases, &array);
    let length = (cases.below(2) == 0).then(|| 1 + cases.below(50));
    let n = length.map_or("None".to_owned(), |length| length.to_string());
    let result = fft(&source, kind, length, along)?;
    let expression = format!("np.fft.{name}(a0, n={n}, axis={along})");
    cases.case_within(&[&array], &expression, &result, 4000.0)
}
