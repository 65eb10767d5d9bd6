//! `date_diff(part, start, end)`, also `datediff`: how many borders of that part lie between.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DataFusionError, Result, utils::take_function_args};
use datafusion::functions::datetime::expr_fn::{date_part, date_trunc};
use datafusion::logical_expr::{Expr, ScalarUDF, cast, lit};
use sheaf_base::SheafError;

use crate::shorthand::Shorthand;

/// Parts of one length, in microseconds.
const LENGTHS: &[(&str, i64)] = &[
    ("microsecond", 1),
    ("millisecond", 1_000),
    ("second", 1_000_000),
    ("minute", 60_000_000),
    ("hour", 3_600_000_000),
    ("day", 86_400_000_000),
    ("week", 604_800_000_000),
];

pub(super) fn function() -> ScalarUDF {
    Shorthand::new("date_diff", 3, |_| Ok(DataType::Int64), expand)
        .with_aliases(&["datediff"])
        .documented(
            "Time and Date Functions",
            "How many borders of years, months, days, … lie between two times; the part is a constant.",
            "date_diff('day', start, end)",
        )
        .build()
}

fn expand(arguments: Vec<Expr>, _types: &[DataType]) -> Result<Expr> {
    let [part, start, end] = take_function_args("date_diff", arguments)?;
    let name = match &part {
        Expr::Literal(value, _) => value
            .try_as_str()
            .flatten()
            .unwrap_or_default()
            .to_lowercase(),
        _ => String::new(),
    };
    let name = name.strip_suffix('s').unwrap_or(&name);
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    let [start, end] = [start, end].map(|date| cast(date, time.clone()));
    let number =
        |part: &str, time: &Expr| cast(date_part(lit(part), time.clone()), DataType::Int64);
    let years = || number("year", &end) - number("year", &start);
    if let Some((_, length)) = LENGTHS.iter().find(|(part, _)| *part == name) {
        let border = |time: Expr| cast(date_trunc(lit(name), time), DataType::Int64);
        return Ok((border(end.clone()) - border(start.clone())) / lit(*length));
    }
    match name {
        "year" => Ok(years()),
        "quarter" => Ok(years() * lit(4_i64) + number("quarter", &end) - number("quarter", &start)),
        "month" => Ok(years() * lit(12_i64) + number("month", &end) - number("month", &start)),
        _ => Err(DataFusionError::from(
            SheafError::user(format!("date_diff does not know the part {part}"))
                .with_hint("for example 'year', 'month', 'day', 'hour', in quotes"),
        )),
    }
}
