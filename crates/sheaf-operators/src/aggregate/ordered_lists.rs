//! `array_agg(x ORDER BY y)` and `string_agg(x, ',' ORDER BY y)` for many groups.
//!
//! The engine's accumulator keeps each value and each key as an object of its own, and merges them
//! one by one. Here they stay in the arrays they came in, and each group is sorted once, at the
//! end; rows with equal keys stay as they came. States are laid out as the engine's: a list of
//! values, a list of keys; their items come in no order.
//!
//! Memory: the arrays, and a [`Place`] a row.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, LargeStringBuilder, ListArray, RecordBatch,
    StructArray, UInt32Array, new_empty_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{SortOptions, cast, interleave, take};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use crate::spill::{batch_bytes, compact};

/// Values and keys of all groups.
pub(super) struct OrderedLists {
    /// The value, then the keys.
    schema: SchemaRef,
    /// The fields of a key in a state.
    key_fields: Fields,
    options: Vec<SortOptions>,
    /// Arguments that come before the keys.
    argument_count: usize,
    ignore_nulls: bool,
    result: Made,
    batches: Vec<RecordBatch>,
    /// Bytes of `batches`.
    bytes: usize,
    places: Vec<Place>,
    group_count: usize,
}

/// Where a row is, and whose.
#[derive(Clone, Copy)]
struct Place {
    group: u32,
    batch: u32,
    row: u32,
}

/// What is made of the sorted values of a group.
#[derive(Debug)]
enum Made {
    List,
    /// A text, with this between values.
    Text(String),
}

impl OrderedLists {
    /// For `aggregate`, if it is one of the two; there are `group_count` groups, even of no rows.
    pub(super) fn of(
        aggregate: &AggregateFunctionExpr,
        group_count: usize,
    ) -> Result<Option<Self>> {
        if aggregate.order_bys().is_empty() || aggregate.is_distinct() {
            return Ok(None);
        }
        let Some(result) = Made::of(aggregate) else {
            return Ok(None);
        };
        let state = aggregate.state_fields()?;
        let [values, keys] = state.as_slice() else {
            return Ok(None);
        };
        let (DataType::List(value), DataType::List(key)) = (values.data_type(), keys.data_type())
        else {
            return Ok(None);
        };
        let DataType::Struct(key_fields) = key.data_type() else {
            return Ok(None);
        };
        let kinds = key_fields
            .iter()
            .map(|key| SortField::new(key.data_type().clone()));
        if !RowConverter::supports_fields(&kinds.collect::<Vec<_>>()) {
            return Ok(None);
        }
        let kinds = std::iter::once(value).chain(key_fields.iter());
        let fields = kinds
            .enumerate()
            .map(|(index, field)| Field::new(format!("{index}"), field.data_type().clone(), true));
        let orders = aggregate.order_bys().iter();
        Ok(Some(Self {
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            key_fields: key_fields.clone(),
            options: orders.map(|order| order.options).collect(),
            argument_count: aggregate.expressions().len(),
            ignore_nulls: aggregate.ignore_nulls(),
            result,
            batches: Vec::new(),
            bytes: 0,
            places: Vec::new(),
            group_count,
        }))
    }

    /// Keeps the rows of `columns` for which `group_of` names a group.
    fn keep(
        &mut self,
        columns: Vec<ArrayRef>,
        group_of: impl Iterator<Item = Option<usize>>,
        group_count: usize,
    ) -> Result<()> {
        self.group_count = self.group_count.max(group_count);
        let batch = u32::try_from(self.batches.len()).unwrap_or(u32::MAX);
        let before = self.places.len();
        let ignores = self
            .ignore_nulls
            .then(|| columns[0].logical_nulls())
            .flatten();
        for (row, group) in group_of.enumerate() {
            let Some(group) = group else { continue };
            if ignores.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            let (Ok(group), Ok(row)) = (u32::try_from(group), u32::try_from(row)) else {
                return internal_err!("more groups or rows than a batch can have");
            };
            self.places.push(Place { group, batch, row });
        }
        if self.places.len() > before {
            let rows = compact(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)?;
            self.bytes += batch_bytes(&rows)?;
            self.batches.push(rows);
        }
        Ok(())
    }

    /// All columns in one piece, group after group; rows stay in their order. Where groups begin,
    /// and end.
    fn gather(&mut self) -> Result<(Vec<ArrayRef>, OffsetBuffer<i32>)> {
        let mut lengths = vec![0; self.group_count];
        for place in &self.places {
            lengths[place.group as usize] += 1;
        }
        let mut places = std::mem::take(&mut self.places);
        // Stable: rows of a group stay as they came.
        places.sort_by_key(|place| place.group);
        let indices = places
            .iter()
            .map(|place| (place.batch as usize, place.row as usize));
        let indices: Vec<(usize, usize)> = indices.collect();
        let batches = std::mem::take(&mut self.batches);
        self.bytes = 0;
        let columns = self
            .schema
            .fields()
            .iter()
            .enumerate()
            .map(|(number, field)| {
                let parts: Vec<&dyn Array> = batches
                    .iter()
                    .map(|batch| batch.column(number).as_ref())
                    .collect();
                match parts.is_empty() {
                    true => Ok(new_empty_array(field.data_type())),
                    false => Ok(interleave(&parts, &indices)?),
                }
            });
        Ok((
            columns.collect::<Result<_>>()?,
            OffsetBuffer::from_lengths(lengths),
        ))
    }

    /// The values of each group in order.
    fn sorted(&mut self) -> Result<(ArrayRef, OffsetBuffer<i32>)> {
        let (columns, offsets) = self.gather()?;
        let (values, keys) = columns.split_at(1);
        let fields = keys
            .iter()
            .zip(&self.options)
            .map(|(key, options)| SortField::new_with_options(key.data_type().clone(), *options));
        let rows = RowConverter::new(fields.collect())?.convert_columns(keys)?;
        let mut order: Vec<u32> = (0..u32::try_from(rows.num_rows()).unwrap_or(u32::MAX)).collect();
        for bounds in offsets.windows(2) {
            let group =
                usize::try_from(bounds[0]).unwrap_or(0)..usize::try_from(bounds[1]).unwrap_or(0);
            order[group].sort_by(|a, b| rows.row(*a as usize).cmp(&rows.row(*b as usize)));
        }
        let values = take(&values[0], &UInt32Array::from(order), None)?;
        Ok((values, offsets))
    }
}

impl Made {
    fn of(aggregate: &AggregateFunctionExpr) -> Option<Self> {
        match aggregate.fun().name() {
            "array_agg" => Some(Self::List),
            "string_agg" => {
                let delimiter = aggregate.expressions().into_iter().nth(1)?;
                let delimiter = super::growing::constant(delimiter.as_ref())?;
                match delimiter.cast_to(&DataType::Utf8).ok()? {
                    ScalarValue::Utf8(text) => Some(Self::Text(text.unwrap_or_default())),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl GroupsAccumulator for OrderedLists {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        mask: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()> {
        let mut columns = vec![Arc::clone(&values[0])];
        columns.extend(values[self.argument_count..].iter().cloned());
        let passes = |row: usize| mask.is_none_or(|mask| mask.is_valid(row) && mask.value(row));
        let group_of = groups.iter().enumerate();
        let group_of = group_of.map(|(row, group)| passes(row).then_some(*group));
        self.keep(columns, group_of, group_count)
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        groups: &[usize],
        group_count: usize,
    ) -> Result<()> {
        let [values, keys] = states else {
            return internal_err!("an ordered list has two states");
        };
        let (values, keys): (&ListArray, &ListArray) = (values.as_list(), keys.as_list());
        self.group_count = self.group_count.max(group_count);
        for (row, group) in groups.iter().enumerate() {
            if values.is_null(row) {
                continue;
            }
            let items = values.value(row);
            let group_of = std::iter::repeat_n(Some(*group), items.len());
            let mut columns = vec![items];
            columns.extend(keys.value(row).as_struct().columns().iter().cloned());
            self.keep(columns, group_of, group_count)?;
        }
        Ok(())
    }

    fn state(&mut self, _emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (mut columns, offsets) = self.gather()?;
        let keys = columns.split_off(1);
        let keys = StructArray::try_new(self.key_fields.clone(), keys, None)?;
        let lists = [columns.remove(0), Arc::new(keys)].into_iter();
        lists
            .map(|items| list(items, offsets.clone(), None))
            .collect()
    }

    fn evaluate(&mut self, _emit_to: EmitTo) -> Result<ArrayRef> {
        let (values, offsets) = self.sorted()?;
        match &self.result {
            Made::List => {
                let nulls = offsets.windows(2).map(|bounds| bounds[0] < bounds[1]);
                let nulls = NullBuffer::from_iter(nulls);
                list(values, offsets, Some(nulls))
            }
            Made::Text(delimiter) => join(&values, &offsets, delimiter),
        }
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        mask: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let items = Arc::clone(&values[0]);
        let ignores = self.ignore_nulls.then(|| items.logical_nulls()).flatten();
        let passes = mask.map(|mask| {
            let passes = (0..mask.len()).map(|row| mask.is_valid(row) && mask.value(row));
            NullBuffer::from_iter(passes)
        });
        let nulls = NullBuffer::union(passes.as_ref(), ignores.as_ref());
        let keys = values[self.argument_count..].to_vec();
        let keys = StructArray::try_new(self.key_fields.clone(), keys, None)?;
        let offsets = OffsetBuffer::from_repeated_length(1, items.len());
        let keys = list(Arc::new(keys), offsets.clone(), None)?;
        Ok(vec![list(items, offsets, nulls)?, keys])
    }

    fn size(&self) -> usize {
        self.bytes
            + self.places.capacity() * size_of::<Place>()
            + self.batches.capacity() * size_of::<RecordBatch>()
    }
}

fn list(
    items: ArrayRef,
    offsets: OffsetBuffer<i32>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let item: FieldRef = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(item, offsets, items, nulls)?))
}

/// The texts of each group with `delimiter` between them; NULLs are left out.
fn join(values: &ArrayRef, offsets: &OffsetBuffer<i32>, delimiter: &str) -> Result<ArrayRef> {
    let values = cast(values, &DataType::LargeUtf8)?;
    let values = values.as_string::<i64>();
    let mut texts = LargeStringBuilder::with_capacity(offsets.len(), values.value_data().len());
    let mut text = String::new();
    for bounds in offsets.windows(2) {
        let rows = usize::try_from(bounds[0]).unwrap_or(0)..usize::try_from(bounds[1]).unwrap_or(0);
        let mut known = rows.filter(|row| values.is_valid(*row)).peekable();
        if known.peek().is_none() {
            texts.append_null();
            continue;
        }
        text.clear();
        for (number, row) in known.enumerate() {
            if number > 0 {
                text.push_str(delimiter);
            }
            text.push_str(values.value(row));
        }
        texts.append_value(&text);
    }
    Ok(Arc::new(texts.finish()))
}
