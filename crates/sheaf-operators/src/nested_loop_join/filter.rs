//! The condition of a join, for one row of one side and many rows of the other.
//!
//! The columns of the one row are replaced in the expression by scalars whose values change from
//! row to row, so that kernels compare an array with a value and nothing is repeated.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array,
};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinSide, Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use parking_lot::Mutex;

/// A condition, with the rows of `one` side coming one at a time.
pub(super) struct PairFilter {
    one: JoinSide,
    expression: Arc<dyn PhysicalExpr>,
    /// The values of the one row that the condition reads.
    values: Vec<Arc<RowValue>>,
    columns: Vec<ColumnIndex>,
    /// All columns of the condition at their places; those of the one row are not read.
    schema: SchemaRef,
}

impl PairFilter {
    /// `filter`, a private copy of it: values of rows are set in it.
    pub(super) fn new(filter: &JoinFilter, one: JoinSide) -> Result<Self> {
        let columns = filter.column_indices();
        let mut values: Vec<Arc<RowValue>> = Vec::new();
        let expression = Arc::clone(filter.expression()).transform_up(|node| {
            let Some(index) = node.downcast_ref::<Column>().map(Column::index) else {
                return Ok(Transformed::no(node));
            };
            let Some(place) = columns.get(index).filter(|place| place.side == one) else {
                return Ok(Transformed::no(node));
            };
            if let Some(known) = values.iter().find(|value| value.column == place.index) {
                return Ok(Transformed::yes(Arc::clone(known) as _));
            }
            let field = Arc::clone(&filter.schema().fields()[index]);
            let value = Arc::new(RowValue::new(place.index, field));
            values.push(Arc::clone(&value));
            Ok(Transformed::yes(value as _))
        });
        // The columns of the one row are NULLs.
        let fields = filter.schema().fields().iter();
        let fields: Vec<_> = fields
            .map(|f| f.as_ref().clone().with_nullable(true))
            .collect();
        Ok(Self {
            one,
            expression: expression.data()?,
            values,
            columns: columns.to_vec(),
            schema: Arc::new(Schema::new(fields)),
        })
    }

    /// What the condition reads of `many` rows.
    pub(super) fn prepare(&self, many: &RecordBatch) -> Result<RecordBatch> {
        let fields = self.schema.fields().iter().zip(&self.columns);
        let arrays: Vec<ArrayRef> = fields
            .map(|(field, place)| {
                if place.side == self.one {
                    new_null_array(field.data_type(), many.num_rows())
                } else {
                    Arc::clone(many.column(place.index))
                }
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(many.num_rows()));
        let schema = Arc::clone(&self.schema);
        Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
    }

    /// Which of the `prepared` rows match `row` of `one`.
    pub(super) fn matches(
        &self,
        one: &RecordBatch,
        row: usize,
        prepared: &RecordBatch,
    ) -> Result<BooleanBuffer> {
        for value in &self.values {
            value.set(ScalarValue::try_from_array(one.column(value.column), row)?);
        }
        Ok(match self.expression.evaluate(prepared)? {
            ColumnarValue::Array(array) => is_true(as_boolean_array(&array)?),
            ColumnarValue::Scalar(ScalarValue::Boolean(Some(true))) => {
                BooleanBuffer::new_set(prepared.num_rows())
            }
            ColumnarValue::Scalar(_) => BooleanBuffer::new_unset(prepared.num_rows()),
        })
    }
}

/// NULL does not match.
fn is_true(mask: &BooleanArray) -> BooleanBuffer {
    match mask.nulls() {
        Some(nulls) => mask.values() & nulls.inner(),
        None => mask.values().clone(),
    }
}

/// A column of the one row: a scalar that changes.
#[derive(Debug)]
struct RowValue {
    /// In the side's schema.
    column: usize,
    field: FieldRef,
    value: Mutex<ScalarValue>,
}

impl RowValue {
    fn new(column: usize, field: FieldRef) -> Self {
        Self {
            column,
            field,
            value: Mutex::new(ScalarValue::Null),
        }
    }

    fn set(&self, value: ScalarValue) {
        *self.value.lock() = value;
    }
}

impl PhysicalExpr for RowValue {
    fn data_type(&self, _input_schema: &Schema) -> Result<DataType> {
        Ok(self.field.data_type().clone())
    }

    fn nullable(&self, _input_schema: &Schema) -> Result<bool> {
        Ok(self.field.is_nullable())
    }

    fn evaluate(&self, _batch: &RecordBatch) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.lock().clone()))
    }

    fn return_field(&self, _input_schema: &Schema) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(self)
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.field.name())
    }
}

impl fmt::Display for RowValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.field.name())
    }
}

/// Two are the same if they are one: the values change independently.
impl PartialEq for RowValue {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for RowValue {}

impl Hash for RowValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::from_ref(self).hash(state);
    }
}
