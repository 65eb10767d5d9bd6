//! Relations: each puts its columns into rows, which are NULL before.

use std::rc::Rc;

use sheaf_base::Result;

use super::account::bytes_of;
use super::kept::{Index, Place};
use super::{Frame, Run};
use crate::database::Rows;
use crate::functions::Call;
use crate::plan::{Expr, From, Item, Join, JoinKind, Select, SetCall, Source};
use crate::value::{Row, Value};

/// What is done with a row of functions side by side, of each of which it may be the end.
type SetVisit<'v> = &'v mut dyn FnMut(i64, &[Option<Row>]) -> Result<()>;

impl Run<'_> {
    /// The rows of FROM.
    pub(super) fn rows_of_from(
        &self,
        select: &Select,
        outer: Option<&Frame<'_>>,
    ) -> Result<Vec<Row>> {
        let mut rows = vec![];
        let empty = vec![Value::Null; select.width];
        self.extend(&select.from, &empty, outer, &mut rows)?;
        Ok(rows)
    }

    /// Adds to `rows` the row `before` with the columns of each row of `from` in it.
    fn extend(
        &self,
        from: &From,
        before: &[Value],
        outer: Option<&Frame<'_>>,
        rows: &mut Vec<Row>,
    ) -> Result<()> {
        match from {
            From::Nothing => self.keep(rows, before.to_vec()),
            From::Item(item) => self.extend_item(item, before, outer, rows),
            From::Join(join) => match join.kind {
                JoinKind::Inner | JoinKind::Left => self.join(join, before, outer, rows),
                JoinKind::Right | JoinKind::Full => self.outer_join(join, before, outer, rows),
            },
        }
    }

    fn join(
        &self,
        join: &Join,
        before: &[Value],
        outer: Option<&Frame<'_>>,
        rows: &mut Vec<Row>,
    ) -> Result<()> {
        let mut left = vec![];
        self.extend(&join.left, before, outer, &mut left)?;
        let mut found = vec![];
        for left in left {
            self.extend(&join.right, &left, outer, &mut found)?;
            let mut is_matched = false;
            for row in found.drain(..) {
                if self.all_true(&join.on, &Frame::of(&row, outer))? {
                    is_matched = true;
                    rows.push(row);
                } else {
                    self.release(bytes_of(&row));
                }
            }
            match !is_matched && join.kind == JoinKind::Left {
                true => rows.push(left),
                false => self.release(bytes_of(&left)),
            }
        }
        Ok(())
    }

    /// RIGHT and FULL: every row of the right side appears.
    fn outer_join(
        &self,
        join: &Join,
        before: &[Value],
        outer: Option<&Frame<'_>>,
        rows: &mut Vec<Row>,
    ) -> Result<()> {
        let (mut left, mut right) = (vec![], vec![]);
        self.extend(&join.left, before, outer, &mut left)?;
        self.extend(&join.right, before, outer, &mut right)?;
        let all: Vec<usize> = (0..right.len()).collect();
        let index = match &join.equal {
            Some((_, key)) => Some(self.index_of(&right, key, outer)?),
            None => None,
        };
        let mut has_partner = vec![false; right.len()];
        for left in left {
            let found = match (&join.equal, &index) {
                (Some((key, _)), Some(index)) => {
                    let key = self.eval(key, &Frame::of(&left, outer))?;
                    index.get(&key).map_or(&[][..], Vec::as_slice)
                }
                _ => &all,
            };
            let mut is_matched = false;
            for number in found {
                self.step()?;
                let Some(right) = right.get(*number) else {
                    continue;
                };
                let mut row = left.clone();
                for place in &join.right_columns {
                    if let (Some(cell), Some(value)) = (row.get_mut(*place), right.get(*place)) {
                        cell.clone_from(value);
                    }
                }
                if self.all_true(&join.on, &Frame::of(&row, outer))? {
                    is_matched = true;
                    if let Some(has_partner) = has_partner.get_mut(*number) {
                        *has_partner = true;
                    }
                    self.keep(rows, row)?;
                }
            }
            if !is_matched && join.kind == JoinKind::Full {
                rows.push(left);
            }
        }
        let alone = right.into_iter().zip(has_partner);
        let alone = alone.filter(|(_, has_partner)| !has_partner);
        rows.extend(alone.map(|(row, _)| row));
        Ok(())
    }

    /// The numbers of rows by the values of an expression.
    fn index_of(&self, rows: &[Row], key: &Expr, outer: Option<&Frame<'_>>) -> Result<Index> {
        let mut index = Index::new();
        for (number, row) in rows.iter().enumerate() {
            self.step()?;
            let key = self.eval(key, &Frame::of(row, outer))?;
            if !key.is_null() {
                index.entry(key).or_default().push(number);
            }
        }
        Ok(index)
    }

    fn extend_item(
        &self,
        item: &Item,
        before: &[Value],
        outer: Option<&Frame<'_>>,
        rows: &mut Vec<Row>,
    ) -> Result<()> {
        let frame = Frame::of(before, outer);
        let mark = self.mark();
        let (place, own) = self.item_rows(item, &frame)?;
        // What was made for this row alone goes when it is done.
        let passing_bytes = self.mark() - mark;
        let mut row = before.to_vec();
        let mut add = |own: &Row| -> Result<()> {
            self.step()?;
            for (column, place) in &item.columns {
                if let (Some(cell), Some(value)) = (row.get_mut(*place), own.get(*column)) {
                    cell.clone_from(value);
                }
            }
            match self.all_true(&item.filters, &Frame::of(&row, outer))? {
                true => self.keep(rows, row.clone()),
                false => Ok(()),
            }
        };
        match (&item.probe, place) {
            (Some((column, wanted)), Some(place)) => {
                let wanted = self.eval(wanted, &frame)?;
                let index = self.index(place, *column, &own)?;
                let found = index.get(&wanted).map_or(&[][..], Vec::as_slice);
                let mut found = found.iter().filter_map(|number| own.get(*number));
                found.try_for_each(&mut add)
            }
            _ => own.iter().try_for_each(&mut add),
        }?;
        self.release(passing_bytes);
        Ok(())
    }

    /// The rows of a relation, and by what an index of them is kept.
    fn item_rows(&self, item: &Item, frame: &Frame<'_>) -> Result<(Option<Place>, Rows)> {
        Ok(match &item.source {
            Source::Table(table) => (Some(Place::Table(*table)), self.table_rows(*table)?),
            Source::Cte(id) => (Some(Place::Query(*id)), self.cte_rows(*id)?),
            Source::Query(query) => {
                let is_kept = query.outer.is_empty();
                let place = is_kept.then_some(Place::Query(query.id));
                (place, self.rows_of(query, Some(frame))?)
            }
            Source::Function {
                calls,
                with_ordinality,
            } => {
                let rows = self.function_rows(calls, *with_ordinality, frame)?;
                (None, Rc::new(rows))
            }
            Source::Scalar { value } => {
                let value = self.eval(value, frame)?;
                (None, Rc::new(vec![vec![value]]))
            }
        })
    }

    /// Functions side by side, the shorter ones filled up with NULL.
    fn function_rows(
        &self,
        calls: &[SetCall],
        with_ordinality: bool,
        frame: &Frame<'_>,
    ) -> Result<Vec<Row>> {
        let mut rows = vec![];
        self.each_of_sets(calls, frame, &mut |number, found| {
            let mut row = vec![];
            for (own, call) in found.iter().zip(calls) {
                match own {
                    Some(own) => row.extend_from_slice(own),
                    None => row.resize(row.len() + call.function.columns.len(), Value::Null),
                }
            }
            if with_ordinality {
                row.push(Value::Int(number));
            }
            self.keep(&mut rows, row)
        })?;
        Ok(rows)
    }

    /// Shows `visit` the rows of functions side by side, with their numbers from 1: nothing of those
    /// that have no more.
    pub(super) fn each_of_sets(
        &self,
        calls: &[SetCall],
        frame: &Frame<'_>,
        visit: SetVisit<'_>,
    ) -> Result<()> {
        let values = calls
            .iter()
            .map(|call| self.eval_typed(&call.arguments, frame));
        let values = values.collect::<Result<Vec<_>>>()?;
        let types = calls.iter().map(|call| {
            let arguments = call.arguments.iter();
            arguments.map(|argument| argument.type_of).collect()
        });
        let types: Vec<Vec<_>> = types.collect();
        let made: Vec<Call<'_>> = values
            .iter()
            .zip(&types)
            .map(|(values, types)| Call {
                database: self.database,
                memory: self,
                values,
                types,
            })
            .collect();
        let mut sets = vec![];
        for (call, made) in calls.iter().zip(&made) {
            sets.push(match made.values.iter().any(Value::is_null) {
                true => None,
                false => Some((call.function.call)(made)?),
            });
        }
        for number in 1_i64.. {
            self.step()?;
            let rows = sets
                .iter_mut()
                .map(|set| set.as_mut().and_then(Iterator::next));
            let rows: Vec<Option<Row>> = rows.collect();
            if rows.iter().all(Option::is_none) {
                break;
            }
            visit(number, &rows)?;
        }
        Ok(())
    }
}
