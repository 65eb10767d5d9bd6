//! The relations of FROM.

use datafusion::sql::sqlparser::ast::{self, JoinConstraint, JoinOperator, TableFactor};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::query::renamed;
use super::scope::{ScopeColumn, Shown};
use super::{Binder, at, name_of, parts_of, unsupported};
use crate::database::catalog_tables;
use crate::plan::{
    Comparison, Expr, From, Item, Join, JoinKind, OutColumn, SetCall, Source, Typed,
};
use crate::types::{INT8, TEXT, UNKNOWN};

impl Binder<'_> {
    /// Binds FROM, whose columns are then those of the innermost scope.
    ///
    /// # Errors
    /// See [`super::bind`].
    pub(super) fn from(&mut self, tables: &[ast::TableWithJoins]) -> Result<From> {
        let mut all = From::Nothing;
        for table in tables {
            let right = self.table(table)?;
            all = joined(JoinKind::Inner, all, right, vec![]);
        }
        Ok(all)
    }

    /// How many columns names without a table find so far.
    fn shown_count(&self) -> usize {
        self.scopes.last().map_or(0, |scope| scope.shown.len())
    }

    fn table(&mut self, table: &ast::TableWithJoins) -> Result<From> {
        let start = self.shown_count();
        let mut left = self.factor(&table.relation)?;
        for join in &table.joins {
            let (kind, constraint) = kind_of(&join.join_operator)?;
            let middle = self.shown_count();
            let right = self.factor(&join.relation)?;
            let on = match constraint {
                None | Some(JoinConstraint::None) => vec![],
                Some(JoinConstraint::On(condition)) => self.conditions(condition)?,
                Some(JoinConstraint::Using(names)) => {
                    let names = names.iter().filter_map(|name| parts_of(name).pop());
                    self.using(kind, &names.collect::<Vec<_>>(), start, middle)?
                }
                Some(JoinConstraint::Natural) => {
                    let names = self.shared_names(start, middle);
                    self.using(kind, &names, start, middle)?
                }
            };
            left = joined(kind, left, right, on);
        }
        Ok(left)
    }

    fn shared_names(&self, start: usize, middle: usize) -> Vec<String> {
        let shown = self.scopes.last().map_or(&[][..], |scope| &scope.shown);
        let (left, right) = shown.split_at(middle.min(shown.len()));
        let left = left.get(start..).unwrap_or_default();
        let names = left.iter().map(|column| &column.name);
        let shared = names.filter(|name| right.iter().any(|column| column.name == **name));
        shared.cloned().collect()
    }

    /// Equations of the columns of these names on both sides, of which each pair is one from now on:
    /// that of the side whose rows all appear, or the first that is not NULL of FULL. They come first.
    fn using(
        &mut self,
        kind: JoinKind,
        names: &[String],
        start: usize,
        middle: usize,
    ) -> Result<Vec<Expr>> {
        let depth = self.depth();
        let scope = self.scope_mut()?;
        let mut right = scope.shown.split_off(middle.min(scope.shown.len()));
        let mut left = scope.shown.split_off(start.min(scope.shown.len()));
        let (mut on, mut merged) = (vec![], vec![]);
        for name in names {
            let sides = (take_named(&mut left, name)?, take_named(&mut right, name)?);
            let (Some(left), Some(right)) = sides else {
                return Err(SheafError::user(format!(
                    "column \"{name}\" specified in USING clause does not exist in both tables"
                ))
                .with_state(SqlState::UNDEFINED_COLUMN));
            };
            let one = self.merged_column(depth, &left.columns)?;
            let other = self.merged_column(depth, &right.columns)?;
            on.push(self.comparison(one, Comparison::Equal, other)?);
            merged.push(match kind {
                JoinKind::Inner | JoinKind::Left => left,
                JoinKind::Right => right,
                JoinKind::Full => Shown {
                    columns: [left.columns, right.columns].concat(),
                    ..left
                },
            });
        }
        let all = merged.into_iter().chain(left).chain(right);
        self.scope_mut()?.shown.extend(all);
        Ok(on)
    }

    fn factor(&mut self, factor: &TableFactor) -> Result<From> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                sample: None,
                version: None,
                ..
            } => self.named(name, alias.as_ref()),
            TableFactor::Table {
                name,
                alias,
                args: Some(args),
                with_ordinality,
                sample: None,
                ..
            } => self.called(name, &args.args, *with_ordinality, alias.as_ref()),
            TableFactor::Function {
                name,
                args,
                with_ordinality,
                alias,
                ..
            } => self.called(name, args, *with_ordinality, alias.as_ref()),
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_offset: false,
                with_ordinality,
                ..
            } => {
                let calls = array_exprs.iter().map(|array| self.unnest(array));
                let calls = calls.collect::<Result<Vec<_>>>()?;
                self.functions(calls, *with_ordinality, "unnest", alias.as_ref())
            }
            TableFactor::Derived {
                lateral,
                subquery,
                alias,
                sample: None,
            } => self.derived(*lateral, subquery, alias.as_ref()),
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => self.table(table_with_joins),
            _ => Err(unsupported("such a relation")),
        }
    }

    /// Puts a relation into FROM, under its alias.
    fn item(
        &mut self,
        source: Source,
        columns: &[OutColumn],
        name: &str,
        alias: Option<&ast::TableAlias>,
    ) -> Result<From> {
        let table = alias.map_or_else(|| name.to_owned(), |alias| name_of(&alias.name));
        let names = alias.map_or(&[][..], |alias| &alias.columns).iter();
        let names: Vec<String> = names.map(|column| name_of(&column.name)).collect();
        let columns = renamed(columns, &names)?;
        let scope = self.scope_mut()?;
        let start = scope.columns.len();
        let width = columns.len();
        for (index, column) in columns.into_iter().enumerate() {
            scope.shown.push(Shown {
                name: column.name.clone(),
                columns: vec![start + index],
            });
            scope.columns.push(ScopeColumn {
                table: table.clone(),
                column,
            });
        }
        Ok(From::Item(Item {
            source,
            start,
            width,
            columns: vec![],
            filters: vec![],
            probe: None,
        }))
    }

    fn named(&mut self, name: &ast::ObjectName, alias: Option<&ast::TableAlias>) -> Result<From> {
        let parts = parts_of(name);
        let Some(table) = parts.last() else {
            return Err(SheafError::internal("a relation without a name"));
        };
        let schema = parts
            .len()
            .checked_sub(2)
            .and_then(|index| parts.get(index));
        if schema.is_none()
            && let Some(cte) = self.read_cte(table)
        {
            return self.item(Source::Cte(cte.id), &cte.columns, table, alias);
        }
        let index = catalog_tables().find(schema.map(String::as_str), table);
        let found = index.and_then(|index| Some((index, catalog_tables().get(index)?)));
        let Some((index, found)) = found else {
            let error =
                SheafError::user(format!("relation \"{}\" does not exist", parts.join(".")))
                    .with_state(SqlState::UNDEFINED_TABLE);
            let last = name.0.last().and_then(|part| part.as_ident());
            return Err(match last {
                Some(ident) => at(error, ident),
                None => error,
            });
        };
        let columns: Vec<OutColumn> = found
            .columns
            .iter()
            .map(|column| OutColumn::new(column.name.to_owned(), column.type_of))
            .collect();
        self.item(Source::Table(index), &columns, table, alias)
    }

    fn derived(
        &mut self,
        is_lateral: bool,
        query: &ast::Query,
        alias: Option<&ast::TableAlias>,
    ) -> Result<From> {
        self.scope_mut()?.is_hidden = !is_lateral;
        let query = self.query(query);
        self.scope_mut()?.is_hidden = false;
        let query = std::sync::Arc::new(query?);
        let columns = query.columns.clone();
        self.item(Source::Query(query), &columns, "", alias)
    }

    fn called(
        &mut self,
        name: &ast::ObjectName,
        arguments: &[ast::FunctionArg],
        with_ordinality: bool,
        alias: Option<&ast::TableAlias>,
    ) -> Result<From> {
        let bare = parts_of(name).pop().unwrap_or_default();
        let arguments = self.arguments(arguments)?;
        if let Some(call) = self.set_call(&bare, arguments.clone())? {
            return self.functions(vec![call], with_ordinality, &bare, alias);
        }
        // Any function is a relation of one row.
        let value = self.scalar_call(&bare, arguments, None)?;
        let column = OutColumn::new(
            alias.map_or_else(|| bare.clone(), |alias| name_of(&alias.name)),
            value.type_of,
        );
        let source = Source::Scalar { value: value.expr };
        self.item(source, &[column], &bare, alias)
    }

    fn unnest(&mut self, array: &ast::Expr) -> Result<SetCall> {
        let array = self.expr(array)?;
        self.set_call("unnest", vec![array])?
            .ok_or_else(|| unsupported("such an UNNEST"))
    }

    /// Functions that give rows, side by side.
    fn functions(
        &mut self,
        calls: Vec<SetCall>,
        with_ordinality: bool,
        name: &str,
        alias: Option<&ast::TableAlias>,
    ) -> Result<From> {
        let mut columns = vec![];
        for call in &calls {
            columns.extend(call.columns());
        }
        // The only column of a function is called as its relation is.
        if let ([column], Some(alias)) = (columns.as_mut_slice(), alias) {
            column.name = name_of(&alias.name);
        }
        if with_ordinality {
            columns.push(OutColumn::new("ordinality".to_owned(), INT8));
        }
        let source = Source::Function {
            calls,
            with_ordinality,
        };
        self.item(source, &columns, name, alias)
    }
}

fn joined(kind: JoinKind, left: From, right: From, on: Vec<Expr>) -> From {
    match left {
        From::Nothing => right,
        left => From::Join(Box::new(Join {
            kind,
            left,
            right,
            on,
            right_columns: vec![],
            equal: None,
        })),
    }
}

/// Takes the only column of that name.
fn take_named(shown: &mut Vec<Shown>, name: &str) -> Result<Option<Shown>> {
    let mut named = shown.iter().enumerate().filter(|(_, s)| s.name == name);
    match (named.next().map(|(index, _)| index), named.next()) {
        (Some(_), Some(_)) => Err(SheafError::user(format!(
            "common column name \"{name}\" appears more than once in one side of a join"
        ))
        .with_state(SqlState::AMBIGUOUS_COLUMN)),
        (found, _) => Ok(found.map(|index| shown.remove(index))),
    }
}

fn kind_of(operator: &JoinOperator) -> Result<(JoinKind, Option<&JoinConstraint>)> {
    Ok(match operator {
        JoinOperator::Join(on) | JoinOperator::Inner(on) | JoinOperator::CrossJoin(on) => {
            (JoinKind::Inner, Some(on))
        }
        JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (JoinKind::Left, Some(on)),
        JoinOperator::Right(on) | JoinOperator::RightOuter(on) => (JoinKind::Right, Some(on)),
        JoinOperator::FullOuter(on) => (JoinKind::Full, Some(on)),
        _ => return Err(unsupported("such a join")),
    })
}

/// A value's type, where a text without one is a text.
pub(super) fn known_type(typed: &Typed) -> crate::types::Oid {
    match typed.type_of {
        UNKNOWN => TEXT,
        known => known,
    }
}
