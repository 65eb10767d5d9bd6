//! `sum` beside arithmetic in 128 bits: its accumulators, without a plan.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Decimal128Array, Int32Array, Int64Array};
use arrow::datatypes::{DataType, Decimal128Type, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::accumulate::{DistinctAccumulator, SumAccumulator};
use super::groups::SumGroupsAccumulator;

const WIDE: DataType = DataType::Decimal128(38, 0);

fn bigints(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn wide(sum: i128) -> ScalarValue {
    ScalarValue::Decimal128(Some(sum), 38, 0)
}

#[test]
fn bigints_are_added_as_if_without_limit() {
    let values: Vec<i64> = (0..1000)
        .map(|i| if i % 3 == 0 { i64::MIN } else { i64::MAX - i })
        .collect();
    let expected: i128 = values.iter().map(|value| i128::from(*value)).sum();
    let mut sum = SumAccumulator::new(WIDE);
    sum.update_batch(&[Arc::new(Int64Array::from(values))])
        .unwrap();
    assert_eq!(sum.evaluate().unwrap(), wide(expected));
}

#[test]
fn nulls_do_not_count_and_their_places_hold_anything() {
    let mut sum = SumAccumulator::new(WIDE);
    assert!(sum.evaluate().unwrap().is_null());
    sum.update_batch(&[bigints(&[None, None])]).unwrap();
    assert!(sum.evaluate().unwrap().is_null());
    sum.update_batch(&[bigints(&[Some(i64::MIN), None, Some(7)])])
        .unwrap();
    assert_eq!(sum.evaluate().unwrap(), wide(i128::from(i64::MIN) + 7));
    sum.retract_batch(&[bigints(&[Some(i64::MIN), None])])
        .unwrap();
    assert_eq!(sum.evaluate().unwrap(), wide(7));
    sum.retract_batch(&[bigints(&[Some(7)])]).unwrap();
    assert!(sum.evaluate().unwrap().is_null());
}

#[test]
fn sums_of_integers_are_bigints_or_an_error() {
    let mut sum = SumAccumulator::new(DataType::Int64);
    sum.update_batch(&[Arc::new(Int32Array::from(vec![i32::MAX, i32::MAX]))])
        .unwrap();
    let expected = 2 * i64::from(i32::MAX);
    assert_eq!(sum.evaluate().unwrap(), ScalarValue::Int64(Some(expected)));
    let state = Decimal128Array::from(vec![i128::from(i64::MAX)])
        .with_precision_and_scale(38, 0)
        .unwrap();
    sum.merge_batch(&[Arc::new(state)]).unwrap();
    assert!(sum.evaluate().unwrap_err().to_string().contains("BIGINT"));
}

#[test]
fn different_values_are_added_once() {
    let mut first = DistinctAccumulator::new(WIDE);
    first
        .update_batch(&[bigints(&[Some(1), Some(2), Some(2), None])])
        .unwrap();
    let mut second = DistinctAccumulator::new(WIDE);
    second
        .update_batch(&[bigints(&[Some(2), Some(5)])])
        .unwrap();
    let states: Vec<ArrayRef> = second
        .state()
        .unwrap()
        .iter()
        .map(|state| state.to_array().unwrap())
        .collect();
    first.merge_batch(&states).unwrap();
    assert_eq!(first.evaluate().unwrap(), wide(8));
    // The 2 is there twice more.
    first
        .retract_batch(&[bigints(&[Some(2), Some(1)])])
        .unwrap();
    assert_eq!(first.evaluate().unwrap(), wide(7));
}

#[test]
fn groups_agree_with_one_sum_each() {
    let values = [Some(i64::MAX), Some(3), None, Some(i64::MAX), Some(4), None];
    let groups = [0, 1, 1, 0, 1, 2];
    let filter = BooleanArray::from(vec![true, true, true, true, false, true]);
    let mut sums = SumGroupsAccumulator::new(WIDE);
    sums.update_batch(&[bigints(&values)], &groups, Some(&filter), 3)
        .unwrap();
    let states = sums.state(EmitTo::All).unwrap();
    let mut merged = SumGroupsAccumulator::new(WIDE);
    merged.merge_batch(&states, &[0, 1, 2], 3).unwrap();
    let converted = merged
        .convert_to_state(&[bigints(&values)], Some(&filter))
        .unwrap();
    merged.merge_batch(&converted, &groups, 3).unwrap();
    let result = merged.evaluate(EmitTo::All).unwrap();
    let expected = vec![Some(4 * i128::from(i64::MAX)), Some(6), None];
    let result: Vec<_> = result.as_primitive::<Decimal128Type>().iter().collect();
    assert_eq!(result, expected);
}

/// Batches of few groups, of many, of short and long values and with NULLs beside sums in 128 bits.
#[test]
fn few_groups_and_many_agree_with_sums_one_by_one() {
    let random = |row: i128| (row * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) >> 17;
    for group_count in [1, 2, 63, 64, 65, 500] {
        for digits_max in [10_i128, 1 << 40, 1 << 62, 1 << 100] {
            for has_nulls in [false, true] {
                let rows = 2051;
                let value = |row: i128| match has_nulls && row % 7 == 0 {
                    true => None,
                    false => Some(random(row) * random(row + 1) % digits_max - digits_max / 3),
                };
                let values: Vec<_> = (0..rows).map(value).collect();
                let groups: Vec<usize> = (0..rows)
                    .map(|row| usize::try_from((random(row) >> 5) % group_count).unwrap())
                    .collect();
                let group_count = usize::try_from(group_count).unwrap();
                let mut expected = vec![None; group_count];
                for (value, group) in values.iter().zip(&groups) {
                    if let Some(value) = value {
                        expected[*group] = Some(expected[*group].unwrap_or(0) + 2 * value);
                    }
                }
                let values = Decimal128Array::from(values);
                let values: ArrayRef = Arc::new(values.with_precision_and_scale(38, 0).unwrap());
                let mut sums = SumGroupsAccumulator::new(WIDE);
                for _ in 0..2 {
                    sums.update_batch(&[Arc::clone(&values)], &groups, None, group_count)
                        .unwrap();
                }
                let result = sums.evaluate(EmitTo::All).unwrap();
                let result: Vec<_> = result.as_primitive::<Decimal128Type>().iter().collect();
                assert_eq!(result, expected);
            }
        }
    }
}

#[test]
fn groups_of_integers_are_bigints_and_emitted_in_parts() {
    let mut sums = SumGroupsAccumulator::new(DataType::Int64);
    let values: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
    sums.update_batch(&[values], &[0, 1, 1], None, 2).unwrap();
    let first = sums.evaluate(EmitTo::First(1)).unwrap();
    assert_eq!(first.as_primitive::<Int64Type>().values(), &[1]);
    let rest = sums.evaluate(EmitTo::All).unwrap();
    assert_eq!(rest.as_primitive::<Int64Type>().values(), &[5]);
}

#[test]
fn decimals_that_do_not_fit_are_an_error() {
    let largest = 10_i128.pow(38) - 1;
    let values: ArrayRef = Arc::new(
        Decimal128Array::from(vec![largest, largest])
            .with_precision_and_scale(38, 0)
            .unwrap(),
    );
    let mut sum = SumAccumulator::new(WIDE);
    assert!(sum.update_batch(&[Arc::clone(&values)]).is_err());
    let mut sums = SumGroupsAccumulator::new(WIDE);
    assert!(sums.update_batch(&[values], &[0, 0], None, 1).is_err());
}
