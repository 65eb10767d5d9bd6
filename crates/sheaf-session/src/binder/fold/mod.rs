//! `CREATE AGGREGATE`: from clauses to a fold with typed expressions.
//!
//! Everything is settled here, so that a call can fail by its arguments and by values alone: the
//! clauses name only arguments and state, never tables or other aggregates, so no definition can
//! lead back to itself.
//!
//! How states are merged:
//! 1. by MERGE, if it puts together what was folded apart (`Fold::merges_as_it_folds`);
//! 2. else, where every column of the state is a sum, a product, a least or greatest value, an AND or
//!    an OR of something of the row, as that operator has it, INIT added once at the end
//!    ([`associative`]);
//! 3. else not at all: the rows of a group are gathered and folded one after another.

mod associative;
mod clause;

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use datafusion::sql::sqlparser::ast::{ColumnDef, Expr};
use sheaf_base::error::{Position, SqlState};
use sheaf_base::type_names::is_variant;
use sheaf_base::{Result, SheafError};
use sheaf_functions::fold::{Fold, FoldParts, Merge};
use sheaf_sql::{AggregateDefinition, ClauseExpr};

use self::associative::{Associative, associative};
use self::clause::{Clause, Definition, OTHER};
use super::Binder;

impl Binder<'_> {
    /// The fold that a definition makes, under `name`.
    ///
    /// # Errors
    /// `UserInput`, with the place of the expression, if a clause has another number of expressions
    /// than STATE has columns, or one that cannot be, or that gives another type.
    pub(crate) fn plan_fold(self, name: &str, written: &AggregateDefinition) -> Result<Fold> {
        let arguments = self.fold_columns(name, &written.arguments)?;
        let state = self.fold_columns(name, &written.state)?;
        let state: Fields = state.iter().map(stored).collect();
        refuse_same_names(name, written, &arguments, &state)?;
        let definition = Definition {
            binder: self,
            name,
            arguments: &arguments,
            state: &state,
        };
        let init = definition.constants(Clause::Init, &written.init)?;
        let accumulate = definition.columns(Clause::Accumulate, &written.accumulate)?;
        let merge = match &written.merge {
            Some(merge) => Some(definition.columns(Clause::Merge, merge)?),
            None => None,
        };
        let finish = definition.finish(written)?;
        let result = finish.data_type(&Schema::new(state.clone()))?;
        let mut parts = FoldParts {
            name: name.to_owned(),
            arguments: arguments.clone(),
            state: state.clone(),
            init: init.clone(),
            accumulate,
            merge: merge.map(|exprs| Merge {
                exprs,
                neutral: init,
                adds_init: false,
            }),
            finish,
            result,
        };
        if parts.merge.is_some() {
            let fold = Fold::new(parts);
            if fold.merges_as_it_folds() {
                return Ok(fold);
            }
            parts = fold.into_parts();
        }
        parts.merge = definition.merge_of(&written.accumulate);
        Ok(Fold::new(parts))
    }

    fn fold_columns(self, name: &str, columns: &[ColumnDef]) -> Result<Fields> {
        let fields = columns.iter().map(|column| {
            let place = |error: SheafError| {
                let at = Position {
                    line: column.name.span.start.line,
                    column: column.name.span.start.column,
                };
                let position = error.position().unwrap_or(at);
                let context = format!("aggregate \"{name}\"");
                error.with_context(context).with_position(position)
            };
            let schema = self.declared_columns(std::slice::from_ref(column));
            let schema = schema.map_err(place)?;
            let field = schema.and_then(|schema| schema.fields().first().cloned());
            let field = field.ok_or_else(|| SheafError::internal("a column has a field"))?;
            match has_variant(&field) {
                false => Ok(field),
                true => Err(place(
                    SheafError::unsupported("arguments and states cannot be of type VARIANT")
                        .with_hint("cast what is needed of it in the call: f(rec.a::BIGINT)"),
                )),
            }
        });
        fields.collect()
    }
}

impl Definition<'_> {
    /// How states are merged, told from ACCUMULATE.
    fn merge_of(&self, accumulate: &[ClauseExpr]) -> Option<Merge> {
        let names: Vec<&str> = self
            .state
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let columns = names.iter().zip(accumulate);
        let columns = columns.map(|(name, written)| associative(name, &names, &written.expr));
        let columns: Vec<Associative> = columns.collect::<Option<_>>()?;
        let position = accumulate.first()?.position;
        let written = |exprs: fn(&Associative) -> &Expr| {
            let exprs = columns.iter().map(|column| ClauseExpr {
                expr: exprs(column).clone(),
                position,
            });
            exprs.collect::<Vec<_>>()
        };
        // What does not fit the types of the state (a date plus a number) is no such column.
        let neutral = self.constants(Clause::Init, &written(|column| &column.neutral));
        let exprs = self.columns(Clause::Merge, &written(|column| &column.merge));
        Some(Merge {
            exprs: exprs.ok()?,
            neutral: neutral.ok()?,
            adds_init: true,
        })
    }
}

/// Arrays of one value.
type Constants = Vec<ArrayRef>;

fn has_variant(field: &Field) -> bool {
    is_variant(field)
        || match field.data_type() {
            DataType::List(item) => has_variant(item),
            DataType::Struct(fields) => fields.iter().any(|field| has_variant(field)),
            _ => false,
        }
}

/// A column of a state as it is kept: texts without reference to the batches they came from.
fn stored(field: &FieldRef) -> FieldRef {
    let data_type = stored_type(field.data_type());
    Arc::new(Field::new(field.name(), data_type, true))
}

fn stored_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::Utf8 => DataType::LargeUtf8,
        DataType::BinaryView | DataType::Binary => DataType::LargeBinary,
        DataType::List(item) => DataType::List(stored_item(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(stored_item).collect()),
        other => other.clone(),
    }
}

fn stored_item(field: &FieldRef) -> FieldRef {
    let data_type = stored_type(field.data_type());
    Arc::new(Field::clone(field).with_data_type(data_type))
}

fn refuse_same_names(
    name: &str,
    written: &AggregateDefinition,
    arguments: &Fields,
    state: &Fields,
) -> Result<()> {
    let mut known = std::collections::HashSet::new();
    let columns = written.arguments.iter().chain(&written.state);
    for (field, column) in arguments.iter().chain(state).zip(columns) {
        let message = if field.name() == OTHER {
            format!("\"{OTHER}\" is the name of the second state in MERGE")
        } else if known.insert(field.name()) {
            continue;
        } else {
            format!("\"{}\" is declared twice", field.name())
        };
        let start = column.name.span.start;
        return Err(SheafError::user(format!("aggregate \"{name}\": {message}"))
            .with_state(SqlState::INVALID_FUNCTION_DEFINITION)
            .with_position(Position {
                line: start.line,
                column: start.column,
            }));
    }
    Ok(())
}
