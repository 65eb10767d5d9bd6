//! Operators that are no comparisons: patterns, arithmetic, `||`, `@>` and its like.

use datafusion::sql::sqlparser::ast::Expr as Ast;
use sheaf_base::Result;

use super::coerce::{is_number, no_operator};
use super::subqueries::truth;
use super::{Binder, unsupported};
use crate::plan::{Arithmetic, Expr, Pattern, Quantified, Typed};
use crate::types::{FLOAT8, INT8, Kind, OID, TEXT, UNKNOWN, kind_of, types};

impl Binder<'_> {
    /// Binds the operator; see [`Binder::expr`] for its errors.
    ///
    /// # Errors
    /// `UserInput` if it does not take such types.
    pub(super) fn matched(&mut self, left: &Ast, pattern: Pattern, right: &Ast) -> Result<Typed> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let (left, right) = (self.as_text(left)?, self.as_text(right)?);
        Ok(truth(Expr::Match(
            pattern,
            Box::new(left.expr),
            Box::new(right.expr),
        )))
    }

    fn as_text(&mut self, typed: Typed) -> Result<Typed> {
        match kind_of(types().base_of(typed.type_of)) {
            Kind::Text => self.coerce(typed, TEXT),
            _ => Err(no_operator(typed.type_of, "~", TEXT)),
        }
    }

    /// Binds the operator; see [`Binder::expr`] for its errors.
    ///
    /// # Errors
    /// `UserInput` if it does not take such types.
    pub(super) fn like(
        &mut self,
        left: &Ast,
        right: &Ast,
        ignores_case: bool,
        negated: bool,
    ) -> Result<Typed> {
        let pattern = Pattern {
            is_like: true,
            ignores_case,
            is_negated: negated,
        };
        match right {
            Ast::AnyOp { .. } | Ast::AllOp { .. } => Err(unsupported("LIKE ANY")),
            right => self.matched(left, pattern, right),
        }
    }

    /// Binds the operator; see [`Binder::expr`] for its errors.
    ///
    /// # Errors
    /// `UserInput` if it does not take such types.
    pub(super) fn arithmetic(
        &mut self,
        left: &Ast,
        arithmetic: Arithmetic,
        symbol: &str,
        right: &Ast,
    ) -> Result<Typed> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let (from, to) = (left.type_of, right.type_of);
        let (left, right, common) = self.unify(left, right, symbol)?;
        if !is_number(common) {
            // Intervals and dates are the engine's.
            return Err(match kind_of(common) {
                Kind::Time => unsupported("arithmetic of times"),
                _ => no_operator(from, symbol, to),
            });
        }
        let type_of = match (kind_of(common), common) {
            (Kind::Float, _) => FLOAT8,
            (_, OID) => INT8,
            (_, known) => known,
        };
        let is_of_bits = matches!(arithmetic, Arithmetic::And | Arithmetic::Or);
        if (is_of_bits && kind_of(common) != Kind::Int)
            || (arithmetic == Arithmetic::Remainder && type_of == FLOAT8)
        {
            return Err(no_operator(from, symbol, to));
        }
        let (left, right) = (Box::new(left.expr), Box::new(right.expr));
        Ok(Typed {
            expr: Expr::Arithmetic(arithmetic, type_of, left, right),
            type_of,
        })
    }

    /// Binds the operator; see [`Binder::expr`] for its errors.
    ///
    /// # Errors
    /// `UserInput` if it does not take such types.
    pub(super) fn concat(&mut self, left: &Ast, right: &Ast) -> Result<Typed> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let is_array = |typed: &Typed| types().element_of(types().base_of(typed.type_of)).is_some();
        let type_of = match (is_array(&left), is_array(&right)) {
            (true, _) => left.type_of,
            (false, true) => right.type_of,
            (false, false) => TEXT,
        };
        let (left, right) = match (is_array(&left), is_array(&right)) {
            (true, true) => {
                let right = self.coerce(right, type_of)?;
                (left, right)
            }
            // A literal beside an array is one.
            (true, false) if right.type_of == UNKNOWN => {
                let right = self.coerce(right, type_of)?;
                (left, right)
            }
            (false, true) if left.type_of == UNKNOWN => {
                let left = self.coerce(left, type_of)?;
                (left, right)
            }
            _ => (left, right),
        };
        Ok(Typed {
            expr: Expr::Concat(Box::new(left), Box::new(right)),
            type_of,
        })
    }

    /// Whether the left array holds all of the right one, or any of it.
    ///
    /// # Errors
    /// `UserInput` if it does not take such types.
    pub(super) fn contains(&mut self, left: &Ast, right: &Ast, is_all: bool) -> Result<Typed> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let (left, right, common) = self.unify(left, right, "@>")?;
        if types().element_of(common).is_none() {
            return Err(unsupported("@>, <@ and && of other types than arrays"));
        }
        Ok(truth(Expr::Quantified {
            left: Box::new(right.expr),
            comparison: match is_all {
                true => Quantified::Within,
                false => Quantified::Shares,
            },
            array: Box::new(left.expr),
            is_all,
        }))
    }
}
