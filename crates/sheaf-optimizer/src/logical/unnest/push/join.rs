//! Joins whose sides, or whose condition, refer to the domain.

use datafusion::common::{JoinSide, JoinType, NullEquality, Result};
use datafusion::functions::expr_fn::coalesce;
use datafusion::logical_expr::{Expr, Join, Operator, binary_expr};

use super::super::domain::{Key, Pushed, common_keys};
use super::super::plans::{conjuncts, project, rebuilt_join};
use super::Push;

impl Push<'_, '_> {
    pub(super) fn join(&self, join: Join) -> Result<Pushed> {
        match join.join_type {
            JoinType::Inner => self.inner_join(join),
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                self.outer_join(join, JoinSide::Left)
            }
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                self.outer_join(join, JoinSide::Right)
            }
            JoinType::Full => self.full_join(join),
        }
    }

    fn sides(&self, join: &Join) -> Result<(Pushed, Pushed)> {
        let left = self.push(join.left.as_ref().clone())?;
        let right = self.push(join.right.as_ref().clone())?;
        Ok((left, right))
    }

    /// Conditions on the domain are a filter above.
    fn inner_join(&self, join: Join) -> Result<Pushed> {
        let (left, right) = self.sides(&join)?;
        let mut conditions = Vec::new();
        let mut on = Vec::new();
        for (l, r) in &join.on {
            if self.used([l, r])?.is_empty() {
                on.push((l.clone(), r.clone()));
            } else {
                let operator = match join.null_equality {
                    NullEquality::NullEqualsNothing => Operator::Eq,
                    NullEquality::NullEqualsNull => Operator::IsNotDistinctFrom,
                };
                conditions.push(binary_expr(l.clone(), operator, r.clone()));
            }
        }
        let mut filter = common_keys(&left, &right);
        for condition in join.filter.iter().flat_map(conjuncts) {
            if self.used([&condition])?.is_empty() {
                filter.push(condition);
            } else {
                conditions.push(condition);
            }
        }
        let mut keys = right.keys;
        keys.extend(left.keys);
        let plan = rebuilt_join(&join, left.plan, right.plan, on, filter)?;
        let pushed = Pushed { plan, keys };
        if conditions.is_empty() {
            return Ok(pushed);
        }
        self.filter(pushed, conditions)
    }

    /// The side whose rows are kept must be there for every value that the other side knows of.
    fn outer_join(&self, join: Join, kept: JoinSide) -> Result<Pushed> {
        let (mut left, mut right) = self.sides(&join)?;
        let mut used = self.used(join.on.iter().flat_map(|(l, r)| [l, r]))?;
        used.extend(self.used(&join.filter)?);
        let is_left = matches!(kept, JoinSide::Left);
        if is_left {
            used.extend(right.wanted());
            left = self.domain.ensure(left, &used)?;
        } else {
            used.extend(left.wanted());
            right = self.domain.ensure(right, &used)?;
        }
        let (on, filter) = self.conditions(&join, &left, &right, is_left)?;
        let plan = rebuilt_join(&join, left.plan, right.plan, on, filter)?;
        let keys = if is_left { left.keys } else { right.keys };
        Ok(Pushed { plan, keys })
    }

    /// Both sides must be there for every value; a row that is alone has the key of its own side.
    fn full_join(&self, join: Join) -> Result<Pushed> {
        let (left, right) = self.sides(&join)?;
        let mut used = self.used(join.on.iter().flat_map(|(l, r)| [l, r]))?;
        used.extend(self.used(&join.filter)?);
        used.extend(left.wanted());
        used.extend(right.wanted());
        let left = self.domain.ensure(left, &used)?;
        let right = self.domain.ensure(right, &used)?;
        let (on, filter) = self.conditions(&join, &left, &right, true)?;
        let plan = rebuilt_join(&join, left.plan.clone(), right.plan.clone(), on, filter)?;
        let mut exprs: Vec<Expr> = join
            .schema
            .columns()
            .into_iter()
            .map(Expr::Column)
            .collect();
        let mut keys = std::collections::BTreeMap::new();
        for (position, key) in &left.keys {
            let Some(other) = right.keys.get(position) else {
                continue;
            };
            let name = self.domain.names.fresh("outer");
            let both = vec![
                Expr::Column(key.column.clone()),
                Expr::Column(other.column.clone()),
            ];
            exprs.push(coalesce(both).alias(name.clone()));
            let key = Key {
                column: datafusion::common::Column::new_unqualified(name),
                never_null: key.never_null && other.never_null,
            };
            keys.insert(*position, key);
        }
        Ok(Pushed {
            plan: project(plan, exprs)?,
            keys,
        })
    }

    /// The conditions of `join`, bound to one side's keys, and those on the keys of both.
    #[expect(
        clippy::type_complexity,
        reason = "the two parts of a join's condition"
    )]
    fn conditions(
        &self,
        join: &Join,
        left: &Pushed,
        right: &Pushed,
        is_left: bool,
    ) -> Result<(Vec<(Expr, Expr)>, Vec<Expr>)> {
        let bound_to = if is_left { left } else { right };
        let mut filter = common_keys(left, right);
        let mut on = Vec::new();
        for (l, r) in &join.on {
            let is_bound = self.used([l, r])?.is_empty();
            let (l, r) = (
                self.bind(l.clone(), bound_to)?,
                self.bind(r.clone(), bound_to)?,
            );
            if is_bound {
                on.push((l, r));
            } else {
                let operator = match join.null_equality {
                    NullEquality::NullEqualsNothing => Operator::Eq,
                    NullEquality::NullEqualsNull => Operator::IsNotDistinctFrom,
                };
                filter.push(binary_expr(l, operator, r));
            }
        }
        for condition in join.filter.iter().flat_map(conjuncts) {
            filter.push(self.bind(condition, bound_to)?);
        }
        Ok((on, filter))
    }
}
