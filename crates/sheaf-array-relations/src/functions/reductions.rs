//! One value of many elements.

use std::str::FromStr;

use sheaf_arrays::{
    Cumulative, ReduceOptions, Reduction, coarsen, cumulative, median, quantile, reduce, topk,
};
use sheaf_base::Result;

use super::sources::full_chunks;
use super::{A, AXIS, ArrayFunction, Made, optional, value};
use crate::arguments::{Arguments, Parameter};

const KEEPDIMS: Parameter = optional("keepdims");
const PLAIN: &[Parameter] = &[A, AXIS, KEEPDIMS];
const WITH_DDOF: &[Parameter] = &[A, AXIS, KEEPDIMS, optional("ddof")];

macro_rules! reduction {
    ($name:literal, $kind:literal, $nan:literal, $what:literal, $result:literal) => {
        ArrayFunction {
            name: $name,
            syntax: concat!($name, "(a [, axis => […]] [, keepdims => false])"),
            description: $what,
            example: concat!(
                "SELECT v FROM array_to_cells(",
                $name,
                "(array_of([1.0, 2.0, 4.0])))\n-- ",
                $result
            ),
            parameters: PLAIN,
            make: |a| reduced(a, $kind, $nan),
        }
    };
}

macro_rules! deviation {
    ($name:literal, $kind:literal, $nan:literal, $what:literal, $result:literal) => {
        ArrayFunction {
            name: $name,
            syntax: concat!(
                $name,
                "(a [, axis => […]] [, keepdims => false] [, ddof => 0])"
            ),
            description: $what,
            example: concat!(
                "SELECT v FROM array_to_cells(",
                $name,
                "(array_of([1.0, 3.0])))\n-- ",
                $result
            ),
            parameters: WITH_DDOF,
            make: |a| reduced(a, $kind, $nan),
        }
    };
}

pub(super) static FUNCTIONS: &[ArrayFunction] = &[
    ArrayFunction {
        name: "array_reduce",
        syntax: "array_reduce(a, 'kind' [, axis => […]] [, keepdims => false] [, ddof => 0] [, skipna => false] [, ord => 2])",
        description: "One value of the elements along axes, or of all. Kinds: sum, prod, min, max, mean, var, std, any, all, count_nonzero, argmin, argmax, norm, median.",
        example: "SELECT v FROM array_to_cells(array_reduce(array_ones(shape => [2, 3]), 'sum', axis => [1])) WHERE i0 = 0\n-- 3.0",
        parameters: &[
            A,
            value("kind"),
            AXIS,
            KEEPDIMS,
            optional("ddof"),
            optional("skipna"),
            optional("ord"),
        ],
        make: |a| {
            let kind = a.text("kind")?.unwrap_or_default().to_lowercase();
            let skips = a.flag("skipna")?;
            reduced(a, &kind, skips)
        },
    },
    reduction!(
        "array_sum",
        "sum",
        false,
        "The sum of elements; of whole numbers in 64 bits.",
        "7.0"
    ),
    reduction!(
        "array_prod",
        "prod",
        false,
        "The product of elements.",
        "8.0"
    ),
    reduction!(
        "array_min",
        "min",
        false,
        "The least element; NaN if any is.",
        "1.0"
    ),
    reduction!(
        "array_max",
        "max",
        false,
        "The largest element; NaN if any is.",
        "4.0"
    ),
    deviation!("array_mean", "mean", false, "The mean of elements.", "2.0"),
    deviation!(
        "array_var",
        "var",
        false,
        "The variance of elements.",
        "1.0"
    ),
    deviation!(
        "array_std",
        "std",
        false,
        "The standard deviation of elements.",
        "1.0"
    ),
    reduction!(
        "array_any",
        "any",
        false,
        "Whether any element is true (not 0).",
        "true"
    ),
    reduction!(
        "array_all",
        "all",
        false,
        "Whether all elements are true (not 0).",
        "true"
    ),
    reduction!(
        "array_count_nonzero",
        "count_nonzero",
        false,
        "How many elements are not 0.",
        "3"
    ),
    reduction!(
        "array_argmin",
        "argmin",
        false,
        "The position of the first least element.",
        "0"
    ),
    reduction!(
        "array_argmax",
        "argmax",
        false,
        "The position of the first largest element.",
        "2"
    ),
    reduction!(
        "array_median",
        "median",
        false,
        "The median of elements.",
        "2.0"
    ),
    reduction!(
        "array_nansum",
        "sum",
        true,
        "The sum of elements that are not NaN.",
        "7.0"
    ),
    reduction!(
        "array_nanprod",
        "prod",
        true,
        "The product of elements that are not NaN.",
        "8.0"
    ),
    reduction!(
        "array_nanmin",
        "min",
        true,
        "The least element that is not NaN.",
        "1.0"
    ),
    reduction!(
        "array_nanmax",
        "max",
        true,
        "The largest element that is not NaN.",
        "4.0"
    ),
    deviation!(
        "array_nanmean",
        "mean",
        true,
        "The mean of elements that are not NaN.",
        "2.0"
    ),
    deviation!(
        "array_nanvar",
        "var",
        true,
        "The variance of elements that are not NaN.",
        "1.0"
    ),
    deviation!(
        "array_nanstd",
        "std",
        true,
        "The standard deviation of elements that are not NaN.",
        "1.0"
    ),
    reduction!(
        "array_nanargmin",
        "argmin",
        true,
        "The position of the first least element that is not NaN; an error if all are.",
        "0"
    ),
    reduction!(
        "array_nanargmax",
        "argmax",
        true,
        "The position of the first largest element that is not NaN; an error if all are.",
        "2"
    ),
    reduction!(
        "array_nanmedian",
        "median",
        true,
        "The median of elements that are not NaN.",
        "2.0"
    ),
    ArrayFunction {
        name: "array_norm",
        syntax: "array_norm(a [, ord => 2] [, axis => […]] [, keepdims => false])",
        description: "The norm of elements as a vector.",
        example: "SELECT v FROM array_to_cells(array_norm(array_of([3.0, 4.0])))\n-- 5.0",
        parameters: &[A, optional("ord"), AXIS, KEEPDIMS],
        make: |a| reduced(a, "norm", false),
    },
    ArrayFunction {
        name: "array_quantile",
        syntax: "array_quantile(a, q [, axis => n] [, keepdims => false] [, skipna => false])",
        description: "The value below which the share q of elements lies, between two elements by their distance.",
        example: "SELECT v FROM array_to_cells(array_quantile(array_arange(5), 0.25))\n-- 1.0",
        parameters: &[A, value("q"), AXIS, KEEPDIMS, optional("skipna")],
        make: |a| {
            let share = a.float("q")?.unwrap_or(0.5);
            let skips = a.flag("skipna")?;
            Ok(quantile(&a.array("a")?, share, &options(a, skips)?)?.into())
        },
    },
    ArrayFunction {
        name: "array_cumsum",
        syntax: "array_cumsum(a [, axis => 0])",
        description: "Running sums along an axis.",
        example: "SELECT tensor_max(v) FROM array_cumsum(array_arange(5))\n-- 10",
        parameters: &[A, AXIS],
        make: |a| {
            Ok(cumulative(&a.array("a")?, Cumulative::Sum, a.int("axis")?.unwrap_or(0))?.into())
        },
    },
    ArrayFunction {
        name: "array_cumprod",
        syntax: "array_cumprod(a [, axis => 0])",
        description: "Running products along an axis.",
        example: "SELECT tensor_max(v) FROM array_cumprod(array_arange(1, 5))\n-- 24",
        parameters: &[A, AXIS],
        make: |a| {
            Ok(cumulative(
                &a.array("a")?,
                Cumulative::Product,
                a.int("axis")?.unwrap_or(0),
            )?
            .into())
        },
    },
    ArrayFunction {
        name: "array_topk",
        syntax: "array_topk(a, k [, axis => -1])",
        description: "The k largest elements along an axis, from the largest on; of a negative k the least.",
        example: "SELECT tensor_min(v) FROM array_topk(array_arange(10), 3)\n-- 7",
        parameters: &[A, value("k"), AXIS],
        make: |a| {
            let (count, axis) = (a.int("k")?.unwrap_or(1), a.int("axis")?.unwrap_or(-1));
            Ok(topk(&a.array("a")?, count, axis)?.into())
        },
    },
    ArrayFunction {
        name: "array_coarsen",
        syntax: "array_coarsen(a, 'kind', factors => […] [, trim => false])",
        description: "One value for each block of so many elements along each axis.",
        example: "SELECT tensor_max(v) FROM array_coarsen(array_arange(6), 'sum', [3])\n-- 12",
        parameters: &[A, value("kind"), value("factors"), optional("trim")],
        make: |a| {
            let array = a.array("a")?;
            let kind = Reduction::from_str(&a.text("kind")?.unwrap_or_default().to_lowercase())?;
            let factors = full_chunks(&a.counts("factors")?.unwrap_or_default(), &array.shape());
            Ok(coarsen(&array, kind, &factors, a.flag("trim")?)?.into())
        },
    },
];

fn options(arguments: &Arguments<'_>, skip_nan: bool) -> Result<ReduceOptions> {
    let is_declared = |name: &str| arguments.value(name).is_some();
    Ok(ReduceOptions {
        axes: arguments.ints("axis")?,
        keep_dims: arguments.flag("keepdims")?,
        ddof: match is_declared("ddof") {
            true => arguments.float("ddof")?.unwrap_or(0.0),
            false => 0.0,
        },
        skip_nan,
    })
}

fn reduced(arguments: &Arguments<'_>, kind: &str, skip_nan: bool) -> Result<Made> {
    let array = arguments.array("a")?;
    let options = options(arguments, skip_nan)?;
    if kind == "median" {
        return Ok(median(&array, &options)?.into());
    }
    let reduction = match (Reduction::from_str(kind)?, arguments.float("ord")?) {
        (Reduction::Norm(_), Some(order)) => Reduction::Norm(order),
        (other, _) => other,
    };
    Ok(reduce(&array, reduction, &options)?.into())
}
