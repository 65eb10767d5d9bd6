//! Functions of each element by itself.

use sheaf_arrays::{BinaryOp, UnaryOp, binary, map, select, unary};
use sheaf_base::{Result, SheafError};

use super::{A, ArrayFunction, B, DTYPE, Made, needed};
use crate::arguments::{Arguments, Kind, Parameter};
use crate::numbers::Beyond;

const PAIR: &[Parameter] = &[A, B];

macro_rules! of_one {
    ($name:literal, $op:ident, $what:literal) => {
        ArrayFunction {
            name: $name,
            syntax: concat!($name, "(a)"),
            description: $what,
            example: concat!(
                "SELECT count(*) FROM ",
                $name,
                "(array_ones(shape => [2]))\n-- 1"
            ),
            parameters: &[A],
            make: |a| Ok(unary(UnaryOp::$op, &a.array("a")?)?.into()),
        }
    };
}

macro_rules! of_two {
    ($name:literal, $op:ident, $what:literal) => {
        ArrayFunction {
            name: $name,
            syntax: concat!($name, "(a, b)"),
            description: $what,
            example: concat!(
                "SELECT count(*) FROM ",
                $name,
                "(array_ones(shape => [2]), 1)\n-- 1"
            ),
            parameters: PAIR,
            make: |a| of_both(a, BinaryOp::$op),
        }
    };
}

pub(super) static FUNCTIONS: &[ArrayFunction] = &[
    ArrayFunction {
        name: "array_map",
        syntax: "array_map(a [, b, …], lambda x: …)",
        description: "A function of the elements of one array or more, which are broadcast to one shape: any expression of SQL, whose arithmetic is SQL's: whole numbers that do not fit are an error (cast them: x::BIGINT * 100) and their quotients are cut off (x / 2.0 is not); array_multiply, array_divide and others are NumPy's. NULL becomes NaN, or 0 where there is none.",
        example: "SELECT tensor_sum(v) FROM array_map(array_arange(4), array_arange(4), lambda x, y: x * y + 1)\n-- 18",
        parameters: &[needed("arrays", Kind::Arrays), needed("f", Kind::Lambda)],
        make: mapped,
    },
    ArrayFunction {
        name: "array_where",
        syntax: "array_where(condition, a, b)",
        description: "The elements of a where the condition is true (not 0), else those of b. A number has the type of the other array.",
        example: "SELECT tensor_sum(v) FROM array_where(array_of([true, false]), 10, 1)\n-- 11",
        parameters: &[needed("condition", Kind::Array), A, B],
        make: |a| {
            let (yes, no) = a.operands(Beyond::Refused)?;
            Ok(select(&a.array("condition")?, &yes, &no)?.into())
        },
    },
    ArrayFunction {
        name: "array_cast",
        syntax: "array_cast(a, dtype => 'float32')",
        description: "The elements as values of another type: floats are cut off, whole numbers wrap.",
        example: "SELECT dtype FROM array_info(array_cast(array_arange(3), dtype => 'float32'))\n-- float32",
        parameters: &[A, DTYPE],
        make: |a| {
            let array = a.array("a")?;
            let dtype = a.dtype(array.dtype())?;
            Ok(sheaf_arrays::cast(&array, dtype).into())
        },
    },
    of_two!("array_add", Add, "Sums of elements."),
    of_two!("array_subtract", Subtract, "Differences of elements."),
    of_two!("array_multiply", Multiply, "Products of elements."),
    of_two!("array_divide", Divide, "Quotients of elements, as floats."),
    of_two!(
        "array_floor_divide",
        FloorDivide,
        "Quotients of elements, rounded down."
    ),
    of_two!(
        "array_mod",
        Modulo,
        "Remainders of elements, with the divisor's sign."
    ),
    of_two!("array_power", Power, "Powers of elements."),
    of_two!("array_minimum", Minimum, "The smaller of both elements."),
    of_two!("array_maximum", Maximum, "The larger of both elements."),
    of_two!(
        "array_arctan2",
        Arctan2,
        "Angles of points with these ordinates and abscissas."
    ),
    of_two!("array_hypot", Hypot, "Hypotenuses of elements."),
    of_two!("array_equal", Equal, "Whether elements are equal."),
    of_two!("array_not_equal", NotEqual, "Whether elements differ."),
    of_two!("array_less", Less, "Whether elements of a are less."),
    of_two!(
        "array_less_equal",
        LessEqual,
        "Whether elements of a are not greater."
    ),
    of_two!(
        "array_greater",
        Greater,
        "Whether elements of a are greater."
    ),
    of_two!(
        "array_greater_equal",
        GreaterEqual,
        "Whether elements of a are not less."
    ),
    of_two!("array_and", And, "Whether both elements are true (not 0)."),
    of_two!("array_or", Or, "Whether one of both elements is true."),
    of_two!(
        "array_xor",
        Xor,
        "Whether just one of both elements is true."
    ),
    of_one!("array_negative", Negative, "Elements with the other sign."),
    of_one!("array_abs", Abs, "Magnitudes of elements."),
    of_one!("array_sign", Sign, "Signs of elements: -1, 0 or 1."),
    of_one!("array_square", Square, "Squares of elements."),
    of_one!("array_sqrt", Sqrt, "Square roots of elements."),
    of_one!("array_exp", Exp, "e to the power of elements."),
    of_one!("array_expm1", Expm1, "e to the power of elements, less 1."),
    of_one!("array_log", Log, "Natural logarithms of elements."),
    of_one!("array_log2", Log2, "Logarithms of elements to base 2."),
    of_one!("array_log10", Log10, "Logarithms of elements to base 10."),
    of_one!(
        "array_log1p",
        Log1p,
        "Natural logarithms of 1 and elements."
    ),
    of_one!("array_sin", Sin, "Sines of elements."),
    of_one!("array_cos", Cos, "Cosines of elements."),
    of_one!("array_tan", Tan, "Tangents of elements."),
    of_one!("array_sinh", Sinh, "Hyperbolic sines of elements."),
    of_one!("array_cosh", Cosh, "Hyperbolic cosines of elements."),
    of_one!("array_tanh", Tanh, "Hyperbolic tangents of elements."),
    of_one!("array_arcsin", Arcsin, "Angles with these sines."),
    of_one!("array_arccos", Arccos, "Angles with these cosines."),
    of_one!("array_arctan", Arctan, "Angles with these tangents."),
    of_one!("array_floor", Floor, "Elements rounded down."),
    of_one!("array_ceil", Ceil, "Elements rounded up."),
    of_one!("array_trunc", Trunc, "Elements rounded towards 0."),
    of_one!(
        "array_round",
        Round,
        "Elements rounded, halves to even numbers."
    ),
    of_one!(
        "array_reciprocal",
        Reciprocal,
        "1 divided by elements; of whole numbers it is whole, too, and cut, that of 0 is 0. array_divide(1, a) gives floats."
    ),
    of_one!("array_not", Not, "Whether elements are 0, or false."),
    of_one!("array_isnan", IsNan, "Whether elements are NaN."),
    of_one!("array_isinf", IsInf, "Whether elements are infinite."),
    of_one!(
        "array_isfinite",
        IsFinite,
        "Whether elements are neither NaN nor infinite."
    ),
    of_one!(
        "array_conj",
        Conj,
        "Elements with the other imaginary part."
    ),
    of_one!("array_real", Real, "Real parts of elements."),
    of_one!("array_imag", Imag, "Imaginary parts of elements."),
];

fn of_both(arguments: &Arguments<'_>, op: BinaryOp) -> Result<Made> {
    let beyond = match op.is_comparison() {
        true => Beyond::Compared,
        false => Beyond::Refused,
    };
    let (left, right) = arguments.operands(beyond)?;
    Ok(binary(op, &left, &right)?.into())
}

fn mapped(arguments: &mut Arguments<'_>) -> Result<Made> {
    let arrays = arguments.arrays("arrays");
    let lambda = arguments.lambda("f")?;
    if !lambda.neighbours.is_empty() {
        return Err(SheafError::user(
            "array_map: a function of each element by itself has no neighbours",
        )
        .with_hint("array_map_overlap has"));
    }
    let types: Vec<_> = arrays.iter().map(sheaf_arrays::Array::dtype).collect();
    let (dtype, kernel) = lambda.over_elements("array_map", &types)?;
    Ok(map(&arrays, dtype, kernel)?.into())
}
