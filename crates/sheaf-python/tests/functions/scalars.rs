//! Scalar functions: every form of arguments, every type, NULLs, what may be returned.

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::DataType::{Boolean, Float64, Int32, Int64, Utf8, Utf8View};
use arrow::datatypes::{DataType, Field, TimeUnit};
use std::sync::Arc;

use super::{floats, integers, python, query, scalar, texts};

/// `x * 2 + y` of every form over the same rows.
#[test]
fn every_form_of_a_batch_gives_the_same() {
    let python = python();
    let forms = [
        "import pyarrow.compute as pc\ndef f(a, b):\n    return pc.add(pc.multiply(a, 2.0), b)",
        "import numpy as np\ndef f(a: np.ndarray, b: np.ndarray):\n    return a * 2 + b",
        "import numpy as np\ndef f(a: np.ma.MaskedArray, b):\n    return a * 2 + b",
        "import pandas as pd\ndef f(a: pd.Series, b: pd.Series) -> pd.Series:\n    return a * 2 + b",
        "def f(a: float, b: float) -> float:\n    return a * 2 + b",
        "from __future__ import annotations\ndef f(a: float, b: float) -> float:\n    return a * 2 + b",
    ];
    let (a, b) = (
        floats(&[Some(1.0), Some(-2.5), Some(0.0)]),
        floats(&[Some(10.0), Some(20.0), Some(1e300)]),
    );
    for form in forms {
        let function = scalar(&python, form, &[Float64, Float64], Float64).unwrap();
        let result = function.call(&[a.clone(), b.clone()], 3, &query()).unwrap();
        assert_eq!(
            &result,
            &floats(&[Some(12.0), Some(15.0), Some(1e300)]),
            "{form}"
        );
    }
}

#[test]
fn nulls_stay_nulls_where_the_form_can_say_so() {
    let python = python();
    let forms = [
        "import pyarrow.compute as pc\ndef f(a):\n    return pc.add(a, 1)",
        "import numpy as np\ndef f(a: np.ma.MaskedArray):\n    return a + 1",
        "import pandas as pd\ndef f(a: pd.Series):\n    return a + 1",
        "def f(a: int):\n    return None if a is None else a + 1",
    ];
    // Beyond what a float holds exactly.
    let large = (1_i64 << 53) + 1;
    for form in forms {
        let function = scalar(&python, form, &[Int64], Int64).unwrap();
        let given = integers(&[Some(large), None, Some(-1)]);
        let result = function.call(&[given], 3, &query()).unwrap();
        let expected = integers(&[Some(large + 1), None, Some(0)]);
        assert_eq!(&result, &expected, "{form}");
    }
    let plain = "import numpy as np\ndef f(a: np.ndarray):\n    return a + 1";
    let function = scalar(&python, plain, &[Int64], Int64).unwrap();
    let error = function
        .call(&[integers(&[Some(1), None])], 2, &query())
        .unwrap_err();
    assert!(error.message().contains("argument a has NULLs"), "{error}");
    assert!(error.hint().unwrap().contains("STRICT"));
}

#[test]
fn a_function_that_computes_nothing_gives_back_every_type() {
    let python = python();
    let list = DataType::List(Arc::new(Field::new("item", Int64, true)));
    let of_fields = DataType::Struct(
        vec![
            Field::new("p", Int64, true),
            Field::new("q", Utf8View, true),
        ]
        .into(),
    );
    let types = [
        Boolean,
        DataType::Int8,
        DataType::UInt64,
        Float64,
        DataType::Float32,
        Utf8,
        Utf8View,
        DataType::LargeUtf8,
        DataType::Binary,
        DataType::BinaryView,
        DataType::Date32,
        DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(TimeUnit::Nanosecond, None),
        DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/Berlin".into())),
        DataType::Decimal128(12, 2),
        DataType::Dictionary(Box::new(Int32), Box::new(Utf8)),
        list.clone(),
        of_fields.clone(),
    ];
    for data_type in types {
        let given = sample(&data_type);
        for form in ["def f(a): return a", "def f(a: object): return a"] {
            let function = scalar(
                &python,
                form,
                std::slice::from_ref(&data_type),
                data_type.clone(),
            )
            .unwrap();
            let result = function.call(std::slice::from_ref(&given), given.len(), &query());
            let result = result.unwrap_or_else(|error| {
                panic!("{data_type} by {form}: {error} {:?}", error.detail())
            });
            assert_eq!(result.to_data(), given.to_data(), "{data_type} by {form}");
        }
    }
}

/// Some values of `data_type`, a NULL among them.
fn sample(data_type: &DataType) -> ArrayRef {
    let words = texts(&[Some("0"), None, Some("1")]);
    match data_type {
        DataType::List(_) | DataType::Struct(_) => {
            let null = new_null_array(data_type, 1);
            let one = match data_type {
                DataType::List(_) => {
                    let values = [Some(vec![Some(1), None]), Some(vec![])];
                    Arc::new(arrow::array::ListArray::from_iter_primitive::<
                        arrow::datatypes::Int64Type,
                        _,
                        _,
                    >(values)) as ArrayRef
                }
                _ => {
                    let fields = match data_type {
                        DataType::Struct(fields) => fields.clone(),
                        _ => unreachable!(),
                    };
                    let parts: Vec<ArrayRef> = vec![
                        integers(&[Some(1)]),
                        Arc::new(StringViewArray::from(vec![Some(
                            "a text that is not short",
                        )])),
                    ];
                    Arc::new(arrow::array::StructArray::new(fields, parts, None))
                }
            };
            arrow::compute::concat(&[one.as_ref(), null.as_ref()]).unwrap()
        }
        DataType::Date32 => cast(&texts(&[Some("2026-11-30"), None]), data_type).unwrap(),
        DataType::Time64(_) => cast(&texts(&[Some("12:34:56.789"), None]), data_type).unwrap(),
        DataType::Timestamp(_, _) => {
            cast(&texts(&[Some("2026-11-30T12:34:56.789"), None]), data_type).unwrap()
        }
        _ => cast(&words, data_type).unwrap(),
    }
}

#[test]
fn texts_that_are_json_are_records_for_functions_that_ask_for_them() {
    let python = python();
    let text = "def f(a: dict) -> list:\n    return [a['n'], {'twice': a['n'] * 2}]";
    let function = scalar(&python, text, &[Utf8View], Utf8View).unwrap();
    let given: ArrayRef = Arc::new(StringViewArray::from(vec![r#"{"n": 2}"#, r#"{"n": 4}"#]));
    let result = function.call(&[given], 2, &query()).unwrap();
    let result = result.as_string_view();
    assert_eq!(result.value(0), r#"[2, {"twice": 4}]"#);
    assert_eq!(result.value(1), r#"[4, {"twice": 8}]"#);
}

#[test]
fn one_value_stands_for_all_rows_and_a_list_for_itself() {
    let python = python();
    let function = scalar(&python, "def f(a): return 7", &[Int64], Int64).unwrap();
    let result = function.call(&[integers(&[Some(1), None])], 2, &query());
    assert_eq!(&result.unwrap(), &integers(&[Some(7), Some(7)]));
    let function = scalar(&python, "def f(): return 7", &[], Int64).unwrap();
    let result = function.call(&[], 3, &query()).unwrap();
    assert_eq!(&result, &integers(&[Some(7), Some(7), Some(7)]));
    let function = scalar(&python, "def f(a): return []", &[Int64], Int64).unwrap();
    let result = function.call(&[integers(&[])], 0, &query()).unwrap();
    assert_eq!(result.len(), 0);
}

#[test]
fn the_entry_may_be_another_than_the_declared_name() {
    let python = python();
    let mut code =
        super::code("class Math:\n    @staticmethod\n    def twice(a: int): return 2 * a");
    code.entry = Some("Math.twice".to_owned());
    let declaration = super::declaration(&super::values(&[Int64]));
    let function = sheaf_udf::Language::scalar(&python, &code, &declaration, &Int64).unwrap();
    let result = function.call(&[integers(&[Some(4)])], 1, &query()).unwrap();
    assert_eq!(&result, &integers(&[Some(8)]));
}

#[test]
fn large_batches_are_sent_in_parts() {
    let python = python();
    let function = scalar(&python, "def f(a: str): return len(a)", &[Utf8], Int64).unwrap();
    let long = "x".repeat(50_000_000);
    let given = texts(&[Some(&long), Some("a"), Some(&long)]);
    let result = function.call(&[given], 3, &query()).unwrap();
    assert_eq!(
        &result,
        &integers(&[Some(50_000_000), Some(1), Some(50_000_000)])
    );
}
