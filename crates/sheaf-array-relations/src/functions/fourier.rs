//! Fourier transforms.

use sheaf_arrays::{Fft, fft, fftn};
use sheaf_base::Result;

use super::{A, AXIS, ArrayFunction, Made, optional};
use crate::arguments::{Arguments, Parameter};

const ONE: &[Parameter] = &[A, optional("n"), AXIS];
const MANY: &[Parameter] = &[A, AXIS];

macro_rules! along_one {
    ($name:literal, $kind:ident, $what:literal, $of:literal) => {
        ArrayFunction {
            name: $name,
            syntax: concat!($name, "(a [, n => length] [, axis => -1])"),
            description: $what,
            example: concat!(
                "SELECT shape FROM array_info(",
                $name,
                "(array_ones(shape => [8])))\n-- ",
                $of
            ),
            parameters: ONE,
            make: |a| one(a, Fft::$kind),
        }
    };
}

macro_rules! along_many {
    ($name:literal, $kind:ident, $what:literal, $of:literal) => {
        ArrayFunction {
            name: $name,
            syntax: concat!($name, "(a [, axis => […]])"),
            description: $what,
            example: concat!(
                "SELECT shape FROM array_info(",
                $name,
                "(array_ones(shape => [4, 8])))\n-- ",
                $of
            ),
            parameters: MANY,
            make: |a| many(a, Fft::$kind),
        }
    };
}

pub(super) static FUNCTIONS: &[ArrayFunction] = &[
    along_one!(
        "array_fft",
        Forward,
        "The discrete Fourier transform along an axis.",
        "[8]"
    ),
    along_one!("array_ifft", Inverse, "The inverse of array_fft.", "[8]"),
    along_one!(
        "array_rfft",
        RealForward,
        "The transform of real values: frequencies that are not negative.",
        "[5]"
    ),
    along_one!(
        "array_irfft",
        RealInverse,
        "The inverse of array_rfft.",
        "[14]"
    ),
    along_many!(
        "array_fftn",
        Forward,
        "The discrete Fourier transform along several axes, or all.",
        "[4, 8]"
    ),
    along_many!(
        "array_ifftn",
        Inverse,
        "The inverse of array_fftn.",
        "[4, 8]"
    ),
    along_many!(
        "array_rfftn",
        RealForward,
        "The transform of real values along several axes; the last has the frequencies that are not negative.",
        "[4, 5]"
    ),
    along_many!(
        "array_irfftn",
        RealInverse,
        "The inverse of array_rfftn.",
        "[4, 14]"
    ),
];

fn one(arguments: &Arguments<'_>, kind: Fft) -> Result<Made> {
    let (length, axis) = (arguments.count("n")?, arguments.int("axis")?.unwrap_or(-1));
    Ok(fft(&arguments.array("a")?, kind, length, axis)?.into())
}

fn many(arguments: &Arguments<'_>, kind: Fft) -> Result<Made> {
    let array = arguments.array("a")?;
    let axes = match arguments.ints("axis")? {
        Some(axes) => axes,
        None => (0..array.rank() as i64).collect(),
    };
    Ok(fftn(&array, kind, &axes)?.into())
}
