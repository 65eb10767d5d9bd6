//! The most bytes that calls make, told from their arguments: arithmetic alone, which saturates.
//!
//! NULL has no bytes, and what is computed of a NULL that makes a call NULL does not matter.

use std::cell::RefCell;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNanoType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ColumnarValue;
use regex::Regex;
use sheaf_base::VALUE_BYTES_MAX;

use super::memory::Needed;

/// How much a function makes of its arguments.
#[derive(Debug, Clone, Copy)]
pub(super) enum Size {
    /// At most so many times the bytes of all of them.
    Times(usize),
    /// Of the arguments in one row, at most so many bytes.
    Row(fn(&Arguments<'_>, usize) -> usize),
}

/// The most bytes that a number or a time takes as text, but for doubles of many digits.
const NUMBER_TEXT_BYTES: usize = 24;
/// Bytes of an element of a list beside those of its value.
const ELEMENT_BYTES: usize = 8;
/// The most bytes of one character.
const CHARACTER_BYTES: usize = 4;
/// What a letter of a format of times becomes, at most: `%c` is a whole date and time.
const TIME_FORMAT_FACTOR: usize = 16;
/// Formats of times up to this length are no matter.
const TIME_FORMAT_BYTES: usize = 256;
/// Results of `regexp_replace` above this are worth counting what is replaced.
const COUNTED_BYTES_MIN: usize = 64 * 1024;
/// Bytes of a compiled pattern.
const PATTERN_BYTES_MAX: usize = 10 * 1024 * 1024;

/// The arguments of a call, for all rows of a batch.
pub(super) struct Arguments<'a> {
    values: Vec<Argument<'a>>,
    rows: usize,
    /// The last pattern that was compiled.
    pattern: RefCell<Option<(String, Option<Regex>)>>,
}

enum Argument<'a> {
    /// The same in each row: an array of it, or its text.
    Text(&'a str),
    One(ArrayRef),
    Each(&'a ArrayRef),
}

impl<'a> Arguments<'a> {
    pub(super) fn new(values: &'a [ColumnarValue], rows: usize) -> Self {
        let values = values.iter().map(|value| match value {
            ColumnarValue::Array(array) => Argument::Each(array),
            ColumnarValue::Scalar(scalar) => match scalar.try_as_str() {
                Some(text) => Argument::Text(text.unwrap_or_default()),
                None => Argument::One(array_of(scalar)),
            },
        });
        Self {
            values: values.collect(),
            rows,
            pattern: RefCell::default(),
        }
    }

    /// What a function of this size needs for these arguments: once if they are constants.
    pub(super) fn needed(&self, size: Size) -> Needed {
        let of_row = |row| match size {
            Size::Times(factor) => self.sum(row).saturating_mul(factor),
            Size::Row(of_row) => of_row(self, row),
        };
        let rows = 0..self.rows;
        let total = match size {
            _ if self.is_constant() => of_row(0),
            Size::Times(factor) => self.all().saturating_mul(factor),
            Size::Row(_) => rows.clone().map(of_row).fold(0, usize::saturating_add),
        };
        let largest = match total > VALUE_BYTES_MAX {
            true if self.is_constant() => total,
            true => rows.map(of_row).max().unwrap_or(0),
            false => 0,
        };
        Needed { total, largest }
    }

    /// Whether all of them are the same in each row.
    pub(super) fn is_constant(&self) -> bool {
        let each = |value: &Argument<'_>| matches!(value, Argument::Each(_));
        !self.values.iter().any(each)
    }

    /// The bytes of all arguments in all rows.
    fn all(&self) -> usize {
        let of = |value: &Argument<'_>| match value {
            Argument::Text(text) => text.len().saturating_mul(self.rows),
            Argument::One(array) => span(array, 0, array.len()).saturating_mul(self.rows),
            Argument::Each(array) => span(array, 0, array.len()),
        };
        self.values.iter().map(of).fold(0, usize::saturating_add)
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    /// The array that has argument `index` in some row of it, for what is no constant text.
    fn place(&self, index: usize, row: usize) -> Option<(&ArrayRef, usize)> {
        match self.values.get(index)? {
            Argument::Text(_) => None,
            Argument::One(array) => Some((array, 0)),
            Argument::Each(array) => Some((array, row)),
        }
    }

    /// The bytes of argument `index`.
    fn bytes(&self, index: usize, row: usize) -> usize {
        match self.values.get(index) {
            Some(Argument::Text(text)) => text.len(),
            _ => self
                .place(index, row)
                .map_or(0, |(array, row)| span(array, row, 1)),
        }
    }

    /// The bytes of all arguments.
    fn sum(&self, row: usize) -> usize {
        let bytes = (0..self.len()).map(|index| self.bytes(index, row));
        bytes.fold(0, usize::saturating_add)
    }

    /// Argument `index`, a text.
    fn text(&self, index: usize, row: usize) -> &str {
        if let Some(Argument::Text(text)) = self.values.get(index) {
            return text;
        }
        let Some((array, row)) = self
            .place(index, row)
            .filter(|(array, row)| array.is_valid(*row))
        else {
            return "";
        };
        match array.data_type() {
            DataType::Utf8 => array.as_string::<i32>().value(row),
            DataType::LargeUtf8 => array.as_string::<i64>().value(row),
            DataType::Utf8View => array.as_string_view().value(row),
            _ => "",
        }
    }

    /// Argument `index`, a whole number.
    fn number(&self, index: usize, row: usize) -> Option<i64> {
        let (array, row) = self
            .place(index, row)
            .filter(|(array, row)| array.is_valid(*row))?;
        match array.as_primitive_opt::<Int64Type>() {
            Some(numbers) => Some(numbers.value(row)),
            None if !array.data_type().is_integer() => None,
            None => {
                let number = cast(&array.slice(row, 1), &DataType::Int64).ok()?;
                let number = number.as_primitive::<Int64Type>();
                number.is_valid(0).then(|| number.value(0))
            }
        }
    }

    /// The same, where less than none is none.
    fn count(&self, index: usize, row: usize) -> usize {
        let number = self.number(index, row).unwrap_or(0);
        usize::try_from(number.max(0)).unwrap_or(usize::MAX)
    }

    /// The values in the list that argument `index` is, those of inner lists for each of these.
    fn elements(&self, index: usize, row: usize) -> usize {
        let place = self.place(index, row);
        place.map_or(0, |(array, row)| leaves(array, row, 1).max(1))
    }

    /// How often the pattern that argument `index` is occurs in `text`; `None` if it is none.
    fn matches(&self, index: usize, row: usize, text: &str) -> Option<usize> {
        let pattern = self.text(index, row);
        let mut last = self.pattern.borrow_mut();
        if last.as_ref().is_none_or(|(known, _)| known != pattern) {
            let compiled = regex::RegexBuilder::new(pattern);
            let compiled = { compiled }.size_limit(PATTERN_BYTES_MAX).build().ok();
            *last = Some((pattern.to_owned(), compiled));
        }
        let pattern = last.as_ref().and_then(|(_, compiled)| compiled.as_ref())?;
        Some(pattern.find_iter(text).count())
    }
}

fn array_of(scalar: &ScalarValue) -> ArrayRef {
    let array = scalar.to_array();
    array.unwrap_or_else(|_| arrow::array::new_null_array(&DataType::Null, 1))
}

/// The bytes of the values in `length` rows of `array`.
pub(crate) fn span(array: &ArrayRef, row: usize, length: usize) -> usize {
    let rows = row..row + length;
    let between = |first: usize, last: usize| last.saturating_sub(first);
    match array.data_type() {
        DataType::Null => 0,
        DataType::Boolean => length,
        DataType::Utf8 | DataType::Binary => {
            let offsets = match array.data_type() {
                DataType::Utf8 => array.as_string::<i32>().offsets(),
                _ => array.as_binary::<i32>().offsets(),
            };
            between(
                offsets[row].unsigned_abs() as usize,
                offsets[row + length].unsigned_abs() as usize,
            )
        }
        DataType::LargeUtf8 => {
            let offsets = array.as_string::<i64>().offsets();
            between(offset(offsets[row]), offset(offsets[row + length]))
        }
        // The length of a text is in the lower half of its view.
        DataType::Utf8View => views(array.as_string_view().views(), rows),
        DataType::BinaryView => views(array.as_binary_view().views(), rows),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let first = list.offsets()[row].unsigned_abs() as usize;
            let count = between(first, list.offsets()[row + length].unsigned_abs() as usize);
            span(list.values(), first, count) + length * ELEMENT_BYTES
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let first = offset(list.offsets()[row]);
            let count = between(first, offset(list.offsets()[row + length]));
            span(list.values(), first, count) + length * ELEMENT_BYTES
        }
        DataType::FixedSizeList(_, width) => {
            let width = width.unsigned_abs() as usize;
            let values = array.as_fixed_size_list().values();
            span(values, row * width, length * width)
        }
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter();
            columns.map(|column| span(column, row, length)).sum()
        }
        other => match other.primitive_width() {
            Some(width) => width * length,
            None => array.get_array_memory_size() / array.len().max(1) * length,
        },
    }
}

fn views(views: &[u128], rows: std::ops::Range<usize>) -> usize {
    let views = views.get(rows).unwrap_or_default();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lower half is what is meant"
    )]
    let lengths = views.iter().map(|view| (*view as u32) as usize);
    lengths.sum()
}

fn offset(offset: i64) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

/// The values in `length` rows of `array` that are no lists.
fn leaves(array: &ArrayRef, row: usize, length: usize) -> usize {
    match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let first = list.offsets()[row].unsigned_abs() as usize;
            let last = list.offsets()[row + length].unsigned_abs() as usize;
            leaves(list.values(), first, last.saturating_sub(first))
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let (first, last) = (
                offset(list.offsets()[row]),
                offset(list.offsets()[row + length]),
            );
            leaves(list.values(), first, last.saturating_sub(first))
        }
        DataType::FixedSizeList(_, width) => {
            let width = width.unsigned_abs() as usize;
            leaves(
                array.as_fixed_size_list().values(),
                row * width,
                length * width,
            )
        }
        _ => length,
    }
}

fn product(left: usize, right: usize) -> usize {
    left.saturating_mul(right)
}

/// `repeat(text, count)`.
pub(super) fn repeat(call: &Arguments<'_>, row: usize) -> usize {
    product(call.bytes(0, row), call.count(1, row))
}

/// `lpad(text, length[, fill])`: so many characters.
pub(super) fn pad(call: &Arguments<'_>, row: usize) -> usize {
    let is_ascii = call.text(0, row).is_ascii() && call.text(2, row).is_ascii();
    product(
        call.count(1, row),
        if is_ascii { 1 } else { CHARACTER_BYTES },
    )
}

/// `format(format, value, …)`: what it says itself, its widths, and a value for each place.
pub(super) fn format(call: &Arguments<'_>, row: usize) -> usize {
    let format = call.text(0, row);
    let numbers = format.split(|c: char| !c.is_ascii_digit());
    let widths = numbers.filter_map(|digits| digits.parse::<usize>().ok());
    let widths = widths.fold(0, usize::saturating_add);
    let places = format.bytes().filter(|byte| *byte == b'%').count();
    // Quotes double what they stand around.
    let largest = (1..call.len()).map(|index| call.bytes(index, row)).max();
    let value = product(2, largest.unwrap_or(0)).saturating_add(NUMBER_TEXT_BYTES);
    format
        .len()
        .saturating_add(widths)
        .saturating_add(product(places, value))
}

/// `replace(text, from, to)`.
pub(super) fn replace(call: &Arguments<'_>, row: usize) -> usize {
    let (text, from, to) = (call.bytes(0, row), call.text(1, row), call.bytes(2, row));
    if from.is_empty() || to <= from.len() {
        return text;
    }
    // What occurs is counted only if it could matter.
    let at_most = text.saturating_add(product(text / from.len(), to));
    match at_most > COUNTED_BYTES_MIN {
        true => text.saturating_add(product(call.text(0, row).matches(from).count(), to)),
        false => at_most,
    }
}

/// `regexp_replace(text, pattern, to[, flags])`.
pub(super) fn regexp_replace(call: &Arguments<'_>, row: usize) -> usize {
    let (text, to) = (call.bytes(0, row), call.text(2, row));
    // Groups that are named stand for parts of the text, which all matches share.
    let groups = to
        .bytes()
        .filter(|byte| matches!(byte, b'\\' | b'$'))
        .count();
    let beside = product(text, groups + 1);
    let is_global = call.text(3, row).contains('g');
    let matches = if is_global { text.saturating_add(1) } else { 1 };
    let at_most = beside.saturating_add(product(matches, to.len()));
    if !is_global || at_most <= COUNTED_BYTES_MIN || call.text(3, row) != "g" {
        return at_most;
    }
    match call.matches(1, row, call.text(0, row)) {
        Some(matches) => beside.saturating_add(product(matches, to.len())),
        None => at_most,
    }
}

/// `encode(value, format)`: each byte is two digits at most, or four characters in `escape`.
pub(super) fn encode(call: &Arguments<'_>, row: usize) -> usize {
    let is_escaped = call.text(1, row).eq_ignore_ascii_case("escape");
    product(call.bytes(0, row), if is_escaped { 4 } else { 2 })
}

/// `concat_ws(separator, value, …)`.
pub(super) fn concat_ws(call: &Arguments<'_>, row: usize) -> usize {
    call.sum(row)
        .saturating_add(product(call.bytes(0, row), call.len()))
}

/// `array_to_string(list, separator[, null])`.
pub(super) fn array_to_string(call: &Arguments<'_>, row: usize) -> usize {
    let beside = call.bytes(1, row).saturating_add(call.bytes(2, row));
    let each = beside.saturating_add(NUMBER_TEXT_BYTES);
    call.bytes(0, row)
        .saturating_add(product(call.elements(0, row), each))
}

/// `to_char(time, format)`, and numbers by their formats.
pub(super) fn time_format(call: &Arguments<'_>, row: usize) -> usize {
    match call.bytes(1, row) {
        ..=TIME_FORMAT_BYTES => 0,
        format => product(format, TIME_FORMAT_FACTOR),
    }
}

/// `array_repeat(value, count)`.
pub(super) fn array_repeat(call: &Arguments<'_>, row: usize) -> usize {
    product(
        call.bytes(0, row).saturating_add(ELEMENT_BYTES),
        call.count(1, row),
    )
}

/// `array_resize(list, length[, value])`.
pub(super) fn array_resize(call: &Arguments<'_>, row: usize) -> usize {
    let each = call.bytes(2, row).saturating_add(ELEMENT_BYTES);
    call.bytes(0, row)
        .saturating_add(product(each, call.count(1, row)))
}

/// `array_replace(list, from, to[, count])`.
pub(super) fn array_replace(call: &Arguments<'_>, row: usize) -> usize {
    call.bytes(0, row)
        .saturating_add(product(call.elements(0, row), call.bytes(2, row)))
}

/// `range([start, ]stop[, step])`, of numbers or times.
pub(super) fn range(call: &Arguments<'_>, row: usize) -> usize {
    let at = |index: usize| {
        call.place(index, row)
            .and_then(|(array, row)| steps(array, row))
    };
    let (start, stop) = match call.len() {
        1 => (Some(0), at(0)),
        _ => (at(0), at(1)),
    };
    let step = if call.len() > 2 { at(2) } else { Some(1) };
    let (Some(start), Some(stop), Some(step)) = (start, stop, step.filter(|step| *step != 0))
    else {
        return 0;
    };
    let count = ((stop - start) / step).saturating_add(1).max(0);
    product(usize::try_from(count).unwrap_or(usize::MAX), ELEMENT_BYTES)
}

/// A number, or a time or an interval in nanoseconds.
fn steps(array: &ArrayRef, row: usize) -> Option<i128> {
    const SECOND: i128 = 1_000_000_000;
    const DAY: i128 = 86_400 * SECOND;
    if array.is_null(row) {
        return None;
    }
    if let Some(intervals) = array.as_primitive_opt::<IntervalMonthDayNanoType>() {
        let interval = intervals.value(row);
        // Months have 28 days at least.
        let days = i128::from(interval.months) * 28 + i128::from(interval.days);
        return Some(days * DAY + i128::from(interval.nanoseconds));
    }
    let unit = match array.data_type() {
        DataType::Date32 => DAY,
        DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => SECOND / 1000,
        DataType::Timestamp(TimeUnit::Second, _) => SECOND,
        DataType::Timestamp(TimeUnit::Microsecond, _) => SECOND / 1_000_000,
        _ => 1,
    };
    let number = cast(&array.slice(row, 1), &DataType::Int64).ok()?;
    let number = number.as_primitive::<Int64Type>();
    number
        .is_valid(0)
        .then(|| i128::from(number.value(0)) * unit)
}
