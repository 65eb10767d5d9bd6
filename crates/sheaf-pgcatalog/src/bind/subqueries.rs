//! Queries within expressions.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::forms::Operator;
use super::{Binder, coerce};
use crate::plan::{Expr, Quantified, Query, Typed};
use crate::types::{BOOL, Oid, TEXT, UNKNOWN, types};

impl Binder<'_> {
    /// A query of one column.
    fn column_query(&mut self, query: &ast::Query) -> Result<(Query, Oid)> {
        let query = self.query(query)?;
        match query.columns.as_slice() {
            [column] => {
                let type_of = column.type_of;
                Ok((query, type_of))
            }
            _ => Err(SheafError::user("subquery must return only one column")
                .with_state(SqlState::SYNTAX_ERROR)),
        }
    }

    /// The value of a query's only row.
    ///
    /// # Errors
    /// `UserInput` if it has more than one column.
    pub(super) fn scalar_query(&mut self, query: &ast::Query) -> Result<Typed> {
        let (query, type_of) = self.column_query(query)?;
        Ok(Typed {
            expr: Expr::Scalar(Arc::new(query)),
            type_of,
        })
    }

    /// Whether a query has rows.
    ///
    /// # Errors
    /// Those of the query.
    pub(super) fn exists(&mut self, query: &ast::Query, negated: bool) -> Result<Typed> {
        let expr = Expr::Exists(Arc::new(self.query(query)?));
        Ok(truth(negate(expr, negated)))
    }

    /// `ARRAY (SELECT …)`.
    ///
    /// # Errors
    /// `UserInput` if it has more than one column.
    pub(super) fn array_query(&mut self, query: &ast::Query) -> Result<Typed> {
        let (query, type_of) = self.column_query(query)?;
        let type_of = types().base_of(type_of);
        Ok(Typed {
            expr: Expr::ArrayOf(Arc::new(query)),
            type_of: types().array_of(type_of).unwrap_or(1009),
        })
    }

    /// `left = ANY (SELECT …)`, or ALL; `left IN (SELECT …)` is the former.
    ///
    /// # Errors
    /// `UserInput` if the types do not agree.
    pub(super) fn quantified_query(
        &mut self,
        left: &ast::Expr,
        (operator, symbol): (Operator, &str),
        query: &ast::Query,
        is_all: bool,
    ) -> Result<Typed> {
        let left = self.expr(left)?;
        let query = self.query(query)?;
        let Some(comparison) = quantified(operator) else {
            return Err(super::unsupported("such an operator of ANY or ALL"));
        };
        if let (Expr::Row(fields), columns) = (&left.expr, query.columns.as_slice())
            && fields.len() == columns.len()
        {
            return Ok(truth(Expr::QuantifiedQuery {
                left: Box::new(left.expr),
                comparison,
                query: Arc::new(query),
                is_all,
            }));
        }
        let [column] = query.columns.as_slice() else {
            return Err(SheafError::user("subquery has too many columns")
                .with_state(SqlState::SYNTAX_ERROR));
        };
        let agreed = coerce::agreed(left.type_of, column.type_of)
            .ok_or_else(|| coerce::no_operator(left.type_of, symbol, column.type_of))?;
        let agreed = if agreed == UNKNOWN { TEXT } else { agreed };
        let left = self.coerce(left, agreed)?;
        let query = self.cast_columns(query, &[agreed])?;
        Ok(truth(Expr::QuantifiedQuery {
            left: Box::new(left.expr),
            comparison,
            query: Arc::new(query),
            is_all,
        }))
    }

    /// `left = ANY (array)`, or ALL.
    ///
    /// # Errors
    /// `UserInput` if the types do not agree.
    pub(super) fn quantified_array(
        &mut self,
        left: &ast::Expr,
        (operator, symbol): (Operator, &str),
        array: &ast::Expr,
        is_all: bool,
    ) -> Result<Typed> {
        let array = match array {
            ast::Expr::Subquery(query) => {
                return self.quantified_query(left, (operator, symbol), query, is_all);
            }
            ast::Expr::Nested(inner) => match inner.as_ref() {
                ast::Expr::Subquery(query) => {
                    return self.quantified_query(left, (operator, symbol), query, is_all);
                }
                inner => inner,
            },
            other => other,
        };
        let Some(comparison) = quantified(operator) else {
            return Err(super::unsupported("such an operator of ANY or ALL"));
        };
        let (left, array) = (self.expr(left)?, self.expr(array)?);
        let element = match types().element_of(types().base_of(array.type_of)) {
            Some(element) => element,
            // A literal or parameter is an array of what is compared with it.
            None if array.type_of == UNKNOWN => match left.type_of {
                UNKNOWN => TEXT,
                known => types().base_of(known),
            },
            None => {
                return Err(
                    SheafError::user("op ANY/ALL (array) requires array on right side")
                        .with_state(SqlState::WRONG_OBJECT_TYPE),
                );
            }
        };
        let agreed = coerce::agreed(left.type_of, element)
            .ok_or_else(|| coerce::no_operator(left.type_of, symbol, element))?;
        let agreed = if agreed == UNKNOWN { TEXT } else { agreed };
        let left = self.coerce(left, agreed)?;
        let array_type = types().array_of(agreed).unwrap_or(1009);
        let array = self.coerce(array, array_type)?;
        Ok(truth(Expr::Quantified {
            left: Box::new(left.expr),
            comparison,
            array: Box::new(array.expr),
            is_all,
        }))
    }
}

fn quantified(operator: Operator) -> Option<Quantified> {
    match operator {
        Operator::Comparison(comparison) => Some(Quantified::Comparison(comparison)),
        Operator::Match(pattern) => Some(Quantified::Match(pattern)),
        _ => None,
    }
}

/// A truth value.
pub(super) fn truth(expr: Expr) -> Typed {
    Typed {
        expr,
        type_of: BOOL,
    }
}

/// The opposite, if that is wanted.
pub(super) fn negate(expr: Expr, negated: bool) -> Expr {
    match negated {
        true => Expr::Not(Box::new(expr)),
        false => expr,
    }
}
