//! Layout.

use sheaf_arrays::*;
use sheaf_base::Result;

use super::{any, axis, signed};
use crate::cases::{ALL, Cases, REAL, python};

pub(super) fn slices(cases: &mut Cases) -> Result<()> {
    let array = any(cases, 1..=4, ALL)?;
    let mut parts = Vec::new();
    let mut texts = Vec::new();
    for length in array.shape() {
        let span = length * 2 + 3;
        let bound = |cases: &mut Cases| match cases.below(3) {
            0 => None,
            _ => Some(signed(cases.below(span)) - signed(length) - 1),
        };
        if length > 0 && cases.below(5) == 0 {
            let at = signed(cases.below(2 * length)) - signed(length);
            parts.push(AxisSlice::Index(at));
            texts.push(at.to_string());
            continue;
        }
        let (start, stop) = (bound(cases), bound(cases));
        let step = cases.choose(&[1, 1, 2, 3, 7, -1, -2, -5]);
        parts.push(AxisSlice::Range { start, stop, step });
        let text = |bound: Option<i64>| bound.map_or(String::new(), |bound| bound.to_string());
        texts.push(format!("{}:{}:{step}", text(start), text(stop)));
    }
    let result = slice(&array, &parts)?;
    let text = texts.join(", ");
    // The same parts, as their text is read.
    let read = sheaf_arrays::parse_slice(&text, array.rank())?;
    assert_eq!(read, parts);
    cases.case(&[&array], &format!("a0[{text}]"), &result)
}

pub(super) fn axes(cases: &mut Cases) -> Result<()> {
    let array = any(cases, 1..=4, ALL)?;
    if cases.below(3) == 0 {
        let (from, to) = (axis(cases, &array), axis(cases, &array));
        let result = move_axis(&array, from, to)?;
        return cases.case(
            &[&array],
            &format!("np.moveaxis(a0, {from}, {to})"),
            &result,
        );
    }
    let mut order: Vec<i64> = (0..signed(array.rank() as u64)).collect();
    for at in 0..order.len() {
        let other = usize::try_from(cases.below(order.len() as u64)).unwrap_or(0);
        order.swap(at, other);
    }
    let result = transpose(&array, Some(&order))?;
    cases.case(
        &[&array],
        &format!("np.transpose(a0, {})", python(&order)),
        &result,
    )
}

pub(super) fn shapes(cases: &mut Cases) -> Result<()> {
    let array = any(cases, 1..=4, ALL)?;
    match cases.below(4) {
        0 => {
            let place = axis(cases, &array);
            let result = expand_dims(&array, &[place])?;
            cases.case(&[&array], &format!("np.expand_dims(a0, {place})"), &result)
        }
        1 => cases.case(&[&array], "np.squeeze(a0)", &squeeze(&array, None)?),
        2 => {
            let mut shape = array.shape();
            for length in &mut shape {
                if *length == 1 {
                    *length = 1 + cases.below(5);
                }
            }
            shape.insert(0, 1 + cases.below(3));
            let signed: Vec<i64> = shape.iter().map(|&length| signed(length)).collect();
            let result = broadcast_to(&array, &shape)?;
            cases.case(
                &[&array],
                &format!("np.broadcast_to(a0, {})", python(&signed)),
                &result,
            )
        }
        _ => {
            let array = shelved(&array);
            let mut left = array.grid().elements();
            let mut shape = Vec::new();
            for _ in 0..cases.below(3) {
                let divisors: Vec<u64> = (1..=left.max(1))
                    .filter(|d| left.is_multiple_of(*d))
                    .collect();
                let own = if left == 0 {
                    2
                } else {
                    cases.choose(&divisors)
                };
                left /= own.max(1);
                shape.push(signed(own));
            }
            let last = if left > 0 && cases.below(2) == 0 {
                -1
            } else {
                signed(left)
            };
            shape.push(last);
            let result = reshape(&array, &shape)?;
            cases.case(
                &[&array],
                &format!("np.reshape(a0, {})", python(&shape)),
                &result,
            )
        }
    }
}

pub(super) fn rechunks(cases: &mut Cases) -> Result<()> {
    let array = any(cases, 1..=4, ALL)?;
    // A copy whose chunks are dear to read, and what is seen of it in two other ways.
    let dear = shelved(&unary_of(&array)?);
    let first = cases.chunk(&array.shape());
    let second = cases.chunk(&array.shape());
    let result = rechunk(&rechunk(&dear, &first)?, &second)?;
    cases.case(
        &[&array],
        "np.negative(a0) if a0.dtype != bool else a0",
        &result,
    )
}

fn unary_of(array: &Array) -> Result<Array> {
    match array.dtype() {
        DType::Bool => Ok(array.clone()),
        _ => unary(UnaryOp::Negative, array),
    }
}

pub(super) fn concats(cases: &mut Cases) -> Result<()> {
    let first = any(cases, 1..=3, ALL)?;
    let along = axis(cases, &first);
    let mut shape = first.shape();
    let is_stack = cases.below(2) == 0;
    if !is_stack {
        let rank = signed(shape.len() as u64);
        let number = usize::try_from(along.rem_euclid(rank)).unwrap_or(0);
        shape[number] = cases.below(9);
    }
    let dtype = cases.choose(ALL);
    let second = cases.array(&shape, dtype)?;
    let sources = [first.clone(), second.clone(), first.clone()];
    let (name, result) = match is_stack {
        true => ("stack", stack(&sources, along)?),
        false => ("concatenate", concat(&sources, along)?),
    };
    cases.case(
        &[&first, &second],
        &format!("np.{name}([a0, a1, a0], axis={along})"),
        &result,
    )
}

pub(super) fn borders(cases: &mut Cases) -> Result<()> {
    let array = any(cases, 1..=3, REAL)?;
    let along = axis(cases, &array);
    match cases.below(3) {
        0 => {
            let shift = signed(cases.below(60)) - 30;
            let result = roll(&array, shift, along)?;
            cases.case(
                &[&array],
                &format!("np.roll(a0, {shift}, axis={along})"),
                &result,
            )
        }
        1 => cases.case(
            &[&array],
            &format!("np.flip(a0, axis={along})"),
            &flip(&array, Some(&[along]))?,
        ),
        _ => {
            let modes = [
                (
                    PadMode::Constant(Scalar::Int(1)),
                    "'constant', constant_values=1",
                ),
                (PadMode::Nearest, "'edge'"),
                (PadMode::Reflect, "'reflect'"),
                (PadMode::Symmetric, "'symmetric'"),
                (PadMode::Periodic, "'wrap'"),
            ];
            let (mode, name) = cases.choose(&modes);
            let rank = signed(array.rank() as u64);
            let number = usize::try_from(along.rem_euclid(rank)).unwrap_or(0);
            if array.shape()[number] == 0 && !matches!(mode, PadMode::Constant(_)) {
                return Ok(());
            }
            let (before, after) = (cases.below(9), cases.below(9));
            let result = pad(&array, along, before, after, mode)?;
            let widths = format!(
                "[({before}, {after}) if i == {number} else (0, 0) for i in range({rank})]"
            );
            cases.case(&[&array], &format!("np.pad(a0, {widths}, {name})"), &result)
        }
    }
}

pub(super) fn takes(cases: &mut Cases) -> Result<()> {
    let array = any(cases, 1..=3, ALL)?;
    let along = axis(cases, &array);
    let rank = signed(array.rank() as u64);
    let length = array.shape()[usize::try_from(along.rem_euclid(rank)).unwrap_or(0)];
    let count = if length == 0 { 0 } else { cases.below(20) };
    let positions: Vec<i64> = (0..count)
        .map(|_| signed(cases.below(2 * length)) - signed(length))
        .collect();
    let result = take(&array, &positions, along)?;
    let list = format!("np.array({positions:?}, dtype=int)");
    cases.case(
        &[&array],
        &format!("np.take(a0, {list}, axis={along})"),
        &result,
    )
}
