//! Relations: each makes rows longer by its columns.

use std::rc::Rc;

use sheaf_base::{Result, SheafError};

use super::{Frame, Place, Run};
use crate::database::Rows;
use crate::functions::Call;
use crate::plan::{From, Item, Join, JoinKind, Query, SetCall, Source};
use crate::value::{Row, Value};

/// Shows `visit` the queries of FROM.
pub(super) fn each_query<'q>(from: &'q From, visit: &mut dyn FnMut(&'q Query)) {
    match from {
        From::Nothing => {}
        From::Item(item) => {
            if let Source::Query { query, .. } = &item.source {
                visit(query);
            }
        }
        From::Join(join) => {
            each_query(&join.left, visit);
            each_query(&join.right, visit);
        }
    }
}

impl Run<'_> {
    /// The rows of FROM.
    pub(super) fn rows_of_from(&self, from: &From, outer: Option<&Frame<'_>>) -> Result<Vec<Row>> {
        let mut rows = vec![];
        self.extend(from, &[], outer, &mut rows)?;
        Ok(rows)
    }

    /// Adds to `rows` the row `before` with the columns of each row of `from` behind it.
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
            found.clear();
            self.extend(&join.right, &left, outer, &mut found)?;
            let mut is_matched = false;
            for row in found.drain(..) {
                if self.all_true(&join.on, &Frame::of(&row, outer))? {
                    is_matched = true;
                    rows.push(row);
                } else {
                    self.release(&row);
                }
            }
            if !is_matched && join.kind == JoinKind::Left {
                let mut row = left;
                row.resize(join.end, Value::Null);
                rows.push(row);
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
        let mut empty = before.to_vec();
        empty.resize(join.middle, Value::Null);
        self.extend(&join.right, &empty, outer, &mut right)?;
        let mut has_partner = vec![false; right.len()];
        for left in left {
            let mut is_matched = false;
            for (right, has_partner) in right.iter().zip(&mut has_partner) {
                self.step()?;
                let mut row = left.clone();
                row.extend_from_slice(right.get(join.middle..).unwrap_or_default());
                if self.all_true(&join.on, &Frame::of(&row, outer))? {
                    (is_matched, *has_partner) = (true, true);
                    rows.push(row);
                }
            }
            if !is_matched && join.kind == JoinKind::Full {
                let mut row = left;
                row.resize(join.end, Value::Null);
                rows.push(row);
            }
        }
        let alone = right.into_iter().zip(has_partner);
        rows.extend(
            alone
                .filter(|(_, has_partner)| !has_partner)
                .map(|(row, _)| row),
        );
        Ok(())
    }

    fn extend_item(
        &self,
        item: &Item,
        before: &[Value],
        outer: Option<&Frame<'_>>,
        rows: &mut Vec<Row>,
    ) -> Result<()> {
        let frame = Frame::of(before, outer);
        let (place, own) = self.item_rows(item, &frame)?;
        let mut add = |own: &Row| -> Result<()> {
            self.step()?;
            let mut row = Vec::with_capacity(before.len() + item.width);
            row.extend_from_slice(before);
            row.extend(own.iter().take(item.width).cloned());
            match self.all_true(&item.filters, &Frame::of(&row, outer))? {
                true => self.keep(rows, row),
                false => Ok(()),
            }
        };
        match (&item.probe, place) {
            (Some((column, wanted)), Some(place)) => {
                let wanted = self.eval(wanted, &frame)?;
                let index = self.index(place, *column, &own);
                let found = index.get(&wanted).map_or(&[][..], Vec::as_slice);
                let mut found = found.iter().filter_map(|number| own.get(*number));
                found.try_for_each(&mut add)
            }
            _ => own.iter().try_for_each(&mut add),
        }
    }

    /// The rows of a relation, and by what an index of them is kept.
    fn item_rows(&self, item: &Item, frame: &Frame<'_>) -> Result<(Option<Place>, Rows)> {
        Ok(match &item.source {
            Source::Table(table) => (Some(Place::Table(*table)), self.database.rows(*table)?),
            Source::Cte(id) => (Some(Place::Query(*id)), self.cte_rows(*id)?),
            Source::Query { query, .. } => {
                let place = query.outer.is_empty().then_some(Place::Query(query.id));
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
        let found = calls.iter().map(|call| self.set_rows(call, frame));
        let found = found.collect::<Result<Vec<_>>>()?;
        let count = found.iter().map(Vec::len).max().unwrap_or(0);
        let rows = (0..count).map(|index| {
            let mut row = vec![];
            for (rows, call) in found.iter().zip(calls) {
                match rows.get(index) {
                    Some(own) => row.extend_from_slice(own),
                    None => row.resize(row.len() + call.function.columns.len(), Value::Null),
                }
            }
            if with_ordinality {
                let number = i64::try_from(index + 1);
                row.push(Value::Int(
                    number.map_err(|_| SheafError::internal("a row's number"))?,
                ));
            }
            Ok(row)
        });
        rows.collect()
    }

    /// The rows of one call.
    pub(super) fn set_rows(&self, call: &SetCall, frame: &Frame<'_>) -> Result<Vec<Row>> {
        let values = self.eval_typed(&call.arguments, frame)?;
        if values.iter().any(Value::is_null) {
            return Ok(vec![]);
        }
        let types: Vec<_> = call
            .arguments
            .iter()
            .map(|argument| argument.type_of)
            .collect();
        (call.function.call)(&Call {
            database: self.database,
            values: &values,
            types: &types,
        })
    }
}
