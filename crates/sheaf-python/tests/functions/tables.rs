//! Table functions: rows for rows of arguments, and over relations.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::DataType::{Int64, Utf8, Utf8View};
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::util::pretty::pretty_format_batches;
use datafusion::common::ScalarValue;
use sheaf_udf::{ParameterKind, TableCall, TableFunction, TableInput};

use super::{columns, integers, python, query, table, texts, values};

const TOKENS: &str = "
def f(a: str):
    for place, word in enumerate((a or '').split()):
        yield word, place
";

fn all_rows(
    function: &Arc<dyn TableFunction>,
    call: &TableCall,
    batches: &[RecordBatch],
) -> sheaf_base::Result<(RecordBatch, Vec<u32>)> {
    let mut instance = function.open(call, &query())?;
    let (mut rows, mut origins) = (Vec::new(), Vec::new());
    for step in 0..=batches.len() {
        match batches.get(step) {
            Some(batch) => instance.push(batch)?,
            None => instance.finish()?,
        }
        while let Some(output) = instance.next()? {
            origins.extend(output.origin.iter().flat_map(|o| o.values().to_vec()));
            rows.push(output.rows);
        }
    }
    let schema = function.columns(call)?;
    Ok((concat_batches(&schema, &rows).unwrap(), origins))
}

fn arguments(schema: &SchemaRef) -> TableCall {
    TableCall {
        values: vec![None; schema.fields().len()],
        input: TableInput::Arguments(Arc::clone(schema)),
    }
}

#[test]
fn each_row_of_arguments_has_its_own_rows() {
    let python = python();
    let result = [("word", Utf8View), ("place", Int64)];
    let function = table(&python, TOKENS, &values(&[Utf8]), &result).unwrap();
    let schema = columns(&[("a", Utf8)]);
    let given = texts(&[Some("to be or"), None, Some(""), Some("not to be")]);
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![given]).unwrap();
    let (rows, origins) =
        all_rows(&function, &arguments(&schema), &[batch.clone(), batch]).unwrap();
    assert_eq!(origins, [0, 0, 0, 3, 3, 3, 0, 0, 0, 3, 3, 3]);
    let words: Vec<&str> = rows.column(0).as_string_view().iter().flatten().collect();
    assert_eq!(words.join(" "), "to be or not to be to be or not to be");
    let places = rows.column(1).as_primitive::<Int64Type>().values();
    assert_eq!(places[..6], [0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_generator_without_end_is_read_as_far_as_is_wanted() {
    let python = python();
    let text = "import itertools\ndef f(a: int):\n    return itertools.count(a)";
    let function = table(&python, text, &values(&[Int64]), &[("n", Int64)]).unwrap();
    let schema = columns(&[("a", Int64)]);
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![integers(&[Some(5)])]).unwrap();
    let mut instance = function.open(&arguments(&schema), &query()).unwrap();
    instance.push(&batch).unwrap();
    let mut next = 5;
    for _ in 0..4 {
        let output = instance.next().unwrap().unwrap();
        for value in output.rows.column(0).as_primitive::<Int64Type>().values() {
            assert_eq!(*value, next);
            next += 1;
        }
    }
    assert!(next > 30_000);
}

/// A function over a relation of `(k, v)` with a parameter before it, in every form.
#[test]
fn every_form_of_a_relation_sees_the_same_rows() {
    let python = python();
    let forms = [
        "def f(a, b):\n    for batch in b:\n        for row in batch.to_pylist():\n            yield row['k'], row['v'] * a",
        "from collections.abc import Iterator\ndef f(a: int, b: Iterator[dict]):\n    for row in b:\n        yield {'k': row['k'], 'v': row['v'] * a}",
        "import typing, pandas as pd\ndef f(a: int, b: typing.Iterator[pd.DataFrame]):\n    for frame in b:\n        frame['v'] = frame['v'] * a\n        yield frame",
        "import pandas as pd\ndef f(a: int, b: pd.DataFrame):\n    b['v'] = b['v'] * a\n    return b",
        "import pyarrow as pa, pyarrow.compute as pc\ndef f(a: int, b: pa.Table):\n    return b.set_column(1, 'v', pc.multiply(b['v'], a))",
        "import pyarrow as pa, pyarrow.compute as pc\ndef f(a: int, b: pa.RecordBatch):\n    return pa.RecordBatch.from_arrays([b.column(0), pc.multiply(b.column(1), a)], ['k', 'v'])",
        "def f(a: int, b: dict):\n    yield b['k'], b['v'] * a",
    ];
    let relation = columns(&[("k", Utf8View), ("v", Int64)]);
    let parameters = [
        ("a", ParameterKind::Value(Int64)),
        ("b", ParameterKind::Relation(None)),
    ];
    let count = 20_000_usize;
    let keys: Vec<String> = (0..count).map(|n| format!("key {n}")).collect();
    let keys: Vec<Option<&str>> = keys.iter().map(|key| Some(key.as_str())).collect();
    let keys = arrow::compute::cast(&texts(&keys), &Utf8View).unwrap();
    let numbers: Vec<Option<i64>> = (0..count as i64).map(Some).collect();
    let whole =
        RecordBatch::try_new(Arc::clone(&relation), vec![keys, integers(&numbers)]).unwrap();
    let batches = [
        whole.slice(0, 1),
        whole.slice(1, 12_000),
        whole.slice(12_001, count - 12_001),
    ];
    let call = TableCall {
        values: vec![Some(ScalarValue::Int64(Some(3)))],
        input: TableInput::Relation(Arc::clone(&relation)),
    };
    for form in forms {
        let result = [("k", Utf8View), ("v", Int64)];
        let function = table(&python, form, &parameters, &result).unwrap();
        let (rows, origins) = all_rows(&function, &call, &batches)
            .unwrap_or_else(|error| panic!("{form}: {error} {:?}", error.detail()));
        assert!(origins.is_empty());
        assert_eq!(rows.num_rows(), count, "{form}");
        let tripled: Vec<Option<i64>> = (0..count as i64).map(|n| Some(n * 3)).collect();
        assert_eq!(rows.column(1), &integers(&tripled), "{form}");
        assert_eq!(rows.column(0), whole.column(0), "{form}");
        // Nothing pushed: nothing gives.
        let (rows, _) = all_rows(&function, &call, &[]).unwrap();
        assert_eq!(rows.num_rows(), 0, "{form}");
    }
}

#[test]
fn a_relation_is_read_no_further_than_the_function_wants_and_may_be_dropped() {
    let python = python();
    let text = "def f(b):\n    for batch in b:\n        yield from ((v,) for v in batch.column(0).to_pylist())\n        return";
    let parameters = [("b", ParameterKind::Relation(None))];
    let function = table(&python, text, &parameters, &[("v", Int64)]).unwrap();
    let relation = columns(&[("v", Int64)]);
    let batch =
        RecordBatch::try_new(Arc::clone(&relation), vec![integers(&[Some(1), Some(2)])]).unwrap();
    let call = TableCall {
        values: vec![],
        input: TableInput::Relation(relation),
    };
    let (rows, _) = all_rows(&function, &call, &[batch.clone(), batch.clone()]).unwrap();
    let shown = pretty_format_batches(&[rows]).unwrap().to_string();
    assert_eq!(shown.lines().count(), 6, "{shown}");
    for _ in 0..20 {
        let mut instance = function.open(&call, &query()).unwrap();
        instance.push(&batch).unwrap();
        drop(instance);
        let instance = function.open(&call, &query()).unwrap();
        drop(instance);
    }
    assert!(python.workers() <= 2);
}

#[test]
fn rows_of_another_shape_are_named() {
    let python = python();
    let cases = [
        ("def f(a): yield 1", "a row of 1 values for 2 columns"),
        ("def f(a): yield 1, 2, 3", "a row of 3 values for 2 columns"),
        (
            "def f(a): yield {'x': 1, 'z': 2}",
            "with \"z\", which is no column",
        ),
        (
            "def f(a): yield 'a', 2",
            "'a' (str) is no value of type int64",
        ),
        ("def f(a): return 5", "it returned a int, not rows"),
        (
            "import pyarrow as pa\ndef f(a): return pa.table({'q': [1]})",
            "a batch with the columns q, but x, y are declared",
        ),
        (
            "import pyarrow as pa\ndef f(a): return pa.table({'x': [1], 'y': ['a']})",
            "column y: it returned values of type string",
        ),
        (
            "def f(a):\n    yield 1, 2\n    raise KeyError('gone')",
            "KeyError: 'gone'",
        ),
    ];
    let schema = columns(&[("a", Int64)]);
    for (text, words) in cases {
        let result = [("x", Int64), ("y", Int64)];
        let function = table(&python, text, &values(&[Int64]), &result).unwrap();
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![integers(&[Some(1)])]).unwrap();
        let error = all_rows(&function, &arguments(&schema), &[batch]).unwrap_err();
        assert!(error.message().contains(words), "{text}: {error}");
    }
    let parameters = [("b", ParameterKind::Relation(None))];
    let error = table(&python, "def f(b: int): pass", &parameters, &[("v", Int64)]).unwrap_err();
    assert!(error.message().contains("cannot take as int"), "{error}");
}

#[test]
fn errors_over_a_relation_come_wherever_they_are_raised() {
    let python = python();
    let parameters = [("b", ParameterKind::Relation(None))];
    let relation = columns(&[("v", Int64)]);
    let batch = RecordBatch::try_new(Arc::clone(&relation), vec![integers(&[Some(1)])]).unwrap();
    let call = TableCall {
        values: vec![],
        input: TableInput::Relation(relation),
    };
    for text in [
        "def f(b):\n    raise ValueError('here')",
        "def f(b):\n    raise ValueError('here')\n    yield 1",
        "def f(b):\n    for batch in b:\n        raise ValueError('here')\n    yield 1",
        "def f(b):\n    for batch in b:\n        pass\n    raise ValueError('here')\n    yield 1",
    ] {
        let function = table(&python, text, &parameters, &[("v", Int64)]).unwrap();
        let error = all_rows(&function, &call, std::slice::from_ref(&batch)).unwrap_err();
        assert!(
            error.message().contains("ValueError: here"),
            "{text}: {error}"
        );
        assert!(
            error.detail().unwrap().contains("raise ValueError"),
            "{text}"
        );
    }
}
