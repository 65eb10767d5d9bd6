//! How far texts are apart: `hamming`, `jaccard`, `damerau_levenshtein`, `jaro_similarity`,
//! `jaro_winkler_similarity`.

use std::collections::HashSet;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use crate::kernel::{Kernel, rows};

const SECTION: &str = "String Functions";
const TEXT: DataType = DataType::Utf8View;

/// Name, other names, kernel, sentence, example.
type Likeness = (
    &'static str,
    &'static [&'static str],
    fn(&str, &str) -> Result<f64>,
    &'static str,
    &'static str,
);

/// Likenesses are numbers from 0 to 1.
const LIKENESSES: &[Likeness] = &[
    (
        "jaccard",
        &[],
        |a, b| Ok(jaccard(a, b)),
        "The share of the characters of two texts that both have.",
        "SELECT jaccard('duck', 'luck'); -- 0.6",
    ),
    (
        "jaro_similarity",
        &[],
        |a, b| Ok(strsim::jaro(a, b)),
        "The likeness of two texts by Jaro.",
        "SELECT jaro_similarity('duck', 'duckdb'); -- 0.888…",
    ),
    (
        "jaro_winkler_similarity",
        &[],
        |a, b| Ok(strsim::jaro_winkler(a, b)),
        "The likeness of two texts by Jaro and Winkler, for whom a common beginning counts more.",
        "SELECT jaro_winkler_similarity('duck', 'duckdb'); -- 0.933…",
    ),
];

pub(super) fn functions() -> Vec<ScalarUDF> {
    let mut functions =
        vec![
        Kernel::new("hamming", &[&[TEXT, TEXT]], |_| Ok(DataType::Int64), hamming)
            .with_aliases(&["mismatches"])
            .documented(
                SECTION,
                "In how many places two texts of equal length differ.",
                "hamming(text, text)",
                "SELECT hamming('duck', 'luck'); -- 1",
            )
            .build(),
        Kernel::new(
            "damerau_levenshtein",
            &[&[TEXT, TEXT]],
            |_| Ok(DataType::Int64),
            |arrays, count, _| {
                rows::numbers::<Int64Type>(arrays, count, |row| {
                    let (a, b) = (rows::text(&arrays[0], row), rows::text(&arrays[1], row));
                    Ok(i64::try_from(strsim::damerau_levenshtein(a, b)).ok())
                })
            },
        )
        .documented(
            SECTION,
            "How many characters must be put in, taken out, replaced or swapped with a neighbour \
             to make one text the other.",
            "damerau_levenshtein(text, text)",
            "SELECT damerau_levenshtein('ab', 'ba'); -- 1",
        )
        .build(),
    ];
    // A kernel is a plain function, so each likeness has its own.
    let kernels: [crate::kernel::Compute; 3] = [likeness::<0>, likeness::<1>, likeness::<2>];
    for ((name, aliases, _, sentence, example), kernel) in LIKENESSES.iter().zip(kernels) {
        let function = Kernel::new(name, &[&[TEXT, TEXT]], |_| Ok(DataType::Float64), kernel)
            .with_aliases(aliases)
            .documented(SECTION, sentence, &format!("{name}(text, text)"), example);
        functions.push(function.build());
    }
    functions
}

fn likeness<const INDEX: usize>(
    arrays: &[ArrayRef],
    count: usize,
    _type: &DataType,
) -> Result<ArrayRef> {
    let compute = LIKENESSES[INDEX].2;
    rows::numbers::<Float64Type>(arrays, count, |row| {
        compute(rows::text(&arrays[0], row), rows::text(&arrays[1], row)).map(Some)
    })
}

fn jaccard(a: &str, b: &str) -> f64 {
    let (a, b): (HashSet<char>, HashSet<char>) = (a.chars().collect(), b.chars().collect());
    let common = a.intersection(&b).count();
    let all = a.len() + b.len() - common;
    #[expect(clippy::cast_precision_loss, reason = "there are few characters")]
    match all {
        0 => 0.0,
        all => common as f64 / all as f64,
    }
}

fn hamming(arrays: &[ArrayRef], count: usize, _type: &DataType) -> Result<ArrayRef> {
    rows::numbers::<Int64Type>(arrays, count, |row| {
        let (a, b) = (rows::text(&arrays[0], row), rows::text(&arrays[1], row));
        match strsim::hamming(a, b) {
            Ok(distance) => Ok(i64::try_from(distance).ok()),
            Err(_) => Err(SheafError::user(format!(
                "hamming compares texts of equal length, not '{a}' and '{b}'"
            ))
            .with_state(SqlState::INVALID_PARAMETER_VALUE)
            .into()),
        }
    })
}
