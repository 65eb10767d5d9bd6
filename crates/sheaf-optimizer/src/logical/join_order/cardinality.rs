//! How many rows any subset of a group's relations gives when joined.
//!
//! Columns that conditions make equal form a class. A class has a domain: the distinct values that
//! its columns have at most, where a key's values are taken to be among those of the column that
//! it refers to. Each relation of a class after the first keeps one row in so many. Two classes
//! between the same tables (a composite key) have no more combinations than the table has rows.
//! The number depends on the subset alone, not on the order in which it is joined.

use std::collections::HashMap;

use datafusion::common::Column;
use datafusion::logical_expr::Expr;

use super::estimate::ColumnEstimate;
use super::group::{Condition, Group, RelationSet, Role, Side};

/// The share of pairs that a condition other than equality keeps.
const OTHER: f64 = 0.3;

/// The least share that an anti join is taken to leave, and what it leaves if its condition is not
/// equality alone.
const ANTI_LEAST: f64 = 0.05;
const ANTI_FILTERED: f64 = 0.5;

/// Bounds of a key may lie outside of those that it refers to by this share of their range.
const COVER_SLACK: f64 = 0.01;

/// Columns that are equal to each other in what a group gives.
#[derive(Debug)]
pub(super) struct Class {
    /// One for each relation.
    pub(super) members: Vec<(usize, Column)>,
    domain: f64,
}

impl Class {
    /// A member of one of `relations`.
    pub(super) fn member_in(&self, relations: RelationSet) -> Option<&Column> {
        let member = self
            .members
            .iter()
            .find(|(at, _)| relations.meets(RelationSet::one(*at)));
        member.map(|(_, column)| column)
    }
}

/// The classes of a group's columns, its other conditions, and the rows of subsets.
#[derive(Debug)]
pub(super) struct Cardinality<'a> {
    group: &'a Group,
    pub(super) classes: Vec<Class>,
    /// What no class stands for.
    pub(super) conditions: Vec<Condition>,
    known: HashMap<RelationSet, f64>,
}

impl<'a> Cardinality<'a> {
    pub(super) fn new(group: &'a Group) -> Self {
        let (classes, conditions) = classes(group);
        Self {
            group,
            classes,
            conditions,
            known: HashMap::new(),
        }
    }

    /// Rows of `relations`, joined.
    pub(super) fn rows(&mut self, relations: RelationSet) -> f64 {
        if let Some(rows) = self.known.get(&relations) {
            return *rows;
        }
        let rows = self.count(relations);
        self.known.insert(relations, rows);
        rows
    }

    /// Whether some condition joins `a` with `b`.
    pub(super) fn connects(&self, a: RelationSet, b: RelationSet) -> bool {
        let by_class = self
            .classes
            .iter()
            .any(|class| class.member_in(a).is_some() && class.member_in(b).is_some());
        by_class
            || self.conditions.iter().any(|condition| {
                let relations = condition.relations();
                relations.meets(a) && relations.meets(b) && a.union(b).has_all_of(relations)
            })
    }

    fn count(&self, relations: RelationSet) -> f64 {
        if let Some(one) = relations.single() {
            return self.group.relations[one].estimate.rows.max(1.0);
        }
        let is_inner = |at: &usize| self.group.relations[*at].role == Role::Inner;
        let mut left: Vec<usize> = relations.iter().filter(is_inner).collect();
        let mut done = RelationSet::default();
        let mut rows = 1.0;
        while !left.is_empty() {
            let connected = left
                .iter()
                .position(|at| done.is_empty() || self.connects(done, RelationSet::one(*at)));
            let at = left.remove(connected.unwrap_or(0));
            rows *= self.group.relations[at].estimate.rows.max(1.0);
            rows /= self.domain(done, at);
            let before = done;
            done = done.union(RelationSet::one(at));
            for condition in &self.conditions {
                let over = condition.relations();
                if done.has_all_of(over) && !before.has_all_of(over) {
                    rows *= self.condition_share(condition);
                }
            }
        }
        let reducers = relations.iter().filter(|at| !is_inner(at));
        let kept: f64 = reducers.map(|at| self.reduction(at)).product();
        (rows * kept).max(1.0)
    }

    /// One row in so many is kept when `relation` joins those that are `done`.
    fn domain(&self, done: RelationSet, relation: usize) -> f64 {
        let one = RelationSet::one(relation);
        let mut domain = 1.0;
        let mut shared = 0;
        let mut owners = RelationSet::default();
        for class in &self.classes {
            if class.member_in(one).is_none() || class.member_in(done).is_none() {
                continue;
            }
            domain *= class.domain;
            shared += 1;
            let others = class.members.iter().map(|(at, _)| RelationSet::one(*at));
            owners = others
                .filter(|at| done.meets(*at))
                .fold(owners, RelationSet::union);
        }
        if shared > 1 {
            domain = domain.min(self.table_rows(relation));
            if let Some(owner) = owners.single() {
                domain = domain.min(self.table_rows(owner));
            }
        }
        domain.max(1.0)
    }

    /// Rows of the table that a relation is of, before filters.
    fn table_rows(&self, relation: usize) -> f64 {
        let estimate = &self.group.relations[relation].estimate;
        let columns = estimate.columns.values();
        columns.fold(estimate.rows, |rows, column| rows.max(column.table_rows))
    }

    fn condition_share(&self, condition: &Condition) -> f64 {
        match condition {
            Condition::Equal(a, b) => 1.0 / self.distinct(a).max(self.distinct(b)).max(1.0),
            Condition::Other(_) => OTHER,
        }
    }

    fn distinct(&self, side: &Side) -> f64 {
        let rows = side.relations.iter().map(|at| self.table_rows(at));
        let rows = rows.fold(1.0, f64::max);
        let Expr::Column(column) = &side.expr else {
            return rows;
        };
        let known = side.relations.iter().find_map(|at| {
            let columns = &self.group.relations[at].estimate.columns;
            columns.get(column)?.distinct
        });
        known.unwrap_or(rows)
    }

    /// The share of rows that stay when a reducer has been joined.
    fn reduction(&self, reducer: usize) -> f64 {
        let relation = &self.group.relations[reducer];
        let conditions = self.group.reducing.get(&reducer);
        let mut found = 1.0_f64;
        let mut is_filtered = false;
        for condition in conditions.into_iter().flatten() {
            let Condition::Equal(a, b) = condition else {
                is_filtered = true;
                continue;
            };
            let own = RelationSet::one(reducer);
            let (kept, own) = if a.relations == own { (b, a) } else { (a, b) };
            let present = self.distinct(own).min(relation.estimate.rows);
            found = found.min(present / self.distinct(kept).max(1.0));
        }
        match relation.role {
            Role::Anti if is_filtered => ANTI_FILTERED,
            Role::Anti => (1.0 - found).max(ANTI_LEAST),
            Role::Inner | Role::Semi => found,
        }
    }
}

/// Columns that are equal, and the conditions that say something else.
fn classes(group: &Group) -> (Vec<Class>, Vec<Condition>) {
    let mut classes: Vec<Vec<(usize, Column)>> = Vec::new();
    let mut of_classes: Vec<(usize, Column, &Condition)> = Vec::new();
    let mut others = Vec::new();
    for condition in &group.conditions {
        let Some((a, b)) = columns(group, condition) else {
            others.push(condition.clone());
            continue;
        };
        of_classes.push((a.0, a.1.clone(), condition));
        let at = |member: &(usize, Column), classes: &[Vec<(usize, Column)>]| {
            classes.iter().position(|class| class.contains(member))
        };
        match (at(&a, &classes), at(&b, &classes)) {
            (Some(a_at), Some(b_at)) if a_at != b_at => {
                let merged = classes.remove(a_at.max(b_at));
                classes[a_at.min(b_at)].extend(merged);
            }
            (Some(_), Some(_)) => {}
            (Some(at), None) => classes[at].push(b),
            (None, Some(at)) => classes[at].push(a),
            (None, None) => classes.push(vec![a, b]),
        }
    }
    // Two columns of one relation: that they are equal is not said by joining either.
    classes.retain(|class| {
        let once = class
            .iter()
            .all(|(at, _)| class.iter().filter(|(other, _)| other == at).count() == 1);
        if !once {
            let members = class.iter();
            let members: Vec<_> = members.collect();
            let said = of_classes
                .iter()
                .filter(|(at, column, _)| members.contains(&&(*at, column.clone())));
            others.extend(said.map(|(_, _, condition)| (*condition).clone()));
        }
        once
    });
    let classes = classes.into_iter().map(|members| Class {
        domain: domain(group, &members),
        members,
    });
    (classes.collect(), others)
}

/// The two columns that a condition makes equal, if it does and their types are the same.
fn columns(group: &Group, condition: &Condition) -> Option<((usize, Column), (usize, Column))> {
    let Condition::Equal(a, b) = condition else {
        return None;
    };
    let (Expr::Column(a_column), Expr::Column(b_column)) = (&a.expr, &b.expr) else {
        return None;
    };
    let (a_at, b_at) = (a.relations.single()?, b.relations.single()?);
    let data_type = |at: usize, column: &Column| {
        let schema = group.relations[at].plan.schema();
        let (_, field) = schema.qualified_field_from_column(column).ok()?;
        Some(field.data_type().clone())
    };
    (a_at != b_at && data_type(a_at, a_column)? == data_type(b_at, b_column)?)
        .then(|| ((a_at, a_column.clone()), (b_at, b_column.clone())))
}

/// The distinct values of a class.
fn domain(group: &Group, members: &[(usize, Column)]) -> f64 {
    let known: Vec<Option<&ColumnEstimate>> = members
        .iter()
        .map(|(at, column)| group.relations[*at].estimate.columns.get(column))
        .collect();
    let bounds = members.iter().zip(&known).map(|((at, _), column)| {
        let rows = group.relations[*at].estimate.rows;
        let Some(column) = column else {
            return rows;
        };
        let own = column.distinct.unwrap_or(column.table_rows).max(1.0);
        let referred = known.iter().flatten().filter(|other| covers(other, column));
        referred.fold(own, |least, other| {
            least.min(other.distinct.unwrap_or(least))
        })
    });
    bounds.fold(1.0, f64::max)
}

/// Whether all values of `key` can be among those of `column`.
fn covers(column: &ColumnEstimate, key: &ColumnEstimate) -> bool {
    match (column.range, key.range) {
        (Some((min, max)), Some((key_min, key_max))) => {
            let slack = (max - min) * COVER_SLACK;
            min - slack <= key_min && max + slack >= key_max
        }
        _ => false,
    }
}
