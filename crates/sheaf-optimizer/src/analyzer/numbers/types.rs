//! Which type two types have in common.

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable};
use sheaf_base::error::SqlState;
use sheaf_base::uuid::is_uuid;
use sheaf_base::{SheafError, sql_type_name};
use sheaf_functions::arithmetic;

/// What rules need to know of an expression: its type, and its digits if it is a literal.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) data_type: DataType,
    /// The digits of a literal whole number.
    literal_digits: Option<u8>,
    is_negative: bool,
    is_untyped_text: bool,
}

impl Operand {
    pub(super) fn of(expr: &Expr, schema: &DFSchema) -> Result<Self> {
        let mut operand = Self::typed(expr.get_type(schema)?);
        match strip_alias(expr) {
            Expr::Literal(ScalarValue::Int64(Some(value)), _) => {
                let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
                operand.literal_digits = u8::try_from(digits).ok();
                operand.is_negative = *value < 0;
            }
            Expr::Literal(value, _) => operand.is_untyped_text = value.data_type().is_string(),
            _ => {}
        }
        Ok(operand)
    }

    pub(super) fn typed(data_type: DataType) -> Self {
        Self {
            data_type,
            literal_digits: None,
            is_negative: false,
            is_untyped_text: false,
        }
    }

    /// A literal in quotes, or NULL: it takes the type of what it is beside.
    pub(super) fn is_untyped(&self) -> bool {
        self.is_untyped_text || self.data_type.is_null()
    }

    pub(super) fn is_day(&self) -> bool {
        self.data_type == DataType::Date32
    }

    /// An unsigned number beside a literal that can be one: the engine would make decimals of them.
    pub(super) fn is_beside_literal(&self, literal: &Self) -> bool {
        self.data_type == DataType::UInt64
            && literal.literal_digits.is_some()
            && !literal.is_negative
    }

    /// Precision and scale of the decimal that holds every value; `None` if there is none.
    pub(super) fn as_decimal(&self) -> Option<(u8, i8)> {
        if let Some(digits) = self.literal_digits {
            return Some((digits, 0));
        }
        arithmetic::as_decimal(&self.data_type)
    }
}

fn strip_alias(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => strip_alias(&alias.expr),
        other => other,
    }
}

/// The type in which numbers are compared exactly; `None` where the engine's rules are right.
pub(super) fn comparison(operands: &[Operand]) -> Option<DataType> {
    mixed(operands, DECIMAL256_MAX_PRECISION)
}

/// The type of a column in which there are all of these numbers; `None` where the engine's rules
/// are right.
pub(super) fn union(operands: &[Operand]) -> Option<DataType> {
    mixed(operands, DECIMAL128_MAX_PRECISION)
}

/// The common type of numbers of which at least one, but not all alike, is a decimal. NULLs and
/// untyped literals have no say.
fn mixed(operands: &[Operand], digits_max: u8) -> Option<DataType> {
    let typed = || operands.iter().filter(|operand| !operand.is_untyped());
    let first = typed().next()?;
    if !typed().any(|operand| operand.data_type.is_decimal())
        || !typed().all(|operand| operand.data_type.is_numeric())
        || operands.iter().all(|o| o.data_type == first.data_type)
    {
        return None;
    }
    if typed().any(|operand| operand.data_type.is_floating()) {
        return Some(DataType::Float64);
    }
    let decimals = typed().map(Operand::as_decimal);
    let decimals = decimals.collect::<Option<Vec<_>>>()?;
    Some(arithmetic::common_decimal(&decimals, digits_max))
}

/// Kinds of types of which only alike ones share a column.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Boolean,
    Date,
    Time,
    Interval,
    Binary,
    Uuid,
    Nested,
}

fn kind(data_type: &DataType) -> Option<Kind> {
    Some(match data_type {
        DataType::Null => return None,
        DataType::Dictionary(_, values) => return kind(values),
        DataType::RunEndEncoded(_, values) => return kind(values.data_type()),
        DataType::Boolean => Kind::Boolean,
        number if number.is_numeric() => Kind::Number,
        text if text.is_string() => Kind::Text,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _) => Kind::Date,
        DataType::Time32(_) | DataType::Time64(_) => Kind::Time,
        DataType::Duration(_) | DataType::Interval(_) => Kind::Interval,
        uuid if is_uuid(uuid) => Kind::Uuid,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => Kind::Binary,
        _ => Kind::Nested,
    })
}

/// The type that untyped literals take beside the others: that of the first typed operand.
///
/// # Errors
/// 42804 if the typed operands are of different kinds; `place` names what they are in.
pub(super) fn type_of_untyped(operands: &[Operand], place: &str) -> Result<Option<DataType>> {
    let mut typed = operands.iter().filter(|operand| !operand.is_untyped());
    let Some(first) = typed.next() else {
        return Ok(None);
    };
    match typed.find(|operand| kind(&operand.data_type) != kind(&first.data_type)) {
        None => Ok(Some(first.data_type.clone())),
        Some(other) => Err(SheafError::user(format!(
            "{place} cannot be both {} and {}",
            sql_type_name(&first.data_type),
            sql_type_name(&other.data_type)
        ))
        .with_state(SqlState::DATATYPE_MISMATCH)
        .with_hint("cast one of them")
        .into()),
    }
}
