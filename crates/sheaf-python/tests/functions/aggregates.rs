//! Aggregates: groups, states that go to other workers, and what objects weigh.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::DataType::{Float64, Int64, Utf8};
use arrow::datatypes::Float64Type;

use super::{aggregate, floats, integers, python, query, texts};

const MEDIAN: &str = "
import statistics

class f:
    def __init__(self):
        self.values = []
    def update(self, a):
        self.values.extend(a.drop_null().to_pylist())
    def merge(self, other):
        self.values.extend(other.values)
    def finish(self):
        return statistics.median(self.values) if self.values else None
";

const MEDIAN_BY_ROWS: &str = "
import statistics

class f:
    def __init__(self):
        self.values = []
    def update(self, a: float):
        if a is not None:
            self.values.append(a)
    def merge(self, other):
        self.values.extend(other.values)
    def finish(self):
        return statistics.median(self.values) if self.values else None
";

/// The medians of `k % 7` for `k` below 1000 in the order of `k`, over several updates, with states
/// taken and merged between them; computed apart from it in plain Rust.
#[test]
fn groups_are_what_a_plain_loop_gives_whatever_way_their_states_went() {
    let value = |k: usize| ((k * 7919) % 1000) as f64;
    let mut expected: Vec<Vec<f64>> = vec![Vec::new(); 7];
    (0..1000).for_each(|k| expected[k % 7].push(value(k)));
    let expected: Vec<Option<f64>> = expected
        .into_iter()
        .map(|mut values| {
            values.sort_by(f64::total_cmp);
            let middle = values.len() / 2;
            Some(match values.len() % 2 {
                1 => values[middle],
                _ => (values[middle - 1] + values[middle]) / 2.0,
            })
        })
        .chain([None])
        .collect();
    for text in [MEDIAN, MEDIAN_BY_ROWS] {
        let python = python();
        let function = aggregate(&python, text, &[Float64], Float64).unwrap();
        let context = query();
        let mut whole = function.groups(&context).unwrap();
        for start in (0..1000).step_by(250) {
            // Each part is aggregated by other groups, in whichever worker, in two goes.
            let mut part = function.groups(&context).unwrap();
            for begin in [start, start + 100] {
                let end = if begin == start {
                    start + 100
                } else {
                    start + 250
                };
                let values: Vec<Option<f64>> = (begin..end).map(|k| Some(value(k))).collect();
                let groups: Vec<usize> = (begin..end).map(|k| k % 7).collect();
                part.update(&[floats(&values)], &groups, 8).unwrap();
            }
            assert!(part.bytes() > 0);
            let first = part.take_states(3).unwrap();
            let rest = part.take_states(5).unwrap();
            whole.merge(&first, &[0, 1, 2], 8).unwrap();
            whole.merge(&rest, &[3, 4, 5, 6, 7], 8).unwrap();
        }
        let first = whole.take_results(2).unwrap();
        let rest = whole.take_results(6).unwrap();
        let result = arrow::compute::concat(&[first.as_ref(), rest.as_ref()]).unwrap();
        assert_eq!(&result, &floats(&expected));
    }
}

#[test]
fn many_groups_and_large_states_come_in_parts() {
    let text = "
class f:
    def __init__(self): self.text = ''
    def update(self, a: str, b: int): self.text = a * b
    def merge(self, other): self.text += other.text
    def finish(self): return len(self.text)
";
    let python = python();
    let function = aggregate(&python, text, &[Utf8, Int64], Int64).unwrap();
    let context = query();
    let mut groups = function.groups(&context).unwrap();
    let count = 20_000;
    let texts_of = texts(&vec![Some("xy"); count]);
    let lengths: Vec<Option<i64>> = (0..count as i64).map(|n| Some(n % 5_000)).collect();
    let numbers: Vec<usize> = (0..count).collect();
    groups
        .update(&[texts_of, integers(&lengths)], &numbers, count)
        .unwrap();
    // 100 million characters, guessed within a factor of three.
    let bytes = groups.bytes() as f64 / 100e6;
    assert!((0.3..3.0).contains(&bytes), "{bytes}");
    let states = groups.take_states(count).unwrap();
    assert_eq!(states[0].len(), count);
    assert!(groups.bytes() < 10_000_000);
    groups.merge(&states, &numbers, count).unwrap();
    let result = groups.take_results(count).unwrap();
    let expected: Vec<Option<i64>> = lengths.iter().map(|n| n.map(|n| 2 * n)).collect();
    assert_eq!(&result, &integers(&expected));
}

#[test]
fn faults_of_classes_are_named() {
    let python = python();
    let cases = [
        ("def f(a): return a", "must be a class"),
        (
            "class f:\n    def update(self, a): pass",
            "must be a class with the methods",
        ),
        (
            "class f:\n    def update(self): pass\n    def merge(self, o): pass\n    def finish(self): pass",
            "is declared with 1 argument",
        ),
        (
            "class f:\n    def __init__(self, x): pass\n    def update(self, a): pass\n    def merge(self, o): pass\n    def finish(self): pass",
            "TypeError",
        ),
    ];
    for (text, words) in cases {
        let error = aggregate(&python, text, &[Float64], Float64).unwrap_err();
        assert!(error.message().contains(words), "{text}: {error}");
    }
    let holds_a_lock = "
import threading
class f:
    def __init__(self): self.lock = threading.Lock()
    def update(self, a): pass
    def merge(self, other): pass
    def finish(self): return 1.0
";
    let function = aggregate(&python, holds_a_lock, &[Float64], Float64).unwrap();
    let mut groups = function.groups(&query()).unwrap();
    groups.update(&[floats(&[Some(1.0)])], &[0], 1).unwrap();
    let error = groups.take_states(1).unwrap_err();
    assert!(
        error.message().contains("class f cannot be pickled"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("__getstate__"));
    // The object is still there.
    let result: ArrayRef = groups.take_results(1).unwrap();
    assert_eq!(result.as_primitive::<Float64Type>().value(0), 1.0);
    let raises = "
class f:
    def update(self, a: float): self.total = 1 / a
    def merge(self, other): pass
    def finish(self): return self.total
";
    let function = aggregate(&python, raises, &[Float64], Float64).unwrap();
    let mut groups = function.groups(&query()).unwrap();
    let error = groups
        .update(&[floats(&[Some(1.0), Some(0.0)])], &[0, 0], 1)
        .unwrap_err();
    assert!(error.message().contains("ZeroDivisionError"), "{error}");
    assert!(error.detail().unwrap().contains("in row 2"));
}
