//! Making types agree.

use std::sync::Arc;

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::Binder;
use super::query::constant;
use super::scales::scale_of_column;
use crate::plan::{Body, Expr, OutColumn, Query, Typed};
use crate::types::{
    FLOAT8, INT2, INT4, INT8, Kind, NUMERIC, Oid, TEXT, UNKNOWN, format_type, kind_of, types,
};
use crate::value::Value;

/// The type in which values of two types can be compared; `None` if there is none.
pub(super) fn agreed(left: Oid, right: Oid) -> Option<Oid> {
    let (left, right) = (types().base_of(left), types().base_of(right));
    match (left, right) {
        (left, right) if left == right => Some(left),
        (UNKNOWN, other) | (other, UNKNOWN) => Some(other),
        _ => match (kind_of(left), kind_of(right)) {
            (Kind::Int, Kind::Int) => Some(wider(left, right)),
            (Kind::Int | Kind::Numeric, Kind::Numeric) | (Kind::Numeric, Kind::Int) => {
                Some(NUMERIC)
            }
            (Kind::Float | Kind::Int | Kind::Numeric, Kind::Float)
            | (Kind::Float, Kind::Int | Kind::Numeric) => Some(FLOAT8),
            (Kind::Text, Kind::Text) => Some(TEXT),
            (Kind::Time, Kind::Time) => Some(left.max(right)),
            (Kind::Array, Kind::Array) => {
                let element = |oid| types().element_of(oid).unwrap_or(TEXT);
                types().array_of(agreed(element(left), element(right))?)
            }
            (Kind::Record, Kind::Record) => Some(left),
            _ => None,
        },
    }
}

/// Of two kinds of integers the wider; numbers of objects are compared as they are.
fn wider(left: Oid, right: Oid) -> Oid {
    let rank = |oid| match oid {
        INT2 => 0,
        INT4 => 1,
        INT8 => 3,
        _ => 2,
    };
    if rank(left) >= rank(right) {
        left
    } else {
        right
    }
}

/// The types of columns of a set operation.
pub(super) fn unify_columns(left: &[OutColumn], right: &[OutColumn]) -> Result<Vec<Oid>> {
    if left.len() != right.len() {
        return Err(SheafError::user(
            "each query of a set operation must have the same number of columns",
        )
        .with_state(SqlState::SYNTAX_ERROR));
    }
    let pairs = left.iter().zip(right);
    let types = pairs.map(|(left, right)| {
        let known = agreed(left.type_of, right.type_of);
        let known = known.map(|oid| if oid == UNKNOWN { TEXT } else { oid });
        known.ok_or_else(|| mismatch(left.type_of, right.type_of))
    });
    types.collect()
}

fn mismatch(left: Oid, right: Oid) -> SheafError {
    SheafError::user(format!(
        "types {} and {} cannot be matched",
        shown(left),
        shown(right)
    ))
    .with_state(SqlState::DATATYPE_MISMATCH)
}

/// A type's name, for errors.
pub(super) fn shown(oid: Oid) -> String {
    format_type(oid, None).unwrap_or_else(|| "unknown".to_owned())
}

impl Binder<'_> {
    /// Makes an expression one of type `to`: a text without a type is read, a parameter learns what
    /// it is, all else is cast.
    ///
    /// # Errors
    /// None yet: that a value cannot be cast is found when it is.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "callers use it like the other steps"
    )]
    pub(super) fn coerce(&mut self, typed: Typed, to: Oid) -> Result<Typed> {
        if typed.type_of == to {
            return Ok(typed);
        }
        if let Expr::Parameter(index) = typed.expr {
            let known = self.parameters.get_mut(index);
            if let Some(known) = known
                && known.is_none()
            {
                *known = Some(to);
                return Ok(Typed {
                    expr: Expr::Parameter(index),
                    type_of: to,
                });
            }
        }
        if constant(&typed.expr).is_some_and(Value::is_null) {
            return Ok(Typed {
                expr: Expr::null(),
                type_of: to,
            });
        }
        let (from, to_base) = (types().base_of(typed.type_of), types().base_of(to));
        let is_same = kind_of(from) == kind_of(to_base)
            && match kind_of(from) {
                // Texts are texts, but what is read from one may be no name.
                Kind::Text => from != UNKNOWN || to_base == TEXT,
                Kind::Int => !matches!(to_base, INT2 | INT4),
                Kind::Float | Kind::Numeric | Kind::Bool | Kind::Record => true,
                Kind::Time | Kind::Array => false,
            };
        if is_same {
            return Ok(Typed {
                expr: typed.expr,
                type_of: to,
            });
        }
        Ok(Typed {
            expr: Expr::Cast(Box::new(typed), to),
            type_of: to,
        })
    }

    /// Makes two expressions comparable.
    ///
    /// # Errors
    /// `UserInput` (42883) if their types have nothing in common.
    pub(super) fn unify(
        &mut self,
        left: Typed,
        right: Typed,
        operator: &str,
    ) -> Result<(Typed, Typed, Oid)> {
        let Some(agreed) = agreed(left.type_of, right.type_of) else {
            return Err(no_operator(left.type_of, operator, right.type_of));
        };
        let agreed = if agreed == UNKNOWN { TEXT } else { agreed };
        // Integers and texts of several types compare as they are.
        let adapt = |binder: &mut Self, side: Typed| match kind_of(types().base_of(side.type_of)) {
            Kind::Int if kind_of(agreed) == Kind::Int => Ok(side),
            Kind::Text if kind_of(agreed) == Kind::Text && side.type_of != UNKNOWN => Ok(side),
            _ => binder.coerce(side, agreed),
        };
        Ok((adapt(self, left)?, adapt(self, right)?, agreed))
    }

    /// Makes all of them of one type.
    ///
    /// # Errors
    /// `UserInput` (42804) if there is none.
    pub(super) fn unify_all(&mut self, all: Vec<Typed>) -> Result<(Vec<Typed>, Oid)> {
        let mut common = UNKNOWN;
        for typed in &all {
            common =
                agreed(common, typed.type_of).ok_or_else(|| mismatch(common, typed.type_of))?;
        }
        if common == UNKNOWN {
            common = TEXT;
        }
        let all = all.into_iter().map(|typed| self.coerce(typed, common));
        Ok((all.collect::<Result<_>>()?, common))
    }

    /// Puts casts around the columns of a query, where they are of other types than `wanted`.
    ///
    /// # Errors
    /// As [`Binder::coerce`].
    pub(super) fn cast_columns(&mut self, query: Query, wanted: &[Oid]) -> Result<Query> {
        let is_same = |oid: Oid, wanted: Oid| oid == wanted || (oid == UNKNOWN && wanted == TEXT);
        let given = query.columns.iter().map(|column| column.type_of);
        if given.zip(wanted).all(|(oid, wanted)| is_same(oid, *wanted)) {
            return Ok(query);
        }
        let mut projection = vec![];
        for (index, (column, wanted)) in query.columns.iter().zip(wanted).enumerate() {
            let cell = Typed {
                expr: Expr::Column { up: 0, index },
                type_of: column.type_of,
            };
            projection.push(self.coerce(cell, *wanted)?.expr);
        }
        let columns = query
            .columns
            .iter()
            .zip(wanted)
            .map(|(column, wanted)| OutColumn {
                scale: scale_of_column(column),
                ..OutColumn::new(column.name.clone(), *wanted)
            });
        let columns = columns.collect();
        let (outer, reads) = (query.outer.clone(), query.reads.clone());
        let is_volatile = query.is_volatile;
        Ok(Query {
            id: self.new_id(),
            ctes: vec![],
            body: Body::Project {
                query: Arc::new(query),
                projection,
            },
            order: vec![],
            limit: None,
            offset: None,
            columns,
            outer,
            reads,
            is_volatile,
        })
    }
}

/// How the message of [`no_operator`] begins.
pub(super) const NO_OPERATOR: &str = "operator does not exist";

/// The error of an operator that does not exist.
pub(super) fn no_operator(left: Oid, operator: &str, right: Oid) -> SheafError {
    SheafError::user(format!(
        "{NO_OPERATOR}: {} {operator} {}",
        shown(left),
        shown(right)
    ))
    .with_state(SqlState::UNDEFINED_FUNCTION)
    .with_hint("no operator matches the given types; you might need to add explicit casts")
}

/// Whether numbers of this type have fractions.
pub(super) fn is_number(oid: Oid) -> bool {
    matches!(
        kind_of(types().base_of(oid)),
        Kind::Int | Kind::Float | Kind::Numeric
    )
}
