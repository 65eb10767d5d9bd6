//! Queries: WITH, set operations, order and limits.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::account::{bytes_of, bytes_of_all};
use super::{Frame, RECURSION_ROWS_MAX, Run};
use crate::database::Rows;
use crate::made::Memory;
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

    pub(super) fn run(&self, query: &Query, outer: Option<&Frame<'_>>) -> Result<Vec<Row>> {
        for cte in &query.ctes {
            let mark = self.mark();
            let rows = self.run_cte(cte, outer)?;
            self.release_to(mark, 0);
            self.put(cte.id, rows)?;
        }
        let mut rows = self.body(&query.body, outer)?;
        if !query.order.is_empty() {
            rows.sort_by(|a, b| compare_rows(&query.order, a, b));
        }
        // The first row of each, in the order that was asked for.
        if let Body::Select(select) = &query.body
            && let Distinct::On(columns) = &select.distinct
        {
            let key_of = |row: &Row| {
                let cells = columns.iter().filter_map(|column| row.get(*column));
                cells.cloned().collect()
            };
            self.keep_first(&mut rows, key_of)?;
        }
        if let Some(offset) = self.count(query.offset.as_ref(), "OFFSET", outer)? {
            rows.drain(..offset.min(rows.len()));
        }
        if let Some(limit) = self.count(query.limit.as_ref(), "LIMIT", outer)? {
            rows.truncate(limit);
        }
        let width = query.columns.len();
        rows.iter_mut().for_each(|row| row.truncate(width));
        Ok(rows)
    }

    /// The number of rows of LIMIT or OFFSET.
    fn count(
        &self,
        expr: Option<&Expr>,
        word: &str,
        outer: Option<&Frame<'_>>,
    ) -> Result<Option<usize>> {
        let empty = Frame::of(&[], None);
        let Some(expr) = expr else { return Ok(None) };
        let Some(count) = self.eval(expr, outer.unwrap_or(&empty))?.as_int() else {
            return Ok(None);
        };
        match usize::try_from(count) {
            Ok(count) => Ok(Some(count)),
            Err(_) => Err(
                SheafError::user(format!("{word} must not be negative")).with_state(match word {
                    "LIMIT" => SqlState::INVALID_ROW_COUNT_IN_LIMIT,
                    _ => SqlState::INVALID_ROW_COUNT_IN_OFFSET,
                }),
            ),
        }
    }

    /// A query of WITH; one that names itself is run until it gives nothing new.
    fn run_cte(&self, cte: &Cte, outer: Option<&Frame<'_>>) -> Result<Vec<Row>> {
        let mut all = self.run(&cte.query, outer)?;
        let Some(step) = &cte.step else {
            return Ok(all);
        };
        let mut known: HashSet<Row> = HashSet::new();
        if cte.is_distinct {
            self.keep_new(&mut all, &mut known)?;
        }
        let mut last = all.clone();
        while !last.is_empty() {
            self.put(cte.id, last)?;
            let mark = self.mark();
            let mut next = self.run(step, outer)?;
            self.release_to(mark, 0);
            if cte.is_distinct {
                self.keep_new(&mut next, &mut known)?;
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

    /// Leaves the rows that are not known, which are then.
    fn keep_new(&self, rows: &mut Vec<Row>, known: &mut HashSet<Row>) -> Result<()> {
        let mut new = vec![];
        for row in rows.drain(..) {
            self.step()?;
            if !known.contains(&row) {
                self.hold(bytes_of(&row))?;
                known.insert(row.clone());
                new.push(row);
            }
        }
        *rows = new;
        Ok(())
    }

    /// Leaves the first of the rows that are equal in some of their values.
    pub(super) fn keep_first(
        &self,
        rows: &mut Vec<Row>,
        key_of: impl Fn(&Row) -> Row,
    ) -> Result<()> {
        let mut known = HashSet::new();
        let mut first = vec![];
        let mark = self.mark();
        for row in rows.drain(..) {
            self.step()?;
            let key = key_of(&row);
            let bytes = bytes_of(&key);
            if known.insert(key) {
                self.hold(bytes)?;
                first.push(row);
            }
        }
        self.release_to(mark, 0);
        *rows = first;
        Ok(())
    }

    fn body(&self, body: &Body, outer: Option<&Frame<'_>>) -> Result<Vec<Row>> {
        match body {
            Body::Select(select) => self.select(select, outer),
            Body::Query(query) => self.run(query, outer),
            Body::Values(rows) => {
                let empty = Frame::of(&[], None);
                let frame = outer.unwrap_or(&empty);
                let mut made = vec![];
                for row in rows {
                    let row = self.passing(|| self.eval_all(row, frame))?;
                    self.keep(&mut made, row)?;
                }
                Ok(made)
            }
            Body::Project { query, projection } => {
                let rows = self.run(query, outer)?;
                let mut made = vec![];
                for row in &rows {
                    let frame = Frame::of(row, None);
                    let row = self.passing(|| self.eval_all(projection, &frame))?;
                    self.keep(&mut made, row)?;
                }
                Ok(made)
            }
            Body::Set {
                operator,
                is_all,
                left,
                right,
            } => {
                let left = self.run(left, outer)?;
                let right = self.run(right, outer)?;
                self.combine(*operator, *is_all, left, right)
            }
        }
    }

    fn select(&self, select: &Select, outer: Option<&Frame<'_>>) -> Result<Vec<Row>> {
        let mark = self.mark();
        let rows = self.rows_of_from(select, outer)?;
        let mut kept = vec![];
        for row in rows {
            match self.all_true(&select.filter, &Frame::of(&row, outer))? {
                true => kept.push(row),
                false => self.release(bytes_of(&row)),
            }
        }
        let groups = self.groups(select, kept, outer)?;
        let windows = self.windows(select, &groups, outer)?;
        let mut shown = vec![];
        for (group, windows) in groups.iter().zip(&windows) {
            let frame = Frame {
                aggregates: &group.aggregates,
                windows,
                ..Frame::of(&group.row, outer)
            };
            self.project(select, &frame, &mut shown)?;
        }
        if let Distinct::Yes(width) = select.distinct {
            let key_of = |row: &Row| row.get(..width).unwrap_or_default().to_vec();
            self.keep_first(&mut shown, key_of)?;
        }
        self.release_to(mark, bytes_of_all(&shown));
        Ok(shown)
    }

    /// Whether all conditions are true of a row.
    pub(super) fn all_true(&self, conditions: &[Expr], frame: &Frame<'_>) -> Result<bool> {
        if conditions.is_empty() {
            return Ok(true);
        }
        self.passing(|| {
            for condition in conditions {
                if !self.eval(condition, frame)?.is_true() {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// The rows that the list makes of one: as many as its longest function of sets gives.
    fn project(&self, select: &Select, frame: &Frame<'_>, shown: &mut Vec<Row>) -> Result<()> {
        if select.sets.is_empty() {
            let row = self.passing(|| self.eval_all(&select.projection, frame))?;
            return self.keep(shown, row);
        }
        self.each_of_sets(&select.sets, frame, &mut |_, found| {
            let values = found.iter().map(|row| match row.as_deref() {
                None => Value::Null,
                Some([value]) => value.clone(),
                Some(fields) => Value::Record(fields.into()),
            });
            let values: Vec<Value> = values.collect();
            let frame = Frame {
                sets: &values,
                ..*frame
            };
            let row = self.passing(|| self.eval_all(&select.projection, &frame))?;
            self.keep(shown, row)
        })
    }

    fn combine(
        &self,
        operator: SetOperator,
        is_all: bool,
        left: Vec<Row>,
        right: Vec<Row>,
    ) -> Result<Vec<Row>> {
        let mut rows = match operator {
            SetOperator::Union => {
                let mut rows = left;
                rows.extend(right);
                rows
            }
            SetOperator::Except | SetOperator::Intersect => {
                let mut counts: HashMap<Row, usize> = HashMap::new();
                for row in right {
                    self.step()?;
                    *counts.entry(row).or_default() += 1;
                }
                let wants = operator == SetOperator::Intersect;
                let mut kept = vec![];
                for row in left {
                    self.step()?;
                    let is_in = match counts.get_mut(&row) {
                        None | Some(0) => false,
                        Some(count) => {
                            *count -= usize::from(is_all);
                            true
                        }
                    };
                    if is_in == wants {
                        kept.push(row);
                    }
                }
                kept
            }
        };
        if !is_all {
            self.keep_first(&mut rows, Clone::clone)?;
        }
        Ok(rows)
    }
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
