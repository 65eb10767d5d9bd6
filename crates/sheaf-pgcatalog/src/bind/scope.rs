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
    /// Whether a query within FROM is bound that may not name the relations before it.
    pub(super) is_hidden: bool,
    pub(super) aggregates: Vec<AggregateCall>,
    pub(super) windows: Vec<WindowCall>,
    pub(super) sets: Vec<SetCall>,
}

/// A column of the flat row.
#[derive(Debug, Clone)]
pub(super) struct ScopeColumn {
    pub(super) table: String,
    pub(super) name: String,
    pub(super) type_of: Oid,
    /// Those of a record, as far as they are known.
    pub(super) fields: Vec<OutColumn>,
    /// The second of two that USING makes one: only a name with its table finds it.
    pub(super) is_merged: bool,
}

/// Columns that every table has and `*` does not show, with what they hold here.
const SYSTEM_COLUMNS: &[(&str, Oid, i64)] =
    &[("xmin", XID, 1), ("xmax", XID, 0), ("cmin", INT4, 0)];

/// What a name stands for.
enum Found {
    Column(usize, usize),
    /// A whole row of a relation: the range of its columns.
    Row(usize, Vec<usize>),
}

impl Binder<'_> {
    /// The depth of the innermost scope.
    fn depth(&self) -> usize {
        self.scopes.len().saturating_sub(1)
    }

    /// Notes that all queries between here and a scope name something of it.
    pub(super) fn use_scope(&mut self, scope: usize) {
        for (depth, uses) in &mut self.uses {
            if scope < *depth {
                uses.insert(scope);
            }
        }
    }

    /// A column by its place; `scope` counts from the outermost one.
    pub(super) fn column_at(&mut self, scope: usize, index: usize) -> Typed {
        self.use_scope(scope);
        let column = self.scopes.get(scope).and_then(|s| s.columns.get(index));
        Typed {
            type_of: column.map_or(TEXT, |column| column.type_of),
            expr: Expr::Column {
                up: self.depth() - scope,
                index,
            },
        }
    }

    fn find(&self, table: Option<&str>, name: &str, ident: &ast::Ident) -> Result<Option<Found>> {
        for (scope, found) in self.scopes.iter().enumerate().rev() {
            if found.is_hidden {
                continue;
            }
            let fits = |column: &ScopeColumn| match table {
                Some(table) => column.table == table && column.name == name,
                None => column.name == name && !column.is_merged,
            };
            let numbered = found.columns.iter().enumerate();
            let mut matching = numbered.filter(|(_, column)| fits(column));
            if let Some((index, _)) = matching.next() {
                if matching.next().is_some() {
                    let error =
                        SheafError::user(format!("column reference \"{name}\" is ambiguous"));
                    return Err(at(error.with_state(SqlState::AMBIGUOUS_COLUMN), ident));
                }
                return Ok(Some(Found::Column(scope, index)));
            }
            if table.is_none() {
                let whole = found.columns.iter().enumerate();
                let whole = whole.filter(|(_, column)| column.table == name);
                let whole: Vec<usize> = whole.map(|(index, _)| index).collect();
                if !whole.is_empty() {
                    return Ok(Some(Found::Row(scope, whole)));
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
        match self.find(table.as_deref(), &name, last)? {
            Some(Found::Column(scope, index)) => Ok(self.column_at(scope, index)),
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
        match nearest(name, names.map(|column| column.name.as_str())) {
            Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
            None => error,
        }
    }
}
