//! Whether a row of the probe side has a match, asked before it gets to the join.
//!
//! The filter at run time ends with this predicate where the whole build side is in memory. Operators
//! between a scan and the join may evaluate it for their rows: an aggregate then groups only what the
//! join will ask for. It looks into the join's own table, on lease like a prober, so it costs no memory
//! and does not keep the table: while that is cut or when it is gone, and once buckets of it are on disk,
//! every row passes.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::{NullEquality, Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::{PhysicalExpr, PhysicalExprRef};

use super::built::Built;
use super::index::Pairs;
use super::keys::Keys;
use super::spec::JoinSpec;
use super::table::Table;

/// True of rows whose keys a table has, and of some whose hash is that of another's.
#[derive(Debug, Clone)]
pub(super) struct Membership {
    keys: Vec<PhysicalExprRef>,
    null_equality: NullEquality,
    built: Weak<Built>,
}

impl Membership {
    /// Whether the build side has the keys of a row of the probe side.
    pub(super) fn new(spec: &JoinSpec, built: &Arc<Built>) -> Self {
        Self {
            keys: spec.probe_keys.clone(),
            null_equality: spec.null_equality,
            built: Arc::downgrade(built),
        }
    }

    /// The rows of `batch` that may have a match; `None` if that cannot be told now.
    fn find(&self, batch: &RecordBatch) -> Result<Option<BooleanBuffer>> {
        let Some(built) = self.built.upgrade() else {
            return Ok(None);
        };
        match built.try_lease() {
            Ok(Some(lease)) if lease.evicted.is_empty() => {
                self.is_in(&lease.table, batch).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn is_in(&self, table: &Table, batch: &RecordBatch) -> Result<BooleanBuffer> {
        let row_count = batch.num_rows();
        let level = table.needs_hashes().then_some(0);
        let keys = Keys::evaluate(&self.keys, batch, self.null_equality, level)?;
        let row_numbers = 0..u32::try_from(row_count).unwrap_or(u32::MAX);
        let rows: Vec<u32> = match &keys.valid {
            Some(valid) => row_numbers
                .zip(valid.iter())
                .filter_map(|(row, is_valid)| is_valid.then_some(row))
                .collect(),
            None => row_numbers.collect(),
        };
        let mut found = Pairs::default();
        table.look_up(&keys, &rows, &mut found)?;
        let mut bits = vec![false; row_count];
        for row in &found.probe {
            bits[*row as usize] = true;
        }
        Ok(BooleanBuffer::from(bits))
    }
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(ToString::to_string).collect();
        write!(f, "has_match({})", keys.join(", "))
    }
}

impl PartialEq for Membership {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys && Weak::ptr_eq(&self.built, &other.built)
    }
}

impl Eq for Membership {}

impl Hash for Membership {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.keys.hash(state);
        self.built.as_ptr().hash(state);
    }
}

impl PhysicalExpr for Membership {
    fn data_type(&self, _input_schema: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _input_schema: &Schema) -> Result<bool> {
        Ok(false)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        Ok(match self.find(batch)? {
            Some(bits) => ColumnarValue::Array(Arc::new(BooleanArray::new(bits, None))),
            None => ColumnarValue::Scalar(ScalarValue::Boolean(Some(true))),
        })
    }

    fn children(&self) -> Vec<&PhysicalExprRef> {
        self.keys.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<PhysicalExprRef>,
    ) -> Result<PhysicalExprRef> {
        Ok(Arc::new(Self {
            keys: children,
            ..Self::clone(&self)
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
