//! Arithmetic beside Rust's checked operations, and beside quotients stated in the tests.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int8Array, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Decimal128Type, Field, Int8Type, Int64Type};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, lit};

use super::*;

/// What a function answers for these arguments.
fn invoke(call: &Expr, arguments: Vec<ColumnarValue>, rows: usize) -> Result<ColumnarValue> {
    let Expr::ScalarFunction(function) = call else {
        panic!("{call}")
    };
    let types: Vec<DataType> = arguments.iter().map(ColumnarValue::data_type).collect();
    let field = |data_type: &DataType| Arc::new(Field::new("", data_type.clone(), true));
    function.func.invoke_with_args(ScalarFunctionArgs {
        arg_fields: types.iter().map(field).collect(),
        return_field: field(&function.func.return_type(&types)?),
        args: arguments,
        number_rows: rows,
        config_options: Arc::new(ConfigOptions::default()),
    })
}

fn scalars(call: &Expr, left: ScalarValue, right: ScalarValue) -> Result<ScalarValue> {
    let arguments = vec![ColumnarValue::Scalar(left), ColumnarValue::Scalar(right)];
    match invoke(call, arguments, 1)? {
        ColumnarValue::Scalar(scalar) => Ok(scalar),
        ColumnarValue::Array(_) => panic!("two values give one"),
    }
}

/// Every pair of bytes, in all three forms of arguments, beside Rust's checked operations.
#[test]
fn all_bytes_agree_with_checked_arithmetic() {
    type CheckedBytes = fn(i8, i8) -> Option<i8>;
    let any = || lit(1_i8);
    let operations: [(Expr, CheckedBytes); 3] = [
        (add(any(), any()), i8::checked_add),
        (subtract(any(), any()), i8::checked_sub),
        (multiply(any(), any()), i8::checked_mul),
    ];
    let one = |value: i8| ColumnarValue::Scalar(ScalarValue::Int8(Some(value)));
    let many = |value: i8| ColumnarValue::Array(Arc::new(Int8Array::from(vec![value; 3])));
    for (call, checked) in &operations {
        for left in i8::MIN..=i8::MAX {
            for right in [i8::MIN, -100, -11, -1, 0, 1, 2, 12, 100, i8::MAX] {
                for arguments in [
                    vec![one(left), many(right)],
                    vec![many(left), one(right)],
                    vec![many(left), many(right)],
                ] {
                    match (invoke(call, arguments, 3), checked(left, right)) {
                        (Ok(ColumnarValue::Array(result)), Some(expected)) => {
                            assert_eq!(result.as_primitive::<Int8Type>().values(), &[expected; 3])
                        }
                        (Err(error), None) => {
                            assert!(error.to_string().contains("TINYINT"), "{error}");
                        }
                        (result, expected) => panic!("{result:?}, not {expected:?}"),
                    }
                }
            }
        }
    }
}

#[test]
fn what_stands_in_the_place_of_null_does_not_count() {
    let nulls = NullBuffer::from(vec![false, true]);
    let left = PrimitiveArray::<Int64Type>::new(vec![i64::MAX, 1].into(), Some(nulls));
    let left: ArrayRef = Arc::new(left);
    let one = ColumnarValue::Scalar(ScalarValue::Int64(Some(1)));
    let call = add(lit(1_i64), lit(1_i64));
    let result = invoke(&call, vec![ColumnarValue::Array(left), one], 2).unwrap();
    let result = result.into_array(2).unwrap();
    assert!(result.is_null(0));
    assert_eq!(result.as_primitive::<Int64Type>().value(1), 2);
}

#[test]
fn the_smallest_number_has_no_negation() {
    let call = negate(lit(1_i64));
    let smallest = ColumnarValue::Scalar(ScalarValue::Int64(Some(i64::MIN)));
    assert!(invoke(&call, vec![smallest], 1).is_err());
    let five = ColumnarValue::Scalar(ScalarValue::Int64(Some(5)));
    let result = invoke(&call, vec![five], 1).unwrap();
    assert_eq!(
        result
            .to_array(1)
            .unwrap()
            .as_primitive::<Int64Type>()
            .value(0),
        -5
    );
}

fn decimal(digits: i128, precision: u8, scale: i8) -> ScalarValue {
    ScalarValue::Decimal128(Some(digits), precision, scale)
}

#[test]
fn quotients_are_rounded_half_away_from_zero() {
    let call = divide_decimals(lit(1), lit(1));
    // 2.00 / 3 = 0.66…67, 1 / 8 = 0.125, 1 / 2^17 = 0.00000762939453125 in 16 digits …5313
    for (left, right, expected) in [
        (decimal(200, 3, 2), decimal(3, 1, 0), 6_666_666_666_666_667),
        (
            decimal(-200, 3, 2),
            decimal(3, 1, 0),
            -6_666_666_666_666_667,
        ),
        (decimal(1, 1, 0), decimal(8, 1, 0), 1_250_000_000_000_000),
        (decimal(1, 1, 0), decimal(-131_072, 6, 0), -76_293_945_313),
    ] {
        let ScalarValue::Decimal128(Some(digits), _, 16) = scalars(&call, left, right).unwrap()
        else {
            panic!("16 digits after the point")
        };
        assert_eq!(digits, expected);
    }
}

#[test]
fn long_quotients_and_products_go_through_256_bits() {
    // 10^21 / 10^20, both of scale 16: the dividend alone has 37 digits.
    let quotient = divide_decimals(lit(1), lit(1));
    let left = decimal(10_i128.pow(37), 38, 16);
    let right = decimal(10_i128.pow(36), 38, 16);
    let result = scalars(&quotient, left, right).unwrap();
    assert_eq!(result, decimal(10 * 10_i128.pow(16), 38, 16));
    // 1.5 * 1.5 = 2.25
    let product = multiply_decimals(lit(1), lit(1));
    let factor = decimal(15 * 10_i128.pow(15), 38, 16);
    let result = scalars(&product, factor.clone(), factor).unwrap();
    let (_, scale) = product_type((38, 16), (38, 16));
    assert!(scale < 32, "{scale}");
    let digits = 225 * 10_i128.pow(u32::try_from(scale).unwrap() - 2);
    assert_eq!(result, decimal(digits, 38, scale));
}

/// Short columns, long ones, and one value for all rows beside arithmetic on the values one by one.
#[test]
fn arithmetic_of_columns_is_that_of_their_values() {
    type OfPair = fn(i128, i128) -> i128;
    // Two digits after the point on the left, four on the right.
    let operations: [(Expr, OfPair); 3] = [
        (add_decimals(lit(1), lit(1)), |l, r| 100 * l + r),
        (subtract_decimals(lit(1), lit(1)), |l, r| 100 * l - r),
        (multiply_decimals(lit(1), lit(1)), |l, r| l * r),
    ];
    let longest = 10_i128.pow(25) - 1;
    let short = [Some(7), None, Some(-1_000_000_000_000), Some(0), Some(-1)];
    let long = [Some(longest), Some(1), Some(-longest), None, Some(-longest)];
    // 25 and 13 digits have 38 together.
    let third = [Some(10_i128.pow(13) - 1), Some(-3), Some(1), Some(5), None];
    let column = |values: &[Option<i128>], scale: i8| {
        let array = Decimal128Array::from(values.to_vec());
        let array: ArrayRef = Arc::new(array.with_precision_and_scale(38, scale).unwrap());
        ColumnarValue::Array(array)
    };
    let one = |value, scale| ColumnarValue::Scalar(ScalarValue::Decimal128(value, 38, scale));
    for (call, of_pair) in &operations {
        let check = |left: (ColumnarValue, &[_]), right: (ColumnarValue, &[_])| {
            let result = invoke(call, vec![left.0, right.0], 5).unwrap();
            let result = result.into_array(5).unwrap();
            let result: Vec<_> = result.as_primitive::<Decimal128Type>().iter().collect();
            let pairs = left.1.iter().zip(right.1);
            let expected: Vec<_> = pairs.map(|(l, r)| Some(of_pair((*l)?, (*r)?))).collect();
            assert_eq!(result, expected, "{call}");
        };
        for (l, r) in [
            (short, short),
            (short, third),
            (long, third),
            (third, short),
        ] {
            check((column(&l, 2), &l), (column(&r, 4), &r));
            for value in l {
                check((one(value, 2), &[value; 5]), (column(&r, 4), &r));
            }
            for value in r {
                check((column(&l, 2), &l), (one(value, 4), &[value; 5]));
            }
        }
    }
    let call = multiply_decimals(lit(1), lit(1));
    let (left, right) = ([Some(longest); 3], [Some(10_i128.pow(14)); 3]);
    let column = |values: [Option<i128>; 3]| {
        let array = Decimal128Array::from(values.to_vec());
        let array: ArrayRef = Arc::new(array.with_precision_and_scale(38, 0).unwrap());
        ColumnarValue::Array(array)
    };
    let error = invoke(&call, vec![column(left), column(right)], 3).unwrap_err();
    assert!(error.to_string().contains("out of range"), "{error}");
}

#[test]
fn what_does_not_fit_and_division_by_zero_are_errors() {
    let quotient = divide_decimals(lit(1), lit(1));
    let largest = decimal(10_i128.pow(38) - 1, 38, 0);
    let error = scalars(&quotient, largest.clone(), decimal(1, 1, 0)).unwrap_err();
    assert!(error.to_string().contains("out of range"), "{error}");
    let error = scalars(&quotient, largest, decimal(0, 1, 0)).unwrap_err();
    assert!(error.to_string().contains("Divide by zero"), "{error}");
}

#[test]
fn products_keep_the_digits_of_both_factors_while_they_fit() {
    assert_eq!(product_type((15, 2), (16, 2)), (32, 4));
    assert_eq!(product_type((32, 4), (16, 2)), (38, 6));
    assert_eq!(product_type((31, 16), (31, 16)), (38, 16));
}

#[test]
fn sums_have_at_most_38_digits() {
    let largest = decimal(10_i128.pow(38) - 1, 38, 0);
    let one = decimal(1, 1, 0);
    let sum = add_decimals(lit(1), lit(1));
    let error = scalars(&sum, largest.clone(), one.clone()).unwrap_err();
    assert!(error.to_string().contains("out of range"), "{error}");
    let difference = subtract_decimals(lit(1), lit(1));
    let result = scalars(&difference, largest, one).unwrap();
    assert_eq!(result, decimal(10_i128.pow(38) - 2, 38, 0));
    // 1 - 0.5
    let result = scalars(&difference, decimal(1, 38, 0), decimal(5, 1, 1)).unwrap();
    assert_eq!(result, decimal(5, 38, 1));
}
