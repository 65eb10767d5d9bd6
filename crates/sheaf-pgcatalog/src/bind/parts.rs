//! Parts of arrays and records.

use datafusion::sql::sqlparser::ast::{self, AccessExpr, Expr as Ast};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::coerce::shown;
use super::{Binder, name_of, unsupported};
use crate::plan::{Expr, OutColumn, Typed};
use crate::types::{INT4, types};

impl Binder<'_> {
    /// `a.b[1]`, `(f(x)).n`: parts of arrays and records.
    ///
    /// # Errors
    /// `UserInput` if there is no such part.
    pub(super) fn access(&mut self, root: &Ast, chain: &[AccessExpr]) -> Result<Typed> {
        // Names with points between them are a column, before anything is taken of it.
        let mut parts = match root {
            Ast::Identifier(ident) => vec![ident.clone()],
            Ast::CompoundIdentifier(parts) => parts.clone(),
            _ => vec![],
        };
        let mut rest = chain;
        if !parts.is_empty() {
            while let [AccessExpr::Dot(Ast::Identifier(ident)), after @ ..] = rest {
                parts.push(ident.clone());
                rest = after;
            }
        }
        let mut value = match parts.is_empty() {
            true => self.expr(root)?,
            false => self.column(&parts)?,
        };
        for access in rest {
            value = match access {
                AccessExpr::Dot(Ast::Identifier(field)) => self.field(value, &name_of(field))?,
                AccessExpr::Dot(_) => return Err(unsupported("such a field")),
                AccessExpr::Subscript(subscript) => self.subscript(value, subscript)?,
            };
        }
        Ok(value)
    }

    /// The columns of the record that an expression gives, if they are known.
    pub(super) fn record_columns(&self, record: &Expr) -> Option<Vec<OutColumn>> {
        match record {
            Expr::Set(index) => {
                let columns = self.scopes.last()?.sets.get(*index)?.columns();
                (columns.len() > 1).then_some(columns)
            }
            Expr::Column { up, index } => {
                let depth = self.scopes.len().checked_sub(up + 1)?;
                let column = self.scopes.get(depth)?.column_at_place(*index)?;
                (!column.fields.is_empty()).then(|| column.fields.clone())
            }
            _ => None,
        }
    }

    fn field(&mut self, record: Typed, name: &str) -> Result<Typed> {
        let columns = self.record_columns(&record.expr).unwrap_or_default();
        let found = columns.iter().position(|column| column.name == name);
        match found.and_then(|index| Some((index, columns.get(index)?))) {
            Some((index, column)) => Ok(Typed {
                type_of: column.type_of,
                expr: Expr::Field(Box::new(record.expr), index),
            }),
            None => Err(SheafError::user(format!(
                "column \"{name}\" not found in data type {}",
                shown(record.type_of)
            ))
            .with_state(SqlState::UNDEFINED_COLUMN)),
        }
    }

    /// `(f(x)).*`
    ///
    /// # Errors
    /// `UserInput` if it gives no record.
    pub(super) fn fields(&mut self, expr: &Ast) -> Result<Vec<(String, Typed)>> {
        let record = self.expr(expr)?;
        let Some(columns) = self.record_columns(&record.expr) else {
            return Err(unsupported("the fields of such a record"));
        };
        let fields = columns.into_iter().enumerate().map(|(index, column)| {
            let field = Typed {
                type_of: column.type_of,
                expr: Expr::Field(Box::new(record.expr.clone()), index),
            };
            (column.name, field)
        });
        Ok(fields.collect())
    }

    fn subscript(&mut self, value: Typed, subscript: &ast::Subscript) -> Result<Typed> {
        let element = types().element_of(types().base_of(value.type_of));
        let Some(element) = element else {
            return Err(SheafError::user(format!(
                "cannot subscript type {} because it does not support subscripting",
                shown(value.type_of)
            ))
            .with_state(SqlState::DATATYPE_MISMATCH));
        };
        let mut number = |expr: &Ast| {
            let number = self.expr(expr)?;
            Ok::<_, SheafError>(Box::new(self.coerce(number, INT4)?.expr))
        };
        Ok(match subscript {
            ast::Subscript::Index { index } => Typed {
                expr: Expr::Subscript(Box::new(value.expr), number(index)?),
                type_of: element,
            },
            ast::Subscript::Slice {
                lower_bound,
                upper_bound,
                ..
            } => {
                let lower = lower_bound.as_ref().map(&mut number).transpose()?;
                let upper = upper_bound.as_ref().map(&mut number).transpose()?;
                Typed {
                    expr: Expr::Slice(Box::new(value.expr), lower, upper),
                    type_of: value.type_of,
                }
            }
        })
    }
}
