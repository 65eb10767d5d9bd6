//! Expressions.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::numbers::arithmetic;
use super::{Frame, Run};
use crate::cast::cast;
use crate::functions::{Call, joined};
use crate::made::{Memory, Text, hold_elements};
use crate::plan::{Comparison, Expr, Pattern, Quantified, Query, Typed};
use crate::types::{Kind, Oid, kind_of, types};
use crate::value::{Array, Value, write};

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
            Expr::Operand => frame.operand.cloned().unwrap_or(Value::Null),
            Expr::Let(operand, body) => {
                let operand = self.eval(operand, frame)?;
                let frame = Frame {
                    operand: Some(&operand),
                    ..*frame
                };
                self.eval(body, &frame)?
            }
            Expr::And(left, right) => self.connected(left, right, false, frame)?,
            Expr::Or(left, right) => self.connected(left, right, true, frame)?,
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
                self.hold(cast_bytes(&value, *to))?;
                cast(value, inner.type_of, *to, self.database)?
            }
            other => self.eval_part(other, frame)?,
        })
    }

    /// AND, which false decides, or OR, which true does.
    fn connected(
        &self,
        left: &Expr,
        right: &Expr,
        decides: bool,
        frame: &Frame<'_>,
    ) -> Result<Value> {
        let left = self.eval(left, frame)?;
        if left == Value::Bool(decides) {
            return Ok(left);
        }
        let right = self.eval(right, frame)?;
        Ok(match left {
            Value::Bool(_) => right,
            _ if right == Value::Bool(decides) => right,
            _ => Value::Null,
        })
    }

    /// Values that are made of several, and calls.
    fn eval_part(&self, expr: &Expr, frame: &Frame<'_>) -> Result<Value> {
        Ok(match expr {
            Expr::Arithmetic(what, type_of, left, right) => {
                let (left, right) = (self.eval(left, frame)?, self.eval(right, frame)?);
                arithmetic(*what, *type_of, &left, &right)?
            }
            Expr::Concat(left, right) => self.concat(left, right, frame)?,
            Expr::Match(pattern, left, right) => {
                let (left, right) = (self.eval(left, frame)?, self.eval(right, frame)?);
                self.matches(*pattern, &left, &right)?
            }
            Expr::Array(elements) => {
                hold_elements(self, elements.len())?;
                Value::array(self.eval_all(elements, frame)?)
            }
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
                hold_elements(self, array.as_array().map_or(0, |a| a.elements.len()))?;
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
            Expr::Call(..) | Expr::External(..) => self.eval_call(expr, frame)?,
            other => self.eval_query(other, frame)?,
        })
    }

    fn eval_call(&self, expr: &Expr, frame: &Frame<'_>) -> Result<Value> {
        let (Expr::Call(_, arguments) | Expr::External(_, arguments)) = expr else {
            return Err(SheafError::internal("an expression that calls nothing"));
        };
        let values = self.eval_typed(arguments, frame)?;
        let types: Vec<_> = arguments.iter().map(|argument| argument.type_of).collect();
        match expr {
            Expr::Call(function, _) => {
                if !function.takes_nulls && values.iter().any(Value::is_null) {
                    return Ok(Value::Null);
                }
                (function.call)(&Call {
                    database: self.database,
                    memory: self,
                    values: &values,
                    types: &types,
                })
            }
            Expr::External(function, _) => {
                let value = function.call(&values, &types)?;
                self.hold(value.bytes())?;
                Ok(value)
            }
            _ => Ok(Value::Null),
        }
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
                hold_elements(self, rows.len())?;
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
        match (is_array(left), is_array(right)) {
            (true, true) => joined(&values.0, &values.1, self),
            (true, false) => joined(&values.0, &one(values.1), self),
            (false, true) => joined(&one(values.0), &values.1, self),
            (false, false) => {
                let mut text = Text::new(self);
                let is_there = write(&values.0, left.type_of, self.database, &mut text)?
                    && write(&values.1, right.type_of, self.database, &mut text)?;
                match is_there {
                    true => text.into_value(),
                    false => Ok(Value::Null),
                }
            }
        }
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
                let missing = self.find_shared(&left.elements, &array.elements, false)?;
                Ok((!missing).into())
            }
            (Quantified::Shares, Some(left)) => Ok(self
                .find_shared(&left.elements, &array.elements, true)?
                .into()),
            (Quantified::Within | Quantified::Shares, None) => Ok(Value::Null),
            _ => {
                let elements = array.elements.iter().map(|value| Ok(value.clone()));
                self.any(left, comparison, elements, is_all)
            }
        }
    }

    /// Whether any value of the left is among those of the right, or not among them.
    fn find_shared(&self, left: &[Value], right: &[Value], is_among: bool) -> Result<bool> {
        self.hold(right.len().saturating_mul(size_of::<Value>()))?;
        let mut known = HashSet::new();
        // NULL is equal to nothing.
        for value in right.iter().filter(|value| !value.is_null()) {
            self.step()?;
            known.insert(value);
        }
        for value in left {
            self.step()?;
            if known.contains(value) == is_among {
                return Ok(true);
            }
        }
        Ok(false)
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
            self.step()?;
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

/// The most bytes that a cast makes of a value.
fn cast_bytes(value: &Value, to: Oid) -> usize {
    const ELEMENT_BYTES: usize = 64;
    match (value, kind_of(types().base_of(to))) {
        (Value::Text(text), Kind::Array) => {
            let is_between = |byte: &u8| matches!(byte, b',' | b' ' | b'\t' | b'\n' | b'\r');
            let count = text.bytes().filter(|byte| is_between(byte)).count() + 1;
            count
                .saturating_mul(ELEMENT_BYTES)
                .saturating_add(text.len())
        }
        (Value::Array(_) | Value::Record(_), _) => value.bytes().saturating_mul(3),
        (Value::Text(text), _) => text.len(),
        _ => 0,
    }
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
