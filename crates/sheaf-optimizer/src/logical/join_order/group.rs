//! A group of joins taken apart: its relations, and the conditions between them.
//!
//! Inner joins may be done in any order. So may the semi and anti joins among them, which filter
//! the rows that their conditions speak of: their right side is a relation too, a *reducer*, that
//! joins alone and leaves no columns behind.

use std::collections::HashMap;

use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, JoinType, NullEquality, Result};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{BinaryExpr, Expr, Join, LogicalPlan, Operator};

use super::estimate::{Estimate, estimate};

/// A group of more relations is left as it is written.
pub(super) const RELATIONS_MAX: usize = 32;

/// Relations of a group, one bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct RelationSet(pub(super) u32);

impl RelationSet {
    pub(super) fn one(relation: usize) -> Self {
        Self(1 << relation)
    }

    pub(super) fn all(relations: usize) -> Self {
        (0..relations).fold(Self(0), |all, at| all.union(Self::one(at)))
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn has_all_of(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The relations, by number.
    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        (0..RELATIONS_MAX).filter(move |at| self.0 >> at & 1 == 1)
    }

    /// The only relation, if there is only one.
    pub(super) fn single(self) -> Option<usize> {
        (self.0.count_ones() == 1).then(|| self.0.trailing_zeros() as usize)
    }
}

/// What a relation does in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Its rows are joined with the others.
    Inner,
    /// It says which rows stay: those with a match (semi join) …
    Semi,
    /// … or those without (anti join).
    Anti,
}

#[derive(Debug)]
pub(super) struct Relation {
    pub(super) plan: LogicalPlan,
    pub(super) estimate: Estimate,
    pub(super) role: Role,
}

/// A condition of a join.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    Equal(Side, Side),
    Other(Side),
}

/// An expression and the relations it is over.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) expr: Expr,
    pub(super) relations: RelationSet,
}

impl Condition {
    /// The relations it is over.
    pub(super) fn relations(&self) -> RelationSet {
        match self {
            Self::Equal(left, right) => left.relations.union(right.relations),
            Self::Other(side) => side.relations,
        }
    }

    /// As an expression.
    pub(super) fn expr(&self) -> Expr {
        match self {
            Self::Equal(left, right) => left.expr.clone().eq(right.expr.clone()),
            Self::Other(side) => side.expr.clone(),
        }
    }
}

/// The order that a plan has.
#[derive(Debug)]
pub(super) enum Tree {
    Leaf(usize),
    Join(Box<Tree>, Box<Tree>),
}

/// Relations and what joins them.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) relations: Vec<Relation>,
    /// Conditions between relations that are joined.
    pub(super) conditions: Vec<Condition>,
    /// Conditions of each reducer, all of them its join's.
    pub(super) reducing: HashMap<usize, Vec<Condition>>,
}

/// Conditions before it is known which relations they are over.
struct Raw {
    reducer: Option<usize>,
    on: Vec<(Expr, Expr)>,
    filter: Option<Expr>,
}

impl Group {
    /// Takes `plan` apart, whose root is a join of a group, and tells how it is joined now. `None`
    /// if it cannot be put together in another way. `leaf` rewrites relations.
    pub(super) fn take_apart(
        plan: &LogicalPlan,
        leaf: &mut dyn FnMut(LogicalPlan) -> Result<LogicalPlan>,
    ) -> Result<Option<(Self, Tree)>> {
        let mut group = Self::default();
        let mut raw = Vec::new();
        let tree = group.flatten(plan, &mut raw, leaf)?;
        if group.relations.len() > RELATIONS_MAX {
            return Ok(None);
        }
        let mut owners: HashMap<Column, usize> = HashMap::new();
        for (at, relation) in group.relations.iter().enumerate() {
            for column in relation.plan.schema().columns() {
                // Two of one name cannot be told apart once they are brought together.
                if owners.insert(column, at).is_some() {
                    return Ok(None);
                }
            }
        }
        for raw in raw {
            if group.add_conditions(raw, &owners).is_none() {
                return Ok(None);
            }
        }
        Ok(Some((group, tree)))
    }

    fn flatten(
        &mut self,
        plan: &LogicalPlan,
        raw: &mut Vec<Raw>,
        leaf: &mut dyn FnMut(LogicalPlan) -> Result<LogicalPlan>,
    ) -> Result<Tree> {
        match plan {
            LogicalPlan::Join(join) if is_of_group(join) => {
                let (kept, reducer) = match join.join_type {
                    JoinType::RightSemi | JoinType::RightAnti => (&join.right, &join.left),
                    _ => (&join.left, &join.right),
                };
                let kept = self.flatten(kept, raw, leaf)?;
                let (other, at) = match role(join.join_type) {
                    Role::Inner => (self.flatten(reducer, raw, leaf)?, None),
                    role => {
                        let at = self.add(leaf(reducer.as_ref().clone())?, role);
                        (Tree::Leaf(at), Some(at))
                    }
                };
                raw.push(Raw {
                    reducer: at,
                    on: join.on.clone(),
                    filter: join.filter.clone(),
                });
                Ok(match join.join_type {
                    JoinType::RightSemi | JoinType::RightAnti => {
                        Tree::Join(Box::new(other), Box::new(kept))
                    }
                    _ => Tree::Join(Box::new(kept), Box::new(other)),
                })
            }
            LogicalPlan::Projection(projection) if is_choice_of_columns(plan) => {
                self.flatten(&projection.input, raw, leaf)
            }
            other => Ok(Tree::Leaf(self.add(leaf(other.clone())?, Role::Inner))),
        }
    }

    fn add(&mut self, plan: LogicalPlan, role: Role) -> usize {
        let estimate = estimate(&plan);
        self.relations.push(Relation {
            plan,
            estimate,
            role,
        });
        self.relations.len() - 1
    }

    /// `None` if a condition is over something else than the relations, or over none.
    fn add_conditions(&mut self, raw: Raw, owners: &HashMap<Column, usize>) -> Option<()> {
        let side = |expr: Expr| {
            if expr.is_volatile() || has_subquery(&expr) {
                return None;
            }
            let mut relations = RelationSet::default();
            for column in expr.column_refs() {
                relations = relations.union(RelationSet::one(*owners.get(column)?));
            }
            Some(Side { expr, relations })
        };
        let mut conditions = Vec::new();
        for (left, right) in raw.on {
            conditions.push(Condition::Equal(side(left)?, side(right)?));
        }
        for filter in raw.filter.into_iter().flat_map(split_conjunction_owned) {
            conditions.push(match filter {
                Expr::BinaryExpr(BinaryExpr {
                    left,
                    op: Operator::Eq,
                    right,
                }) => Condition::Equal(side(*left)?, side(*right)?),
                other => Condition::Other(side(other)?),
            });
        }
        if conditions.iter().any(|c| c.relations().is_empty()) {
            return None;
        }
        let Some(reducer) = raw.reducer else {
            self.conditions.extend(conditions);
            return Some(());
        };
        let needed = RelationSet::one(reducer);
        let kept = conditions
            .iter()
            .fold(RelationSet::default(), |all, c| all.union(c.relations()))
            .without(needed);
        if kept.is_empty() {
            return None;
        }
        self.reducing.insert(reducer, conditions);
        Some(())
    }

    /// The relations that a reducer must be joined with.
    pub(super) fn reduced_by(&self, reducer: usize) -> RelationSet {
        let conditions = self.reducing.get(&reducer).into_iter().flatten();
        conditions
            .fold(RelationSet::default(), |all, c| all.union(c.relations()))
            .without(RelationSet::one(reducer))
    }
}

/// Whether the order of this join among others is ours to choose.
pub(super) fn is_of_group(join: &Join) -> bool {
    join.null_equality == NullEquality::NullEqualsNothing
        && !join.null_aware
        && matches!(
            join.join_type,
            JoinType::Inner
                | JoinType::LeftSemi
                | JoinType::LeftAnti
                | JoinType::RightSemi
                | JoinType::RightAnti
        )
}

/// Whether a query is in it, which may be about any of the columns around it.
fn has_subquery(expr: &Expr) -> bool {
    let is_subquery = |e: &Expr| {
        Ok(matches!(
            e,
            Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
        ))
    };
    expr.exists(is_subquery).unwrap_or(true)
}

fn role(join_type: JoinType) -> Role {
    match join_type {
        JoinType::LeftSemi | JoinType::RightSemi => Role::Semi,
        JoinType::LeftAnti | JoinType::RightAnti => Role::Anti,
        _ => Role::Inner,
    }
}

/// Whether this only leaves out columns, or changes their order, of a group's join.
pub(super) fn is_choice_of_columns(plan: &LogicalPlan) -> bool {
    let LogicalPlan::Projection(projection) = plan else {
        return false;
    };
    projection.expr.iter().all(|e| matches!(e, Expr::Column(_)))
        && match projection.input.as_ref() {
            LogicalPlan::Join(join) => is_of_group(join),
            input => is_choice_of_columns(input),
        }
}
