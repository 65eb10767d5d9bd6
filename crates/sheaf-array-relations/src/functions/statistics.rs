//! Counts, places among limits, differences, and how axes go together.

use sheaf_arrays::{bincount, corrcoef, cov, diff, digitize, gradient, searchsorted};

use super::{A, AXIS, ArrayFunction, needed, optional, value};
use crate::arguments::{Kind, Parameter};

const RIGHT: Parameter = optional("right");

const WEIGHTS: Parameter = Parameter {
    name: "weights",
    kind: Kind::Array,
    is_needed: false,
};

pub(super) static FUNCTIONS: &[ArrayFunction] = &[
    ArrayFunction {
        name: "array_bincount",
        syntax: "array_bincount(a, length => n [, weights => b])",
        description: "How often each of the numbers 0 to length - 1 is there, or the sum of its weights.",
        example: "SELECT tensor_max(v) FROM array_bincount(array_of([1, 1, 3]), length => 4)\n-- 2",
        parameters: &[A, value("length"), WEIGHTS],
        make: |a| {
            let weights = a.optional_array("weights");
            let length = a.count("length")?.unwrap_or(0);
            Ok(bincount(&a.array("a")?, weights.as_ref(), length)?.into())
        },
    },
    ArrayFunction {
        name: "array_digitize",
        syntax: "array_digitize(a, bins => […] [, right => false])",
        description: "The number of the bin in which each element lies, between limits that rise or fall.",
        example: "SELECT tensor_sum(v) FROM array_digitize(array_arange(4), bins => [1, 2])\n-- 5",
        parameters: &[A, value("bins"), RIGHT],
        make: |a| {
            let limits = a.floats("bins")?.unwrap_or_default();
            Ok(digitize(&a.array("a")?, &limits, a.flag("right")?)?.into())
        },
    },
    ArrayFunction {
        name: "array_searchsorted",
        syntax: "array_searchsorted(sorted, values [, right => false])",
        description: "Where in a sorted array each value would stand.",
        example: "SELECT tensor_sum(v) FROM array_searchsorted(array_arange(10), array_of([2, 5]))\n-- 7",
        parameters: &[
            needed("sorted", Kind::Array),
            needed("values", Kind::Array),
            RIGHT,
        ],
        make: |a| {
            Ok(searchsorted(&a.array("sorted")?, &a.array("values")?, a.flag("right")?)?.into())
        },
    },
    ArrayFunction {
        name: "array_diff",
        syntax: "array_diff(a [, n => 1] [, axis => -1])",
        description: "Differences of neighbours along an axis, n times.",
        example: "SELECT tensor_sum(v) FROM array_diff(array_of([1, 4, 9]))\n-- 8",
        parameters: &[A, optional("n"), AXIS],
        make: |a| {
            let (times, axis) = (a.count("n")?.unwrap_or(1), a.int("axis")?.unwrap_or(-1));
            Ok(diff(&a.array("a")?, times, axis)?.into())
        },
    },
    ArrayFunction {
        name: "array_gradient",
        syntax: "array_gradient(a [, spacing => 1] [, axis => 0])",
        description: "Slopes along an axis, by differences of the elements before and behind.",
        example: "SELECT tensor_sum(v) FROM array_gradient(array_of([0.0, 1.0, 4.0]))\n-- 6.0",
        parameters: &[A, optional("spacing"), AXIS],
        make: |a| {
            let (spacing, axis) = (
                a.float("spacing")?.unwrap_or(1.0),
                a.int("axis")?.unwrap_or(0),
            );
            Ok(gradient(&a.array("a")?, spacing, axis)?.into())
        },
    },
    ArrayFunction {
        name: "array_cov",
        syntax: "array_cov(a [, ddof => 1])",
        description: "Covariances of the rows of a matrix.",
        example: "SELECT tensor_max(v) FROM array_cov(array_of([[1, 2, 3], [2, 4, 6]]))\n-- 4.0",
        parameters: &[A, optional("ddof")],
        make: |a| Ok(cov(&a.array("a")?, a.float("ddof")?.unwrap_or(1.0))?.into()),
    },
    ArrayFunction {
        name: "array_corrcoef",
        syntax: "array_corrcoef(a)",
        description: "Correlations of the rows of a matrix.",
        example: "SELECT tensor_sum(v) FROM array_corrcoef(array_of([[1.0, 2.0], [1.0, 2.0]]))\n-- 4.0",
        parameters: &[A],
        make: |a| Ok(corrcoef(&a.array("a")?)?.into()),
    },
];
