//! `mode(x)`: the most frequent value; among several, the smallest, so that it does not depend on
//! the order of rows. NULLs do not count.
//!
//! Memory: each different value with its count, in bytes of arrow's row format.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, UInt64Type};
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Signature, Volatility,
};

use crate::shorthand::section;

pub(super) fn function() -> AggregateUDF {
    AggregateUDF::from(Mode {
        signature: Signature::any(1, Volatility::Immutable),
        documentation: Documentation::builder(
            section("General Functions"),
            "The most frequent value; among several, the smallest.",
            "mode(expression)",
        )
        .build(),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Mode {
    signature: Signature,
    documentation: Documentation,
}

impl AggregateUDFImpl for Mode {
    fn name(&self) -> &'static str {
        "mode"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [value] => Ok(value.clone()),
            _ => internal_err!("mode has one argument"),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let data_type = args.return_type().clone();
        let converter = RowConverter::new(vec![SortField::new(data_type.clone())])?;
        // Of DISTINCT values, each occurs once.
        let is_distinct = args.is_distinct;
        Ok(Box::new(ModeAccumulator {
            data_type,
            converter,
            counts: HashMap::new(),
            value_bytes: 0,
            is_distinct,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let list = |name: &str, item: DataType| {
            let item = Arc::new(Field::new_list_field(item, true));
            Arc::new(Field::new(
                format!("{}[{name}]", args.name),
                DataType::List(item),
                true,
            ))
        };
        Ok(vec![
            list("values", args.return_field.data_type().clone()),
            list("counts", DataType::UInt64),
        ])
    }

    // `mode() WITHIN GROUP (ORDER BY x)`
    fn supports_within_group_clause(&self) -> bool {
        true
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

#[derive(Debug)]
struct ModeAccumulator {
    data_type: DataType,
    converter: RowConverter,
    counts: HashMap<OwnedRow, u64>,
    /// Bytes of the keys of `counts`.
    value_bytes: usize,
    is_distinct: bool,
}

impl ModeAccumulator {
    fn add(&mut self, values: &ArrayRef, count_of: impl Fn(usize) -> u64) -> Result<()> {
        let rows = self.converter.convert_columns(&[Arc::clone(values)])?;
        let nulls = values.logical_nulls();
        for (index, row) in rows.iter().enumerate() {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(index)) {
                continue;
            }
            let row = row.owned();
            let row_bytes = row.as_ref().len();
            let entry = self.counts.entry(row);
            if matches!(entry, std::collections::hash_map::Entry::Vacant(_)) {
                self.value_bytes += row_bytes;
            }
            let count = entry.or_insert(0);
            *count = if self.is_distinct {
                1
            } else {
                *count + count_of(index)
            };
        }
        Ok(())
    }
}

impl Accumulator for ModeAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values {
            // WITHIN GROUP gives the value again, as what it orders by.
            [values, ..] => self.add(values, |_| 1),
            _ => internal_err!("mode has one argument"),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, counts] = states else {
            return internal_err!("mode has two states");
        };
        let (values, counts) = (values.as_list::<i32>(), counts.as_list::<i32>());
        for group in 0..values.len() {
            if values.is_null(group) {
                continue;
            }
            let counts = counts.value(group);
            let counts = counts.as_primitive::<UInt64Type>();
            self.add(&values.value(group), |index| counts.value(index))?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self
            .converter
            .convert_rows(self.counts.keys().map(OwnedRow::row))?;
        let values = match values.into_iter().next() {
            Some(values) => values,
            None => arrow::array::new_empty_array(&self.data_type),
        };
        let counts: ArrayRef =
            Arc::new(UInt64Array::from_iter_values(self.counts.values().copied()));
        let list = |items: ArrayRef| -> Result<ScalarValue> {
            let item = Arc::new(Field::new_list_field(items.data_type().clone(), true));
            let offsets = OffsetBuffer::from_lengths([items.len()]);
            Ok(ScalarValue::List(Arc::new(ListArray::try_new(
                item, offsets, items, None,
            )?)))
        };
        Ok(vec![list(values)?, list(counts)?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let best = self
            .counts
            .iter()
            .max_by(|(a, a_count), (b, b_count)| a_count.cmp(b_count).then_with(|| b.cmp(a)));
        let Some((row, _)) = best else {
            return ScalarValue::try_from(&self.data_type);
        };
        match self.converter.convert_rows([row.row()])?.first() {
            Some(value) => ScalarValue::try_from_array(value, 0),
            None => internal_err!("a row of one value has no column"),
        }
    }

    fn size(&self) -> usize {
        let entry_bytes = size_of::<(OwnedRow, u64)>() + 1;
        size_of_val(self) + self.value_bytes + self.counts.capacity() * entry_bytes
    }
}
