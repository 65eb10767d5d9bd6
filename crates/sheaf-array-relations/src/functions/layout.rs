//! The same elements in another arrangement.

use sheaf_arrays::{
    Array, PadMode, Scalar, broadcast_to, concat, expand_dims, flip, move_axis, pad, parse_slice,
    rechunk, reshape, roll, slice, squeeze, stack, take, transpose,
};
use sheaf_base::Result;

use super::sources::{full_chunks, scalar};
use super::{A, AXIS, ArrayFunction, Made, needed, optional, value};
use crate::arguments::{Arguments, Kind, Parameter};

const ARRAYS: Parameter = needed("arrays", Kind::Arrays);

pub(super) static FUNCTIONS: &[ArrayFunction] = &[
    ArrayFunction {
        name: "array_transpose",
        syntax: "array_transpose(a [, axes => […]])",
        description: "The array with its axes in another order; in reverse if none is said. Costs nothing.",
        example: "SELECT shape FROM array_info(array_transpose(array_zeros(shape => [2, 3])))\n-- [3, 2]",
        parameters: &[A, optional("axes")],
        make: |a| Ok(transpose(&a.array("a")?, a.ints("axes")?.as_deref())?.into()),
    },
    ArrayFunction {
        name: "array_move_axis",
        syntax: "array_move_axis(a, source, destination)",
        description: "The array with one axis at another place.",
        example: "SELECT shape FROM array_info(array_move_axis(array_zeros(shape => [2, 3, 4]), 0, 2))\n-- [3, 4, 2]",
        parameters: &[A, value("source"), value("destination")],
        make: |a| {
            let (from, to) = (
                a.int("source")?.unwrap_or(0),
                a.int("destination")?.unwrap_or(0),
            );
            Ok(move_axis(&a.array("a")?, from, to)?.into())
        },
    },
    ArrayFunction {
        name: "array_reshape",
        syntax: "array_reshape(a, shape => […])",
        description: "The elements in row-major order in another shape; one length may be -1.",
        example: "SELECT shape FROM array_info(array_reshape(array_arange(12), [3, -1]))\n-- [3, 4]",
        parameters: &[A, value("shape")],
        make: |a| {
            let shape = a.ints("shape")?.unwrap_or_default();
            Ok(reshape(&a.array("a")?, &shape)?.into())
        },
    },
    ArrayFunction {
        name: "array_ravel",
        syntax: "array_ravel(a)",
        description: "The elements in row-major order along one axis.",
        example: "SELECT shape FROM array_info(array_ravel(array_zeros(shape => [2, 3])))\n-- [6]",
        parameters: &[A],
        make: |a| Ok(reshape(&a.array("a")?, &[-1])?.into()),
    },
    ArrayFunction {
        name: "array_rechunk",
        syntax: "array_rechunk(a, chunks => […])",
        description: "The same array in other chunks.",
        example: "SELECT n_chunks FROM array_info(array_rechunk(array_zeros(shape => [10, 10]), [5, 10]))\n-- 2",
        parameters: &[A, value("chunks")],
        make: |a| {
            let array = a.array("a")?;
            let chunks = a.counts("chunks")?.unwrap_or_default();
            Ok(rechunk(&array, &full_chunks(&chunks, &array.shape()))?.into())
        },
    },
    ArrayFunction {
        name: "array_slice",
        syntax: "array_slice(a, 'start:stop:step, …')",
        description: "A part of an array, as Python's slices say it: ranges with steps, negative positions from the end, and single positions, whose axis goes.",
        example: "SELECT tensor_sum(v) FROM array_slice(array_arange(10), '1:8:3')\n-- 12",
        parameters: &[A, value("parts")],
        make: |a| {
            let array = a.array("a")?;
            let text = a.text("parts")?.unwrap_or_default();
            Ok(slice(&array, &parse_slice(&text, array.rank())?)?.into())
        },
    },
    ArrayFunction {
        name: "array_take",
        syntax: "array_take(a, [positions] [, axis => 0])",
        description: "The elements at positions along an axis, in their order.",
        example: "SELECT tensor_sum(v) FROM array_take(array_arange(10), [9, 0, -2])\n-- 17",
        parameters: &[A, value("positions"), AXIS],
        make: |a| {
            let positions = a.ints("positions")?.unwrap_or_default();
            Ok(take(&a.array("a")?, &positions, a.int("axis")?.unwrap_or(0))?.into())
        },
    },
    ArrayFunction {
        name: "array_pad",
        syntax: "array_pad(a, width => n or [before, after] [, axis => n] [, mode => 'constant'] [, value => 0])",
        description: "The array with borders, along one axis or all. Modes: constant, nearest, reflect, symmetric, periodic.",
        example: "SELECT tensor_sum(v) FROM array_pad(array_ones(shape => [3]), 2, mode => 'nearest')\n-- 7.0",
        parameters: &[A, value("width"), AXIS, optional("mode"), optional("value")],
        make: padded,
    },
    ArrayFunction {
        name: "array_flip",
        syntax: "array_flip(a [, axis => […]])",
        description: "The array with the elements along axes, or all, in reverse.",
        example: "SELECT v FROM array_to_cells(array_flip(array_arange(3))) WHERE i0 = 0\n-- 2",
        parameters: &[A, AXIS],
        make: |a| Ok(flip(&a.array("a")?, a.ints("axis")?.as_deref())?.into()),
    },
    ArrayFunction {
        name: "array_roll",
        syntax: "array_roll(a, shift [, axis => 0])",
        description: "The array turned round an axis: what falls off one end comes in at the other.",
        example: "SELECT v FROM array_to_cells(array_roll(array_arange(5), 2)) WHERE i0 = 0\n-- 3",
        parameters: &[A, value("shift"), AXIS],
        make: |a| {
            let (shift, axis) = (a.int("shift")?.unwrap_or(0), a.int("axis")?.unwrap_or(0));
            Ok(roll(&a.array("a")?, shift, axis)?.into())
        },
    },
    ArrayFunction {
        name: "array_concat",
        syntax: "array_concat(a, b, … [, axis => 0])",
        description: "Arrays one behind the other along an axis.",
        example: "SELECT tensor_sum(v) FROM array_concat(array_arange(3), array_arange(4))\n-- 9",
        parameters: &[ARRAYS, AXIS],
        make: |a| Ok(concat(&a.arrays("arrays"), a.int("axis")?.unwrap_or(0))?.into()),
    },
    ArrayFunction {
        name: "array_stack",
        syntax: "array_stack(a, b, … [, axis => 0])",
        description: "Arrays of one shape side by side along a new axis.",
        example: "SELECT shape FROM array_info(array_stack(array_arange(3), array_arange(3)))\n-- [2, 3]",
        parameters: &[ARRAYS, AXIS],
        make: |a| Ok(stack(&a.arrays("arrays"), a.int("axis")?.unwrap_or(0))?.into()),
    },
    ArrayFunction {
        name: "array_broadcast_to",
        syntax: "array_broadcast_to(a, shape => […])",
        description: "The array repeated along new axes and axes of length 1.",
        example: "SELECT tensor_sum(v) FROM array_broadcast_to(array_arange(3), [4, 3])\n-- 12",
        parameters: &[A, value("shape")],
        make: |a| {
            let shape = a.counts("shape")?.unwrap_or_default();
            Ok(broadcast_to(&a.array("a")?, &shape)?.into())
        },
    },
    ArrayFunction {
        name: "array_squeeze",
        syntax: "array_squeeze(a [, axis => […]])",
        description: "The array without axes of length 1.",
        example: "SELECT shape FROM array_info(array_squeeze(array_zeros(shape => [1, 3, 1])))\n-- [3]",
        parameters: &[A, AXIS],
        make: |a| Ok(squeeze(&a.array("a")?, a.ints("axis")?.as_deref())?.into()),
    },
    ArrayFunction {
        name: "array_expand_dims",
        syntax: "array_expand_dims(a, axis => […])",
        description: "The array with new axes of length 1, at these places of the result.",
        example: "SELECT shape FROM array_info(array_expand_dims(array_arange(3), [0, 2]))\n-- [1, 3, 1]",
        parameters: &[A, value("axis")],
        make: |a| Ok(expand_dims(&a.array("a")?, &a.ints("axis")?.unwrap_or_default())?.into()),
    },
];

/// The mode `name` of what is beyond the edge.
pub(super) fn mode(arguments: &Arguments<'_>, name: &str, default: &str) -> Result<PadMode> {
    let text = arguments.text(name)?.unwrap_or_else(|| default.to_owned());
    Ok(match text.to_lowercase().as_str() {
        "constant" => PadMode::Constant(scalar(arguments, "value")?.unwrap_or(Scalar::ZERO)),
        "nearest" | "edge" => PadMode::Nearest,
        "reflect" => PadMode::Reflect,
        "symmetric" => PadMode::Symmetric,
        "periodic" | "wrap" => PadMode::Periodic,
        other => {
            let error = arguments.wrong(format!("there is no mode \"{other}\""));
            return Err(error.with_hint("constant, nearest, reflect, symmetric, periodic"));
        }
    })
}

fn padded(arguments: &mut Arguments<'_>) -> Result<Made> {
    let mut array: Array = arguments.array("a")?;
    let (before, after) = match arguments.counts("width")?.as_deref() {
        Some([both]) => (*both, *both),
        Some([before, after]) => (*before, *after),
        _ => return Err(arguments.wrong("\"width\" is a number, or one for each end".to_owned())),
    };
    let mode = mode(arguments, "mode", "constant")?;
    let axes = match arguments.ints("axis")? {
        Some(axes) => axes,
        None => (0..array.rank() as i64).collect(),
    };
    for axis in axes {
        array = pad(&array, axis, before, after, mode)?;
    }
    Ok(array.into())
}
