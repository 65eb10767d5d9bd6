//! Queries: WITH, set operations, order and limits.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use sheaf_base::{Result, SheafError};

use super::{Frame, RECURSION_ROWS_MAX, Run};
use crate::database::Rows;
use crate::plan::{Body, Cte, Distinct, Expr, Order, Query, Select, SetOperator};
use crate::value::{Row, Value};

impl Run<'_> {
    /// The rows of a whole statement.
    ///
    /// # Errors
    /// Those of its expressions; `Cancelled` and `Resource` from whoever watches.
    pub(crate) fn query(&self, query: &Query) -> Result<Rows> {
        self.rows_of(query, None)
    }

    /// The rows of a query; they are kept if it names nothing outside.
    pub(super) fn rows_of(&self, query: &Query, outer: Option<&Frame<'_>>) -> Result<Rows> {
        if !query.outer.is_empty() {
            // What it gives is looked at and forgotten.
            let mark = self.mark();
            let rows = self.run(query, outer)?;
            self.release_to(mark, 0);
            return Ok(Rc::new(rows));
        }
        if let Some(rows) = self.rows.borrow().get(&query.id) {
            return Ok(Rc::clone(rows));
        }
        let rows = Rc::new(self.run(query, outer)?);
        self.rows.borrow_mut().insert(query.id, Rc::clone(&rows));
        Ok(rows)
    }

    /// The rows of a query of WITH, which has run already.
    pub(super) fn cte_rows(&self, id: usize) -> Result<Rows> {
        let rows = self.rows.borrow().get(&id).cloned();
        rows.ok_or_else(|| SheafError::internal("a query of WITH was not run"))
    }

    fn put(&self, id: usize, rows: Vec<Row>) {
        self.rows.borrow_mut().insert(id, Rc::new(rows));
        self.indexes
            .borrow_mut()
            .retain(|(place, _), _| *place != super::Place::Query(id));
    }

    fn run(&self, query: &Query, outer: Option<&Frame<'_>>) -> Result<Vec<Row>> {
        for cte in &query.ctes {
            let rows = self.run_cte(cte, outer)?;
            self.put(cte.id, rows);
        }
        let mut rows = self.body(&query.body, outer)?;
        if !query.order.is_empty() {
            rows.sort_by(|a, b| compare_rows(&query.order, a, b));
        }
        if let Body::Select(select) = &query.body {
            distinct_on(select, &mut rows);
        }
        let empty = Frame::of(&[], None);
        let frame = outer.unwrap_or(&empty);
        let count = |expr: &Option<Expr>| -> Result<Option<usize>> {
            let Some(expr) = expr else { return Ok(None) };
            let count = self.eval(expr, frame)?.as_int();
            Ok(count.map(|count| usize::try_from(count).unwrap_or(0)))
        };
        if let Some(offset) = count(&query.offset)? {
            rows.drain(..offset.min(rows.len()));
        }
        if let Some(limit) = count(&query.limit)? {
            rows.truncate(limit);
        }
        let width = query.columns.len();
        rows.iter_mut().for_each(|row| row.truncate(width));
        Ok(rows)
    }

    /// A query of WITH; one that names itself is run until it gives nothing new.
    fn run_cte(&self, cte: &Cte, outer: Option<&Frame<'_>>) -> Result<Vec<Row>> {
        let mut all = self.run(&cte.query, outer)?;
        let Some(step) = &cte.step else {
            return Ok(all);
        };
        let mut known: HashSet<Row> = HashSet::new();
        if cte.is_distinct {
            all.retain(|row| known.insert(row.clone()));
        }
        let mut last = all.clone();
        while !last.is_empty() {
            self.put(cte.id, last);
            // What is within has seen the rows before.
            self.forget(step);
            let mut next = self.run(step, outer)?;
            if cte.is_distinct {
                next.retain(|row| known.insert(row.clone()));
            }
            for row in &next {
                self.keep(&mut all, row.clone())?;
            }
            if all.len() > RECURSION_ROWS_MAX {
                return Err(SheafError::resource(format!(
                    "a query of WITH RECURSIVE gives more than {RECURSION_ROWS_MAX} rows"
                )));
            }
            last = next;
        }
        Ok(all)
    }

    /// Forgets the rows of queries that may name the one that is run again. Statements about the
    /// catalogue have few, so that all are forgotten but those of WITH.
    fn forget(&self, step: &Query) {
        let ids = inner_ids(step);
        let mut rows = self.rows.borrow_mut();
        rows.retain(|id, _| !ids.contains(id));
        let mut indexes = self.indexes.borrow_mut();
        indexes.retain(|(place, _), _| match place {
            super::Place::Query(id) => !ids.contains(id),
            super::Place::Table(_) => true,
        });
    }

    fn body(&self, body: &Body, outer: Option<&Frame<'_>>) -> Result<Vec<Row>> {
        match body {
            Body::Select(select) => self.select(select, outer),
            Body::Query(query) => self.run(query, outer),
            Body::Values(rows) => {
                let empty = Frame::of(&[], None);
                let frame = outer.unwrap_or(&empty);
                rows.iter().map(|row| self.eval_all(row, frame)).collect()
            }
            Body::Project { query, projection } => {
                let rows = self.run(query, outer)?;
                let rows = rows.iter().map(|row| {
                    let frame = Frame::of(row, None);
                    self.eval_all(projection, &frame)
                });
                rows.collect()
            }
            Body::Set {
                operator,
                is_all,
                left,
                right,
            } => {
                let left = self.run(left, outer)?;
                let right = self.run(right, outer)?;
                Ok(combine(*operator, *is_all, left, right))
            }
        }
    }

    fn select(&self, select: &Select, outer: Option<&Frame<'_>>) -> Result<Vec<Row>> {
        let mark = self.mark();
        let rows = self.rows_of_from(&select.from, outer)?;
        let mut kept = vec![];
        for row in rows {
            if self.all_true(&select.filter, &Frame::of(&row, outer))? {
                kept.push(row);
            }
        }
        let groups = self.groups(select, kept, outer)?;
        let windows = self.windows(select, &groups, outer)?;
        let mut shown = vec![];
        for (group, windows) in groups.iter().zip(&windows) {
            let frame = Frame {
                row: &group.row,
                aggregates: &group.aggregates,
                windows,
                sets: &[],
                outer,
            };
            self.project(select, &frame, &mut shown)?;
        }
        if let Distinct::Yes(width) = select.distinct {
            let mut known = HashSet::new();
            shown.retain(|row| known.insert(row.get(..width).map(<[Value]>::to_vec)));
        }
        self.release_to(mark, shown.iter().map(|row| super::bytes_of(row)).sum());
        Ok(shown)
    }

    /// Whether all conditions are true of a row.
    pub(super) fn all_true(&self, conditions: &[Expr], frame: &Frame<'_>) -> Result<bool> {
        for condition in conditions {
            if !self.eval(condition, frame)?.is_true() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The rows that the list makes of one: as many as its longest function of sets gives.
    fn project(&self, select: &Select, frame: &Frame<'_>, shown: &mut Vec<Row>) -> Result<()> {
        if select.sets.is_empty() {
            let row = self.eval_all(&select.projection, frame)?;
            return self.keep(shown, row);
        }
        let sets = select.sets.iter().map(|call| self.set_rows(call, frame));
        let sets = sets.collect::<Result<Vec<_>>>()?;
        let count = sets.iter().map(Vec::len).max().unwrap_or(0);
        for index in 0..count {
            let values =
                sets.iter()
                    .map(|rows: &Vec<Row>| match rows.get(index).map(Vec::as_slice) {
                        None => Value::Null,
                        Some([value]) => value.clone(),
                        Some(fields) => Value::Record(fields.into()),
                    });
            let values: Vec<Value> = values.collect();
            let frame = Frame {
                sets: &values,
                ..*frame
            };
            let row = self.eval_all(&select.projection, &frame)?;
            self.keep(shown, row)?;
        }
        Ok(())
    }
}

/// The queries within one, by which their rows are kept.
fn inner_ids(query: &Query) -> HashSet<usize> {
    fn of_exprs(exprs: &[&Expr], ids: &mut HashSet<usize>) {
        for query in exprs.iter().flat_map(|expr| expr.queries()) {
            of_query(query, ids);
        }
    }
    fn of_query(query: &Query, ids: &mut HashSet<usize>) {
        ids.insert(query.id);
        match &query.body {
            Body::Query(inner) | Body::Project { query: inner, .. } => of_query(inner, ids),
            Body::Set { left, right, .. } => {
                of_query(left, ids);
                of_query(right, ids);
            }
            Body::Values(_) => {}
            Body::Select(select) => {
                let filter = select.filter.iter().chain(&select.projection);
                of_exprs(&filter.collect::<Vec<_>>(), ids);
                super::from::each_query(&select.from, &mut |inner| of_query(inner, ids));
            }
        }
    }
    let mut ids = HashSet::new();
    of_query(query, &mut ids);
    ids
}

/// The order of two rows by keys.
pub(super) fn compare_rows(order: &[Order], a: &[Value], b: &[Value]) -> Ordering {
    for key in order {
        let (Some(a), Some(b)) = (a.get(key.column), b.get(key.column)) else {
            continue;
        };
        let found = compare_cells(a, b, key.is_descending, key.nulls_first);
        if found.is_ne() {
            return found;
        }
    }
    Ordering::Equal
}

/// The order of two values by the directions of a key.
pub(super) fn compare_cells(
    a: &Value,
    b: &Value,
    is_descending: bool,
    nulls_first: bool,
) -> Ordering {
    match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) if nulls_first => Ordering::Less,
        (true, false) => Ordering::Greater,
        (false, true) if nulls_first => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) if is_descending => b.compare(a),
        (false, false) => a.compare(b),
    }
}

/// DISTINCT ON: the first row of each, in the order that was asked for.
fn distinct_on(select: &Select, rows: &mut Vec<Row>) {
    if let Distinct::On(columns) = &select.distinct {
        let mut known = HashSet::new();
        rows.retain(|row| {
            let key: Vec<_> = columns
                .iter()
                .map(|column| row.get(*column).cloned())
                .collect();
            known.insert(key)
        });
    }
}

fn combine(operator: SetOperator, is_all: bool, left: Vec<Row>, right: Vec<Row>) -> Vec<Row> {
    let mut rows = match operator {
        SetOperator::Union => {
            let mut rows = left;
            rows.extend(right);
            rows
        }
        SetOperator::Except | SetOperator::Intersect => {
            let mut counts: HashMap<Row, usize> = HashMap::new();
            for row in right {
                *counts.entry(row).or_default() += 1;
            }
            let wants = operator == SetOperator::Intersect;
            let mut rows = left;
            rows.retain(|row| match counts.get_mut(row) {
                Some(0) => !wants,
                Some(count) => {
                    if is_all {
                        *count -= 1;
                    }
                    wants
                }
                None => !wants,
            });
            rows
        }
    };
    if !is_all {
        let mut known = HashSet::new();
        rows.retain(|row| known.insert(row.clone()));
    }
    rows
}
