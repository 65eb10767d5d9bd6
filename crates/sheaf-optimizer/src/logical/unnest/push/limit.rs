//! LIMIT and windows: counted within each value of the domain.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Expr, FetchType, Limit, LogicalPlan, Projection, SkipType, Sort, SortExpr, SubqueryAlias,
    Window, WindowFrame, WindowFunctionDefinition, lit,
};

use super::super::domain::Pushed;
use super::super::outer::has_subquery;
use super::super::plans::{filtered, named, project, renamed};
use super::Push;

/// Which rows of an order a LIMIT passes.
struct Passage {
    order: Vec<SortExpr>,
    skip: Option<Expr>,
    fetch: Option<Expr>,
}

impl Push<'_, '_> {
    pub(super) fn limit(&self, limit: Limit) -> Result<Pushed> {
        let (skip, fetch) = (limit.skip.map(|e| *e), limit.fetch.map(|e| *e));
        match Arc::unwrap_or_clone(limit.input) {
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                let order = sort.expr;
                let input = Arc::unwrap_or_clone(sort.input);
                self.passed(input, Passage { order, skip, fetch })
            }
            // What keeps the sort of a relation from being dropped.
            LogicalPlan::Limit(all) if is_unlimited(&all) => self.limit(Limit {
                skip: skip.map(Box::new),
                fetch: fetch.map(Box::new),
                input: all.input,
            }),
            // Columns computed for the rows that pass are the same before.
            LogicalPlan::Projection(projection) if is_over_sort(&projection.input) => {
                let Projection {
                    expr,
                    input,
                    schema,
                    ..
                } = projection;
                let pushed = self.limit(Limit {
                    skip: skip.map(Box::new),
                    fetch: fetch.map(Box::new),
                    input,
                })?;
                self.projected(pushed, expr, &schema)
            }
            // `ORDER BY ALL` over a star stands in such a relation.
            LogicalPlan::SubqueryAlias(alias) if is_over_sort(&alias.input) => {
                let limit = LogicalPlan::Limit(Limit {
                    skip: skip.map(Box::new),
                    fetch: fetch.map(Box::new),
                    input: alias.input,
                });
                let alias = SubqueryAlias::try_new(Arc::new(limit), alias.alias)?;
                self.push(LogicalPlan::SubqueryAlias(alias))
            }
            input => {
                let order = Vec::new();
                self.passed(input, Passage { order, skip, fetch })
            }
        }
    }

    pub(super) fn top(&self, sort: Sort) -> Result<Pushed> {
        let fetch = sort
            .fetch
            .map(|rows| lit(i64::try_from(rows).unwrap_or(i64::MAX)));
        let input = Arc::unwrap_or_clone(sort.input);
        let passage = Passage {
            order: sort.expr,
            skip: None,
            fetch,
        };
        self.passed(input, passage)
    }

    /// Numbers the rows of each value of the domain, and passes those between the bounds.
    fn passed(&self, input: LogicalPlan, passage: Passage) -> Result<Pushed> {
        let schema = Arc::clone(input.schema());
        let bounds = passage.skip.iter().chain(&passage.fetch);
        let mut used = self.used(bounds)?;
        used.extend(self.used(passage.order.iter().map(|s| &s.expr))?);
        let pushed = self.domain.ensure(self.push(input)?, &used)?;
        let mut order = passage.order;
        for item in &mut order {
            item.expr = self.bind(item.expr.clone(), &pushed)?;
        }
        let name = self.domain.names.fresh("row");
        let number = Expr::from(WindowFunction {
            fun: WindowFunctionDefinition::WindowUDF(row_number_udwf()),
            params: WindowFunctionParams {
                args: Vec::new(),
                partition_by: pushed.key_exprs().collect(),
                window_frame: WindowFrame::new(Some(true)),
                order_by: order,
                filter: None,
                null_treatment: None,
                distinct: false,
            },
        })
        .alias(name.clone());
        let numbered = LogicalPlan::Window(Window::try_new(
            vec![number],
            Arc::new(pushed.plan.clone()),
        )?);
        let count = Expr::Column(Column::new_unqualified(name));
        let count = Expr::Cast(datafusion::logical_expr::Cast::new(
            Box::new(count),
            arrow::datatypes::DataType::Int64,
        ));
        let whole = |expr: Expr| -> Result<Expr> {
            let expr = self.bind(expr, &pushed)?;
            Ok(Expr::Cast(datafusion::logical_expr::Cast::new(
                Box::new(expr),
                arrow::datatypes::DataType::Int64,
            )))
        };
        let skip = passage.skip.map(whole).transpose()?;
        let mut conditions = Vec::new();
        if let Some(fetch) = passage.fetch.map(whole).transpose()? {
            // Without a limit (LIMIT NULL) everything passes.
            let last = match &skip {
                Some(skip) => fetch.clone() + skip.clone(),
                None => fetch.clone(),
            };
            conditions.push(match fetch.is_null_literal() {
                true => lit(true),
                false => count.clone().lt_eq(last),
            });
        }
        if let Some(skip) = skip {
            conditions.push(count.gt(skip));
        }
        let plan = filtered(numbered, conditions)?;
        let keys = pushed.keys;
        self.only(Pushed { plan, keys }, &schema)
    }

    pub(super) fn window(&self, window: Window) -> Result<Pushed> {
        let pushed = self.push(Arc::unwrap_or_clone(window.input.clone()))?;
        let used = self.used(&window.window_expr)?;
        let pushed = self.domain.ensure(pushed, &used)?;
        let inputs = window.input.schema();
        let width = pushed.plan.schema().fields().len();
        let mut exprs = Vec::with_capacity(window.window_expr.len());
        for expr in window.window_expr {
            let expr = self.bind(expr, &pushed)?;
            exprs.push(partitioned(expr, &pushed)?);
        }
        let plan = LogicalPlan::Window(Window::try_new(exprs, Arc::new(pushed.plan.clone()))?);
        let input_width = inputs.fields().len();
        let mut columns: Vec<Expr> = inputs.columns().into_iter().map(Expr::Column).collect();
        for index in input_width..window.schema.fields().len() {
            let field = plan.schema().qualified_field(width + index - input_width);
            let column = Expr::Column(Column::from(field));
            columns.push(named(column, &window.schema, index));
        }
        columns.extend(pushed.key_exprs());
        let keys = pushed.keys;
        Ok(Pushed {
            plan: project(plan, columns)?,
            keys,
        })
    }

    pub(super) fn distinct_on(
        &self,
        distinct: datafusion::logical_expr::DistinctOn,
    ) -> Result<Pushed> {
        use datafusion::logical_expr::{Distinct, DistinctOn};
        let pushed = self.push(Arc::unwrap_or_clone(distinct.input))?;
        let order = distinct.sort_expr.unwrap_or_default();
        let mut used = self.used(distinct.on_expr.iter().chain(&distinct.select_expr))?;
        used.extend(self.used(order.iter().map(|s| &s.expr))?);
        let pushed = self.domain.ensure(pushed, &used)?;
        let mut on: Vec<Expr> = pushed.key_exprs().collect();
        let mut sort: Vec<SortExpr> = on.iter().map(|e| e.clone().sort(true, false)).collect();
        on.extend(self.bind_all(distinct.on_expr, &pushed)?);
        let mut select = Vec::new();
        for (index, expr) in distinct.select_expr.into_iter().enumerate() {
            select.push(named(self.bind(expr, &pushed)?, &distinct.schema, index));
        }
        select.extend(pushed.key_exprs());
        let has_order = !order.is_empty();
        for mut item in order {
            item.expr = self.bind(item.expr, &pushed)?;
            sort.push(item);
        }
        let input = Arc::new(pushed.plan);
        let node = DistinctOn::try_new(on, select, None, input)?;
        let node = if has_order {
            node.with_sort_expr(sort)?
        } else {
            node
        };
        let plan = LogicalPlan::Distinct(Distinct::On(node));
        let mut columns = renamed(&plan, 0, &distinct.schema)?;
        let keys = pushed.keys;
        columns.extend(keys.values().map(|key| Expr::Column(key.column.clone())));
        Ok(Pushed {
            plan: project(plan, columns)?,
            keys,
        })
    }
}

/// Whether the rows of `plan` come from a sort, with other columns or under another name.
fn is_over_sort(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(sort) => sort.fetch.is_none(),
        LogicalPlan::Projection(projection) => is_over_sort(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_over_sort(&alias.input),
        LogicalPlan::Limit(limit) => is_unlimited(limit) && is_over_sort(&limit.input),
        _ => false,
    }
}

/// Whether `limit` passes all rows.
fn is_unlimited(limit: &Limit) -> bool {
    matches!(limit.get_skip_type(), Ok(SkipType::Literal(0)))
        && matches!(limit.get_fetch_type(), Ok(FetchType::Literal(None)))
}

/// Adds the keys to what every window in `expr` is partitioned by.
fn partitioned(expr: Expr, pushed: &Pushed) -> Result<Expr> {
    debug_assert!(
        !has_subquery(&expr),
        "sub-queries of windows are gone by now"
    );
    expr.transform(|expr| match expr {
        Expr::WindowFunction(mut window) => {
            window.params.partition_by.extend(pushed.key_exprs());
            Ok(Transformed::yes(Expr::WindowFunction(window)))
        }
        other => Ok(Transformed::no(other)),
    })
    .data()
}

/// Whether an expression is the literal NULL.
trait NullLiteral {
    fn is_null_literal(&self) -> bool;
}

impl NullLiteral for Expr {
    fn is_null_literal(&self) -> bool {
        match self {
            Self::Literal(value, _) => value.is_null(),
            Self::Cast(cast) => cast.expr.is_null_literal(),
            _ => false,
        }
    }
}
