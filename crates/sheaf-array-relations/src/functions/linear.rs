//! Linear algebra.

use sheaf_arrays::{
    cholesky, diagonal, dot, einsum, inverse, lstsq, matmul, outer, qr, solve, svd, svd_compressed,
    tensordot, trace,
};
use sheaf_base::Result;

use super::{A, ArrayFunction, B, Made, needed, optional, value};
use crate::arguments::{Arguments, Kind, Parameter};

const PAIR: &[Parameter] = &[A, B];

pub(super) static FUNCTIONS: &[ArrayFunction] = &[
    ArrayFunction {
        name: "array_matmul",
        syntax: "array_matmul(a, b)",
        description: "The matrix product, of stacks of matrices too. A product of a transpose with its own matrix computes half.",
        example: "SELECT tensor_sum(v) FROM array_matmul(array_ones(shape => [2, 3]), array_ones(shape => [3, 4]))\n-- 24.0",
        parameters: PAIR,
        make: |a| Ok(matmul(&a.array("a")?, &a.array("b")?)?.into()),
    },
    ArrayFunction {
        name: "array_dot",
        syntax: "array_dot(a, b)",
        description: "Products summed along the last axis of a and the last but one of b.",
        example: "SELECT v FROM array_to_cells(array_dot(array_arange(3), array_arange(3)))\n-- 5",
        parameters: PAIR,
        make: |a| Ok(dot(&a.array("a")?, &a.array("b")?)?.into()),
    },
    ArrayFunction {
        name: "array_outer",
        syntax: "array_outer(a, b)",
        description: "The products of all elements of a with all of b.",
        example: "SELECT tensor_sum(v) FROM array_outer(array_arange(3), array_arange(4))\n-- 18",
        parameters: PAIR,
        make: |a| Ok(outer(&a.array("a")?, &a.array("b")?)?.into()),
    },
    ArrayFunction {
        name: "array_tensordot",
        syntax: "array_tensordot(a, b, a_axes => […], b_axes => […])",
        description: "Products summed along axes of both.",
        example: "SELECT v FROM array_to_cells(array_tensordot(array_ones(shape => [2, 3]), array_ones(shape => [2, 3]), [0, 1], [0, 1]))\n-- 6.0",
        parameters: &[A, B, value("a_axes"), value("b_axes")],
        make: |a| {
            let (left, right) = (
                a.ints("a_axes")?.unwrap_or_default(),
                a.ints("b_axes")?.unwrap_or_default(),
            );
            Ok(tensordot(&a.array("a")?, &a.array("b")?, &left, &right)?.into())
        },
    },
    ArrayFunction {
        name: "array_einsum",
        syntax: "array_einsum('ij,jk->ik', a, b, …)",
        description: "Products summed as Einstein's notation says.",
        example: "SELECT v FROM array_to_cells(array_einsum('i,i->', array_arange(4), array_arange(4)))\n-- 14",
        parameters: &[value("subscripts"), needed("arrays", Kind::Arrays)],
        make: |a| {
            Ok(einsum(
                &a.text("subscripts")?.unwrap_or_default(),
                &a.arrays("arrays"),
            )?
            .into())
        },
    },
    ArrayFunction {
        name: "array_diagonal",
        syntax: "array_diagonal(a [, k => 0] [, axis1 => 0] [, axis2 => 1])",
        description: "The elements on the k-th diagonal.",
        example: "SELECT tensor_sum(v) FROM array_diagonal(array_eye(3))\n-- 3.0",
        parameters: &[A, optional("k"), optional("axis1"), optional("axis2")],
        make: |a| {
            let (first, second) = (a.int("axis1")?.unwrap_or(0), a.int("axis2")?.unwrap_or(1));
            Ok(diagonal(&a.array("a")?, a.int("k")?.unwrap_or(0), first, second)?.into())
        },
    },
    ArrayFunction {
        name: "array_trace",
        syntax: "array_trace(a [, k => 0])",
        description: "The sum of the elements on the k-th diagonal.",
        example: "SELECT v FROM array_to_cells(array_trace(array_eye(3)))\n-- 3.0",
        parameters: &[A, optional("k")],
        make: |a| Ok(trace(&a.array("a")?, a.int("k")?.unwrap_or(0))?.into()),
    },
    ArrayFunction {
        name: "array_qr",
        syntax: "array_qr(a, part => 'q' or 'r')",
        description: "A factor of a matrix of more rows than columns: q of columns at right angles to each other, or the upper triangle r.",
        example: "SELECT shape FROM array_info(array_qr(array_random(shape => [100, 4]), part => 'r'))\n-- [4, 4]",
        parameters: &[A, value("part")],
        make: |a| {
            let factors = qr(&a.array("a")?)?;
            part(a, &[("q", factors.q), ("r", factors.r)])
        },
    },
    ArrayFunction {
        name: "array_svd",
        syntax: "array_svd(a, part => 'u', 's' or 'vt')",
        description: "A part of the singular value decomposition: left vectors, values from the largest on, or right vectors.",
        example: "SELECT tensor_sum(v) FROM array_svd(array_eye(3), part => 's')\n-- 3.0",
        parameters: &[A, value("part")],
        make: |a| {
            let found = svd(&a.array("a")?)?;
            part(a, &[("u", found.u), ("s", found.s), ("vt", found.vt)])
        },
    },
    ArrayFunction {
        name: "array_svd_compressed",
        syntax: "array_svd_compressed(a, k, part => 'u', 's' or 'vt' [, iterations => 0] [, seed => 0])",
        description: "A part of the decomposition by the k largest singular values, found at random: near for matrices of low rank, nearer with iterations.",
        example: "SELECT shape FROM array_info(array_svd_compressed(array_random(shape => [100, 20]), 5, part => 's'))\n-- [5]",
        parameters: &[
            A,
            value("k"),
            value("part"),
            optional("iterations"),
            optional("seed"),
        ],
        make: |a| {
            let count = a.count("k")?.unwrap_or(1);
            let iterations = u32::try_from(a.count("iterations")?.unwrap_or(0)).unwrap_or(u32::MAX);
            let seed = a.int("seed")?.unwrap_or(0).cast_unsigned();
            let found = svd_compressed(&a.array("a")?, count, iterations, seed)?;
            part(a, &[("u", found.u), ("s", found.s), ("vt", found.vt)])
        },
    },
    ArrayFunction {
        name: "array_cholesky",
        syntax: "array_cholesky(a)",
        description: "The lower triangle whose product with its transpose (of complex numbers: conjugate transpose) is a, which is positive definite.",
        example: "SELECT tensor_sum(v) FROM array_cholesky(array_of([[4.0, 0.0], [0.0, 9.0]]))\n-- 5.0",
        parameters: &[A],
        make: |a| Ok(cholesky(&a.array("a")?)?.into()),
    },
    ArrayFunction {
        name: "array_solve",
        syntax: "array_solve(a, b)",
        description: "What a is to be multiplied with to make b.",
        example: "SELECT tensor_sum(v) FROM array_solve(array_of([[2.0, 0.0], [0.0, 4.0]]), array_of([2.0, 4.0]))\n-- 2.0",
        parameters: PAIR,
        make: |a| Ok(solve(&a.array("a")?, &a.array("b")?)?.into()),
    },
    ArrayFunction {
        name: "array_inverse",
        syntax: "array_inverse(a)",
        description: "The inverse of a matrix.",
        example: "SELECT tensor_sum(v) FROM array_inverse(array_of([[2.0, 0.0], [0.0, 4.0]]))\n-- 0.75",
        parameters: &[A],
        make: |a| Ok(inverse(&a.array("a")?)?.into()),
    },
    ArrayFunction {
        name: "array_lstsq",
        syntax: "array_lstsq(a, b)",
        description: "What a, of more rows than columns, is to be multiplied with to come nearest to b, by least squares.",
        example: "SELECT round(tensor_sum(v), 6) FROM array_lstsq(array_of([[1.0], [1.0]]), array_of([1.0, 3.0]))\n-- 2.0",
        parameters: PAIR,
        make: |a| Ok(lstsq(&a.array("a")?, &a.array("b")?)?.into()),
    },
];

/// The part that is asked for.
fn part(arguments: &Arguments<'_>, parts: &[(&str, sheaf_arrays::Array)]) -> Result<Made> {
    let wanted = arguments.text("part")?.unwrap_or_default().to_lowercase();
    match parts.iter().find(|(name, _)| *name == wanted) {
        Some((_, array)) => Ok(array.clone().into()),
        None => {
            let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
            Err(arguments
                .wrong(format!("there is no part \"{wanted}\""))
                .with_hint(format!("the parts are {}", names.join(", "))))
        }
    }
}
