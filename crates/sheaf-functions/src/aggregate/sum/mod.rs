//! `sum(x)`, exact: of SMALLINT and INTEGER it is a BIGINT, of BIGINT and unsigned numbers a
//! DECIMAL(38, 0), as PostgreSQL's `numeric`; of a DECIMAL one with ten digits more. A sum that
//! does not fit is an error. The engine's own wraps around; it still adds doubles and intervals.
//!
//! All is added in 128 bits (`accumulate`, `groups`), which no number of BIGINTs can fill; short
//! numbers of few groups in 64 bits first (`lanes`).
//! States between the phases of an aggregate are decimals.

mod accumulate;
mod groups;
mod lanes;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Decimal128Type, DecimalType, Field, FieldRef};
use datafusion::common::{Result, utils::take_function_args};
use datafusion::functions_aggregate::sum as engine;
use datafusion::logical_expr::expr::AggregateFunctionParams;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF,
    Signature, Volatility,
};
use sheaf_base::error::SqlState;
use sheaf_base::{SheafError, sql_type_name};

const DIGITS_MAX: u8 = Decimal128Type::MAX_PRECISION;

/// Digits that the sum of decimals has more than they.
const MORE_DIGITS: u8 = 10;

pub(super) fn function() -> AggregateUDF {
    AggregateUDF::from(Sum::default())
}

/// `sum` as plans have it.
#[must_use]
pub fn exact() -> Arc<AggregateUDF> {
    static FUNCTION: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| Arc::new(function()));
    Arc::clone(&FUNCTION)
}

/// `sum` of SMALLINT and INTEGER under a name that the engine's rules do not know.
///
/// One of them (`single_distinct_aggregation_to_group_by`) puts a sum of sums in the place of a
/// sum, whose type would then be that of a sum of BIGINTs.
#[must_use]
pub fn narrow() -> Arc<AggregateUDF> {
    static FUNCTION: LazyLock<Arc<AggregateUDF>> =
        LazyLock::new(|| Arc::new(AggregateUDF::from(NarrowSum::default())));
    Arc::clone(&FUNCTION)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sum {
    signature: Signature,
    engine: engine::Sum,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
            engine: engine::Sum::new(),
        }
    }
}

/// Whether a sum of this type is ours.
fn is_ours(sum: &DataType) -> bool {
    matches!(sum, DataType::Int64 | DataType::Decimal128(_, _))
}

/// What a sum of this type is added in.
fn state_type(sum: &DataType) -> DataType {
    match sum {
        DataType::Int64 => DataType::Decimal128(DIGITS_MAX, 0),
        other => other.clone(),
    }
}

fn coerced(argument: &DataType) -> DataType {
    match argument {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => {
            DataType::Int32
        }
        DataType::Int64 | DataType::UInt32 | DataType::Null => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        // Whether there is a sum of these is said with its type.
        other => other.clone(),
    }
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = take_function_args("sum", types)?;
        Ok(vec![coerced(argument)])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [argument] = take_function_args("sum", types)?;
        Ok(match argument {
            DataType::Int32 => DataType::Int64,
            DataType::Int64 => DataType::Decimal128(DIGITS_MAX, 0),
            DataType::Decimal128(precision, scale) => {
                DataType::Decimal128(DIGITS_MAX.min(precision + MORE_DIGITS), *scale)
            }
            DataType::Float64
            | DataType::Decimal256(_, _)
            | DataType::Duration(_)
            | DataType::Interval(_) => self.engine.return_type(types)?,
            other => {
                return Err(SheafError::user(format!(
                    "function sum({}) does not exist",
                    sql_type_name(other)
                ))
                .with_state(SqlState::UNDEFINED_FUNCTION)
                .with_hint("sum adds numbers and intervals; cast the argument")
                .into());
            }
        })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let sum_type = args.return_type();
        Ok(match (is_ours(sum_type), args.is_distinct) {
            (false, _) => self.engine.accumulator(args)?,
            (true, false) => Box::new(accumulate::SumAccumulator::new(sum_type.clone())),
            (true, true) => Box::new(accumulate::DistinctAccumulator::new(sum_type.clone())),
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if !is_ours(args.return_type()) {
            return self.engine.state_fields(args);
        }
        let state = state_type(args.return_type());
        let field = match args.is_distinct {
            true => Field::new_list(
                format_state_name(args.name, "sum distinct"),
                Field::new_list_field(state, true),
                true,
            ),
            false => Field::new(format_state_name(args.name, "sum"), state, true),
        };
        Ok(vec![Arc::new(field)])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match is_ours(args.return_type()) {
            true => Ok(Box::new(groups::SumGroupsAccumulator::new(
                args.return_type().clone(),
            ))),
            false => self.engine.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match is_ours(args.return_type()) {
            // Ours can take rows back.
            true => self.accumulator(args),
            false => self.engine.create_sliding_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.engine.documentation()
    }
}

#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct NarrowSum {
    sum: Sum,
}

impl AggregateUDFImpl for NarrowSum {
    fn name(&self) -> &'static str {
        "narrow_sum"
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.sum.schema_name(params)
    }

    fn human_display(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.sum.human_display(params)
    }

    fn display_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.sum.display_name(params)
    }

    fn signature(&self) -> &Signature {
        self.sum.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.sum.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.sum.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.sum.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.sum.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.sum.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.sum.create_groups_accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.sum.create_sliding_accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}
