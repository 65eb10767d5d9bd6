//! Several calls and queries at once: who has which worker, and what one does to another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::DataType::{Float64, Int64};
use sheaf_base::ErrorKind;
use sheaf_python::{Python, PythonOptions};
use tokio_util::sync::CancellationToken;

use super::{aggregate, floats, integers, options, python, query, query_with, scalar};

const LAST: &str = "
class f:
    def __init__(self): self.value = None
    def update(self, a: float): self.value = a
    def merge(self, other): self.value = other.value
    def finish(self): return self.value
";

#[test]
fn workers_are_as_many_as_may_be_and_used_again() {
    let python = Arc::new(python());
    let function = scalar(&python, "def f(a: int): return a * 2", &[Int64], Int64).unwrap();
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let function = Arc::clone(&function);
            scope.spawn(move || {
                for step in 0..20 {
                    let value = seed * 100 + step;
                    let result = function.call(&[integers(&[Some(value)])], 1, &query());
                    assert_eq!(&result.unwrap(), &integers(&[Some(value * 2)]));
                }
            });
        }
    });
    assert!((1..=2).contains(&python.workers()), "{}", python.workers());
}

/// One worker holds groups, and all that the query calls goes through it: nothing waits for ever.
#[test]
fn a_query_that_keeps_the_only_worker_calls_on() {
    let python = Python::new(PythonOptions {
        workers_max: 1,
        ..options()
    });
    let last = aggregate(&python, LAST, &[Float64], Float64).unwrap();
    let slow = "import time\ndef f(a: int):\n    time.sleep(0.5)\n    return a";
    let slow = scalar(&python, slow, &[Int64], Int64).unwrap();
    let context = query();
    let mut groups: Vec<_> = (0..5).map(|_| last.groups(&context).unwrap()).collect();
    let other = {
        let slow = Arc::clone(&slow);
        std::thread::spawn(move || slow.call(&[integers(&[Some(1)])], 1, &query()).map(drop))
    };
    for (number, each) in groups.iter_mut().enumerate() {
        slow.call(&[integers(&[Some(1)])], 1, &context).unwrap();
        each.update(&[floats(&[Some(number as f64)])], &[0], 1)
            .unwrap();
    }
    for (number, mut each) in groups.into_iter().enumerate() {
        let result = each.take_results(1).unwrap();
        assert_eq!(&result, &floats(&[Some(number as f64)]));
    }
    other.join().unwrap().unwrap();
    assert!(python.workers() <= 1, "{}", python.workers());
}

#[test]
fn a_query_that_kills_its_worker_harms_no_other() {
    let python = python();
    let last = aggregate(&python, LAST, &[Float64], Float64).unwrap();
    let mut kept = last.groups(&query()).unwrap();
    kept.update(&[floats(&[Some(4.0)])], &[0], 1).unwrap();
    let dies = "
import os
class f:
    def update(self, a: float): os._exit(1)
    def merge(self, other): pass
    def finish(self): return 0.0
";
    let dies = aggregate(&python, dies, &[Float64], Float64).unwrap();
    let context = query();
    let mut first = dies.groups(&context).unwrap();
    let mut second = last.groups(&context).unwrap();
    let error = first.update(&[floats(&[Some(1.0)])], &[0], 1).unwrap_err();
    assert!(error.message().contains("exit code 1"), "{error}");
    let again = first.update(&[floats(&[Some(1.0)])], &[0], 1).unwrap_err();
    assert!(
        again.message().contains("in another call of this query"),
        "{again}"
    );
    second.update(&[floats(&[Some(1.0)])], &[0], 1).unwrap();
    drop((first, second));
    assert_eq!(&kept.take_results(1).unwrap(), &floats(&[Some(4.0)]));
}

#[test]
fn a_query_that_waits_for_a_worker_can_be_cancelled() {
    let python = Python::new(PythonOptions {
        workers_max: 1,
        ..options()
    });
    let slow = "import time\ndef f(a: int):\n    time.sleep(3)\n    return a";
    let slow = scalar(&python, slow, &[Int64], Int64).unwrap();
    let first = {
        let slow = Arc::clone(&slow);
        std::thread::spawn(move || slow.call(&[integers(&[Some(1)])], 1, &query()).map(drop))
    };
    std::thread::sleep(Duration::from_millis(300));
    let stop = CancellationToken::new();
    let context = query_with(1_000_000_000, stop.clone());
    let second = {
        let slow = Arc::clone(&slow);
        std::thread::spawn(move || slow.call(&[integers(&[Some(1)])], 1, &context).map(drop))
    };
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    stop.cancel();
    let error = second.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(start.elapsed() < Duration::from_secs(1));
    first.join().unwrap().unwrap();
}

#[test]
fn new_options_hold_for_new_workers() {
    let python = python();
    let function = scalar(&python, "def f(a: int): return a", &[Int64], Int64).unwrap();
    function.call(&[integers(&[Some(1)])], 1, &query()).unwrap();
    assert_eq!(python.workers(), 1);
    python.set_options(PythonOptions {
        executable: "/no/such/python".to_owned(),
        ..options()
    });
    assert_eq!(python.workers(), 0);
    let error = function
        .call(&[integers(&[Some(1)])], 1, &query())
        .unwrap_err();
    assert!(error.message().contains("/no/such/python"), "{error}");
}
