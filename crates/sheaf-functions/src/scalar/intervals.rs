//! Lengths of time: `age`, `to_days` and its like, `make_timestamp`, `date_add`, `date_sub`,
//! `epoch_us`, `epoch_ns`, `isoyear`, `yearweek`, `century`, `decade`.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    TimeUnit, TimestampMicrosecondType,
};
use arrow::temporal_conversions::as_datetime;
use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};
use datafusion::common::{DataFusionError, Result, ScalarValue, utils::take_function_args};
use datafusion::functions::datetime::expr_fn::{current_date, date_part, to_char};
use datafusion::logical_expr::{Expr, ScalarUDF, Signature, Volatility, cast, lit};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::interval_multiply;
use crate::kernel::{Kernel, rows};
use crate::shorthand::Shorthand;

const SECTION: &str = "Time and Date Functions";
const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
const TEXT: DataType = DataType::Utf8View;

/// Name, unit (months, days, nanoseconds).
const UNITS: &[(&str, (i32, i32, i64))] = &[
    ("to_years", (12, 0, 0)),
    ("to_months", (1, 0, 0)),
    ("to_weeks", (0, 7, 0)),
    ("to_days", (0, 1, 0)),
    ("to_hours", (0, 0, 3_600_000_000_000)),
    ("to_minutes", (0, 0, 60_000_000_000)),
    ("to_seconds", (0, 0, 1_000_000_000)),
    ("to_milliseconds", (0, 0, 1_000_000)),
    ("to_microseconds", (0, 0, 1_000)),
];

static AGE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(age_between()));

pub(super) fn functions() -> Vec<ScalarUDF> {
    let mut functions: Vec<ScalarUDF> = UNITS
        .iter()
        .zip(UNIT_EXPANSIONS)
        .map(|((name, _), expand)| {
            Shorthand::new(name, 1, |_| Ok(INTERVAL), *expand)
                .documented(
                    SECTION,
                    "An interval of so many units.",
                    &format!("{name}(n)"),
                )
                .build()
        })
        .collect();
    functions.extend([
        age_between(),
        Shorthand::new("age", 2, |_| Ok(INTERVAL), age)
            .with_signature(Signature::variadic_any(Volatility::Stable))
            .documented(
                SECTION,
                "The years, months, days and time from the second to the first; of one time, up \
                 to this day's midnight.",
                "age(end [, start])",
            )
            .build(),
        Kernel::new(
            "make_timestamp",
            &[&[
                DataType::Int64,
                DataType::Int64,
                DataType::Int64,
                DataType::Int64,
                DataType::Int64,
                DataType::Float64,
            ]],
            |_| Ok(TIMESTAMP),
            make_timestamp,
        )
        .documented(
            SECTION,
            "A timestamp from year, month, day, hour, minute and second.",
            "make_timestamp(year, month, day, hour, minute, second)",
            "SELECT make_timestamp(2024, 2, 29, 12, 30, 1.5); -- 2024-02-29 12:30:01.5",
        )
        .build(),
        Kernel::new("date_sub", &[], |_| Ok(DataType::Int64), whole_parts)
            .with_signature(Signature::any(3, Volatility::Immutable))
            .with_aliases(&["datesub"])
            .documented(
                SECTION,
                "How many whole years, months, days, … lie between two times.",
                "date_sub(part, start, end)",
                "SELECT date_sub('month', DATE '2024-01-31', DATE '2024-03-30'); -- 1",
            )
            .build(),
    ]);
    functions.extend(parts());
    functions
}

type Expansion = crate::shorthand::Expand;

/// One plain function a unit, in the order of [`UNITS`].
const UNIT_EXPANSIONS: &[Expansion] = &[
    |a, _| unit(0, a),
    |a, _| unit(1, a),
    |a, _| unit(2, a),
    |a, _| unit(3, a),
    |a, _| unit(4, a),
    |a, _| unit(5, a),
    |a, _| unit(6, a),
    |a, _| unit(7, a),
    |a, _| unit(8, a),
];

fn unit(index: usize, arguments: Vec<Expr>) -> Result<Expr> {
    let (name, (months, days, nanoseconds)) = UNITS[index];
    let [count] = take_function_args(name, arguments)?;
    let one = IntervalMonthDayNano::new(months, days, nanoseconds);
    let one = lit(ScalarValue::IntervalMonthDayNano(Some(one)));
    Ok(interval_multiply::call(one, cast(count, DataType::Float64)))
}

fn parts() -> Vec<ScalarUDF> {
    let whole = |_: &[DataType]| Ok(DataType::Int64);
    vec![
        Shorthand::new("epoch_us", 1, whole, |a, _| {
            since_epoch("epoch_us", a, TimeUnit::Microsecond)
        })
        .documented(
            SECTION,
            "Microseconds since 1970-01-01 00:00:00 UTC.",
            "epoch_us(timestamp)",
        )
        .build(),
        Shorthand::new("epoch_ns", 1, whole, |a, _| {
            since_epoch("epoch_ns", a, TimeUnit::Nanosecond)
        })
        .documented(
            SECTION,
            "Nanoseconds since 1970-01-01 00:00:00 UTC.",
            "epoch_ns(timestamp)",
        )
        .build(),
        Shorthand::new("isoyear", 1, whole, |a, _| formatted("isoyear", a, "%G"))
            .documented(SECTION, "The year of the ISO week.", "isoyear(date)")
            .build(),
        Shorthand::new("yearweek", 1, whole, |a, _| {
            formatted("yearweek", a, "%G%V")
        })
        .documented(
            SECTION,
            "ISO year and week as one number: 202407.",
            "yearweek(date)",
        )
        .build(),
        Shorthand::new("century", 1, whole, |a, _| {
            let [date] = take_function_args("century", a)?;
            let year = cast(date_part(lit("year"), date), DataType::Int64);
            Ok((year - lit(1_i64)) / lit(100_i64) + lit(1_i64))
        })
        .documented(
            SECTION,
            "The century; 2000 is in the 20th.",
            "century(date)",
        )
        .build(),
        Shorthand::new("decade", 1, whole, |a, _| {
            let [date] = take_function_args("decade", a)?;
            Ok(cast(date_part(lit("year"), date), DataType::Int64) / lit(10_i64))
        })
        .documented(SECTION, "The year, divided by ten.", "decade(date)")
        .build(),
        Shorthand::new(
            "date_add",
            2,
            |_| Ok(TIMESTAMP),
            |a, _| {
                let [date, interval] = take_function_args("date_add", a)?;
                Ok(cast(date, TIMESTAMP) + interval)
            },
        )
        .documented(
            SECTION,
            "A date or time, an interval later.",
            "date_add(date, interval)",
        )
        .build(),
    ]
}

fn since_epoch(name: &str, arguments: Vec<Expr>, unit: TimeUnit) -> Result<Expr> {
    let [time] = take_function_args(name, arguments)?;
    Ok(cast(
        cast(time, DataType::Timestamp(unit, None)),
        DataType::Int64,
    ))
}

fn formatted(name: &str, arguments: Vec<Expr>, format: &str) -> Result<Expr> {
    let [date] = take_function_args(name, arguments)?;
    Ok(cast(
        to_char(cast(date, TIMESTAMP), lit(format)),
        DataType::Int64,
    ))
}

fn age(mut arguments: Vec<Expr>, _types: &[DataType]) -> Result<Expr> {
    if arguments.len() == 1 {
        arguments.insert(0, current_date());
    }
    let [end, start] = take_function_args("age", arguments)?;
    Ok(AGE.call(vec![cast(end, TIMESTAMP), cast(start, TIMESTAMP)]))
}

fn age_between() -> ScalarUDF {
    Kernel::new(
        "age_between",
        &[&[TIMESTAMP, TIMESTAMP]],
        |_| Ok(INTERVAL),
        |arrays, count, _| {
            rows::numbers::<IntervalMonthDayNanoType>(arrays, count, |row| {
                let (end, start) = (time(&arrays[0], row)?, time(&arrays[1], row)?);
                Ok(Some(difference(end, start)))
            })
        },
    )
    .documented(
        SECTION,
        "The years, months, days and time from the second to the first.",
        "age_between(end, start)",
        "SELECT age_between(TIMESTAMP '2024-03-30', TIMESTAMP '2024-01-31'); -- 1 month 30 days",
    )
    .build()
}

fn time(array: &ArrayRef, row: usize) -> Result<NaiveDateTime> {
    let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
    as_datetime::<TimestampMicrosecondType>(micros).ok_or_else(out_of_range)
}

fn out_of_range() -> DataFusionError {
    SheafError::user("date or time out of range")
        .with_state(SqlState::DATETIME_OVERFLOW)
        .into()
}

fn nanoseconds_of_day(time: NaiveDateTime) -> i64 {
    i64::from(time.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(time.nanosecond())
}

/// Field by field, borrowing days from the earlier time's month, as PostgreSQL does.
fn difference(end: NaiveDateTime, start: NaiveDateTime) -> IntervalMonthDayNano {
    if end < start {
        return difference(start, end).wrapping_neg();
    }
    let mut months = (end.year() - start.year()) * 12 + i32::try_from(end.month()).unwrap_or(1)
        - i32::try_from(start.month()).unwrap_or(1);
    let mut days = i32::try_from(end.day()).unwrap_or(1) - i32::try_from(start.day()).unwrap_or(1);
    let mut nanoseconds = nanoseconds_of_day(end) - nanoseconds_of_day(start);
    if nanoseconds < 0 {
        nanoseconds += 86_400_000_000_000;
        days -= 1;
    }
    if days < 0 {
        days += i32::from(start.num_days_in_month());
        months -= 1;
    }
    IntervalMonthDayNano::new(months, days, nanoseconds)
}

fn make_timestamp(arrays: &[ArrayRef], count: usize, _type: &DataType) -> Result<ArrayRef> {
    rows::numbers::<TimestampMicrosecondType>(arrays, count, |row| {
        let part = |index: usize| rows::number::<Int64Type>(&arrays[index], row);
        let small = |index: usize| u32::try_from(part(index)).ok();
        let seconds = rows::number::<Float64Type>(&arrays[5], row);
        let made = || {
            let year = i32::try_from(part(0)).ok()?;
            let date = NaiveDate::from_ymd_opt(year, small(1)?, small(2)?)?;
            let start = date.and_hms_opt(small(3)?, small(4)?, 0)?;
            #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
            let micros = (0.0..=60.0)
                .contains(&seconds)
                .then(|| (seconds * 1e6).round() as i64)?;
            Some(start.and_utc().timestamp_micros() + micros)
        };
        made().map(Some).ok_or_else(out_of_range)
    })
}

fn whole_parts(arrays: &[ArrayRef], count: usize, _type: &DataType) -> Result<ArrayRef> {
    let arrays = arrays
        .iter()
        .zip([TEXT, TIMESTAMP, TIMESTAMP])
        .map(|(array, wanted)| Ok(arrow::compute::cast(array, &wanted)?))
        .collect::<Result<Vec<_>>>()?;
    rows::numbers::<Int64Type>(&arrays, count, |row| {
        let part = rows::text(&arrays[0], row).to_lowercase();
        let (start, end) = (time(&arrays[1], row)?, time(&arrays[2], row)?);
        let months = || i64::from(difference(end, start).months);
        let micros = || {
            let [start, end] = [start, end].map(|time| time.and_utc().timestamp_micros());
            end - start
        };
        let number = match part.strip_suffix('s').unwrap_or(&part) {
            "year" => months() / 12,
            "quarter" => months() / 3,
            "month" => months(),
            "week" => micros() / 604_800_000_000,
            "day" => micros() / 86_400_000_000,
            "hour" => micros() / 3_600_000_000,
            "minute" => micros() / 60_000_000,
            "second" => micros() / 1_000_000,
            "millisecond" => micros() / 1_000,
            "microsecond" => micros(),
            _ => {
                return Err(
                    SheafError::user(format!("date_sub does not know the part '{part}'"))
                        .with_state(SqlState::INVALID_PARAMETER_VALUE)
                        .with_hint("for example 'year', 'month', 'day', 'hour'")
                        .into(),
                );
            }
        };
        Ok(Some(number))
    })
}
