//! The elements of an array, a row each: their coordinates and `v`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown};
use sheaf_arrays::{Array, Context, Region};
use sheaf_base::Result;

use crate::rows::{Give, RowSource, Wanted};

/// The elements of an array, chunk by chunk.
#[derive(Debug)]
pub(crate) struct Elements {
    array: Array,
    schema: SchemaRef,
}

impl Elements {
    /// The elements of `array`; coordinates are called as its axes, or `i0`, `i1` ….
    pub(crate) fn new(array: Array) -> Self {
        let names = array.grid().names().into_iter().enumerate();
        let names = names.map(|(axis, name)| name.unwrap_or_else(|| format!("i{axis}")));
        let mut fields: Vec<Field> = names
            .map(|name| Field::new(name, DataType::Int64, false))
            .collect();
        fields.push(Field::new("v", array.dtype().arrow_type(), false));
        Self {
            array,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    /// The box outside which no element meets the conditions.
    fn bounds(&self, conditions: &[Expr]) -> Option<Region> {
        let shape = self.array.shape();
        let mut ranges: Vec<(i64, i64)> = shape
            .iter()
            .map(|&length| (0, i64::try_from(length).unwrap_or(i64::MAX)))
            .collect();
        for condition in conditions {
            if let Some((axis, low, high)) = self.bound(condition) {
                ranges[axis] = (ranges[axis].0.max(low), ranges[axis].1.min(high));
            }
        }
        let mut region = Region::empty();
        for (low, high) in ranges {
            let length = usize::try_from(high.checked_sub(low)?).ok()?;
            region.push(u64::try_from(low).ok()?, length);
        }
        Some(region)
    }

    /// What `condition` says of a coordinate: from where on, and before where.
    fn bound(&self, condition: &Expr) -> Option<(usize, i64, i64)> {
        if let Expr::Between(between) = condition
            && !between.negated
        {
            let axis = self.axis(&between.expr)?;
            let (low, high) = (integer(&between.low)?, integer(&between.high)?);
            return Some((axis, low, high.saturating_add(1)));
        }
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else {
            return None;
        };
        let (axis, op, value) = match (self.axis(left), self.axis(right)) {
            (Some(axis), None) => (axis, *op, integer(right)?),
            (None, Some(axis)) => (axis, op.swap()?, integer(left)?),
            _ => return None,
        };
        let (low, high) = match op {
            Operator::Eq => (value, value.saturating_add(1)),
            Operator::Lt => (i64::MIN, value),
            Operator::LtEq => (i64::MIN, value.saturating_add(1)),
            Operator::Gt => (value.saturating_add(1), i64::MAX),
            Operator::GtEq => (value, i64::MAX),
            _ => return None,
        };
        Some((axis, low, high))
    }

    fn axis(&self, expr: &Expr) -> Option<usize> {
        let Expr::Column(column) = expr else {
            return None;
        };
        let axis = self.schema.index_of(&column.name).ok()?;
        (axis < self.array.rank()).then_some(axis)
    }

    /// The wanted columns for elements `first` to `first + rows` of a box, whose values are `values`.
    fn batch(
        &self,
        columns: &[usize],
        schema: &SchemaRef,
        region: &Region,
        (first, rows): (usize, usize),
        values: &ArrayRef,
    ) -> Result<RecordBatch> {
        let rank = region.shape.len();
        let columns = columns.iter().map(|&column| -> ArrayRef {
            if column == rank {
                return values.slice(first, rows);
            }
            let below: usize = region.shape[column + 1..].iter().product();
            let (start, length) = (region.start[column] as i64, region.shape[column]);
            let numbers =
                (first..first + rows).map(|number| start + ((number / below) % length) as i64);
            Arc::new(Int64Array::from_iter_values(numbers))
        });
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let columns = columns.collect();
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(schema),
            columns,
            &options,
        )?)
    }
}

/// A whole number that is written there.
fn integer(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(ScalarValue::Int64(value), _) => *value,
        Expr::Literal(value, _) if value.data_type().is_integer() => {
            match value.cast_to(&DataType::Int64) {
                Ok(ScalarValue::Int64(value)) => value,
                _ => None,
            }
        }
        _ => None,
    }
}

impl RowSource for Elements {
    fn name(&self) -> String {
        "array_to_cells".to_owned()
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn row_count(&self) -> Option<u64> {
        Some(self.array.grid().elements())
    }

    /// Conditions on coordinates tell which chunks need not be read.
    fn takes(&self, condition: &Expr) -> TableProviderFilterPushDown {
        match self.bound(condition) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        }
    }

    fn produce(&self, wanted: &Wanted, context: &Context, give: &mut Give<'_>) -> Result<()> {
        let Some(region) = self.bounds(&wanted.conditions) else {
            return Ok(());
        };
        if region.elements() == 0 {
            return Ok(());
        }
        let (grid, rank) = (self.array.grid(), self.array.rank());
        let schema = Arc::new(self.schema.project(&wanted.columns)?);
        let boxes = grid.cut(&region);
        let reads = wanted.columns.contains(&rank);
        context.in_order(
            boxes.len(),
            usize::try_from(grid.chunk_bytes_max()).unwrap_or(usize::MAX),
            |number, context| match reads {
                true => {
                    let tensor = self.array.read(&boxes[number], context)?;
                    let (values, hold) = tensor.into_arrow_held(context)?;
                    Ok((values, hold))
                }
                false => Ok((Arc::new(arrow::array::NullArray::new(0)) as ArrayRef, None)),
            },
            |number, (values, hold)| {
                let region = &boxes[number];
                let count = region.elements();
                for first in (0..count).step_by(wanted.batch_rows.max(1)) {
                    let rows = wanted.batch_rows.max(1).min(count - first);
                    let batch =
                        self.batch(&wanted.columns, &schema, region, (first, rows), &values)?;
                    give(batch, hold.clone())?;
                }
                Ok(())
            },
        )
    }
}
