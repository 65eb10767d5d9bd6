//! The relations of FROM.

use datafusion::sql::sqlparser::ast::{self, JoinConstraint, JoinOperator, TableFactor};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::query::renamed;
use super::scope::ScopeColumn;
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
            let middle = self.width();
            let right = self.table(table)?;
            all = self.joined(JoinKind::Inner, all, right, vec![], middle);
        }
        Ok(all)
    }

    /// The columns so far.
    fn width(&self) -> usize {
        self.scopes.last().map_or(0, |scope| scope.columns.len())
    }

    fn joined(
        &self,
        kind: JoinKind,
        left: From,
        right: From,
        on: Vec<Expr>,
        middle: usize,
    ) -> From {
        match left {
            From::Nothing => right,
            left => From::Join(Box::new(Join {
                kind,
                left,
                right,
                on,
                middle,
                end: self.width(),
            })),
        }
    }

    fn table(&mut self, table: &ast::TableWithJoins) -> Result<From> {
        let start = self.width();
        let mut left = self.factor(&table.relation)?;
        for join in &table.joins {
            let (kind, constraint) = kind_of(&join.join_operator)?;
            let middle = self.width();
            let right = self.factor(&join.relation)?;
            let on = match constraint {
                None | Some(JoinConstraint::None) => vec![],
                Some(JoinConstraint::On(condition)) => self.conditions(condition)?,
                Some(JoinConstraint::Using(names)) => {
                    let names = names.iter().filter_map(|name| parts_of(name).pop());
                    self.using(&names.collect::<Vec<_>>(), start, middle)?
                }
                Some(JoinConstraint::Natural) => {
                    let names = self.shared_names(start, middle);
                    self.using(&names, start, middle)?
                }
            };
            left = self.joined(kind, left, right, on, middle);
        }
        Ok(left)
    }

    fn shared_names(&self, start: usize, middle: usize) -> Vec<String> {
        let columns = self.scopes.last().map_or(&[][..], |scope| &scope.columns);
        let (left, right) = columns.split_at(middle.min(columns.len()));
        let left = left.get(start..).unwrap_or_default();
        let names = left.iter().map(|column| &column.name);
        let shared = names.filter(|name| right.iter().any(|column| column.name == **name));
        shared.cloned().collect()
    }

    /// Equations of the columns of these names on both sides.
    fn using(&mut self, names: &[String], start: usize, middle: usize) -> Result<Vec<Expr>> {
        let mut on = vec![];
        let depth = self.scopes.len().saturating_sub(1);
        for name in names {
            let columns = self.scopes.last().map_or(&[][..], |scope| &scope.columns);
            let numbered = || columns.iter().enumerate().skip(start);
            let fits =
                |(_, column): &(usize, &ScopeColumn)| column.name == *name && !column.is_merged;
            let left = numbered().take(middle - start).find(fits).map(|(i, _)| i);
            let right = numbered().skip(middle - start).find(fits).map(|(i, _)| i);
            let (Some(left), Some(right)) = (left, right) else {
                return Err(SheafError::user(format!(
                    "column \"{name}\" specified in USING clause does not exist in both tables"
                ))
                .with_state(SqlState::UNDEFINED_COLUMN));
            };
            if let Some(column) = self.scope_mut()?.columns.get_mut(right) {
                column.is_merged = true;
            }
            let sides = (self.column_at(depth, left), self.column_at(depth, right));
            let (left, right, _) = self.unify(sides.0, sides.1, "=")?;
            on.push(Expr::Compare(
                Comparison::Equal,
                Box::new(left.expr),
                Box::new(right.expr),
            ));
        }
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
        let start = self.width();
        let width = columns.len();
        let found = columns.into_iter().map(|column| ScopeColumn {
            table: table.clone(),
            name: column.name,
            type_of: column.type_of,
            fields: column.fields,
            is_merged: false,
        });
        self.scope_mut()?.columns.extend(found);
        Ok(From::Item(Item {
            source,
            start,
            width,
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
            && let Some(cte) = self
                .ctes
                .iter()
                .rev()
                .find(|cte| cte.name == *table)
                .cloned()
        {
            for scope in &cte.outer {
                self.use_scope(*scope);
            }
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
        let depth = self.scopes.len().saturating_sub(1);
        self.scope_mut()?.is_hidden = !is_lateral;
        let query = self.query(query);
        self.scope_mut()?.is_hidden = false;
        let query = query?;
        let columns = query.columns.clone();
        let source = Source::Query {
            is_lateral: query.outer.contains(&depth),
            query: std::sync::Arc::new(query),
        };
        self.item(source, &columns, "", alias)
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
