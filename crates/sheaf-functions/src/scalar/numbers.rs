//! Small functions of numbers: `width_bucket`, `div`, `bit_count`, `bin`, `to_base`, `isinf`,
//! `isfinite`, `even`, and `unicode`, the number of a character.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use crate::kernel::{Kernel, rows};

const SECTION: &str = "Math Functions";
const TEXT: DataType = DataType::Utf8View;
const WHOLE: DataType = DataType::Int64;
const FLOAT: DataType = DataType::Float64;

pub(super) fn functions() -> Vec<ScalarUDF> {
    let mut functions = vec![
        Kernel::new(
            "width_bucket",
            &[&[FLOAT, FLOAT, FLOAT, WHOLE]],
            |_| Ok(WHOLE),
            bucket,
        )
        .documented(
            SECTION,
            "In which of so many buckets of equal width between two bounds a number lies; 0 \
                 and one more than the last are below and above.",
            "width_bucket(x, low, high, count)",
            "SELECT width_bucket(35.0, 0, 100, 10); -- 4",
        ),
        Kernel::new("div", &[&[WHOLE, WHOLE]], |_| Ok(WHOLE), div).documented(
            SECTION,
            "The whole quotient, towards zero.",
            "div(x, y)",
            "SELECT div(-7, 2); -- -3",
        ),
        Kernel::new(
            "even",
            &[&[FLOAT]],
            |_| Ok(FLOAT),
            |arrays, count, _| {
                rows::numbers::<Float64Type>(arrays, count, |row| {
                    let x = rows::number::<Float64Type>(&arrays[0], row);
                    Ok(Some((x.abs() / 2.0).ceil().copysign(x) * 2.0))
                })
            },
        )
        .documented(
            SECTION,
            "The next even number, away from zero.",
            "even(x)",
            "SELECT even(2.5); -- 4",
        ),
        Kernel::new(
            "isinf",
            &[&[FLOAT]],
            |_| Ok(DataType::Boolean),
            |arrays, _, _| Ok(truths(&arrays[0], f64::is_infinite)),
        )
        .documented(
            SECTION,
            "Whether a double is infinite.",
            "isinf(x)",
            "SELECT isinf('inf'::double); -- true",
        ),
        Kernel::new(
            "isfinite",
            &[&[FLOAT]],
            |_| Ok(DataType::Boolean),
            |arrays, _, _| Ok(truths(&arrays[0], f64::is_finite)),
        )
        .documented(
            SECTION,
            "Whether a double is neither infinite nor NaN.",
            "isfinite(x)",
            "SELECT isfinite(1.5); -- true",
        ),
    ];
    functions.extend(digits());
    functions.push(unicode());
    functions.into_iter().map(Kernel::build).collect()
}

fn digits() -> Vec<Kernel> {
    vec![
        Kernel::new(
            "bit_count",
            &[&[WHOLE]],
            |_| Ok(WHOLE),
            |arrays, count, _| {
                rows::numbers::<Int64Type>(arrays, count, |row| {
                    let x = rows::number::<Int64Type>(&arrays[0], row);
                    Ok(Some(i64::from(x.count_ones())))
                })
            },
        )
        .documented(
            SECTION,
            "How many bits of a whole number are 1.",
            "bit_count(n)",
            "SELECT bit_count(7); -- 3",
        ),
        Kernel::new(
            "bin",
            &[&[WHOLE]],
            |_| Ok(TEXT),
            |arrays, count, _| {
                rows::texts(arrays, count, |row| {
                    Ok(Some(format!(
                        "{:b}",
                        rows::number::<Int64Type>(&arrays[0], row)
                    )))
                })
            },
        )
        .with_aliases(&["to_binary"])
        .documented(
            SECTION,
            "A whole number in binary digits.",
            "bin(n)",
            "SELECT bin(5); -- 101",
        ),
        Kernel::new(
            "to_base",
            &[&[WHOLE, WHOLE]],
            |_| Ok(TEXT),
            |arrays, count, _| {
                rows::texts(arrays, count, |row| {
                    let [number, base] = [0, 1].map(|i| rows::number::<Int64Type>(&arrays[i], row));
                    to_base(number, base).map(Some)
                })
            },
        )
        .documented(
            SECTION,
            "A whole number, not negative, in the digits of a base from 2 to 36.",
            "to_base(n, base)",
            "SELECT to_base(255, 16); -- FF",
        ),
    ]
}

fn unicode() -> Kernel {
    Kernel::new(
        "unicode",
        &[&[TEXT]],
        |_| Ok(WHOLE),
        |arrays, count, _| {
            rows::numbers::<Int64Type>(arrays, count, |row| {
                let first = rows::text(&arrays[0], row).chars().next();
                Ok(Some(first.map_or(-1, |c| i64::from(u32::from(c)))))
            })
        },
    )
    .with_aliases(&["ord"])
    .documented(
        "String Functions",
        "The number of the first character in Unicode; -1 for an empty text.",
        "unicode(text)",
        "SELECT unicode('ä'); -- 228",
    )
}

fn truths(array: &ArrayRef, test: impl Fn(f64) -> bool) -> ArrayRef {
    let values = array.as_primitive::<Float64Type>().iter();
    Arc::new(
        values
            .map(|value| value.map(&test))
            .collect::<BooleanArray>(),
    )
}

fn wrong(message: &str) -> DataFusionError {
    SheafError::user(message)
        .with_state(SqlState::INVALID_PARAMETER_VALUE)
        .into()
}

fn div(arrays: &[ArrayRef], count: usize, _type: &DataType) -> Result<ArrayRef> {
    rows::numbers::<Int64Type>(arrays, count, |row| {
        let [x, y] = [0, 1].map(|i| rows::number::<Int64Type>(&arrays[i], row));
        match (y, x.checked_div(y)) {
            (0, _) => Err(SheafError::user("division by zero")
                .with_state(SqlState::DIVISION_BY_ZERO)
                .into()),
            (_, None) => Err(SheafError::user("bigint out of range")
                .with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)
                .into()),
            (_, quotient) => Ok(quotient),
        }
    })
}

/// Of bounds in falling order, the buckets fall, too.
fn bucket(arrays: &[ArrayRef], count: usize, _type: &DataType) -> Result<ArrayRef> {
    rows::numbers::<Int64Type>(arrays, count, |row| {
        let [x, low, high] = [0, 1, 2].map(|i| rows::number::<Float64Type>(&arrays[i], row));
        let buckets = rows::number::<Int64Type>(&arrays[3], row);
        if buckets <= 0 {
            return Err(wrong("width_bucket needs at least one bucket"));
        }
        if x.is_nan() || !low.is_finite() || !high.is_finite() {
            return Err(wrong(
                "the bounds of width_bucket are finite, and NaN is in no bucket",
            ));
        }
        if low.total_cmp(&high).is_eq() {
            return Err(wrong("the bounds of width_bucket differ"));
        }
        let (is_below, is_above) = match low < high {
            true => (x < low, x >= high),
            false => (x > low, x <= high),
        };
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "a share of the buckets, cut off"
        )]
        let inside = || ((x - low) / (high - low) * buckets as f64) as i64;
        Ok(Some(match (is_below, is_above) {
            (true, _) => 0,
            (_, true) => buckets.saturating_add(1),
            _ => inside().min(buckets - 1) + 1,
        }))
    })
}

fn to_base(number: i64, base: i64) -> Result<String> {
    let base = u32::try_from(base)
        .ok()
        .filter(|base| (2..=36).contains(base));
    let (Some(base), Ok(mut rest)) = (base, u64::try_from(number)) else {
        return Err(wrong(
            "to_base takes a number that is not negative and a base from 2 to 36",
        ));
    };
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(rest % u64::from(base)).unwrap_or_default();
        digits.extend(char::from_digit(digit, base).map(|c| c.to_ascii_uppercase()));
        rest /= u64::from(base);
        if rest == 0 {
            return Ok(digits.iter().rev().collect());
        }
    }
}
