//! The columns that a SELECT can name.

use datafusion::sql::sqlparser::ast;
use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;
use sheaf_base::{Result, SheafError};

use super::{Binder, at, name_of};
use crate::plan::{AggregateCall, Expr, OutColumn, SetCall, Typed, WindowCall};
use crate::types::{INT4, OID, Oid, RECORD, TEXT, XID};
use crate::value::Value;

/// The relations of one SELECT, and the calls that it makes of them.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) columns: Vec<ScopeColumn>,
    /// What names without a table find, in the order of `*`.
    pub(super) shown: Vec<Shown>,
    /// The columns that anything names: a row holds those alone, in this order.
    pub(super) places: Vec<usize>,
    /// Whether a query within FROM is bound that may not name the relations before it.
    pub(super) is_hidden: bool,
    pub(super) aggregates: Vec<AggregateCall>,
    pub(super) windows: Vec<WindowCall>,
    pub(super) sets: Vec<SetCall>,
}

/// A column of a relation.
#[derive(Debug, Clone)]
pub(super) struct ScopeColumn {
    pub(super) table: String,
    pub(super) column: OutColumn,
}

/// A column, or several that USING makes one: the first that is not NULL.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) columns: Vec<usize>,
}

/// Columns that every table has and `*` does not show, with what they hold here.
const SYSTEM_COLUMNS: &[(&str, Oid, i64)] =
    &[("xmin", XID, 1), ("xmax", XID, 0), ("cmin", INT4, 0)];

/// Columns that programs of older versions ask for by the names that they had then.
const FORMER_NAMES: &[(&str, &str)] = &[
    ("daticulocale", "datlocale"),
    ("colliculocale", "colllocale"),
];

/// What a name stands for.
enum Found {
    Column(usize, Vec<usize>),
    /// A whole row of a relation: its columns.
    Row(usize, Vec<usize>),
}

impl Scope {
    /// The place in a row of a column, which is there from now on.
    fn place_of(&mut self, column: usize) -> usize {
        let known = self.places.iter().position(|known| *known == column);
        known.unwrap_or_else(|| {
            self.places.push(column);
            self.places.len() - 1
        })
    }

    /// The columns of a table, if it is one of these relations.
    pub(super) fn columns_of(&self, table: &str) -> Vec<usize> {
        let numbered = self.columns.iter().enumerate();
        let found = numbered.filter(|(_, column)| column.table == table);
        found.map(|(index, _)| index).collect()
    }

    /// The column at a place of a row.
    pub(super) fn column_at_place(&self, place: usize) -> Option<&OutColumn> {
        let column = self.columns.get(*self.places.get(place)?)?;
        Some(&column.column)
    }
}

impl Binder<'_> {
    /// The depth of the innermost scope.
    pub(super) fn depth(&self) -> usize {
        self.scopes.len().saturating_sub(1)
    }

    /// A column by its number; `scope` counts from the outermost one.
    pub(super) fn column_at(&mut self, scope: usize, column: usize) -> Typed {
        let depth = self.depth();
        let mut typed = Typed {
            type_of: TEXT,
            expr: Expr::null(),
        };
        if let Some(found) = self.scopes.get_mut(scope) {
            let index = found.place_of(column);
            let known = found.columns.get(column);
            typed.type_of = known.map_or(TEXT, |known| known.column.type_of);
            typed.expr = Expr::Column {
                up: depth - scope,
                index,
            };
            // All queries between here and there name it.
            for uses in &mut self.uses {
                if scope < uses.depth {
                    uses.columns.insert((scope, index));
                }
            }
        }
        typed
    }

    /// The first of several columns that is not NULL.
    ///
    /// # Errors
    /// `UserInput` (42804) if their types do not agree.
    pub(super) fn merged_column(&mut self, scope: usize, columns: &[usize]) -> Result<Typed> {
        let all = columns.iter().map(|column| self.column_at(scope, *column));
        let all: Vec<Typed> = all.collect();
        match <[Typed; 1]>::try_from(all) {
            Ok([only]) => Ok(only),
            Err(all) => {
                let (all, type_of) = self.unify_all(all)?;
                let all = all.into_iter().map(|typed| typed.expr);
                Ok(Typed {
                    expr: Expr::Coalesce(all.collect()),
                    type_of,
                })
            }
        }
    }

    fn find(&self, table: Option<&str>, name: &str, ident: &ast::Ident) -> Result<Option<Found>> {
        for (number, scope) in self.scopes.iter().enumerate().rev() {
            if scope.is_hidden {
                continue;
            }
            let found: Vec<Vec<usize>> = match table {
                Some(table) => {
                    let own = scope.columns.iter().enumerate();
                    let fits =
                        |column: &ScopeColumn| column.table == table && column.column.name == name;
                    let own = own.filter(|(_, column)| fits(column));
                    own.map(|(index, _)| vec![index]).collect()
                }
                None => {
                    let shown = scope.shown.iter().filter(|shown| shown.name == name);
                    shown.map(|shown| shown.columns.clone()).collect()
                }
            };
            let mut found = found.into_iter();
            if let Some(columns) = found.next() {
                if found.next().is_some() {
                    let error =
                        SheafError::user(format!("column reference \"{name}\" is ambiguous"));
                    return Err(at(error.with_state(SqlState::AMBIGUOUS_COLUMN), ident));
                }
                return Ok(Some(Found::Column(number, columns)));
            }
            if table.is_none() {
                let whole = scope.columns_of(name);
                if !whole.is_empty() {
                    return Ok(Some(Found::Row(number, whole)));
                }
            }
        }
        Ok(None)
    }

    /// Binds a column's name; of several parts the last is its own and the one before its table's.
    ///
    /// # Errors
    /// `UserInput` (42703, 42702) if no column or more than one has the name.
    pub(super) fn column(&mut self, parts: &[ast::Ident]) -> Result<Typed> {
        let Some(last) = parts.last() else {
            return Err(SheafError::internal("a name without parts"));
        };
        let name = name_of(last);
        let table = parts
            .len()
            .checked_sub(2)
            .and_then(|index| parts.get(index));
        let table = table.map(name_of);
        let mut found = self.find(table.as_deref(), &name, last)?;
        if found.is_none()
            && let Some((_, now)) = FORMER_NAMES.iter().find(|(former, _)| *former == name)
        {
            found = self.find(table.as_deref(), now, last)?;
        }
        match found {
            Some(Found::Column(scope, columns)) => self.merged_column(scope, &columns),
            Some(Found::Row(scope, indices)) => {
                let columns = indices.into_iter().map(|i| self.column_at(scope, i).expr);
                Ok(Typed {
                    expr: Expr::Row(columns.collect()),
                    type_of: RECORD,
                })
            }
            None => match self.system_column(table.as_deref(), &name) {
                Some(found) => Ok(found),
                None => Err(at(self.unknown(table.as_deref(), &name), last)),
            },
        }
    }

    /// `xmin` and its like of a relation that is there.
    fn system_column(&self, table: Option<&str>, name: &str) -> Option<Typed> {
        let has_table = |scope: &Scope| match table {
            Some(table) => scope.columns.iter().any(|column| column.table == table),
            None => !scope.columns.is_empty(),
        };
        if !self.scopes.iter().any(has_table) {
            return None;
        }
        let found = SYSTEM_COLUMNS.iter().find(|(known, ..)| *known == name);
        let (type_of, value) = match found {
            Some((_, type_of, value)) => (*type_of, *value),
            None if name == "tableoid" => (OID, 0),
            None => return None,
        };
        Some(Typed {
            expr: Expr::Value(Value::Int(value)),
            type_of,
        })
    }

    fn unknown(&self, table: Option<&str>, name: &str) -> SheafError {
        let has_table = |table: &str| {
            let mut all = self.scopes.iter().flat_map(|scope| &scope.columns);
            all.any(|column| column.table == table)
        };
        if let Some(table) = table.filter(|table| !has_table(table)) {
            return SheafError::user(format!("missing FROM-clause entry for table \"{table}\""))
                .with_state(SqlState::UNDEFINED_TABLE);
        }
        let shown = match table {
            Some(table) => format!("column {table}.{name} does not exist"),
            None => format!("column \"{name}\" does not exist"),
        };
        let error = SheafError::user(shown).with_state(SqlState::UNDEFINED_COLUMN);
        let names = self.scopes.iter().flat_map(|scope| &scope.columns);
        match nearest(name, names.map(|column| column.column.name.as_str())) {
            Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
            None => error,
        }
    }
}
