//! The cheapest order in which to join a group.
//!
//! Up to [`EXACT_MAX`] relations by dynamic programming over connected subsets, bushy trees
//! included (Moerkotte and Neumann, 2006, describe the search space); beyond that greedily, the
//! pair with the smallest result first (Fegaras, 1998). Products without a condition are made
//! only where nothing else is left.
//!
//! A join costs what it keeps of its build side, what it looks up of its probe side, and what it
//! gives; rows that are kept are the dearest, and the wider the dearer.

use std::collections::HashMap;

use super::cardinality::Cardinality;
use super::group::{Group, RelationSet, Role, Tree};

/// With more relations, subsets are too many to look at all.
const EXACT_MAX: usize = 10;

/// What it costs to keep a row, for itself and for each of its columns.
const BUILD_ROW: f64 = 2.0;
const BUILD_COLUMN: f64 = 0.25;

/// What it costs to look up a row; where the table is larger than caches, that much more.
const PROBE_ROW: f64 = 1.0;
const PROBE_FAR: f64 = 1.0;
const CACHED_ROWS: f64 = 200_000.0;

/// What it costs to give a row.
const OUTPUT_ROW: f64 = 1.0;

/// What it costs to compare two rows where no key says which.
const COMPARE: f64 = 0.2;

/// How some relations are joined: these with those. The first are the build side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) build: RelationSet,
    pub(super) probe: RelationSet,
    cost: f64,
}

/// The best way to join each subset that is on the way to all.
pub(super) struct Search<'a> {
    group: &'a Group,
    cardinality: Cardinality<'a>,
    steps: HashMap<RelationSet, Step>,
}

impl<'a> Search<'a> {
    pub(super) fn new(group: &'a Group) -> Self {
        Self {
            group,
            cardinality: Cardinality::new(group),
            steps: HashMap::new(),
        }
    }

    pub(super) fn cardinality(&self) -> &Cardinality<'a> {
        &self.cardinality
    }

    /// How `relations` are joined; `None` for a single one.
    pub(super) fn step(&self, relations: RelationSet) -> Option<Step> {
        self.steps.get(&relations).copied()
    }

    /// Finds an order for all relations; its cost, or `None` if there is none.
    pub(super) fn run(&mut self) -> Option<f64> {
        let count = self.group.relations.len();
        if count <= EXACT_MAX {
            self.exact(count);
        }
        let all = RelationSet::all(count);
        if !self.steps.contains_key(&all) {
            self.greedy(count);
        }
        self.step(all).map(|step| step.cost)
    }

    /// What it costs to join as `tree` says, sides as well.
    pub(super) fn cost_of(&mut self, tree: &Tree) -> f64 {
        self.walk(tree).1
    }

    fn walk(&mut self, tree: &Tree) -> (RelationSet, f64) {
        match tree {
            Tree::Leaf(at) => (RelationSet::one(*at), 0.0),
            Tree::Join(build, probe) => {
                let (build, build_cost) = self.walk(build);
                let (probe, probe_cost) = self.walk(probe);
                let own = self.join_cost(build, probe);
                (build.union(probe), own + build_cost + probe_cost)
            }
        }
    }

    fn exact(&mut self, count: usize) {
        for set in 3..(1_u32 << count) {
            let set = RelationSet(set);
            // Every way to cut it in two, each once: one part has the lowest relation.
            let lowest = RelationSet(set.0 & set.0.wrapping_neg());
            let rest = set.without(lowest);
            let mut part = rest.0;
            while part != 0 {
                let b = RelationSet(part);
                self.consider(set.without(b), b, false);
                part = (part - 1) & rest.0;
            }
        }
    }

    fn greedy(&mut self, count: usize) {
        self.steps.clear();
        let mut parts: Vec<RelationSet> = (0..count).map(RelationSet::one).collect();
        while parts.len() > 1 {
            let connected = self.best_pair(&parts, false);
            let Some((a, b)) = connected.or_else(|| self.best_pair(&parts, true)) else {
                return;
            };
            self.consider(parts[a], parts[b], true);
            parts[a] = parts[a].union(parts[b]);
            parts.remove(b);
        }
    }

    /// The two of `parts` that give the fewest rows.
    fn best_pair(&mut self, parts: &[RelationSet], with_products: bool) -> Option<(usize, usize)> {
        let mut best = None;
        for a in 0..parts.len() {
            for b in a + 1..parts.len() {
                if !self.may_join(parts[a], parts[b], with_products) {
                    continue;
                }
                let rows = self.cardinality.rows(parts[a].union(parts[b]));
                if best.is_none_or(|(least, _, _)| rows < least) {
                    best = Some((rows, a, b));
                }
            }
        }
        best.map(|(_, a, b)| (a, b))
    }

    fn may_join(&self, a: RelationSet, b: RelationSet, with_products: bool) -> bool {
        match (self.reducer(a), self.reducer(b)) {
            (Some(reducer), None) => b.has_all_of(self.group.reduced_by(reducer)),
            (None, Some(reducer)) => a.has_all_of(self.group.reduced_by(reducer)),
            (Some(_), Some(_)) => false,
            (None, None) => with_products || self.cardinality.connects(a, b),
        }
    }

    /// The reducer that `relations` are.
    fn reducer(&self, relations: RelationSet) -> Option<usize> {
        let one = relations.single()?;
        (self.group.relations[one].role != Role::Inner).then_some(one)
    }

    /// Remembers to join `a` and `b` so, if nothing better is known.
    fn consider(&mut self, a: RelationSet, b: RelationSet, with_products: bool) {
        let (Some(a_cost), Some(b_cost)) = (self.known_cost(a), self.known_cost(b)) else {
            return;
        };
        if !self.may_join(a, b, with_products) {
            return;
        }
        let below = a_cost + b_cost;
        let (ab, ba) = (self.join_cost(a, b), self.join_cost(b, a));
        let step = if ba < ab {
            Step {
                build: b,
                probe: a,
                cost: below + ba,
            }
        } else {
            Step {
                build: a,
                probe: b,
                cost: below + ab,
            }
        };
        let both = a.union(b);
        if self
            .steps
            .get(&both)
            .is_none_or(|known| step.cost < known.cost)
        {
            self.steps.insert(both, step);
        }
    }

    fn known_cost(&self, relations: RelationSet) -> Option<f64> {
        if relations.single().is_some() {
            return Some(0.0);
        }
        self.step(relations).map(|step| step.cost)
    }

    fn join_cost(&mut self, build: RelationSet, probe: RelationSet) -> f64 {
        let output = self.cardinality.rows(build.union(probe));
        let (build_rows, probe_rows) = (self.cardinality.rows(build), self.cardinality.rows(probe));
        let columns: usize = build.iter().map(|at| self.columns(at)).sum();
        let is_reduced = self.reducer(build).is_some() || self.reducer(probe).is_some();
        if !is_reduced && !self.cardinality.connects(build, probe) {
            return build_rows * probe_rows * COMPARE + output * OUTPUT_ROW;
        }
        let far = if build_rows > CACHED_ROWS {
            PROBE_FAR
        } else {
            0.0
        };
        build_rows * (BUILD_ROW + BUILD_COLUMN * columns as f64)
            + probe_rows * (PROBE_ROW + far)
            + output * OUTPUT_ROW
    }

    fn columns(&self, relation: usize) -> usize {
        self.group.relations[relation].plan.schema().fields().len()
    }
}
