//! Every function that makes arrays does what its example says.

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use sheaf_array_relations::{FUNCTIONS, Kind};

use super::{block_on, session};
use crate::Session;

#[test]
fn examples_of_array_functions_are_true() {
    let session = session();
    let mut wrong = vec![];
    for function in FUNCTIONS.iter().copied().flatten() {
        if function
            .parameters
            .iter()
            .any(|parameter| parameter.kind == Kind::File)
        {
            continue;
        }
        let (sql, expected) = function.example.split_once("\n-- ").unwrap();
        let expected: Vec<&str> = expected.split("\n-- ").collect();
        let rows = block_on(async { session.sql(sql).await?.collect().await });
        let found: Vec<String> = match rows {
            Ok(batches) => batches.iter().flat_map(lines).collect(),
            Err(error) => vec![error.to_string()],
        };
        if found != expected {
            wrong.push(format!(
                "{}: {found:?} in place of {expected:?}",
                function.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The rows of a batch, their values divided by commas.
fn lines(batch: &RecordBatch) -> Vec<String> {
    let line = |row| {
        let values = batch.columns().iter();
        let values = values.map(|column| array_value_to_string(column, row).unwrap());
        values.collect::<Vec<_>>().join(", ")
    };
    (0..batch.num_rows()).map(line).collect()
}

#[test]
fn the_list_of_array_functions_is_without_doubles_and_explains_itself() {
    let mut names: Vec<&str> = FUNCTIONS
        .iter()
        .copied()
        .flatten()
        .map(|f| f.name)
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for function in FUNCTIONS.iter().copied().flatten() {
        assert!(
            function.syntax.starts_with(function.name),
            "{}",
            function.syntax
        );
        assert!(
            function.description.ends_with('.'),
            "{}",
            function.description
        );
        assert!(
            function.example.contains(function.name),
            "{}",
            function.example
        );
        for parameter in function
            .parameters
            .iter()
            .filter(|p| p.kind == Kind::Value && !p.is_needed)
        {
            let is_told = function.syntax.contains(parameter.name)
                || function.description.contains(parameter.name);
            assert!(
                is_told,
                "{} does not tell of {}",
                function.name, parameter.name
            );
        }
    }
}

/// 512 MB of numbers and a product as large under 64 MB. The sum of all elements of `transpose(x) @ x` is that
/// of the squares of the sums of the rows of `x`: 8,000 times (4,000² + 8,000 / 12), nearly.
#[test]
fn a_product_larger_than_memory_goes_tile_by_tile() {
    let builder = Session::builder().setting("threads", "2").unwrap();
    let session = builder
        .setting("memory_limit", "64MB")
        .unwrap()
        .build()
        .unwrap();
    let x = "array_random(shape => [8000, 8000], chunks => [500, 500], seed => 7)";
    let sql = format!(
        "SELECT abs(a / b - 1) < 1e-12 AS same, abs(b / 1.28e11 - 1) < 1e-3 AS is_right FROM \
         (SELECT tensor_sum(v) AS a FROM array_matmul(array_transpose({x}), {x})), \
         (SELECT sum(v * v) AS b FROM array_to_cells(array_sum({x}, axis => [1])))"
    );
    let batches = block_on(async { session.sql(&sql).await?.collect().await }).unwrap();
    assert_eq!(
        batches.iter().flat_map(lines).collect::<Vec<_>>(),
        ["true, true"]
    );
}
