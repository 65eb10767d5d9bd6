//! `year(d)`, `month(d)`, … , `dayname(d)`: the parts of dates and times, one function each.

use arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use datafusion::common::{Result, ScalarValue, utils::take_function_args};
use datafusion::functions::datetime::expr_fn::{date_part, date_trunc, to_char};
use datafusion::logical_expr::{Expr, ScalarUDF, cast, lit};

use crate::shorthand::{Expand, Shorthand};

const SECTION: &str = "Time and Date Functions";

/// Name, other names, sentence, expression.
type Part = (&'static str, &'static [&'static str], &'static str, Expand);

/// Parts which are small numbers.
const PARTS: &[Part] = &[
    ("year", &[], "The year.", |a, _| part("year", a)),
    ("quarter", &[], "The quarter, 1 to 4.", |a, _| {
        part("quarter", a)
    }),
    ("month", &[], "The month, 1 to 12.", |a, _| part("month", a)),
    ("week", &["weekofyear"], "The ISO week, 1 to 53.", |a, _| {
        part("week", a)
    }),
    ("day", &["dayofmonth"], "The day of the month.", |a, _| {
        part("day", a)
    }),
    (
        "dayofweek",
        &["weekday"],
        "The day of the week; Sunday is 0.",
        |a, _| part("dow", a),
    ),
    (
        "isodow",
        &[],
        "The day of the week; Monday is 1, Sunday 7.",
        |a, _| {
            // The engine's own counts from Monday as 0.
            let [date] = take_function_args("isodow", a)?;
            let sunday_first = date_part(lit("dow"), date);
            Ok((sunday_first + lit(6)) % lit(7) + lit(1))
        },
    ),
    ("dayofyear", &[], "The day of the year.", |a, _| {
        part("doy", a)
    }),
    ("hour", &[], "The hour.", |a, _| part("hour", a)),
    ("minute", &[], "The minute.", |a, _| part("minute", a)),
    ("second", &[], "The second.", |a, _| part("second", a)),
];

pub(super) fn functions() -> Vec<ScalarUDF> {
    let parts = PARTS.iter().map(|(name, aliases, sentence, expand)| {
        Shorthand::new(name, 1, |_| Ok(DataType::Int32), *expand)
            .with_aliases(aliases)
            .documented(SECTION, sentence, &format!("{name}(date)"))
            .build()
    });
    let others = [
        Shorthand::new(
            "epoch",
            1,
            |_| Ok(DataType::Float64),
            |a, _| part("epoch", a),
        )
        .documented(
            SECTION,
            "Seconds since 1970-01-01 00:00:00 UTC.",
            "epoch(timestamp)",
        ),
        Shorthand::new(
            "epoch_ms",
            1,
            |_| Ok(DataType::Int64),
            |a, _| {
                let seconds = part("epoch", a)?;
                Ok(cast(
                    datafusion::functions::math::expr_fn::round(vec![seconds * lit(1000.0)]),
                    DataType::Int64,
                ))
            },
        )
        .documented(
            SECTION,
            "Milliseconds since 1970-01-01 00:00:00 UTC.",
            "epoch_ms(timestamp)",
        ),
        Shorthand::new(
            "dayname",
            1,
            |_| Ok(DataType::Utf8),
            |a, _| name_of("%A", a),
        )
        .documented(
            SECTION,
            "The English name of the day of the week.",
            "dayname(date)",
        ),
        Shorthand::new(
            "monthname",
            1,
            |_| Ok(DataType::Utf8),
            |a, _| name_of("%B", a),
        )
        .documented(SECTION, "The English name of the month.", "monthname(date)"),
        Shorthand::new("last_day", 1, |_| Ok(DataType::Date32), last_day).documented(
            SECTION,
            "The last day of the month.",
            "last_day(date)",
        ),
    ];
    parts.chain(others.map(Shorthand::build)).collect()
}

fn part(name: &str, arguments: Vec<Expr>) -> Result<Expr> {
    let [date] = take_function_args(name, arguments)?;
    Ok(date_part(lit(name), date))
}

fn name_of(format: &str, arguments: Vec<Expr>) -> Result<Expr> {
    let [date] = take_function_args("dayname", arguments)?;
    Ok(cast(to_char(date, lit(format)), DataType::Utf8))
}

fn last_day(arguments: Vec<Expr>, _types: &[DataType]) -> Result<Expr> {
    let [date] = take_function_args("last_day", arguments)?;
    let time = cast(date, DataType::Timestamp(TimeUnit::Microsecond, None));
    let interval = |months, days| {
        lit(ScalarValue::IntervalMonthDayNano(Some(
            IntervalMonthDayNano::new(months, days, 0),
        )))
    };
    let first_of_next = date_trunc(lit("month"), time) + interval(1, 0);
    Ok(cast(first_of_next - interval(0, 1), DataType::Date32))
}
