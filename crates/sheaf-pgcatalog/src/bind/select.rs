//! SELECT: its list, groups, order, and what of its conditions belongs to which relation.

use datafusion::sql::sqlparser::ast::{self, SelectItem, SelectItemQualifiedWildcardKind};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::forms::output_name;
use super::query::{BoundBody, order_of, shown_column};
use super::scope::Scope;
use super::{Binder, conditions, name_of, parts_of, unsupported};
use crate::plan::{Body, Distinct, Expr, Groups, Order, OutColumn, Select, Typed};
use crate::types::{BOOL, TEXT};

impl Binder<'_> {
    /// Binds SELECT with the order that belongs to it.
    ///
    /// # Errors
    /// See [`super::bind`].
    pub(super) fn select(
        &mut self,
        select: &ast::Select,
        order: &[ast::OrderByExpr],
    ) -> Result<BoundBody> {
        refuse_others(select)?;
        self.scopes.push(Scope::default());
        let bound = self.select_within(select, order);
        self.scopes.pop();
        bound
    }

    fn select_within(
        &mut self,
        select: &ast::Select,
        order: &[ast::OrderByExpr],
    ) -> Result<BoundBody> {
        let mut from = self.from(&select.from)?;
        let mut filter = match &select.selection {
            Some(condition) => self.conditions(condition)?,
            None => vec![],
        };
        let shown = self.projection(&select.projection)?;
        let columns: Vec<OutColumn> = shown
            .iter()
            .map(|(name, typed)| OutColumn {
                name: name.clone(),
                type_of: typed.type_of,
                fields: self.record_columns(&typed.expr).unwrap_or_default(),
                scale: self.scale_of(&typed.expr),
            })
            .collect();
        let shown = shown.into_iter().map(|(_, typed)| typed.expr);
        let mut projection: Vec<Expr> = shown.collect();
        let keys = self.group_keys(&select.group_by, &select.projection, &projection)?;
        let having = select
            .having
            .as_ref()
            .map(|having| self.condition(having))
            .transpose()?;
        let order = self.order(order, &columns, &mut projection)?;
        let distinct = self.distinct(select.distinct.as_ref(), &columns, &mut projection)?;
        let scope = self
            .scopes
            .last_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        conditions::arrange(&mut from, &mut filter, &scope.places);
        let has_groups = keys.is_some() || !scope.aggregates.is_empty() || having.is_some();
        let groups = has_groups.then(|| Groups {
            keys: keys.unwrap_or_default(),
            calls: scope.aggregates,
        });
        Ok(BoundBody {
            body: Body::Select(Box::new(Select {
                from,
                width: scope.places.len(),
                filter,
                groups,
                having,
                windows: scope.windows,
                sets: scope.sets,
                projection,
                distinct,
            })),
            columns,
            order,
        })
    }

    /// A condition, as a truth value.
    pub(super) fn condition(&mut self, condition: &ast::Expr) -> Result<Expr> {
        let condition = self.expr(condition)?;
        Ok(self.coerce(condition, BOOL)?.expr)
    }

    /// The conditions that AND joins.
    pub(super) fn conditions(&mut self, condition: &ast::Expr) -> Result<Vec<Expr>> {
        match condition {
            ast::Expr::BinaryOp {
                left,
                op: ast::BinaryOperator::And,
                right,
            } => {
                let mut all = self.conditions(left)?;
                all.extend(self.conditions(right)?);
                Ok(all)
            }
            ast::Expr::Nested(inner) => self.conditions(inner),
            other => Ok(vec![self.condition(other)?]),
        }
    }

    fn projection(&mut self, items: &[SelectItem]) -> Result<Vec<(String, Typed)>> {
        let mut shown = vec![];
        for item in items {
            match item {
                SelectItem::UnnamedExpr(expr) => shown.push((output_name(expr), self.expr(expr)?)),
                SelectItem::ExprWithAlias { expr, alias } => {
                    shown.push((name_of(alias), self.expr(expr)?));
                }
                SelectItem::Wildcard(options) if is_plain(options) => {
                    shown.extend(self.star(None)?);
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    options,
                ) if is_plain(options) => {
                    let table = parts_of(name).pop().unwrap_or_default();
                    shown.extend(self.star(Some(&table))?);
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
                    shown.extend(self.fields(expr)?);
                }
                _ => return Err(unsupported("such a wildcard")),
            }
        }
        Ok(shown)
    }

    fn star(&mut self, table: Option<&str>) -> Result<Vec<(String, Typed)>> {
        let depth = self.depth();
        let found = self.scopes.last().map(|scope| match table {
            Some(table) => {
                let columns = scope.columns_of(table).into_iter();
                let named = columns.filter_map(|index| {
                    let name = scope.columns.get(index)?.column.name.clone();
                    Some((name, vec![index]))
                });
                named.collect::<Vec<_>>()
            }
            None => {
                let shown = scope.shown.iter();
                let named = shown.map(|shown| (shown.name.clone(), shown.columns.clone()));
                named.collect()
            }
        });
        let found = found.unwrap_or_default();
        if found.is_empty() {
            let error = match table {
                Some(table) => {
                    SheafError::user(format!("missing FROM-clause entry for table \"{table}\""))
                }
                None => SheafError::user("SELECT * with no tables specified is not valid"),
            };
            return Err(error.with_state(SqlState::UNDEFINED_TABLE));
        }
        let found = found.into_iter();
        let columns = found.map(|(name, columns)| Ok((name, self.merged_column(depth, &columns)?)));
        columns.collect()
    }

    fn group_keys(
        &mut self,
        group_by: &ast::GroupByExpr,
        items: &[SelectItem],
        projection: &[Expr],
    ) -> Result<Option<Vec<Expr>>> {
        let ast::GroupByExpr::Expressions(keys, modifiers) = group_by else {
            return Err(unsupported("GROUP BY ALL"));
        };
        if !modifiers.is_empty() {
            return Err(unsupported("ROLLUP or CUBE"));
        }
        if keys.is_empty() {
            return Ok(None);
        }
        let names: Vec<OutColumn> = items
            .iter()
            .map(|item| {
                let name = match item {
                    SelectItem::UnnamedExpr(expr) => output_name(expr),
                    SelectItem::ExprWithAlias { alias, .. } => name_of(alias),
                    _ => String::new(),
                };
                OutColumn::new(name, TEXT)
            })
            .collect();
        let mut bound = vec![];
        for key in keys {
            // A column of a relation goes before one of the list, as the standard has it.
            let is_number = matches!(key, ast::Expr::Value(_));
            let expr = match (is_number, self.expr(key)) {
                (false, Ok(typed)) => typed.expr,
                (_, other) => {
                    let shown = shown_column(key, &names)?;
                    match shown.and_then(|index| projection.get(index)) {
                        Some(expr) => expr.clone(),
                        None => other?.expr,
                    }
                }
            };
            bound.push(expr);
        }
        Ok(Some(bound))
    }

    /// The keys of ORDER BY: columns that are shown, or expressions that are put behind them.
    fn order(
        &mut self,
        order: &[ast::OrderByExpr],
        columns: &[OutColumn],
        projection: &mut Vec<Expr>,
    ) -> Result<Vec<Order>> {
        let mut keys = vec![];
        for key in order {
            let column = match shown_column(&key.expr, columns)? {
                Some(column) => column,
                None => {
                    projection.push(self.expr(&key.expr)?.expr);
                    projection.len() - 1
                }
            };
            keys.push(order_of(column, key.options));
        }
        Ok(keys)
    }

    fn distinct(
        &mut self,
        distinct: Option<&ast::Distinct>,
        columns: &[OutColumn],
        projection: &mut Vec<Expr>,
    ) -> Result<Distinct> {
        Ok(match distinct {
            None | Some(ast::Distinct::All) => Distinct::No,
            Some(ast::Distinct::Distinct) => Distinct::Yes(columns.len()),
            Some(ast::Distinct::On(keys)) => {
                let mut places = vec![];
                for key in keys {
                    places.push(match shown_column(key, columns)? {
                        Some(column) => column,
                        None => {
                            projection.push(self.expr(key)?.expr);
                            projection.len() - 1
                        }
                    });
                }
                Distinct::On(places)
            }
        })
    }
}

fn is_plain(options: &ast::WildcardAdditionalOptions) -> bool {
    options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
}

fn refuse_others(select: &ast::Select) -> Result<()> {
    let has_others = select.top.is_some()
        || select.into.is_some()
        || select.exclude.is_some()
        || select.prewhere.is_some()
        || select.qualify.is_some()
        || !select.lateral_views.is_empty()
        || !select.named_window.is_empty();
    match has_others {
        true => Err(unsupported("QUALIFY, INTO, EXCLUDE or WINDOW")),
        false => Ok(()),
    }
}
