//! What the attributes export, called as the host calls it, in an arena in place of a module's memory.

use sheaf_guest::{aggregate, native, scalar, table};

#[scalar]
fn score(x: f64, y: f64) -> f64 {
    x * 2.0 + y
}

#[scalar(slices)]
fn scores(x: &[f64], y: &[f64], result: &mut [f64]) {
    for ((result, x), y) in result.iter_mut().zip(x).zip(y) {
        *result = x * 2.0 + y;
    }
}

#[scalar]
fn shout(text: Option<&str>) -> String {
    text.unwrap_or("(none)").to_uppercase()
}

#[scalar]
fn parsed(text: &str) -> Result<Option<i64>, std::num::ParseIntError> {
    match text {
        "-" => Ok(None),
        text => text.parse().map(Some),
    }
}

#[table]
fn tokens(text: &str) -> impl Iterator<Item = (&str, i64)> {
    text.split(' ').zip(1..)
}

#[derive(Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: u64,
}

#[aggregate(mean)]
impl Mean {
    fn update(&mut self, x: f64) {
        self.sum += x;
        self.count += 1;
    }
    fn merge(&mut self, other: &Mean) {
        self.sum += other.sum;
        self.count += other.count;
    }
    fn finish(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

const DOUBLE: u32 = 11;
const BIGINT: u32 = 5;
const TEXT: u32 = 18;

#[test]
fn values_and_slices() {
    native::reset();
    let x = native::numbers(DOUBLE, &[1.0, 2.0]);
    let y = native::numbers(DOUBLE, &[0.5, 0.25]);
    let columns = native::side_by_side(&[x, y]);
    for function in [score_batch, scores_batch] {
        let result = native::room(DOUBLE, 2, 8);
        assert_eq!(function(2, columns, result), 0);
        assert_eq!(native::read_numbers::<f64>(result, 2), [2.5, 4.25]);
        assert_eq!(native::read_validity(result, 2), [true, true]);
        let status = function(0, columns, native::room(BIGINT, 0, 8));
        assert!(native::read_message(status).contains("the result"));
        let texts = native::texts(&[Some("1"), None]);
        let status = function(2, native::side_by_side(&[x, texts]), result);
        assert_eq!(
            native::read_message(status),
            "the argument y is of a type that it does not take"
        );
    }
}

#[test]
fn texts_and_nulls() {
    native::reset();
    let texts = native::texts(&[Some("größe"), None, Some("")]);
    let result = native::room(TEXT, 3, 0);
    assert_eq!(shout_batch(3, texts, result), 0);
    assert_eq!(native::read_texts(result, 3), ["GRÖSSE", "(NONE)", ""]);
    let texts = native::texts(&[Some("12"), None, Some("-")]);
    let result = native::room(BIGINT, 3, 8);
    assert_eq!(parsed_batch(3, texts, result), 0);
    assert_eq!(native::read_validity(result, 3), [true, false, false]);
    assert_eq!(native::read_numbers::<i64>(result, 1), [12]);
    let texts = native::texts(&[Some("x")]);
    let status = parsed_batch(1, texts, native::room(BIGINT, 1, 8));
    assert_eq!(
        native::read_message(status),
        "invalid digit found in string"
    );
}

#[test]
fn rows_in_parts() {
    native::reset();
    let texts = native::texts(&[Some("a b c"), None, Some("d")]);
    assert_eq!(tokens_push(3, texts), 0);
    let mut rows = Vec::new();
    loop {
        let columns = [native::room(TEXT, 2, 0), native::room(BIGINT, 2, 8)];
        let output = native::output(2, &columns);
        assert_eq!(tokens_next(2, output), 0);
        let (count, origin, columns) = native::read_output(output);
        if count == 0 {
            break;
        }
        let words = native::read_texts(columns, count);
        let places = native::read_numbers::<i64>(columns + 32, count);
        let both = words.into_iter().zip(places);
        rows.extend(
            origin
                .into_iter()
                .zip(both)
                .map(|(row, (word, place))| (row, word, place)),
        );
    }
    let expected = [(0, "a", 1), (0, "b", 2), (0, "c", 3), (2, "d", 1)];
    assert_eq!(
        rows,
        expected.map(|(row, word, place)| (row, word.to_owned(), place))
    );
}

#[test]
fn states() {
    native::reset();
    let bytes = mean_state_bytes();
    assert_eq!(bytes, 16);
    let states = native::alloc(3 * bytes as usize);
    assert_eq!(mean_init(states, 3), 0);
    let values = native::numbers(DOUBLE, &[1.0, 2.0, 6.0]);
    assert_eq!(
        mean_update(states, native::groups(&[0, 2, 2]), 3, values),
        0
    );
    let others = native::alloc(bytes as usize);
    assert_eq!(mean_init(others, 1), 0);
    assert_eq!(
        mean_update(
            others,
            native::groups(&[0]),
            1,
            native::numbers(DOUBLE, &[7.0])
        ),
        0
    );
    assert_eq!(mean_merge(states, native::groups(&[0]), 1, others), 0);
    let result = native::room(DOUBLE, 3, 8);
    assert_eq!(mean_finish(states, 3, result), 0);
    assert_eq!(native::read_validity(result, 3), [true, false, true]);
    let values = native::read_numbers::<f64>(result, 3);
    assert_eq!((values[0], values[2]), (4.0, 4.0));
}
