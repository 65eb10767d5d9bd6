//! Filling gaps in time series: what stands for `date_bin_gapfill` once it is rewritten, and the
//! names that the rewriting knows.
//!
//! A bucket has a number, from the one of the origin; months are counted as such, so that buckets
//! from the 31st do not creep. Between one group of a series and the next lie *gaps*. A gap is
//! first cut into pieces (`gapfill_pieces`), which become rows, and each piece then into its buckets
//! (`gapfill_buckets`), so that no list is longer than what a batch is wide.
//!
//! # Memory
//! [`PIECE_BUCKETS`] times 8 bytes a row; [`GAP_BUCKETS_MAX`] buckets at most make a gap, and
//! [`BATCH_PIECES_MAX`] pieces those of a batch.
//!
//! # Source
//! The name and the filling forms are those of InfluxDB 3 (`date_bin_gapfill`, `locf`,
//! `interpolate`), which follow TimescaleDB's `time_bucket_gapfill`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, TimestampNanosecondArray, make_array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
    TimestampNanosecondType,
};
use chrono::{DateTime, Datelike, Months, NaiveDateTime};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use crate::shorthand::section;

/// How many buckets a piece of a gap has.
const PIECE_BUCKETS: i64 = 256;
/// More pieces than these in the gaps of one batch are refused: 32 MB, and a billion buckets.
const BATCH_PIECES_MAX: usize = 4_000_000;
/// More buckets than these in one gap are refused.
const GAP_BUCKETS_MAX: i64 = 10_000_000;
const NANOSECONDS_A_DAY: i128 = 86_400_000_000_000;

/// Name, other names, sentence, form, example.
type ClauseForm = (
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static str,
    &'static str,
);

/// What rewriting replaces.
const CLAUSES: &[ClauseForm] = &[
    (
        "date_bin_gapfill",
        &["time_bucket_gapfill"],
        "In GROUP BY: the bucket of a time, as date_bin gives it, and a group for every bucket \
         without rows: from the first to the last of each series, or between the bounds that WHERE \
         sets. Aggregates of these are NULL.",
        "date_bin_gapfill(interval, time [, origin])",
        "SELECT date_bin_gapfill(INTERVAL '1 hour', at) AS h, avg(x) FROM t GROUP BY h;",
    ),
    (
        "locf",
        &[],
        "Beside date_bin_gapfill: the value, or the last one before it in its series that is not \
         NULL.",
        "locf(expression)",
        "SELECT date_bin_gapfill(INTERVAL '1 hour', at) AS h, locf(avg(x)) FROM t GROUP BY h;",
    ),
    (
        "interpolate",
        &[],
        "Beside date_bin_gapfill: the value, or what lies on the line between those before and after \
         it in its series that are not NULL.",
        "interpolate(expression)",
        "SELECT date_bin_gapfill(INTERVAL '1 hour', at) AS h, interpolate(avg(x)) FROM t GROUP BY h;",
    ),
];

pub(super) fn functions() -> Vec<ScalarUDF> {
    let clauses = CLAUSES
        .iter()
        .map(|(name, aliases, sentence, syntax, example)| {
            let documentation =
                Documentation::builder(section("Time and Date Functions"), *sentence, *syntax);
            ScalarUDF::from(Clause {
                name,
                aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
                signature: Signature::variadic_any(Volatility::Immutable),
                documentation: documentation.with_sql_example(*example).build(),
            })
        });
    let cuts = [("gapfill_pieces", true), ("gapfill_buckets", false)].map(|(name, is_first)| {
        ScalarUDF::from(Cut {
            name,
            makes_pieces: is_first,
            signature: Signature::user_defined(Volatility::Immutable),
            documentation: Documentation::builder(
                section("Time and Date Functions"),
                "A list of what lies in a gap; date_bin_gapfill is planned with it.",
                format!("{name}(interval, origin, bucket, from, next, end, last)"),
            )
            .build(),
        })
    });
    clauses.chain(cuts).collect()
}

/// A name that means something beside GROUP BY alone: what reaches the planner stands elsewhere.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Clause {
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
    documentation: Documentation,
}

impl ScalarUDFImpl for Clause {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        let name = self.name;
        let message = match self.aliases.is_empty() {
            false => format!("{name} must be a key of GROUP BY"),
            true => format!("{name} needs date_bin_gapfill in GROUP BY"),
        };
        Err(SheafError::user(message)
            .with_state(SqlState::GROUPING_ERROR)
            .with_hint(
                "SELECT date_bin_gapfill(INTERVAL '1 hour', t) AS h, locf(avg(x)) … GROUP BY h",
            )
            .into())
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{} is rewritten before a query runs", self.name)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// `gapfill_pieces(step, origin, at, low, next, end, last)`: the first buckets of the pieces from the
/// bucket of `low` (or `at`, if that is NULL) to `next`, which does not belong to them; where `next` is
/// NULL, those that begin before `end` and not after `last`, if these are not NULL, else up to `at`.
/// `gapfill_buckets(…)`: the buckets of the piece that begins at the fourth argument.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Cut {
    name: &'static str,
    makes_pieces: bool,
    signature: Signature,
    documentation: Documentation,
}

impl ScalarUDFImpl for Cut {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let time = time_type(types);
        Ok(vec![
            DataType::Interval(IntervalUnit::MonthDayNano),
            time.clone(),
            time.clone(),
            time.clone(),
            time.clone(),
            time.clone(),
            time,
        ])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(
            time_type(types),
            true,
        ))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = args
            .args
            .iter()
            .map(|argument| argument.to_array(args.number_rows));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let [step, origin, at, low, next, end, last] = &arrays[..] else {
            return internal_err!("{} has seven arguments", self.name);
        };
        let time_type = at.data_type();
        let rows = Rows {
            steps: step.as_primitive::<IntervalMonthDayNanoType>().clone(),
            origins: nanoseconds(origin)?,
            at: nanoseconds(at)?,
            low: nanoseconds(low)?,
            next: nanoseconds(next)?,
            end: nanoseconds(end)?,
            last: nanoseconds(last)?,
        };
        let mut starts = Vec::new();
        let mut lengths = Vec::with_capacity(args.number_rows);
        for row in 0..args.number_rows {
            let before = starts.len();
            rows.cut(row, self.makes_pieces, &mut starts)?;
            if starts.len() > BATCH_PIECES_MAX {
                return Err(too_many("gaps of a billion buckets"));
            }
            lengths.push(starts.len() - before);
        }
        let starts: ArrayRef = Arc::new(TimestampNanosecondArray::from(starts));
        let starts = match time_type {
            DataType::Timestamp(unit, zone) => {
                let starts = cast(&starts, &DataType::Timestamp(*unit, None))?;
                let zoned = DataType::Timestamp(*unit, zone.clone());
                make_array(starts.to_data().into_builder().data_type(zoned).build()?)
            }
            _ => starts,
        };
        let item = Arc::new(Field::new_list_field(time_type.clone(), true));
        let lists = ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), starts, None)?;
        Ok(ColumnarValue::Array(Arc::new(lists)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// The type of the buckets.
fn time_type(types: &[DataType]) -> DataType {
    match types.get(2) {
        Some(time @ DataType::Timestamp(..)) => time.clone(),
        _ => DataType::Timestamp(TimeUnit::Nanosecond, None),
    }
}

/// Times as nanoseconds since 1970, in UTC.
///
/// # Errors
/// `UserInput` for years that this does not reach.
fn nanoseconds(times: &ArrayRef) -> Result<TimestampNanosecondArray> {
    let data = times.to_data().into_builder();
    let times = match times.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            make_array(data.data_type(DataType::Timestamp(*unit, None)).build()?)
        }
        _ => Arc::clone(times),
    };
    let times = cast(&times, &DataType::Timestamp(TimeUnit::Nanosecond, None))?;
    Ok(times.as_primitive::<TimestampNanosecondType>().clone())
}

/// The arguments of a batch.
struct Rows {
    steps: arrow::array::PrimitiveArray<IntervalMonthDayNanoType>,
    origins: TimestampNanosecondArray,
    at: TimestampNanosecondArray,
    low: TimestampNanosecondArray,
    next: TimestampNanosecondArray,
    end: TimestampNanosecondArray,
    last: TimestampNanosecondArray,
}

impl Rows {
    /// Adds the starts of the pieces, or of the buckets of a piece, in a row.
    fn cut(&self, row: usize, makes_pieces: bool, starts: &mut Vec<i64>) -> Result<()> {
        if self.at.is_null(row) || self.steps.is_null(row) || self.origins.is_null(row) {
            return Ok(());
        }
        let grid = Grid::new(self.steps.value(row), self.origins.value(row))?;
        let at = grid.number(self.at.value(row));
        let low = self
            .low
            .is_valid(row)
            .then(|| grid.number(self.low.value(row)));
        let first = low.map_or(at, |low| low.min(at));
        let end = match self.next.is_valid(row) {
            true => grid.number(self.next.value(row)),
            false => {
                let before = |end: i64| grid.number(end.saturating_sub(1));
                let ends = [
                    self.end.is_valid(row).then(|| before(self.end.value(row))),
                    self.last
                        .is_valid(row)
                        .then(|| grid.number(self.last.value(row))),
                ];
                ends.into_iter()
                    .flatten()
                    .min()
                    .map_or(at, |last| last.max(at))
                    + 1
            }
        };
        let (end, stride) = match makes_pieces {
            true if end.saturating_sub(first) > GAP_BUCKETS_MAX => {
                let count = end.saturating_sub(first);
                return Err(too_many(&format!(
                    "one gap with {count} buckets, and {GAP_BUCKETS_MAX} are the most"
                )));
            }
            true => (end, PIECE_BUCKETS),
            false => (end.min(low.unwrap_or(at) + PIECE_BUCKETS), 1),
        };
        let first = if makes_pieces {
            first
        } else {
            low.unwrap_or(at)
        };
        let mut number = first;
        while number < end {
            starts.push(grid.start(number).ok_or_else(out_of_range)?);
            number += stride;
        }
        Ok(())
    }
}

fn too_many(what: &str) -> datafusion::common::DataFusionError {
    SheafError::user(format!("date_bin_gapfill would fill {what}"))
        .with_state(SqlState::INVALID_PARAMETER_VALUE)
        .with_hint("a longer interval, or a narrower range of time in WHERE, makes fewer")
        .into()
}

fn out_of_range() -> datafusion::common::DataFusionError {
    SheafError::user("timestamp out of range")
        .with_state(SqlState::DATETIME_OVERFLOW)
        .into()
}

/// Buckets by their numbers.
enum Grid {
    /// All as long, in nanoseconds.
    Even { step: i128, origin: i128 },
    /// Of months.
    Months { step: i64, origin: NaiveDateTime },
}

impl Grid {
    fn new(step: IntervalMonthDayNano, origin: i64) -> Result<Self> {
        let even = i128::from(step.days) * NANOSECONDS_A_DAY + i128::from(step.nanoseconds);
        match (step.months, even) {
            (0, 1..) => Ok(Self::Even { step: even, origin: i128::from(origin) }),
            (1.., 0) => Ok(Self::Months {
                step: i64::from(step.months),
                origin: date_time(origin),
            }),
            _ => Err(SheafError::user(
                "the interval of date_bin_gapfill must be longer than 0, and of months or of days and time",
            )
            .with_state(SqlState::INVALID_PARAMETER_VALUE)
            .into()),
        }
    }

    /// The number of the bucket in which a time lies.
    fn number(&self, time: i64) -> i64 {
        match self {
            Self::Even { step, origin } => {
                let number = (i128::from(time) - origin).div_euclid(*step);
                i64::try_from(number).unwrap_or(i64::MAX / 2)
            }
            Self::Months { step, origin } => {
                let months =
                    |at: &NaiveDateTime| i64::from(at.year()) * 12 + i64::from(at.month0());
                let time_at = date_time(time);
                let number = (months(&time_at) - months(origin)).div_euclid(*step);
                // A bucket may begin late in its month.
                match self.start(number) {
                    Some(start) if start > time => number - 1,
                    _ => number,
                }
            }
        }
    }

    /// Where the bucket of a number begins.
    fn start(&self, number: i64) -> Option<i64> {
        match self {
            Self::Even { step, origin } => {
                i64::try_from(origin + step.checked_mul(i128::from(number))?).ok()
            }
            Self::Months { step, origin } => {
                let months = number.checked_mul(*step)?;
                let distance = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
                let start = match months < 0 {
                    true => origin.checked_sub_months(distance)?,
                    false => origin.checked_add_months(distance)?,
                };
                start.and_utc().timestamp_nanos_opt()
            }
        }
    }
}

fn date_time(nanoseconds: i64) -> NaiveDateTime {
    DateTime::from_timestamp_nanos(nanoseconds).naive_utc()
}
