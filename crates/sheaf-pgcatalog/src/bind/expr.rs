//! Expressions.

use datafusion::sql::sqlparser::ast::{self, Expr as Ast};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::coerce::{is_number, no_operator};
use super::forms::{Operator, operator_of, type_of};
use super::subqueries::{negate, truth};
use super::{Binder, name_of, unsupported};
use crate::decimal::Decimal;
use crate::functions::ANY;
use crate::plan::{Arithmetic, Comparison, Expr, Typed};
use crate::types::{
    BOOL, INT4, INT8, Kind, NUMERIC, RECORD, REGCLASS, TEXT, UNKNOWN, kind_of, types,
};
use crate::value::Value;

/// Parameters that a statement may have, as PostgreSQL's messages can count them.
const PARAMETERS_MAX: usize = 65_535;

impl Binder<'_> {
    /// Binds an expression.
    ///
    /// # Errors
    /// See [`super::bind`].
    pub(super) fn expr(&mut self, expr: &Ast) -> Result<Typed> {
        self.count_expression()?;
        match expr {
            Ast::Identifier(ident) => self.identifier(ident),
            Ast::CompoundIdentifier(parts) => self.column(parts),
            Ast::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            Ast::Value(value) => self.literal(&value.value),
            Ast::TypedString(typed) => {
                let value = self.literal(&typed.value.value)?;
                self.coerce(value, type_of(&typed.data_type)?)
            }
            Ast::Nested(inner) | Ast::Collate { expr: inner, .. } => self.expr(inner),
            Ast::Cast {
                expr, data_type, ..
            } => self.cast(expr, data_type),
            Ast::BinaryOp { left, op, right } => {
                let Some((operator, symbol)) = operator_of(op) else {
                    return Err(unsupported(&format!("the operator {op}")));
                };
                self.binary(left, operator, &symbol, right)
            }
            Ast::UnaryOp { op, expr } => self.unary(*op, expr),
            Ast::Function(function) => self.function(function),
            Ast::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(operand.as_deref(), conditions, else_result.as_deref()),
            Ast::Array(array) => self.array(&array.elem),
            Ast::Tuple(fields) => {
                let fields = fields.iter().map(|field| Ok(self.expr(field)?.expr));
                Ok(Typed {
                    expr: Expr::Row(fields.collect::<Result<_>>()?),
                    type_of: RECORD,
                })
            }
            Ast::Subquery(query) => self.scalar_query(query),
            Ast::Exists { subquery, negated } => self.exists(subquery, *negated),
            _ => self.predicate(expr),
        }
    }

    /// Forms that are true or false, and what SQL has words for.
    fn predicate(&mut self, expr: &Ast) -> Result<Typed> {
        const EQUAL: Operator = Operator::Comparison(Comparison::Equal);
        match expr {
            Ast::IsNull(inner) | Ast::IsUnknown(inner) => self.is_null(inner, false),
            Ast::IsNotNull(inner) | Ast::IsNotUnknown(inner) => self.is_null(inner, true),
            Ast::IsTrue(inner) => self.is(true, inner, false),
            Ast::IsNotTrue(inner) => self.is(true, inner, true),
            Ast::IsFalse(inner) => self.is(false, inner, false),
            Ast::IsNotFalse(inner) => self.is(false, inner, true),
            Ast::IsDistinctFrom(left, right) => self.is_distinct(left, right, false),
            Ast::IsNotDistinctFrom(left, right) => self.is_distinct(left, right, true),
            Ast::InList {
                expr,
                list,
                negated,
            } => self.in_list(expr, list, *negated),
            Ast::InSubquery {
                expr,
                subquery,
                negated,
            } => {
                let found = self.quantified_query(expr, (EQUAL, "="), subquery, false)?;
                Ok(truth(negate(found.expr, *negated)))
            }
            Ast::Between {
                expr,
                negated,
                low,
                high,
            } => self.between(expr, low, high, *negated),
            Ast::Like {
                negated,
                expr,
                pattern,
                escape_char: None,
                ..
            } => self.like(expr, pattern, false, *negated),
            Ast::ILike {
                negated,
                expr,
                pattern,
                escape_char: None,
                ..
            } => self.like(expr, pattern, true, *negated),
            Ast::AnyOp {
                left,
                compare_op,
                right,
                ..
            } => self.quantified(left, compare_op, right, false),
            Ast::AllOp {
                left,
                compare_op,
                right,
            } => self.quantified(left, compare_op, right, true),
            other => self.worded(other),
        }
    }

    fn quantified(
        &mut self,
        left: &Ast,
        operator: &ast::BinaryOperator,
        right: &Ast,
        is_all: bool,
    ) -> Result<Typed> {
        let Some((operator, symbol)) = operator_of(operator) else {
            return Err(unsupported(&format!("the operator {operator}")));
        };
        self.quantified_array(left, (operator, &symbol), right, is_all)
    }

    /// A name alone: a column, or a word that stands for a call.
    fn identifier(&mut self, ident: &ast::Ident) -> Result<Typed> {
        const WORDS: &[&str] = &[
            "current_user",
            "session_user",
            "current_role",
            "user",
            "current_catalog",
            "current_schema",
            "current_timestamp",
            "current_date",
        ];
        match self.column(std::slice::from_ref(ident)) {
            Err(error) if error.state() == SqlState::UNDEFINED_COLUMN => {
                let name = name_of(ident);
                match ident.quote_style.is_none() && WORDS.contains(&name.as_str()) {
                    true => self.scalar_call(&name, vec![], Some(ident)),
                    false => Err(error),
                }
            }
            found => found,
        }
    }

    fn literal(&mut self, value: &ast::Value) -> Result<Typed> {
        let of = |value: Value, type_of| {
            Ok(Typed {
                expr: Expr::Value(value),
                type_of,
            })
        };
        match value {
            ast::Value::Null => of(Value::Null, UNKNOWN),
            ast::Value::Boolean(is) => of(Value::Bool(*is), BOOL),
            ast::Value::Number(digits, _) => match digits.parse::<i64>() {
                Ok(number) if i32::try_from(number).is_ok() => of(Value::Int(number), INT4),
                Ok(number) => of(Value::Int(number), INT8),
                Err(_) => match Decimal::read(digits) {
                    Some(number) => of(Value::numeric(number), NUMERIC),
                    None => Err(unsupported(&format!("the number {digits}"))),
                },
            },
            ast::Value::Placeholder(name) => {
                let number = name.strip_prefix('$').and_then(|n| n.parse::<usize>().ok());
                let number = number.filter(|n| (1..=PARAMETERS_MAX).contains(n));
                let Some(number) = number else {
                    return Err(SheafError::user(format!("there is no parameter {name}"))
                        .with_state(SqlState::UNDEFINED_PARAMETER)
                        .with_hint("parameters are called $1, $2 and so on"));
                };
                if self.parameters.len() < number {
                    self.parameters.resize(number, None);
                }
                let known = self.parameters.get(number - 1).copied().flatten();
                Ok(Typed {
                    expr: Expr::Parameter(number - 1),
                    type_of: known.unwrap_or(UNKNOWN),
                })
            }
            other => match other.clone().into_string() {
                Some(text) => of(Value::from(text), UNKNOWN),
                None => Err(unsupported("such a literal")),
            },
        }
    }

    fn cast(&mut self, expr: &Ast, data_type: &ast::DataType) -> Result<Typed> {
        let typed = self.expr(expr)?;
        let to = type_of(data_type)?;
        if let (Expr::Parameter(index), UNKNOWN) = (&typed.expr, typed.type_of) {
            let index = *index;
            // The name of a relation is sent as one, not as its number.
            let sent = if to == REGCLASS { TEXT } else { to };
            if let Some(known) = self.parameters.get_mut(index) {
                *known = Some(sent);
            }
            let typed = Typed {
                expr: Expr::Parameter(index),
                type_of: sent,
            };
            return self.coerce(typed, to);
        }
        self.coerce(typed, to)
    }

    /// Binds an operator between two expressions.
    fn binary(
        &mut self,
        left: &Ast,
        operator: Operator,
        symbol: &str,
        right: &Ast,
    ) -> Result<Typed> {
        match operator {
            Operator::And | Operator::Or => {
                let (left, right) = (self.condition(left)?, self.condition(right)?);
                let (left, right) = (Box::new(left), Box::new(right));
                Ok(truth(match operator {
                    Operator::And => Expr::And(left, right),
                    _ => Expr::Or(left, right),
                }))
            }
            Operator::Comparison(comparison) => match right {
                Ast::AnyOp { .. } | Ast::AllOp { .. } => Err(unsupported("such a comparison")),
                right => Ok(truth(self.compare(left, comparison, right)?)),
            },
            Operator::Match(pattern) => self.matched(left, pattern, right),
            Operator::Arithmetic(arithmetic) => self.arithmetic(left, arithmetic, symbol, right),
            Operator::Concat => self.concat(left, right),
            Operator::Contains => self.contains(left, right, true),
            Operator::Contained => self.contains(right, left, true),
            Operator::Overlaps => self.contains(left, right, false),
        }
    }

    /// An expression that is named more than once, and what stands for it: the same, if that is short,
    /// or a name for its value.
    fn operand(&mut self, expr: &Ast) -> Result<(Option<Box<Expr>>, Typed)> {
        let typed = self.expr(expr)?;
        match typed.expr {
            Expr::Value(_) | Expr::Column { .. } | Expr::Parameter(_) => Ok((None, typed)),
            expr => {
                let named = Typed {
                    expr: Expr::Operand,
                    type_of: typed.type_of,
                };
                Ok((Some(Box::new(expr)), named))
            }
        }
    }

    fn between(&mut self, expr: &Ast, low: &Ast, high: &Ast, negated: bool) -> Result<Typed> {
        let (named, operand) = self.operand(expr)?;
        let (low, high) = (self.expr(low)?, self.expr(high)?);
        let low = self.comparison(operand.clone(), Comparison::GreaterOrEqual, low)?;
        // A parameter has a type by now.
        let operand = self.retyped(operand);
        let high = self.comparison(operand, Comparison::LessOrEqual, high)?;
        let both = Expr::And(Box::new(low), Box::new(high));
        Ok(truth(negate(with(named, both), negated)))
    }

    /// A parameter with the type that is known of it.
    fn retyped(&self, typed: Typed) -> Typed {
        match typed.expr {
            Expr::Parameter(index) => Typed {
                type_of: self
                    .parameters
                    .get(index)
                    .copied()
                    .flatten()
                    .unwrap_or(UNKNOWN),
                expr: Expr::Parameter(index),
            },
            _ => typed,
        }
    }

    fn compare(&mut self, left: &Ast, comparison: Comparison, right: &Ast) -> Result<Expr> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        self.comparison(left, comparison, right)
    }

    /// Compares two bound expressions.
    pub(super) fn comparison(
        &mut self,
        left: Typed,
        comparison: Comparison,
        right: Typed,
    ) -> Result<Expr> {
        let (left, right, _) = self.unify(left, right, symbol_of(comparison))?;
        Ok(Expr::Compare(
            comparison,
            Box::new(left.expr),
            Box::new(right.expr),
        ))
    }

    fn unary(&mut self, operator: ast::UnaryOperator, expr: &Ast) -> Result<Typed> {
        match operator {
            ast::UnaryOperator::Not => Ok(truth(Expr::Not(Box::new(self.condition(expr)?)))),
            ast::UnaryOperator::Plus => self.expr(expr),
            ast::UnaryOperator::Minus => {
                let typed = self.expr(expr)?;
                if let Expr::Value(Value::Int(number)) = typed.expr
                    && let Some(number) = number.checked_neg()
                {
                    return Ok(Typed {
                        expr: Expr::Value(Value::Int(number)),
                        type_of: typed.type_of,
                    });
                }
                if !is_number(typed.type_of) {
                    return Err(no_operator(ANY, "-", typed.type_of));
                }
                let zero = match kind_of(typed.type_of) {
                    // Minus zero is not zero minus zero.
                    Kind::Float => Value::Float(-0.0),
                    Kind::Numeric => Value::numeric(0.into()),
                    _ => Value::Int(0),
                };
                Ok(Typed {
                    expr: Expr::Arithmetic(
                        Arithmetic::Subtract,
                        typed.type_of,
                        Box::new(Expr::Value(zero)),
                        Box::new(typed.expr),
                    ),
                    type_of: typed.type_of,
                })
            }
            other => Err(unsupported(&format!("the operator {other}"))),
        }
    }

    fn is_null(&mut self, expr: &Ast, negated: bool) -> Result<Typed> {
        let inner = self.expr(expr)?;
        Ok(truth(negate(Expr::IsNull(Box::new(inner.expr)), negated)))
    }

    fn is(&mut self, wanted: bool, expr: &Ast, negated: bool) -> Result<Typed> {
        let inner = self.condition(expr)?;
        Ok(truth(negate(Expr::Is(wanted, Box::new(inner)), negated)))
    }

    fn is_distinct(&mut self, left: &Ast, right: &Ast, negated: bool) -> Result<Typed> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let (left, right, _) = self.unify(left, right, "=")?;
        let distinct = Expr::IsDistinct(Box::new(left.expr), Box::new(right.expr));
        Ok(truth(negate(distinct, negated)))
    }

    fn in_list(&mut self, expr: &Ast, list: &[Ast], negated: bool) -> Result<Typed> {
        let mut all = vec![self.expr(expr)?];
        for item in list {
            all.push(self.expr(item)?);
        }
        let (all, _) = self.unify_all(all)?;
        let mut all = all.into_iter().map(|typed| typed.expr);
        let left = all.next().unwrap_or_else(Expr::null);
        let found = Expr::InList(Box::new(left), all.collect());
        Ok(truth(negate(found, negated)))
    }

    fn case(
        &mut self,
        operand: Option<&Ast>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&Ast>,
    ) -> Result<Typed> {
        let (mut tests, mut results) = (vec![], vec![]);
        let (named, operand) = match operand {
            Some(operand) => {
                let (named, operand) = self.operand(operand)?;
                (named, Some(operand))
            }
            None => (None, None),
        };
        for when in conditions {
            tests.push(match operand.clone() {
                Some(operand) => {
                    let operand = self.retyped(operand);
                    let condition = self.expr(&when.condition)?;
                    self.comparison(operand, Comparison::Equal, condition)?
                }
                None => self.condition(&when.condition)?,
            });
            results.push(self.expr(&when.result)?);
        }
        results.push(match otherwise {
            Some(otherwise) => self.expr(otherwise)?,
            None => Typed {
                expr: Expr::null(),
                type_of: UNKNOWN,
            },
        });
        let (results, type_of) = self.unify_all(results)?;
        let mut results: Vec<Expr> = results.into_iter().map(|typed| typed.expr).collect();
        let otherwise = Box::new(results.pop().unwrap_or_else(Expr::null));
        let branches = tests.into_iter().zip(results).collect();
        let case = Expr::Case {
            branches,
            otherwise,
        };
        Ok(Typed {
            expr: with(named, case),
            type_of,
        })
    }

    fn array(&mut self, elements: &[Ast]) -> Result<Typed> {
        let elements = elements.iter().map(|element| self.expr(element));
        let elements = elements.collect::<Result<Vec<_>>>()?;
        let (elements, type_of) = self.unify_all(elements)?;
        let type_of = types().array_of(types().base_of(type_of)).unwrap_or(1009);
        let elements = elements.into_iter().map(|typed| typed.expr).collect();
        Ok(Typed {
            expr: Expr::Array(elements),
            type_of,
        })
    }
}

/// An expression in which [`Expr::Operand`] stands for the value of another one.
fn with(named: Option<Box<Expr>>, expr: Expr) -> Expr {
    match named {
        Some(named) => Expr::Let(named, Box::new(expr)),
        None => expr,
    }
}

fn symbol_of(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "=",
        Comparison::Unequal => "<>",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}
