//! Groups with their aggregates, and window functions.

use std::cmp::Ordering;
use std::collections::HashMap;

use sheaf_base::Result;

use super::account::{bytes_of, bytes_of_all};
use super::query::compare_cells;
use super::{Frame, Run};
use crate::functions::Group;
use crate::made::Memory;
use crate::plan::{AggregateCall, OrderKey, Select, WindowCall, WindowFunction};
use crate::value::{Row, Value};

/// A row that the list is made of: one of FROM, or the first of a group with its aggregates.
pub(super) struct Grouped {
    pub(super) row: Row,
    pub(super) aggregates: Vec<Value>,
}

impl Run<'_> {
    /// The groups of the rows; each row, if there are none.
    pub(super) fn groups(
        &self,
        select: &Select,
        rows: Vec<Row>,
        outer: Option<&Frame<'_>>,
    ) -> Result<Vec<Grouped>> {
        let Some(groups) = &select.groups else {
            let alone = rows.into_iter().map(|row| Grouped {
                row,
                aggregates: vec![],
            });
            return Ok(alone.collect());
        };
        let mut places: HashMap<Vec<Value>, usize> = HashMap::new();
        let mut members: Vec<Vec<Row>> = vec![];
        for row in rows {
            self.step()?;
            let frame = Frame::of(&row, outer);
            let key = self.passing(|| self.eval_all(&groups.keys, &frame))?;
            if !places.contains_key(&key) {
                self.hold(bytes_of(&key))?;
            }
            let place = *places.entry(key).or_insert_with(|| {
                members.push(vec![]);
                members.len() - 1
            });
            if let Some(group) = members.get_mut(place) {
                group.push(row);
            }
        }
        // Without keys there is one group, also of nothing.
        if groups.keys.is_empty() && members.is_empty() {
            members.push(vec![]);
        }
        let mut found = vec![];
        for rows in members {
            let aggregates = groups
                .calls
                .iter()
                .map(|call| self.aggregate(call, &rows, outer));
            let aggregates = aggregates.collect::<Result<Vec<_>>>()?;
            let empty = || vec![Value::Null; select.width];
            let row = rows.into_iter().next().unwrap_or_else(empty);
            let frame = Frame {
                aggregates: &aggregates,
                ..Frame::of(&row, outer)
            };
            let is_kept = match &select.having {
                Some(having) => self.eval(having, &frame)?.is_true(),
                None => true,
            };
            if is_kept {
                found.push(Grouped { row, aggregates });
            }
        }
        Ok(found)
    }

    /// The value of an aggregate over rows.
    fn aggregate(
        &self,
        call: &AggregateCall,
        rows: &[Row],
        outer: Option<&Frame<'_>>,
    ) -> Result<Value> {
        let mark = self.mark();
        let mut kept = vec![];
        for row in rows {
            self.step()?;
            let frame = Frame::of(row, outer);
            if let Some(filter) = &call.filter
                && !self.eval(filter, &frame)?.is_true()
            {
                continue;
            }
            let values = self.eval_typed(&call.arguments, &frame)?;
            if !call.function.takes_nulls && values.first().is_some_and(Value::is_null) {
                continue;
            }
            let keys = self.keys(&call.order, &frame)?;
            self.hold(bytes_of(&keys) + bytes_of(&values))?;
            kept.push((keys, values));
        }
        kept.sort_by(|(a, _), (b, _)| compare_keys(&call.order, a, b));
        let mut values: Vec<Vec<Value>> = kept.into_iter().map(|(_, values)| values).collect();
        if call.is_distinct {
            self.keep_first(&mut values, Clone::clone)?;
        }
        let types: Vec<_> = call
            .arguments
            .iter()
            .map(|argument| argument.type_of)
            .collect();
        let value = (call.function.call)(&Group {
            database: self.database,
            memory: self,
            rows: &values,
            types: &types,
        })?;
        self.release_to(mark, value.bytes());
        Ok(value)
    }

    fn keys(&self, order: &[OrderKey], frame: &Frame<'_>) -> Result<Vec<Value>> {
        order
            .iter()
            .map(|key| self.eval(&key.expr, frame))
            .collect()
    }

    /// The values of the window functions, for each row.
    pub(super) fn windows(
        &self,
        select: &Select,
        rows: &[Grouped],
        outer: Option<&Frame<'_>>,
    ) -> Result<Vec<Vec<Value>>> {
        let mut values = vec![vec![]; rows.len()];
        for call in &select.windows {
            let column = self.window(call, rows, outer)?;
            for (row, value) in values.iter_mut().zip(column) {
                row.push(value);
            }
        }
        Ok(values)
    }

    fn window(
        &self,
        call: &WindowCall,
        rows: &[Grouped],
        outer: Option<&Frame<'_>>,
    ) -> Result<Vec<Value>> {
        let mut partitions: HashMap<Vec<Value>, Vec<(usize, Vec<Value>)>> = HashMap::new();
        for (number, grouped) in rows.iter().enumerate() {
            let frame = Frame {
                aggregates: &grouped.aggregates,
                ..Frame::of(&grouped.row, outer)
            };
            let partition = self.eval_all(&call.partition, &frame)?;
            let keys = self.keys(&call.order, &frame)?;
            self.step()?;
            self.hold(bytes_of(&partition) + bytes_of(&keys))?;
            partitions
                .entry(partition)
                .or_default()
                .push((number, keys));
        }
        let mut values = vec![Value::Null; rows.len()];
        for mut members in partitions.into_values() {
            members.sort_by(|(_, a), (_, b)| compare_keys(&call.order, a, b));
            let shared = match &call.function {
                WindowFunction::Aggregate(aggregate) => {
                    let rows = members.iter().filter_map(|(number, _)| rows.get(*number));
                    let rows: Vec<Row> = rows.map(|grouped| grouped.row.clone()).collect();
                    self.hold(bytes_of_all(&rows))?;
                    let value = self.aggregate(aggregate, &rows, outer)?;
                    self.release(bytes_of_all(&rows));
                    Some(value)
                }
                _ => None,
            };
            let (mut rank, mut dense) = (0, 0);
            let mut before: Option<&Vec<Value>> = None;
            for (index, (number, keys)) in (1_i64..).zip(&members) {
                if before.is_none_or(|before| compare_keys(&call.order, before, keys).is_ne()) {
                    (rank, dense) = (index, dense + 1);
                }
                before = Some(keys);
                let value = match (&call.function, &shared) {
                    (WindowFunction::RowNumber, _) => Value::Int(index),
                    (WindowFunction::Rank, _) => Value::Int(rank),
                    (WindowFunction::DenseRank, _) => Value::Int(dense),
                    (WindowFunction::Aggregate(_), shared) => shared.clone().unwrap_or(Value::Null),
                };
                if let Some(cell) = values.get_mut(*number) {
                    *cell = value;
                }
            }
        }
        Ok(values)
    }
}

fn compare_keys(order: &[OrderKey], a: &[Value], b: &[Value]) -> Ordering {
    let pairs = order.iter().zip(a.iter().zip(b));
    let orders = pairs.map(|(key, (a, b))| compare_cells(a, b, key.is_descending, key.nulls_first));
    let unequal = orders.into_iter().find(|order| order.is_ne());
    unequal.unwrap_or(Ordering::Equal)
}
