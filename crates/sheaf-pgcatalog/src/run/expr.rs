//! Expressions.

use std::cmp::Ordering;
use std::sync::Arc;

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::{Frame, Run};
use crate::cast::cast;
use crate::functions::{Call, joined};
use crate::plan::{Arithmetic, Comparison, Expr, Pattern, Quantified, Query, Typed};
use crate::types::{Kind, kind_of, types};
use crate::value::{Array, Value, output};

impl Run<'_> {
    /// The value of `expr`.
    pub(super) fn eval(&self, expr: &Expr, frame: &Frame<'_>) -> Result<Value> {
        Ok(match expr {
            Expr::Value(value) => value.clone(),
            Expr::Column { up, index } => frame.column(*up, *index),
            Expr::Parameter(index) => self.parameters.get(*index).cloned().unwrap_or(Value::Null),
            Expr::Aggregate(index) => cell(frame.aggregates, *index),
            Expr::Window(index) => cell(frame.windows, *index),
            Expr::Set(index) => cell(frame.sets, *index),
            Expr::And(left, right) => match self.eval(left, frame)? {
                Value::Bool(false) => Value::Bool(false),
                Value::Bool(true) => self.eval(right, frame)?,
                _ => match self.eval(right, frame)? {
                    Value::Bool(false) => Value::Bool(false),
                    _ => Value::Null,
                },
            },
            Expr::Or(left, right) => match self.eval(left, frame)? {
                Value::Bool(true) => Value::Bool(true),
                Value::Bool(false) => self.eval(right, frame)?,
                _ => match self.eval(right, frame)? {
                    Value::Bool(true) => Value::Bool(true),
                    _ => Value::Null,
                },
            },
            Expr::Not(inner) => match self.eval(inner, frame)? {
                Value::Bool(is) => Value::Bool(!is),
                _ => Value::Null,
            },
            Expr::Compare(comparison, left, right) => {
                let (left, right) = (self.eval(left, frame)?, self.eval(right, frame)?);
                compare(*comparison, &left, &right)
            }
            Expr::IsDistinct(left, right) => {
                Value::Bool(self.eval(left, frame)? != self.eval(right, frame)?)
            }
            Expr::IsNull(inner) => Value::Bool(self.eval(inner, frame)?.is_null()),
            Expr::Is(wanted, inner) => {
                Value::Bool(self.eval(inner, frame)? == Value::Bool(*wanted))
            }
            Expr::Case {
                branches,
                otherwise,
            } => {
                for (when, then) in branches {
                    if self.eval(when, frame)?.is_true() {
                        return self.eval(then, frame);
                    }
                }
                self.eval(otherwise, frame)?
            }
            Expr::Coalesce(all) => {
                for one in all {
                    let value = self.eval(one, frame)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Value::Null
            }
            Expr::Cast(inner, to) => {
                let value = self.eval(&inner.expr, frame)?;
                cast(value, inner.type_of, *to, self.database)?
            }
            other => self.eval_part(other, frame)?,
        })
    }

    /// Values that are made of several, and calls.
    fn eval_part(&self, expr: &Expr, frame: &Frame<'_>) -> Result<Value> {
        Ok(match expr {
            Expr::Arithmetic(what, left, right) => {
                let (left, right) = (self.eval(left, frame)?, self.eval(right, frame)?);
                arithmetic(*what, &left, &right)?
            }
            Expr::Concat(left, right) => self.concat(left, right, frame)?,
            Expr::Match(pattern, left, right) => {
                let (left, right) = (self.eval(left, frame)?, self.eval(right, frame)?);
                self.matches(*pattern, &left, &right)?
            }
            Expr::Array(elements) => Value::array(self.eval_all(elements, frame)?),
            Expr::Row(fields) => Value::Record(self.eval_all(fields, frame)?.into()),
            Expr::Field(record, index) => match self.eval(record, frame)? {
                Value::Record(fields) => cell(&fields, *index),
                _ => Value::Null,
            },
            Expr::Subscript(array, index) => {
                let (array, index) = (self.eval(array, frame)?, self.eval(index, frame)?);
                subscript(&array, &index)
            }
            Expr::Slice(array, from, to) => {
                let array = self.eval(array, frame)?;
                let bound = |bound: &Option<Box<Expr>>| match bound {
                    Some(bound) => self.eval(bound, frame).map(|bound| bound.as_int()),
                    None => Ok(None),
                };
                slice(&array, bound(from)?, bound(to)?)
            }
            Expr::InList(left, list) => {
                let left = self.eval(left, frame)?;
                let list = list.iter().map(|item| self.eval(item, frame));
                self.any(
                    &left,
                    Quantified::Comparison(Comparison::Equal),
                    list,
                    false,
                )?
            }
            Expr::Quantified {
                left,
                comparison,
                array,
                is_all,
            } => {
                let (left, array) = (self.eval(left, frame)?, self.eval(array, frame)?);
                self.quantified(&left, *comparison, &array, *is_all)?
            }
            Expr::Call(function, arguments) => {
                let values = self.eval_typed(arguments, frame)?;
                if !function.takes_nulls && values.iter().any(Value::is_null) {
                    return Ok(Value::Null);
                }
                let types: Vec<_> = arguments.iter().map(|argument| argument.type_of).collect();
                (function.call)(&Call {
                    database: self.database,
                    values: &values,
                    types: &types,
                })?
            }
            Expr::External(function, arguments) => {
                let values = self.eval_typed(arguments, frame)?;
                let types: Vec<_> = arguments.iter().map(|argument| argument.type_of).collect();
                function.call(&values, &types)?
            }
            other => self.eval_query(other, frame)?,
        })
    }

    fn eval_query(&self, expr: &Expr, frame: &Frame<'_>) -> Result<Value> {
        Ok(match expr {
            Expr::Scalar(query) => {
                let rows = self.rows_of(query, Some(frame))?;
                match rows.as_slice() {
                    [] => Value::Null,
                    [row] => cell(row, 0),
                    _ => {
                        return Err(SheafError::user(
                            "more than one row returned by a subquery used as an expression",
                        )
                        .with_state(SqlState::CARDINALITY_VIOLATION));
                    }
                }
            }
            Expr::Exists(query) => Value::Bool(!self.rows_of(query, Some(frame))?.is_empty()),
            Expr::ArrayOf(query) => {
                let rows = self.rows_of(query, Some(frame))?;
                Value::array(rows.iter().map(|row| cell(row, 0)).collect())
            }
            Expr::QuantifiedQuery {
                left,
                comparison,
                query,
                is_all,
            } => {
                let left = self.eval(left, frame)?;
                self.quantified_query(&left, *comparison, query, *is_all, frame)?
            }
            _ => return Err(SheafError::internal("an expression without a value")),
        })
    }

    fn quantified_query(
        &self,
        left: &Value,
        comparison: Quantified,
        query: &Arc<Query>,
        is_all: bool,
        frame: &Frame<'_>,
    ) -> Result<Value> {
        let rows = self.rows_of(query, Some(frame))?;
        let is_record = matches!(left, Value::Record(_));
        let values = rows.iter().map(|row| {
            Ok(match is_record {
                true => Value::Record(row.as_slice().into()),
                false => cell(row, 0),
            })
        });
        self.any(left, comparison, values, is_all)
    }

    pub(super) fn eval_all(&self, all: &[Expr], frame: &Frame<'_>) -> Result<Vec<Value>> {
        all.iter().map(|expr| self.eval(expr, frame)).collect()
    }

    pub(super) fn eval_typed(&self, all: &[Typed], frame: &Frame<'_>) -> Result<Vec<Value>> {
        all.iter()
            .map(|typed| self.eval(&typed.expr, frame))
            .collect()
    }

    fn concat(&self, left: &Typed, right: &Typed, frame: &Frame<'_>) -> Result<Value> {
        let values = (
            self.eval(&left.expr, frame)?,
            self.eval(&right.expr, frame)?,
        );
        let is_array = |typed: &Typed| kind_of(types().base_of(typed.type_of)) == Kind::Array;
        let one = |value: Value| Value::array(vec![value]);
        Ok(match (is_array(left), is_array(right)) {
            (true, true) => joined(&values.0, &values.1),
            (true, false) => joined(&values.0, &one(values.1)),
            (false, true) => joined(&one(values.0), &values.1),
            (false, false) => {
                let left = output(&values.0, left.type_of, self.database);
                let right = output(&values.1, right.type_of, self.database);
                left.zip(right).map(|(left, right)| left + &right).into()
            }
        })
    }

    fn matches(&self, pattern: Pattern, text: &Value, source: &Value) -> Result<Value> {
        let (Some(text), Some(source)) = (text.as_str(), source.as_str()) else {
            return Ok(Value::Null);
        };
        let regex = self.pattern(source, pattern.is_like, pattern.ignores_case)?;
        Ok(Value::Bool(regex.is_match(text) != pattern.is_negated))
    }

    fn quantified(
        &self,
        left: &Value,
        comparison: Quantified,
        array: &Value,
        is_all: bool,
    ) -> Result<Value> {
        let Some(array) = array.as_array() else {
            return Ok(Value::Null);
        };
        match (comparison, left.as_array()) {
            (Quantified::Within, Some(left)) => {
                let mut all = left.elements.iter();
                Ok(all.all(|value| array.elements.contains(value)).into())
            }
            (Quantified::Shares, Some(left)) => {
                let mut all = left.elements.iter();
                Ok(all.any(|value| array.elements.contains(value)).into())
            }
            (Quantified::Within | Quantified::Shares, None) => Ok(Value::Null),
            _ => {
                let elements = array.elements.iter().map(|value| Ok(value.clone()));
                self.any(left, comparison, elements, is_all)
            }
        }
    }

    /// Whether a comparison is true of any value, or of all: NULL if that is not known.
    fn any(
        &self,
        left: &Value,
        comparison: Quantified,
        values: impl Iterator<Item = Result<Value>>,
        is_all: bool,
    ) -> Result<Value> {
        let mut is_unknown = false;
        for value in values {
            let value = value?;
            let found = match comparison {
                Quantified::Comparison(comparison) => compare(comparison, left, &value),
                Quantified::Match(pattern) => self.matches(pattern, left, &value)?,
                Quantified::Within | Quantified::Shares => Value::Null,
            };
            match found {
                Value::Bool(is) if is != is_all => return Ok(Value::Bool(is)),
                Value::Bool(_) => {}
                _ => is_unknown = true,
            }
        }
        Ok(match is_unknown {
            true => Value::Null,
            false => Value::Bool(is_all),
        })
    }
}

fn cell(row: &[Value], index: usize) -> Value {
    row.get(index).cloned().unwrap_or(Value::Null)
}

pub(super) fn compare(comparison: Comparison, left: &Value, right: &Value) -> Value {
    if left.is_null() || right.is_null() {
        return Value::Null;
    }
    let order = left.compare(right);
    Value::Bool(match comparison {
        Comparison::Equal => order == Ordering::Equal,
        Comparison::Unequal => order != Ordering::Equal,
        Comparison::Less => order == Ordering::Less,
        Comparison::LessOrEqual => order != Ordering::Greater,
        Comparison::Greater => order == Ordering::Greater,
        Comparison::GreaterOrEqual => order != Ordering::Less,
    })
}

fn arithmetic(what: Arithmetic, left: &Value, right: &Value) -> Result<Value> {
    let divided = || SheafError::user("division by zero").with_state(SqlState::DIVISION_BY_ZERO);
    Ok(match (left, right) {
        (Value::Int(a), Value::Int(b)) => {
            if matches!(what, Arithmetic::Divide | Arithmetic::Remainder) && *b == 0 {
                return Err(divided());
            }
            let result = match what {
                Arithmetic::Add => a.checked_add(*b),
                Arithmetic::Subtract => a.checked_sub(*b),
                Arithmetic::Multiply => a.checked_mul(*b),
                Arithmetic::Divide => a.checked_div(*b),
                Arithmetic::Remainder => a.checked_rem(*b),
                Arithmetic::And => Some(a & b),
                Arithmetic::Or => Some(a | b),
            };
            Value::Int(result.ok_or_else(|| {
                SheafError::user("bigint out of range")
                    .with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)
            })?)
        }
        (Value::Float(a), Value::Float(b)) => Value::Float(match what {
            Arithmetic::Add => a + b,
            Arithmetic::Subtract => a - b,
            Arithmetic::Multiply => a * b,
            Arithmetic::Divide if *b == 0.0 => return Err(divided()),
            Arithmetic::Divide => a / b,
            _ => a % b,
        }),
        _ => Value::Null,
    })
}

fn subscript(array: &Value, index: &Value) -> Value {
    let (Some(array), Some(index)) = (array.as_array(), index.as_int()) else {
        return Value::Null;
    };
    let index = index
        .checked_sub(array.lower)
        .and_then(|i| usize::try_from(i).ok());
    index.map_or(Value::Null, |index| cell(&array.elements, index))
}

fn slice(array: &Value, from: Option<i64>, to: Option<i64>) -> Value {
    let Some(array) = array.as_array() else {
        return Value::Null;
    };
    let first = from.unwrap_or(array.lower);
    let numbered = (array.lower..).zip(&array.elements);
    let kept = numbered.filter(|(number, _)| *number >= first && to.is_none_or(|to| *number <= to));
    Value::Array(Arc::new(Array {
        lower: 1,
        elements: kept.map(|(_, value)| value.clone()).collect(),
    }))
}
