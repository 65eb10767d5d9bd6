//! Scalar functions of the test language.

use std::sync::Arc;

use sheaf::arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use sheaf::arrow::datatypes::Float64Type;
use sheaf::udf::{CallContext, ScalarFunction};
use sheaf::{Result, SheafError};

type Make = fn() -> Arc<dyn ScalarFunction>;

/// By name.
pub(super) const FUNCTIONS: &[(&str, Make)] = &[
    ("affine", || Arc::new(Function(affine))),
    ("nulls", || Arc::new(Function(nulls))),
    ("rows", || Arc::new(Function(rows))),
    ("same", || Arc::new(Function(same))),
    ("short", || Arc::new(Function(short))),
    ("integers", || Arc::new(Function(integers))),
    ("fails", || Arc::new(Function(fails))),
    ("panics", || Arc::new(Function(panics))),
];

type Call = fn(&[ArrayRef], usize) -> Result<ArrayRef>;

#[derive(Debug)]
struct Function(Call);

impl ScalarFunction for Function {
    fn call(&self, arguments: &[ArrayRef], rows: usize, _: &CallContext) -> Result<ArrayRef> {
        (self.0)(arguments, rows)
    }
}

/// `x * 2 + y`, NULL where one is.
fn affine(arguments: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    let [x, y] = [0, 1].map(|at| arguments[at].as_primitive::<Float64Type>());
    let values = x.iter().zip(y).map(|(x, y)| Some(x? * 2.0 + y?));
    Ok(Arc::new(values.collect::<Float64Array>()))
}

/// How many of the arguments of a row are NULL.
fn nulls(arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let count = |row| arguments.iter().filter(|a| a.is_null(row)).count() as i64;
    Ok(Arc::new(Int64Array::from_iter_values((0..rows).map(count))))
}

/// 1 for each row; it takes no arguments.
fn rows(_arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    Ok(Arc::new(Int64Array::from(vec![1; rows])))
}

/// Its argument.
fn same(arguments: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    Ok(Arc::clone(&arguments[0]))
}

/// A value too few.
fn short(_arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    Ok(Arc::new(Float64Array::from(vec![
        0.0;
        rows.saturating_sub(1)
    ])))
}

/// Whole numbers, whatever is declared.
fn integers(_arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    Ok(Arc::new(Int64Array::from(vec![1; rows])))
}

fn fails(_arguments: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    Err(SheafError::data("no luck").with_detail("as ever"))
}

#[expect(clippy::panic, reason = "what is tested")]
fn panics(arguments: &[ArrayRef], _rows: usize) -> Result<ArrayRef> {
    panic!("{} arguments are too many", arguments.len())
}
