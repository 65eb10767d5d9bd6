//! Keys of numbers, dates and times in as few bytes as their values have.
//!
//! A value is a byte that says its sign and how many bytes follow, then those bytes: zero takes one
//! byte, a price of up to 655.35 three. The bytes order as the values do, and no value's bytes begin
//! another's, so those of several columns may follow each other. CockroachDB encodes keys of its
//! storage like this (`util/encoding`).
//!
//! Memory: the head and four bytes a row.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;

/// What zero begins with. Greater values begin with as many more as bytes follow; those below zero with
/// one less and as many less.
const ZERO_MARK: u8 = 0x80;

/// What NULL begins with, where it comes first and where it comes last.
const NULL_MARKS: [u8; 2] = [0, u8::MAX];

/// Bytes of a head.
const HEAD_BYTES: u32 = u128::BITS / u8::BITS;

/// The first bytes of keys.
pub(super) struct Heads {
    pub(super) heads: Vec<u128>,
    /// Whether no key has more bytes.
    pub(super) are_whole: bool,
}

/// Keys that are being put together, a column after another.
struct ShortKeys {
    heads: Vec<u128>,
    /// Bytes of each so far; one more than a head has where it does not have them all.
    used: Vec<u32>,
}

/// Whether values of the type have short keys.
pub(super) fn supports(data_type: &DataType) -> bool {
    use DataType::*;
    match data_type {
        Boolean | Float32 | Float64 | Decimal32(..) | Decimal64(..) | Decimal128(..) => true,
        Interval(_) => false,
        data_type => data_type.is_integer() || data_type.is_temporal(),
    }
}

/// The heads of the keys that `columns` of `row_count` rows make, all of [supported](supports) types.
pub(super) fn heads<'a>(
    columns: impl Iterator<Item = (&'a ArrayRef, SortOptions)>,
    row_count: usize,
) -> Heads {
    let mut keys = ShortKeys {
        heads: vec![0; row_count],
        used: vec![0; row_count],
    };
    for (column, options) in columns {
        keys.add(column, options);
    }
    let fits = |used: &u32| *used <= HEAD_BYTES;
    Heads {
        are_whole: keys.used.iter().all(fits),
        heads: keys.heads,
    }
}

impl ShortKeys {
    fn add(&mut self, column: &ArrayRef, options: SortOptions) {
        let data = column.to_data();
        let nulls = column.logical_nulls();
        let nulls = nulls.as_ref();
        match (column.data_type(), column.data_type().primitive_width()) {
            (DataType::Boolean, _) => {
                let values = column.as_boolean().values();
                self.add_numbers(values.iter().map(i128::from), nulls, options);
            }
            (DataType::Float32, _) => {
                let values = data.buffer::<f32>(0).iter();
                let values = values.map(|value| in_total_order(f64::from(*value)));
                self.add_numbers(values, nulls, options);
            }
            (DataType::Float64, _) => {
                let values = data.buffer::<f64>(0).iter();
                self.add_numbers(values.copied().map(in_total_order), nulls, options);
            }
            (DataType::UInt8, _) => self.add_buffer(data.buffer::<u8>(0), nulls, options),
            (DataType::UInt16, _) => self.add_buffer(data.buffer::<u16>(0), nulls, options),
            (DataType::UInt32, _) => self.add_buffer(data.buffer::<u32>(0), nulls, options),
            (DataType::UInt64, _) => self.add_buffer(data.buffer::<u64>(0), nulls, options),
            (_, Some(1)) => self.add_buffer(data.buffer::<i8>(0), nulls, options),
            (_, Some(2)) => self.add_buffer(data.buffer::<i16>(0), nulls, options),
            (_, Some(4)) => self.add_buffer(data.buffer::<i32>(0), nulls, options),
            (_, Some(8)) => self.add_buffer(data.buffer::<i64>(0), nulls, options),
            _ => self.add_buffer(data.buffer::<i128>(0), nulls, options),
        }
    }

    fn add_buffer<T: Copy + Into<i128>>(
        &mut self,
        values: &[T],
        nulls: Option<&NullBuffer>,
        options: SortOptions,
    ) {
        self.add_numbers(values.iter().map(|value| (*value).into()), nulls, options);
    }

    fn add_numbers(
        &mut self,
        values: impl Iterator<Item = i128>,
        nulls: Option<&NullBuffer>,
        options: SortOptions,
    ) {
        let turned = match options.descending {
            true => u128::MAX,
            false => 0,
        };
        for (row, value) in values.enumerate() {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                let mark = NULL_MARKS[usize::from(!options.nulls_first)];
                self.put(row, u128::from(mark), 1);
                continue;
            }
            // The bytes that are not all sign.
            let magnitude = (value ^ (value >> (i128::BITS - 1))).cast_unsigned();
            let bits = u128::BITS - magnitude.leading_zeros();
            let bytes = bits.div_ceil(u8::BITS);
            let count = u128::from(bytes);
            let mark = match value < 0 {
                true => u128::from(ZERO_MARK) - 1 - count,
                false => u128::from(ZERO_MARK) + count,
            };
            self.put(row, mark ^ (turned & u128::from(u8::MAX)), 1);
            self.put(row, (value.cast_unsigned() ^ turned) & low(bytes), bytes);
        }
    }

    /// Puts the `count` low bytes of `value` behind the key of `row`; the others are zero.
    #[inline]
    fn put(&mut self, row: usize, value: u128, count: u32) {
        let room = HEAD_BYTES.saturating_sub(self.used[row]);
        // A shift by all of the bits leaves nothing: there is no room, or nothing to put.
        let shifted = match room.checked_sub(count) {
            Some(left) => value.checked_shl(left * u8::BITS),
            None => value.checked_shr((count - room) * u8::BITS),
        };
        self.heads[row] |= shifted.unwrap_or(0);
        self.used[row] = (self.used[row] + count).min(HEAD_BYTES + 1);
    }
}

/// All ones in the `count` low bytes.
fn low(count: u32) -> u128 {
    let above = u128::MAX.checked_shl(count * u8::BITS);
    !above.unwrap_or(0)
}

/// A whole number that orders as `value` does among all floating point numbers (IEEE 754, 5.10).
fn in_total_order(value: f64) -> i128 {
    let bits = value.to_bits().cast_signed();
    i128::from(bits ^ ((bits >> (i64::BITS - 1)).cast_unsigned() >> 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Float64Array, Int64Array, UInt64Array};

    use super::*;

    fn heads_of(column: impl Array + 'static, options: SortOptions) -> Vec<u128> {
        let rows = column.len();
        let column: ArrayRef = Arc::new(column);
        heads([(&column, options)].into_iter(), rows).heads
    }

    /// The first four bytes of `value`'s key.
    fn begin(value: i64) -> u32 {
        let heads = heads_of(Int64Array::from(vec![value]), SortOptions::default());
        u32::try_from(heads[0] >> (u128::BITS - u32::BITS)).unwrap()
    }

    #[test]
    fn a_value_has_as_many_bytes_as_it_needs() {
        assert_eq!(begin(0), 0x8000_0000);
        assert_eq!(begin(1), 0x8101_0000);
        assert_eq!(begin(255), 0x81FF_0000);
        assert_eq!(begin(256), 0x8201_0000);
        assert_eq!(begin(-1), 0x7F00_0000);
        assert_eq!(begin(-2), 0x7EFE_0000);
        assert_eq!(begin(-256), 0x7E00_0000);
        assert_eq!(begin(-257), 0x7DFE_FF00);
    }

    /// Numbers about every power of two, and NULL.
    fn samples() -> Vec<Option<i128>> {
        let powers = (0..127).map(|power| 1_i128 << power);
        let near = powers.flat_map(|power| [power - 1, power, -power, -power - 1]);
        let ends = [i128::MIN, i128::MAX];
        near.chain(ends).map(Some).chain([None]).collect()
    }

    fn expected<T: PartialOrd>(a: Option<T>, b: Option<T>, options: SortOptions) -> Ordering {
        let nulls_first = match options.nulls_first {
            true => Ordering::Less,
            false => Ordering::Greater,
        };
        match (a, b) {
            (Some(a), Some(b)) if options.descending => b.partial_cmp(&a).unwrap(),
            (Some(a), Some(b)) => a.partial_cmp(&b).unwrap(),
            (None, None) => Ordering::Equal,
            (None, Some(_)) => nulls_first,
            (Some(_), None) => nulls_first.reverse(),
        }
    }

    fn check_order<T: PartialOrd + Copy + std::fmt::Debug, A: Array + 'static>(
        values: &[Option<T>],
        column: impl Fn() -> A,
    ) {
        for (descending, nulls_first) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let options = SortOptions::new(descending, nulls_first);
            let heads = heads_of(column(), options);
            for (a, head) in values.iter().zip(&heads) {
                for (b, other) in values.iter().zip(&heads) {
                    let order = expected(*a, *b, options);
                    assert_eq!(head.cmp(other), order, "{a:?} and {b:?}, {options:?}");
                }
            }
        }
    }

    #[test]
    fn keys_order_as_values_do() {
        // Those of 16 bytes do not end in a head, which has 15 of them behind the mark.
        let small =
            |value: &Option<i128>| value.is_none_or(|v| (-(1 << 120)..1 << 120).contains(&v));
        let numbers: Vec<_> = samples().into_iter().filter(small).collect();
        check_order(&numbers, || Decimal128Array::from(numbers.clone()));

        let large = samples().into_iter();
        let large = large.filter_map(|value| value.map(|value| u64::try_from(value).ok()));
        let large: Vec<Option<u64>> = large.collect();
        check_order(&large, || UInt64Array::from(large.clone()));

        let reals = [
            0.0,
            1.5,
            -1.5,
            1e300,
            -1e300,
            1e-300,
            f64::MAX,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        let reals: Vec<_> = reals.into_iter().map(Some).chain([None]).collect();
        check_order(&reals, || Float64Array::from(reals.clone()));
    }

    #[test]
    fn columns_follow_each_other() {
        let samples = [0, 1, 255, 256, -1, -2, -257, 1 << 40];
        let pairs = samples.map(|a| samples.map(|b| (a, b)));
        let pairs: Vec<(i64, i64)> = pairs.into_iter().flatten().collect();
        let firsts: ArrayRef = Arc::new(Int64Array::from_iter_values(pairs.iter().map(|p| p.0)));
        let seconds: ArrayRef = Arc::new(Int64Array::from_iter_values(pairs.iter().map(|p| p.1)));
        let columns = [
            (&firsts, SortOptions::new(true, true)),
            (&seconds, SortOptions::new(false, true)),
        ];
        let keys = heads(columns.into_iter(), pairs.len());
        assert!(keys.are_whole);
        for (a, head) in pairs.iter().zip(&keys.heads) {
            for (b, other) in pairs.iter().zip(&keys.heads) {
                assert_eq!(
                    head.cmp(other),
                    b.0.cmp(&a.0).then(a.1.cmp(&b.1)),
                    "{a:?} and {b:?}"
                );
            }
        }
    }

    #[test]
    fn keys_that_are_longer_than_a_head_are_told() {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![1, i64::MAX])),
            Arc::new(Int64Array::from(vec![1, i64::MAX])),
        ];
        let of_rows = |begin: usize| {
            let columns: Vec<ArrayRef> = columns.iter().map(|c| c.slice(begin, 1)).collect();
            heads(columns.iter().map(|c| (c, SortOptions::default())), 1).are_whole
        };
        assert!(of_rows(0));
        assert!(!of_rows(1));
    }
}
