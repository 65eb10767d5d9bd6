//! Sub-queries of one operator's expressions become joins with the operator's input.

use std::collections::BTreeSet;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, JoinType, Result};
use datafusion::functions_aggregate::expr_fn::{count, first_value};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, lit, when,
};

use super::domain::{Domain, Names, Pushed};
use super::outer::{bind, free_columns, free_in, provides};
use super::peel::{Peeled, peel};
use super::plans::{add_columns, aggregated, filtered, join_on, project};
use super::push::{Answer, Push, single_row};
use super::quantified::Quantified;

/// The input of an operator, and what has been joined with it.
pub(super) struct Attached<'n> {
    /// The input as it was: what sub-queries may refer to.
    pub(super) base: LogicalPlan,
    /// With the columns of sub-queries.
    pub(super) input: LogicalPlan,
    pub(super) names: &'n Names,
}

impl<'n> Attached<'n> {
    pub(super) fn new(base: LogicalPlan, names: &'n Names) -> Self {
        Self {
            input: base.clone(),
            base,
            names,
        }
    }

    /// Puts columns in the place of the sub-queries of `expr`. Scalar sub-queries that refer to
    /// nothing around them stay: the engine runs them once, before.
    pub(super) fn replace(&mut self, expr: Expr) -> Result<Expr> {
        expr.transform_up(|expr| match expr {
            Expr::ScalarSubquery(subquery) => {
                if free_columns(&subquery.subquery)?.is_empty() {
                    return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
                }
                let plan = subquery.subquery.as_ref().clone();
                Ok(Transformed::yes(self.scalar(plan)?))
            }
            Expr::Exists(Exists { subquery, negated }) => {
                let plan = subquery.subquery.as_ref().clone();
                let mark = self.mark(plan, Vec::new())?;
                Ok(Transformed::yes(if negated { !mark } else { mark }))
            }
            Expr::InSubquery(InSubquery {
                expr,
                subquery,
                negated,
            }) => {
                let plan = subquery.subquery.as_ref().clone();
                let found = self.quantified(*expr, Operator::Eq, plan)?;
                Ok(Transformed::yes(if negated { !found } else { found }))
            }
            Expr::SetComparison(SetComparison {
                expr,
                subquery,
                op,
                quantifier,
            }) => {
                let plan = subquery.subquery.as_ref().clone();
                // Something holds for all if its opposite holds for none.
                let found = match quantifier {
                    SetQuantifier::Any => self.quantified(*expr, op, plan)?,
                    SetQuantifier::All => {
                        let opposite = op.negate().unwrap_or(op);
                        !self.quantified(*expr, opposite, plan)?
                    }
                };
                Ok(Transformed::yes(found))
            }
            other => Ok(Transformed::no(other)),
        })
        .data()
    }

    /// Keeps the rows for which the sub-query has a row (or none, if `negated`) that fulfils the
    /// conditions, which are over its columns and outer references.
    pub(super) fn keep(
        &mut self,
        plan: LogicalPlan,
        conditions: Vec<Expr>,
        negated: bool,
    ) -> Result<()> {
        let kind = if negated {
            JoinType::LeftAnti
        } else {
            JoinType::LeftSemi
        };
        let (right, conditions) = self.existence(plan, conditions, &self.names.fresh("exists"))?;
        self.input = join_on(self.input.clone(), right, kind, conditions)?;
        Ok(())
    }

    /// A column that says whether the sub-query has a row that fulfils the conditions.
    pub(super) fn mark(&mut self, plan: LogicalPlan, conditions: Vec<Expr>) -> Result<Expr> {
        let name = self.names.fresh("mark");
        let (right, conditions) = self.existence(plan, conditions, &name)?;
        // A join shows its mark under the name of its right side.
        self.input = join_on(self.input.clone(), right, JoinType::LeftMark, conditions)?;
        Ok(Expr::Column(Column::new(Some(name), "mark")))
    }

    fn existence(
        &mut self,
        plan: LogicalPlan,
        conditions: Vec<Expr>,
        alias: &str,
    ) -> Result<(LogicalPlan, Vec<Expr>)> {
        let Peeled { core, conditions } = peel(plan, conditions)?;
        let (domain, core) = Domain::distinct(self.base.clone(), core, self.names)?;
        let (inner, outer): (Vec<_>, Vec<_>) = conditions
            .into_iter()
            .partition(|c| free_in(c, &[]).is_ok_and(|free| !self.has_any(&free)));
        let pushed = Push::new(&domain).push(core)?;
        let plan = filtered(pushed.plan, inner)?;
        let keys = pushed.keys;
        let pushed = Pushed { plan, keys };
        // The right side shows what the conditions need, under names that the left side has not.
        let needed: BTreeSet<Column> = outer
            .iter()
            .flat_map(Expr::column_refs)
            .chain(pushed.keys.values().map(|key| &key.column))
            .cloned()
            .collect();
        let mut exprs = Vec::new();
        let mut renamed = Vec::new();
        for column in needed {
            let name = self.names.fresh("inner");
            exprs.push(Expr::Column(column.clone()).alias(name.clone()));
            renamed.push((column, Column::new(Some(alias.to_owned()), name)));
        }
        let mut keys = pushed.keys;
        for key in keys.values_mut() {
            if let Some((_, name)) = renamed.iter().find(|(known, _)| *known == key.column) {
                key.column = name.clone();
            }
        }
        if exprs.is_empty() {
            exprs.push(lit(true).alias(self.names.fresh("inner")));
        }
        let right = LogicalPlanBuilder::from(project(pushed.plan, exprs)?);
        let right = if keys.is_empty() && outer.is_empty() {
            right.limit(0, Some(1))?
        } else {
            right
        };
        let plan = right.alias(alias.to_owned())?.build()?;
        let right = Pushed { plan, keys };
        let mut on = domain.join_back(&right)?;
        for condition in outer {
            on.push(self.bound(condition, &renamed)?);
        }
        Ok((right.plan, on))
    }

    fn has_any(&self, free: &BTreeSet<Column>) -> bool {
        free.iter().any(|c| provides(self.input.schema(), c))
    }

    /// Renames the columns of the sub-query in a condition, then makes columns of the references to
    /// the input.
    fn bound(&self, condition: Expr, renamed: &[(Column, Column)]) -> Result<Expr> {
        let condition = super::outer::substitute(condition, &|column| {
            let (_, name) = renamed.iter().find(|(known, _)| known == column)?;
            Some(Expr::Column(name.clone()))
        })?;
        let schema = self.input.schema();
        bind(condition, &|column| {
            provides(schema, column).then(|| Expr::Column(column.clone()))
        })
    }

    fn scalar(&mut self, plan: LogicalPlan) -> Result<Expr> {
        if let Some(row) = single_row(&plan)?
            && let [value] = row.as_slice()
        {
            return self.bound(value.clone(), &[]);
        }
        let is_single = plan.max_rows().is_some_and(|rows| rows <= 1);
        let (domain, plan) = Domain::distinct(self.base.clone(), plan, self.names)?;
        let Answer { pushed, if_missing } = Push::new(&domain).answer(plan)?;
        let value = Expr::Column(Column::from(pushed.plan.schema().qualified_field(0)));
        let name = self.names.fresh("value");
        let column = Expr::Column(Column::new_unqualified(name.clone()));
        if if_missing.is_none() && !is_single {
            return self.checked(&domain, pushed, value, &name);
        }
        let missing = if_missing.and_then(|mut row| (!row.is_empty()).then(|| row.swap_remove(0)));
        let missing = missing.filter(|e| !matches!(e, Expr::Literal(v, _) if v.is_null()));
        let mut exprs: Vec<Expr> = pushed.key_exprs().collect();
        exprs.push(value.alias(name));
        let found = missing.is_some().then(|| self.names.fresh("found"));
        exprs.extend(found.iter().map(|found| lit(true).alias(found.clone())));
        let keys = pushed.keys;
        let right = Pushed {
            plan: project(pushed.plan, exprs)?,
            keys,
        };
        self.join_back(&domain, right)?;
        match (missing, found) {
            (Some(missing), Some(found)) => {
                let missing = self.bound(domain.bind_to_base(missing)?, &[])?;
                let found = Expr::Column(Column::new_unqualified(found));
                when(found.is_null(), missing).otherwise(column)
            }
            _ => Ok(column),
        }
    }

    /// The value of a sub-query which might give several rows: the first, and how many there are.
    fn checked(
        &mut self,
        domain: &Domain<'_>,
        pushed: Pushed,
        value: Expr,
        name: &str,
    ) -> Result<Expr> {
        let rows = self.names.fresh("rows");
        let plan = aggregated(
            pushed.plan.clone(),
            pushed.key_exprs().collect(),
            vec![
                first_value(value, Vec::new()).alias(name),
                count(lit(1_i64)).alias(rows.clone()),
            ],
        )?;
        let keys = pushed.keys;
        self.join_back(domain, Pushed { plan, keys })?;
        Ok(super::single_row::single_row(
            Expr::Column(Column::new_unqualified(name)),
            Expr::Column(Column::new_unqualified(rows)),
        ))
    }

    /// Adds the columns of `right`, NULL where it has no row.
    pub(super) fn join_back(&mut self, domain: &Domain<'_>, right: Pushed) -> Result<()> {
        let on = domain.join_back(&right)?;
        self.input = join_on(self.input.clone(), right.plan, JoinType::Left, on)?;
        Ok(())
    }

    /// `expr op ANY (plan)`, three-valued.
    fn quantified(&mut self, expr: Expr, op: Operator, plan: LogicalPlan) -> Result<Expr> {
        let expr = self.as_column(expr)?;
        let quantified = Quantified::new(expr, op, plan, self.input.schema())?;
        if let Some(answer) = quantified.by_extremes(self)? {
            return Ok(answer);
        }
        quantified.by_marks(self)
    }

    /// A sub-query left in `expr` is computed once, as a column.
    fn as_column(&mut self, expr: Expr) -> Result<Expr> {
        if !super::outer::has_subquery(&expr) {
            return Ok(expr);
        }
        let name = self.names.fresh("value");
        self.input = add_columns(self.input.clone(), vec![expr.alias(name.clone())])?;
        Ok(Expr::Column(Column::new_unqualified(name)))
    }

    /// `IN` as a condition: only whether it is true matters.
    pub(super) fn keep_in(&mut self, expr: Expr, plan: LogicalPlan) -> Result<()> {
        let expr = self.replace(expr)?;
        let expr = self.as_column(expr)?;
        let quantified = Quantified::new(expr, Operator::Eq, plan, self.input.schema())?;
        let (plan, conditions) = quantified.into_conditions();
        self.keep(plan, conditions, false)
    }

    /// Whether `expr` can be NULL over the input.
    pub(super) fn is_nullable(&self, expr: &Expr) -> Result<bool> {
        let over_input = bind(expr.clone(), &|c| Some(Expr::Column(c.clone())))?;
        over_input.nullable(self.input.schema())
    }
}
