//! What is refused before it is made, and what is counted as long as it is there. Sizes are those of
//! the arithmetic in each test.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, StringArray, StringViewArray};
use arrow::datatypes::{Field, Int64Type};
use arrow::util::display::array_value_to_string;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::functions::string::{repeat, replace};
use datafusion::functions::unicode::lpad;
use datafusion::functions_nested::repeat::array_repeat_udf;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};
use sheaf_base::SheafError;

use super::sizes::{Arguments, Size};
use super::*;

fn text(value: &str) -> ColumnarValue {
    ColumnarValue::Scalar(ScalarValue::from(value))
}

fn number(value: i64) -> ColumnarValue {
    ColumnarValue::Scalar(ScalarValue::from(value))
}

fn column(array: impl Array + 'static) -> ColumnarValue {
    ColumnarValue::Array(Arc::new(array))
}

/// Calls the bounded form of `function` with a pool of `pool_bytes`.
fn call(
    function: &Arc<ScalarUDF>,
    values: &[ColumnarValue],
    rows: usize,
    pool: &Arc<dyn MemoryPool>,
) -> Result<ColumnarValue> {
    let function = bounded(function).unwrap();
    let mut options = ConfigOptions::new();
    options.extensions.insert(CallMemory::new(Arc::clone(pool)));
    let fields: Vec<_> = values
        .iter()
        .map(|value| Arc::new(Field::new("", value.data_type(), true)))
        .collect();
    let return_field = function.return_field_from_args(ReturnFieldArgs {
        arg_fields: &fields,
        scalar_arguments: &vec![None; values.len()],
    })?;
    function.invoke_with_args(ScalarFunctionArgs {
        args: values.to_vec(),
        arg_fields: fields,
        number_rows: rows,
        return_field,
        config_options: Arc::new(options),
    })
}

fn pool(bytes: usize) -> Arc<dyn MemoryPool> {
    Arc::new(GreedyMemoryPool::new(bytes))
}

fn code(result: Result<ColumnarValue>) -> String {
    SheafError::from(result.unwrap_err())
        .state()
        .code()
        .to_owned()
}

#[test]
fn a_value_has_at_most_a_gigabyte() {
    let pool = pool(usize::MAX);
    let values = [text("x"), number(1_500_000_000)];
    assert_eq!(code(call(&repeat(), &values, 1, &pool)), "54000");
    assert_eq!(code(call(&lpad(), &values, 1, &pool)), "54000");
    // 40,000 × (40,000 / 1) bytes.
    let long = "x".repeat(40_000);
    let values = [text(&long), text("x"), text(&long)];
    assert_eq!(code(call(&replace(), &values, 1, &pool)), "54000");
}

#[test]
fn a_batch_has_at_most_what_offsets_can_say() {
    let counts = Int64Array::from(vec![600_000_000; 4]);
    let values = [text("x"), column(counts)];
    assert_eq!(
        code(call(&repeat(), &values, 4, &pool(usize::MAX))),
        "54000"
    );
}

#[test]
fn a_result_is_counted_while_somebody_has_it() {
    let pool = pool(10_000_000);
    let values = [text("x"), column(Int64Array::from(vec![2_000_000; 2]))];
    let first = call(&repeat(), &values, 2, &pool).unwrap();
    assert!(pool.reserved() >= 4_000_000, "{}", pool.reserved());
    let second = call(&repeat(), &values, 2, &pool).unwrap();
    assert_eq!(code(call(&repeat(), &values, 2, &pool)), "53200");
    drop(first);
    let ColumnarValue::Array(second) = second else {
        panic!("a large result is an array");
    };
    let part = second.slice(1, 1);
    drop(second);
    assert!(pool.reserved() >= 4_000_000, "a part holds the whole");
    assert_eq!(part.as_string::<i32>().value(0).len(), 2_000_000);
    drop(part);
    assert_eq!(pool.reserved(), 0);
}

#[test]
fn lists_are_counted_with_what_is_in_them() {
    let pool = pool(100_000_000);
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1); 100_000])]);
    // 800 KB × 50.
    let result = call(
        &array_repeat_udf(),
        &[column(lists.clone()), number(50)],
        1,
        &pool,
    );
    let result = result.unwrap();
    assert!(pool.reserved() >= 40_000_000, "{}", pool.reserved());
    drop(result);
    let refused = call(&array_repeat_udf(), &[column(lists), number(200)], 1, &pool);
    assert_eq!(code(refused), "53200");
}

#[test]
fn small_results_are_as_they_were() {
    let pool = pool(0);
    let result = call(&repeat(), &[text("ab"), number(3)], 1, &pool).unwrap();
    assert!(matches!(result, ColumnarValue::Scalar(ref value) if value.to_string() == "ababab"));
    let texts = column(StringViewArray::from(vec![Some("a,b"), None]));
    let values = [texts, text(","), text("--")];
    let result = call(&replace(), &values, 2, &pool).unwrap();
    let result = result.into_array(2).unwrap();
    assert_eq!(array_value_to_string(&result, 0).unwrap(), "a--b");
    assert!(result.is_null(1));
}

#[test]
fn constants_are_not_folded_when_they_are_large() {
    use sheaf_runtime::{EngineRuntime, QueryLimits, RuntimeOptions};
    let engine = EngineRuntime::new(RuntimeOptions::default()).unwrap();
    let query = engine.registry().begin("", QueryLimits::default());
    let planned = engine.plan(&query, async {
        let pool = pool(usize::MAX);
        let folds = |count| call(&repeat(), &[text("x"), number(count)], 1, &pool).is_ok();
        // Four MiB each, sixteen in all.
        Ok((
            folds(4_194_305),
            (0..17)
                .map(|_| folds(1_000_000))
                .filter(|folds| *folds)
                .count(),
        ))
    });
    let (large, small) = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(planned)
        .unwrap();
    assert_eq!((large, small), (false, 16));
}

fn needed(values: &[ColumnarValue], rows: usize, size: Size) -> usize {
    Arguments::new(values, rows).needed(size).total
}

#[test]
fn sizes_are_those_of_the_results() {
    let texts = || column(StringArray::from(vec![Some("abc"), None, Some("é")]));
    // 3 + 0 + 2 bytes, for each of three constants of one byte.
    assert_eq!(
        needed(&[texts(), text("x")], 3, Size::Times(2)),
        2 * (5 + 3)
    );
    // Two digits a byte, or `\\000`.
    for (format, bytes) in [("hex", 2 * 5), ("escape", 4 * 5)] {
        let values = [texts(), text(format)];
        assert_eq!(needed(&values, 3, Size::Row(sizes::encode)), bytes);
    }
    let counts = || column(Int64Array::from(vec![Some(2), Some(9), None]));
    assert_eq!(needed(&[texts(), counts()], 3, Size::Row(sizes::repeat)), 6);
    // Characters that are no letters of ASCII have up to four bytes.
    let values = [texts(), number(10), text("é")];
    assert_eq!(needed(&values, 3, Size::Row(sizes::pad)), 3 * 40);
    assert_eq!(
        needed(&[text("a"), number(10)], 2, Size::Row(sizes::pad)),
        10,
        "constants count once"
    );
    // range(0, 10, 3) has 0, 3, 6, 9; one more is thought of at the end.
    let values = [number(0), number(10), number(3)];
    assert_eq!(needed(&values, 1, Size::Row(sizes::range)), 4 * 8);
    let values = [number(10), number(0), number(3)];
    assert_eq!(needed(&values, 1, Size::Row(sizes::range)), 0);
    // Widths, and a value for each place.
    let format = [text("%1000s%s"), text("abc")];
    assert_eq!(
        needed(&format, 1, Size::Row(sizes::format)),
        8 + 1000 + 2 * (2 * 3 + 24)
    );
}

#[test]
fn what_is_replaced_is_counted_when_it_matters() {
    let long = "ab".repeat(50_000);
    let to = "y".repeat(1_000);
    let size = |from: &str| {
        needed(
            &[text(&long), text(from), text(&to)],
            1,
            Size::Row(sizes::replace),
        )
    };
    assert_eq!(size("ab"), 100_000 + 50_000 * 1_000);
    assert_eq!(size("no"), 100_000);
    let values = |from: &str| [text(&long), text(from), text(&to), text("g")];
    let size = |from: &str| needed(&values(from), 1, Size::Row(sizes::regexp_replace));
    assert_eq!(size("a."), 100_000 + 50_000 * 1_000);
    assert_eq!(size("z+"), 100_000);
}

#[test]
fn whatever_is_listed_exists() {
    let mut state = datafusion::execution::SessionStateBuilder::new()
        .with_default_features()
        .build();
    crate::register(&mut state).unwrap();
    let functions = state.scalar_functions();
    let missing: Vec<&str> = names()
        .filter(|name| *name != concat::NAME)
        .filter(|name| {
            !functions
                .get(*name)
                .is_some_and(|f| f.inner().is::<Bounded>())
        })
        .collect();
    assert_eq!(missing, [""; 0]);
    let lists: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    assert_eq!(span(&lists, 0, 1), 1);
}
