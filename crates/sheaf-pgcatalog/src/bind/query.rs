//! Queries, WITH, and operators between queries.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{self, SetExpr};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::coerce::unify_columns;
use super::scales::scale_of_column;
use super::{Binder, DEPTH_MAX, Uses, at, name_of, unsupported};
use crate::plan::{Body, Cte, Expr, NUMERIC_SCALE, Order, OutColumn, Query, SetOperator, Typed};
use crate::types::{INT8, TEXT, UNKNOWN};
use crate::value::Value;

/// A query of WITH, or a relation of PostgreSQL's that was given a name there.
#[derive(Debug, Clone)]
pub(super) struct NamedCte {
    pub(super) name: String,
    pub(super) id: usize,
    pub(super) columns: Vec<OutColumn>,
    /// How many queries were around it: those further within read its rows.
    level: usize,
}

/// A body with the columns that it shows and the order that was found for it.
pub(super) struct BoundBody {
    pub(super) body: Body,
    pub(super) columns: Vec<OutColumn>,
    pub(super) order: Vec<Order>,
}

impl Binder<'_> {
    /// Binds a query.
    ///
    /// # Errors
    /// See [`super::bind`].
    pub(super) fn query(&mut self, query: &ast::Query) -> Result<Query> {
        if self.uses.len() >= DEPTH_MAX {
            return Err(SheafError::resource(format!(
                "queries within queries over {DEPTH_MAX} deep"
            ))
            .with_state(SqlState::PROGRAM_LIMIT));
        }
        if !query.pipe_operators.is_empty() || query.fetch.is_some() {
            return Err(unsupported("FETCH, or |>,"));
        }
        let known = self.ctes.len();
        self.push_uses();
        let bound = self.query_within(query);
        self.ctes.truncate(known);
        let uses = self.uses.pop().unwrap_or_default();
        let (ctes, mut body, (limit, offset)) = bound?;
        // A text without a type that nothing has asked for is a text.
        let untyped = body
            .columns
            .iter_mut()
            .filter(|column| column.type_of == UNKNOWN);
        untyped.for_each(|column| column.type_of = TEXT);
        Ok(Query {
            id: self.new_id(),
            ctes,
            body: body.body,
            order: body.order,
            limit,
            offset,
            columns: body.columns,
            outer: uses.outer(),
            reads: uses.ctes.into_iter().collect(),
            is_volatile: uses.is_volatile,
        })
    }

    fn push_uses(&mut self) {
        self.uses.push(Uses {
            depth: self.scopes.len(),
            ..Uses::default()
        });
    }

    /// The query of WITH of that name, whose rows are read here.
    pub(super) fn read_cte(&mut self, name: &str) -> Option<NamedCte> {
        let cte = self.ctes.iter().rev().find(|cte| cte.name == name)?.clone();
        for uses in self.uses.iter_mut().skip(cte.level) {
            uses.ctes.insert(cte.id);
        }
        Some(cte)
    }

    fn name_cte(&mut self, name: String, id: usize, columns: Vec<OutColumn>) {
        let level = self.uses.len();
        self.ctes.push(NamedCte {
            name,
            id,
            columns,
            level,
        });
    }

    #[expect(clippy::type_complexity, reason = "three parts of one query")]
    fn query_within(
        &mut self,
        query: &ast::Query,
    ) -> Result<(Vec<Arc<Cte>>, BoundBody, (Option<Expr>, Option<Expr>))> {
        let ctes = match &query.with {
            Some(with) => self.with(with)?,
            None => vec![],
        };
        let order = match query.order_by.as_ref().map(|order| &order.kind) {
            None => &[],
            Some(ast::OrderByKind::Expressions(keys)) => keys.as_slice(),
            Some(ast::OrderByKind::All(_)) => return Err(unsupported("ORDER BY ALL")),
        };
        let body = self.body(&query.body, order)?;
        let limits = match &query.limit_clause {
            None => (None, None),
            Some(ast::LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            }) if limit_by.is_empty() => (
                limit.as_ref().map(|e| self.count(e)).transpose()?,
                offset.as_ref().map(|o| self.count(&o.value)).transpose()?,
            ),
            Some(ast::LimitClause::OffsetCommaLimit { offset, limit }) => {
                (Some(self.count(limit)?), Some(self.count(offset)?))
            }
            Some(_) => return Err(unsupported("LIMIT BY")),
        };
        Ok((ctes, body, limits))
    }

    /// A number of rows.
    fn count(&mut self, expr: &ast::Expr) -> Result<Expr> {
        let count = self.expr(expr)?;
        Ok(self.coerce(count, INT8)?.expr)
    }

    fn with(&mut self, with: &ast::With) -> Result<Vec<Arc<Cte>>> {
        let mut ctes = vec![];
        for cte in &with.cte_tables {
            let name = name_of(&cte.alias.name);
            let names = cte.alias.columns.iter();
            let names: Vec<String> = names.map(|column| name_of(&column.name)).collect();
            let bound = match with.recursive {
                true => self.recursive(&name, &names, &cte.query)?,
                false => None,
            };
            let (cte, columns) = match bound {
                Some(bound) => bound,
                None => {
                    let query = self.query(&cte.query)?;
                    let columns = renamed(&query.columns, &names)?;
                    let cte = Cte {
                        id: self.new_id(),
                        query: Arc::new(query),
                        step: None,
                        is_distinct: false,
                    };
                    (cte, columns)
                }
            };
            self.name_cte(name, cte.id, columns);
            ctes.push(Arc::new(cte));
        }
        Ok(ctes)
    }

    /// A query of WITH RECURSIVE, if it is a union.
    fn recursive(
        &mut self,
        name: &str,
        names: &[String],
        query: &ast::Query,
    ) -> Result<Option<(Cte, Vec<OutColumn>)>> {
        let SetExpr::SetOperation {
            left,
            op: ast::SetOperator::Union,
            set_quantifier,
            right,
        } = query.body.as_ref()
        else {
            return Ok(None);
        };
        let first = self.set_operand(left)?;
        let columns = renamed(&first.columns, names)?;
        let id = self.new_id();
        self.name_cte(name.to_owned(), id, columns.clone());
        let step = self.set_operand(right);
        self.ctes.pop();
        let step = step?;
        let wanted: Vec<_> = columns.iter().map(|column| column.type_of).collect();
        let cte = Cte {
            id,
            query: Arc::new(first),
            step: Some(Arc::new(self.cast_columns(step, &wanted)?)),
            is_distinct: !matches!(set_quantifier, ast::SetQuantifier::All),
        };
        Ok(Some((cte, columns)))
    }

    /// Binds the body of a query, and its order.
    fn body(&mut self, body: &SetExpr, order: &[ast::OrderByExpr]) -> Result<BoundBody> {
        match body {
            SetExpr::Select(select) => self.select(select, order),
            SetExpr::Query(query) => {
                let query = self.query(query)?;
                let columns = query.columns.clone();
                Ok(BoundBody {
                    order: self.order_of_columns(order, &columns)?,
                    body: Body::Query(Arc::new(query)),
                    columns,
                })
            }
            SetExpr::Values(values) => {
                let (body, columns) = self.values(values)?;
                Ok(BoundBody {
                    order: self.order_of_columns(order, &columns)?,
                    body,
                    columns,
                })
            }
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => self.set_operation(left, *op, *set_quantifier, right, order),
            _ => Err(unsupported("a statement that writes, or TABLE,")),
        }
    }

    fn set_operation(
        &mut self,
        left: &SetExpr,
        operator: ast::SetOperator,
        quantifier: ast::SetQuantifier,
        right: &SetExpr,
        order: &[ast::OrderByExpr],
    ) -> Result<BoundBody> {
        let is_all = match quantifier {
            ast::SetQuantifier::All => true,
            ast::SetQuantifier::None | ast::SetQuantifier::Distinct => false,
            _ => return Err(unsupported("BY NAME")),
        };
        let operator = match operator {
            ast::SetOperator::Union => SetOperator::Union,
            ast::SetOperator::Except | ast::SetOperator::Minus => SetOperator::Except,
            ast::SetOperator::Intersect => SetOperator::Intersect,
        };
        let (left, right) = (self.set_operand(left)?, self.set_operand(right)?);
        let types = unify_columns(&left.columns, &right.columns)?;
        let names = left.columns.iter().zip(&types);
        let columns: Vec<OutColumn> = names
            .map(|(column, type_of)| OutColumn::new(column.name.clone(), *type_of))
            .zip(left.columns.iter().zip(&right.columns))
            .map(|(column, (left, right))| OutColumn {
                scale: scale_of_column(left).max(scale_of_column(right)),
                ..column
            })
            .collect();
        Ok(BoundBody {
            order: self.order_of_columns(order, &columns)?,
            body: Body::Set {
                operator,
                is_all,
                left: Arc::new(self.cast_columns(left, &types)?),
                right: Arc::new(self.cast_columns(right, &types)?),
            },
            columns,
        })
    }

    /// One side of an operator between queries.
    fn set_operand(&mut self, body: &SetExpr) -> Result<Query> {
        if let SetExpr::Query(query) = body {
            return self.query(query);
        }
        self.push_uses();
        let bound = self.body(body, &[]);
        let uses = self.uses.pop().unwrap_or_default();
        let bound = bound?;
        Ok(Query {
            id: self.new_id(),
            ctes: vec![],
            body: bound.body,
            order: bound.order,
            limit: None,
            offset: None,
            columns: bound.columns,
            outer: uses.outer(),
            reads: uses.ctes.into_iter().collect(),
            is_volatile: uses.is_volatile,
        })
    }

    fn values(&mut self, values: &ast::Values) -> Result<(Body, Vec<OutColumn>)> {
        let mut rows = vec![];
        for row in &values.rows {
            let row = row.content.iter().map(|expr| self.expr(expr));
            rows.push(row.collect::<Result<Vec<_>>>()?);
        }
        let width = rows.first().map_or(0, Vec::len);
        if rows.iter().any(|row| row.len() != width) {
            return Err(SheafError::user("VALUES lists must all be the same length")
                .with_state(SqlState::SYNTAX_ERROR));
        }
        let mut columns: Vec<Vec<Typed>> = vec![vec![]; width];
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        let (mut shown, mut cells) = (vec![], vec![]);
        for (index, column) in columns.into_iter().enumerate() {
            let (column, type_of) = self.unify_all(column)?;
            let scales = column.iter().map(|cell| self.scale_of(&cell.expr));
            shown.push(OutColumn {
                scale: scales.max().unwrap_or(NUMERIC_SCALE),
                ..OutColumn::new(format!("column{}", index + 1), type_of)
            });
            cells.push(column);
        }
        let count = values.rows.len();
        let rows = (0..count).map(|row| {
            let row = cells.iter().map(|column: &Vec<Typed>| column.get(row));
            row.map(|cell| cell.map_or_else(Expr::null, |cell| cell.expr.clone()))
                .collect()
        });
        Ok((Body::Values(rows.collect()), shown))
    }

    /// An order by columns that are shown: by their names or numbers.
    fn order_of_columns(
        &mut self,
        order: &[ast::OrderByExpr],
        columns: &[OutColumn],
    ) -> Result<Vec<Order>> {
        let keys = order.iter().map(|key| {
            let column = match shown_column(&key.expr, columns)? {
                Some(column) => column,
                None => return Err(unsupported("such an ORDER BY of a set operation")),
            };
            Ok(order_of(column, key.options))
        });
        keys.collect()
    }
}

/// A key with its directions; NULL is the greatest value.
pub(super) fn order_of(column: usize, options: ast::OrderByOptions) -> Order {
    let is_descending = options.asc == Some(false);
    Order {
        column,
        is_descending,
        nulls_first: options.nulls_first.unwrap_or(is_descending),
    }
}

/// The column that an expression of ORDER BY names by its number or its name alone.
pub(super) fn shown_column(expr: &ast::Expr, columns: &[OutColumn]) -> Result<Option<usize>> {
    match expr {
        ast::Expr::Value(value) => {
            let ast::Value::Number(number, _) = &value.value else {
                return Ok(None);
            };
            let number: usize = number.parse().unwrap_or(0);
            match (1..=columns.len()).contains(&number) {
                true => Ok(Some(number - 1)),
                false => Err(SheafError::user(format!(
                    "ORDER BY position {number} is not in select list"
                ))
                .with_state(SqlState::SYNTAX_ERROR)),
            }
        }
        ast::Expr::Identifier(ident) => {
            let name = name_of(ident);
            let named = columns.iter().enumerate();
            let mut named = named.filter(|(_, column)| column.name == name);
            match (named.next(), named.next()) {
                (Some(_), Some(_)) => {
                    let error = SheafError::user(format!("ORDER BY \"{name}\" is ambiguous"));
                    Err(at(error.with_state(SqlState::AMBIGUOUS_COLUMN), ident))
                }
                (found, _) => Ok(found.map(|(index, _)| index)),
            }
        }
        _ => Ok(None),
    }
}

/// The columns under other names, as far as those go.
pub(super) fn renamed(columns: &[OutColumn], names: &[String]) -> Result<Vec<OutColumn>> {
    if names.len() > columns.len() {
        return Err(SheafError::user(format!(
            "{} column names for {} columns",
            names.len(),
            columns.len()
        ))
        .with_state(SqlState::SYNTAX_ERROR));
    }
    let columns = columns.iter().enumerate().map(|(index, column)| OutColumn {
        name: names.get(index).unwrap_or(&column.name).clone(),
        type_of: match column.type_of {
            UNKNOWN => TEXT,
            known => known,
        },
        fields: column.fields.clone(),
        scale: column.scale,
    });
    Ok(columns.collect())
}

/// The value of a constant.
pub(super) fn constant(expr: &Expr) -> Option<&Value> {
    match expr {
        Expr::Value(value) => Some(value),
        _ => None,
    }
}
