//! Exact quantiles: `quantile_cont(x, share)`, `quantile_disc(x, share)` and `median(x)`, also
//! `percentile_cont(share) WITHIN GROUP (ORDER BY x)` and `percentile_disc`.
//!
//! | function | result | of what |
//! |---|---|---|
//! | `quantile_cont` | at the share of the way from the least to the greatest value, between two if need be | numbers (DOUBLE), dates and times |
//! | `quantile_disc` | the first value, in order, up to which at least the share of all values lies | anything that can be ordered |
//! | `median` | `quantile_cont(x, 0.5)`, or `quantile_disc(x, 0.5)` where there is nothing between two values | anything that can be ordered |
//!
//! A list of shares gives a list of results, from one pass over the values. NULLs do not count; no
//! values give NULL.
//!
//! Files: `shares` (which places are asked for), `values` (what holds them and finds places),
//! `between` (what lies between two), `gathered` (accumulators of one group and of frames),
//! `grouped` (of many groups).
//!
//! # Memory
//! All values of a group, or all different ones with DISTINCT, as numbers of their width or in
//! arrow's row format. Groups that do not fit go to disk: states are lists, which grouped
//! aggregation sorts there.
//!
//! # Source
//! Definitions are those of SQL:2016's `percentile_cont` and `percentile_disc`; types of results,
//! lists of shares and the median of texts are DuckDB's, the type of decimals' is PostgreSQL's.

mod between;
mod gathered;
mod grouped;
pub(super) mod shares;
mod values;

use std::sync::Arc;

use arrow::datatypes::{
    DataType, Decimal128Type, Field, FieldRef, Float32Type, Float64Type, Int32Type, Int64Type,
    IntervalUnit, TimeUnit, UInt32Type, UInt64Type,
};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature,
    Volatility,
};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use self::gathered::Gathered;
use self::grouped::Grouped;
use self::shares::Shares;
use self::values::{Numbers, Rows, Values, number_type};
use crate::shorthand::section;

/// Calls `$run::<T>` with the type of numbers that hold values of a type, or gives `$else`.
macro_rules! with_numbers {
    ($data_type:expr, $run:ident($($argument:expr),*), $else:expr) => {
        match number_type($data_type) {
            Some(DataType::Int32) => $run::<Int32Type>($($argument),*),
            Some(DataType::Int64) => $run::<Int64Type>($($argument),*),
            Some(DataType::UInt32) => $run::<UInt32Type>($($argument),*),
            Some(DataType::UInt64) => $run::<UInt64Type>($($argument),*),
            Some(DataType::Float32) => $run::<Float32Type>($($argument),*),
            Some(DataType::Float64) => $run::<Float64Type>($($argument),*),
            Some(DataType::Decimal128(..)) => $run::<Decimal128Type>($($argument),*),
            _ => $else,
        }
    };
}

pub(super) fn functions() -> [AggregateUDF; 3] {
    [
        Quantile::build(
            Kind::Between,
            "quantile_cont",
            &["percentile_cont"],
            "The value at a share of the way from the least to the greatest, between two values if \
             need be; a list of shares gives a list.",
            "quantile_cont(expression, share)",
            "SELECT quantile_cont(x, [0.25, 0.5]) FROM generate_series(1, 4) AS t(x); -- [1.75, 2.5]",
        ),
        Quantile::build(
            Kind::UpTo,
            "quantile_disc",
            &["percentile_disc", "quantile"],
            "The first value, in order, up to which at least a share of all values lies; a list of \
             shares gives a list.",
            "quantile_disc(expression, share)",
            "SELECT quantile_disc(x, 0.5) FROM generate_series(1, 4) AS t(x); -- 2",
        ),
        Quantile::build(
            Kind::Middle,
            "median",
            &[],
            "The value in the middle: of numbers, dates and times the mean of the two there if their \
             number is even, of other types the lower one.",
            "median(expression)",
            "SELECT median(x) FROM generate_series(1, 4) AS t(x); -- 2.5",
        ),
    ]
}

/// Which value stands for a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// What lies at the share of the way.
    Between,
    /// The first value up to which the share lies.
    UpTo,
    /// That of the share one half, between two values of types that have something between.
    Middle,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Quantile {
    kind: Kind,
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
    documentation: Documentation,
}

impl Quantile {
    fn build(
        kind: Kind,
        name: &'static str,
        aliases: &[&str],
        sentence: &str,
        syntax: &str,
        example: &str,
    ) -> AggregateUDF {
        AggregateUDF::from(Self {
            kind,
            name,
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            signature: Signature::user_defined(Volatility::Immutable),
            documentation: Documentation::builder(
                section("Statistical Functions"),
                sentence,
                syntax,
            )
            .with_sql_example(example)
            .build(),
        })
    }

    /// The type in which values are gathered; `None` if there is nothing between two of them, and
    /// there has to be.
    fn value_type(&self, given: &DataType) -> Option<DataType> {
        match (self.kind, between_type(given)) {
            (Kind::UpTo, _) | (Kind::Middle, None) => Some(match given {
                DataType::Null => DataType::Int32,
                DataType::Dictionary(_, value) => value.as_ref().clone(),
                other => other.clone(),
            }),
            (_, between) => between,
        }
    }

    fn wrong(&self, message: String) -> SheafError {
        SheafError::user(message)
            .with_state(SqlState::DATATYPE_MISMATCH)
            .with_hint(match self.kind {
                Kind::Middle => "median(x)",
                Kind::Between => "quantile_cont(x, 0.25), or quantile_cont(x, [0.25, 0.5, 0.75])",
                Kind::UpTo => "quantile_disc(x, 0.25), or quantile_disc(x, [0.25, 0.5, 0.75])",
            })
    }
}

/// The type of what lies between values of a type.
fn between_type(given: &DataType) -> Option<DataType> {
    Some(match given {
        DataType::Null => DataType::Float64,
        DataType::Float16 | DataType::Float32 => DataType::Float32,
        numeric if numeric.is_numeric() => DataType::Float64,
        DataType::Date32 | DataType::Date64 => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(..) | DataType::Time64(_) => given.clone(),
        DataType::Time32(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Duration(_) | DataType::Interval(_) => {
            DataType::Interval(IntervalUnit::MonthDayNano)
        }
        DataType::Dictionary(_, value) => between_type(value)?,
        _ => return None,
    })
}

/// The type of shares: a number, or a list of them.
fn share_type(given: &DataType) -> Option<DataType> {
    let is_number = |data_type: &DataType| data_type.is_numeric() || data_type.is_null();
    match given {
        number if is_number(number) => Some(DataType::Float64),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_number(item.data_type()).then(|| list_of(DataType::Float64))
        }
        _ => None,
    }
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

impl AggregateUDFImpl for Quantile {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    // What is wrong about types is said where they are known to be final: in `return_type`.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let mut coerced = types.to_vec();
        if let Some(value) = coerced.first_mut()
            && let Some(wanted) = self.value_type(value)
        {
            *value = wanted;
        }
        if let Some(share) = coerced.get_mut(1)
            && let Some(wanted) = share_type(share)
        {
            *share = wanted;
        }
        Ok(coerced)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let name = self.name;
        let (value, share) = match (self.kind, types) {
            (Kind::Middle, [value]) => (value, None),
            (Kind::Between | Kind::UpTo, [value, share]) => (value, Some(share)),
            (Kind::Middle, _) => {
                return Err(self.wrong(format!("{name} takes one argument")).into());
            }
            _ => {
                let message = format!("{name} takes a value and a share between 0 and 1");
                return Err(self.wrong(message).into());
            }
        };
        let Some(result) = self.value_type(value) else {
            let kind = sheaf_base::sql_type_name(value);
            let message = format!("{name} has nothing that lies between values of type {kind}");
            return Err(SheafError::user(message)
                .with_state(SqlState::DATATYPE_MISMATCH)
                .with_hint("quantile_disc gives one of the values themselves")
                .into());
        };
        match share.map(share_type) {
            None | Some(Some(DataType::Float64)) => Ok(result),
            Some(Some(_)) => Ok(list_of(result)),
            Some(None) => {
                let kind = share.map(sheaf_base::sql_type_name).unwrap_or_default();
                let message =
                    format!("the share of {name} must be a number, and its type is {kind}");
                Err(self.wrong(message).into())
            }
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let values = values_of(&args, false)?;
        Ok(Box::new(Gathered::new(
            self.shares(&args)?,
            values,
            args.is_distinct,
        )))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let values = values_of(&args, true)?;
        Ok(Box::new(Gathered::sliding(
            self.shares(&args)?,
            values,
            args.is_distinct,
        )))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        let value = args.expr_fields.first();
        !args.is_distinct && value.is_some_and(|v| number_type(v.data_type()).is_some())
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let shares = self.shares(&args)?;
        let value_type = value_type(&args)?;
        with_numbers!(
            value_type,
            grouped(shares, value_type),
            internal_err!("groups of {value_type} are accumulated one by one")
        )
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let Some(value) = args.input_fields.first() else {
            return internal_err!("{} has arguments", self.name);
        };
        let name = format!("{}[values]", args.name);
        let list = list_of(value.data_type().clone());
        Ok(vec![Arc::new(Field::new(name, list, true))])
    }

    fn supports_within_group_clause(&self) -> bool {
        self.kind != Kind::Middle
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

impl Quantile {
    fn shares(&self, args: &AccumulatorArgs) -> Result<Shares> {
        let kind = match self.kind {
            Kind::Middle if between_type(value_type(args)?).is_none() => Kind::UpTo,
            Kind::Middle => Kind::Between,
            kind => kind,
        };
        Shares::of(
            args,
            self.name,
            kind == Kind::Between,
            self.kind == Kind::Middle,
        )
    }
}

fn value_type<'a>(args: &'a AccumulatorArgs) -> Result<&'a DataType> {
    match args.expr_fields.first() {
        Some(value) => Ok(value.data_type()),
        None => internal_err!("a quantile has arguments"),
    }
}

/// An empty store of values; they stay in order if they come and go.
fn values_of(args: &AccumulatorArgs, is_sliding: bool) -> Result<Box<dyn Values>> {
    let value_type = value_type(args)?;
    with_numbers!(
        value_type,
        numbers(value_type, is_sliding),
        Ok(Box::new(Rows::new(value_type)?))
    )
}

fn numbers<T: values::NumberType>(
    value_type: &DataType,
    is_sliding: bool,
) -> Result<Box<dyn Values>> {
    Ok(Box::new(Numbers::<T>::new(value_type, is_sliding)))
}

fn grouped<T: values::NumberType>(
    shares: Shares,
    value_type: &DataType,
) -> Result<Box<dyn GroupsAccumulator>> {
    Ok(Box::new(Grouped::<T>::new(shares, value_type)))
}
