//! Functions that wait: rows run at once, are tried again, and are given up.

use std::time::{Duration, Instant};

use arrow::datatypes::DataType::{Float64, Int64, Utf8};

use super::{floats, integers, python, query, scalar};

#[test]
fn rows_wait_at_once_and_keep_their_order() {
    let python = python();
    let text = "import asyncio\nasync def f(a: float):\n    await asyncio.sleep(a)\n    return a";
    let function = scalar(&python, text, &[Float64], Float64).unwrap();
    let waits: Vec<Option<f64>> = (0..20).map(|n| Some(0.5 - f64::from(n) * 0.01)).collect();
    let start = Instant::now();
    let result = function.call(&[floats(&waits)], 20, &query()).unwrap();
    assert_eq!(&result, &floats(&waits));
    // One after another they would take 8 seconds.
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn no_more_rows_run_at_once_than_is_said() {
    let python = python();
    let text = "
import asyncio, sheaf
running = most = 0

@sheaf.function(concurrency=3)
async def f(a: int):
    global running, most
    running += 1
    most = max(most, running)
    await asyncio.sleep(0.01)
    running -= 1
    return most
";
    let function = scalar(&python, text, &[Int64], Int64).unwrap();
    let rows: Vec<Option<i64>> = (0..30).map(Some).collect();
    let result = function.call(&[integers(&rows)], 30, &query()).unwrap();
    let most = arrow::compute::max(arrow::array::AsArray::as_primitive::<
        arrow::datatypes::Int64Type,
    >(result.as_ref()));
    assert_eq!(most, Some(3));
}

#[test]
fn rows_are_tried_again_and_given_up() {
    let python = python();
    let text = "
import sheaf
tries = {}

@sheaf.function(retries=2)
async def f(a: int):
    tries[a] = tries.get(a, 0) + 1
    if tries[a] <= a:
        raise ConnectionError(f'attempt {tries[a]} of {a}')
    return tries[a]
";
    let function = scalar(&python, text, &[Int64], Int64).unwrap();
    let rows = integers(&[Some(0), Some(1), Some(2)]);
    let result = function.call(&[rows], 3, &query()).unwrap();
    assert_eq!(&result, &integers(&[Some(1), Some(2), Some(3)]));
    let error = function
        .call(&[integers(&[Some(0), Some(9)])], 2, &query())
        .unwrap_err();
    assert!(error.message().contains("attempt 3 of 9"), "{error}");
    assert!(error.detail().unwrap().contains("in row 2 of the batch"));

    let text = "
import asyncio, sheaf

@sheaf.function(timeout=0.1, retries=1)
async def f(a: int):
    await asyncio.sleep(60)
";
    let function = scalar(&python, text, &[Int64], Int64).unwrap();
    let start = Instant::now();
    let error = function
        .call(&[integers(&[Some(1)])], 1, &query())
        .unwrap_err();
    assert!(
        error.message().contains("longer than its timeout of 0.1 s"),
        "{error}"
    );
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn options_that_cannot_be_are_refused() {
    let python = python();
    let text = "import sheaf\n@sheaf.function(concurrency=0)\nasync def f(a): return a";
    let error = scalar(&python, text, &[Int64], Int64).unwrap_err();
    assert!(error.message().contains("concurrency must be"), "{error}");
}

/// Four chains of a fetch and a process, each of which takes 0.6 s in all: fetched and processed one batch
/// after another they would take 1 s.
#[test]
fn nested_calls_go_on_row_by_row() {
    let python = python();
    let fetch = "import asyncio\nasync def f(a: float):\n    await asyncio.sleep(a)\n    return a";
    let process = "import asyncio\nasync def f(a: float, b: int):\n    await asyncio.sleep(0.6 - a)\n    return b * 10";
    let fetch = scalar(&python, fetch, &[Float64], Float64).unwrap();
    let process = scalar(&python, process, &[Float64, Int64], Int64).unwrap();
    let chain = process.over(&[Some(fetch.clone()), None]).unwrap();
    let waits = floats(&[Some(0.1), Some(0.5), Some(0.3), Some(0.2)]);
    let numbers = integers(&[Some(1), Some(2), Some(3), Some(4)]);
    let arguments = [waits, numbers];
    // Once before, so that the worker runs and has the functions.
    chain.call(&arguments, 4, &query()).unwrap();
    let start = Instant::now();
    let result = chain.call(&arguments, 4, &query()).unwrap();
    let elapsed = start.elapsed();
    assert_eq!(
        &result,
        &integers(&[Some(10), Some(20), Some(30), Some(40)])
    );
    assert!(elapsed < Duration::from_millis(900), "{elapsed:?}");
}

#[test]
fn chains_of_chains_pass_on_what_is_declared() {
    let python = python();
    let add = scalar(
        &python,
        "async def f(a: int, b: int): return a + b",
        &[Int64, Int64],
        Int64,
    )
    .unwrap();
    let halve = scalar(&python, "def f(a: int): return a / 2", &[Int64], Float64).unwrap();
    let record = scalar(
        &python,
        "async def f(a: float): return {'half': a}",
        &[Float64],
        Utf8,
    )
    .unwrap();
    let read = scalar(
        &python,
        "def f(a: dict): return a['half']",
        &[Utf8],
        Float64,
    )
    .unwrap();
    // read(record(halve(add(a, add(b, c)))))
    let inner = add.over(&[None, Some(add.clone())]).unwrap();
    let inner = halve.over(&[Some(inner)]).unwrap();
    let inner = record.over(&[Some(inner)]).unwrap();
    let chain = read.over(&[Some(inner)]).unwrap();
    let columns = [1, 20, 300].map(|n| integers(&[Some(n), Some(n + 1)]));
    let result = chain.call(&columns, 2, &query()).unwrap();
    assert_eq!(&result, &floats(&[Some(160.5), Some(162.0)]));
    // What waits nowhere stays apart, and so do batches.
    assert!(halve.over(&[Some(halve.clone())]).is_none());
    let batch = scalar(&python, "def f(a): return a", &[Int64], Int64).unwrap();
    assert!(add.over(&[Some(batch), None]).is_none());
}

#[test]
fn errors_within_a_chain_name_the_function() {
    let python = python();
    let fails = "async def f(a: int):\n    raise OSError('no route')";
    let fails = scalar(&python, fails, &[Int64], Int64).unwrap();
    let outer = scalar(&python, "async def f(a: int): return a", &[Int64], Int64).unwrap();
    let chain = outer.over(&[Some(fails)]).unwrap();
    let error = chain
        .call(&[integers(&[Some(1)])], 1, &query())
        .unwrap_err();
    assert_eq!(error.message(), "function \"f\": OSError: no route");
}
