//! What the probe side's scans may leave out: the filter that the build side's keys make.
//!
//! While build rows arrive, the bounds of their keys are kept. When all are there, the filter that
//! was pushed into the probe side's scans becomes `key >= min AND key <= max` for every key, and
//! `key IN (…)` where there are few rows; scans that have not begun prune files and row groups
//! with it. Operators above those scans can look a row up ([`Membership`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{NullEquality, Result, ScalarValue};
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::{Accumulator, Operator};
use datafusion::physical_expr::expressions::{
    BinaryExpr, DynamicFilterPhysicalExpr, InListExpr, IsNullExpr, lit,
};
use datafusion::physical_expr::{PhysicalExpr, PhysicalExprRef};
use datafusion::physical_plan::ExecutionPlan;
use parking_lot::Mutex;

use super::built::Built;
use super::membership::Membership;
use super::spec::JoinSpec;
use super::table::Table;

/// The bounds of build keys, and the filter that they will become.
#[derive(Debug)]
pub(super) struct Bounds {
    spec: Arc<JoinSpec>,
    filter: Arc<DynamicFilterPhysicalExpr>,
    columns: Mutex<Vec<Option<Column>>>,
    has_null: AtomicBool,
    has_rows: AtomicBool,
    /// Rows of which a list is made, at most.
    list_rows_max: usize,
}

#[derive(Debug)]
struct Column {
    min: MinAccumulator,
    max: MaxAccumulator,
}

/// The bounds of the rows of one task, which shares nothing with others until it ends.
#[derive(Debug)]
pub(super) struct BoundsPart {
    columns: Vec<Option<Column>>,
    has_null: bool,
    has_rows: bool,
}

impl BoundsPart {
    /// Takes note of the keys of some rows.
    pub(super) fn update(&mut self, keys: &[PhysicalExprRef], batch: &RecordBatch) -> Result<()> {
        self.has_rows |= batch.num_rows() > 0;
        for (column, key) in self.columns.iter_mut().zip(keys) {
            let values = key.evaluate(batch)?.into_array(batch.num_rows())?;
            self.has_null |= values.logical_null_count() > 0;
            if let Some(column) = column {
                column.update(&values)?;
            }
        }
        Ok(())
    }
}

fn columns_of(spec: &JoinSpec) -> Result<Vec<Option<Column>>> {
    spec.build_keys
        .iter()
        .map(|key| Column::for_type(&key.data_type(&spec.build_schema)?))
        .collect()
}

/// Whether somebody below `plan` looks at `filter`.
pub(super) fn is_used(
    filter: &Arc<DynamicFilterPhysicalExpr>,
    plan: &Arc<dyn ExecutionPlan>,
) -> Result<bool> {
    let Some(wanted) = filter.expression_id() else {
        return Ok(false);
    };
    let mut found = false;
    plan.apply(|node| {
        node.apply_expressions(&mut |root| {
            root.apply(|expr| {
                found |= expr.expression_id() == Some(wanted);
                Ok(if found {
                    TreeNodeRecursion::Stop
                } else {
                    TreeNodeRecursion::Continue
                })
            })
        })?;
        Ok(if found {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    })?;
    Ok(found)
}

impl Bounds {
    pub(super) fn try_new(
        spec: Arc<JoinSpec>,
        filter: Arc<DynamicFilterPhysicalExpr>,
        list_rows_max: usize,
    ) -> Result<Self> {
        Ok(Self {
            columns: Mutex::new(columns_of(&spec)?),
            spec,
            filter,
            has_null: AtomicBool::new(false),
            has_rows: AtomicBool::new(false),
            list_rows_max,
        })
    }

    /// For one task's rows.
    pub(super) fn part(&self) -> Result<BoundsPart> {
        Ok(BoundsPart {
            columns: columns_of(&self.spec)?,
            has_null: false,
            has_rows: false,
        })
    }

    /// Adds what a task has seen.
    pub(super) fn add(&self, part: BoundsPart) -> Result<()> {
        self.has_rows.fetch_or(part.has_rows, Ordering::AcqRel);
        self.has_null.fetch_or(part.has_null, Ordering::AcqRel);
        let mut columns = self.columns.lock();
        for (all, part) in columns.iter_mut().zip(part.columns) {
            if let (Some(all), Some(mut part)) = (all, part) {
                let bounds = [part.min.evaluate()?, part.max.evaluate()?];
                for bound in bounds {
                    all.update(&bound.to_array()?)?;
                }
            }
        }
        Ok(())
    }

    /// Makes the filter, now that all build rows have been seen.
    pub(super) async fn publish(&self, built: &Arc<Built>) -> Result<()> {
        let mut all = if self.has_rows.load(Ordering::Acquire) {
            self.bounds()?
        } else {
            Some(lit(false))
        };
        let lease = built.lease().await?;
        if lease.evicted.is_empty() {
            let rows = match self.list(&lease.table)? {
                Some(list) => list,
                None => Arc::new(Membership::new(&self.spec, built)),
            };
            all = Some(and(all, rows));
        }
        drop(lease);
        if let Some(all) = all {
            self.filter.update(self.with_nulls(all)?)?;
        }
        self.filter.mark_complete();
        Ok(())
    }

    fn bounds(&self) -> Result<Option<PhysicalExprRef>> {
        let mut all = None;
        let mut columns = self.columns.lock();
        for (column, key) in columns.iter_mut().zip(&self.spec.probe_keys) {
            let Some(column) = column else { continue };
            let (min, max) = (column.min.evaluate()?, column.max.evaluate()?);
            if min.is_null() || max.is_null() {
                continue;
            }
            all = Some(and(all, compare(key, Operator::GtEq, min)));
            all = Some(and(all, compare(key, Operator::LtEq, max)));
        }
        Ok(all)
    }

    /// `key IN (…)`, if there is one key and few rows.
    fn list(&self, table: &Table) -> Result<Option<PhysicalExprRef>> {
        let rows: usize = table.chunks.iter().map(|chunk| chunk.rows()).sum();
        let [key] = self.spec.probe_keys.as_slice() else {
            return Ok(None);
        };
        if rows == 0 || rows > self.list_rows_max {
            return Ok(None);
        }
        let arrays: Vec<ArrayRef> = table
            .chunks
            .iter()
            .map(|chunk| Arc::clone(&chunk.keys.arrays[0]))
            .collect();
        let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        let values = concat(&arrays)?;
        if values.data_type().is_nested()
            // Lists compare bits, and 0.0 equals -0.0 in a join.
            || values.data_type().is_floating()
            || key.data_type(&self.spec.probe_schema)? != *values.data_type()
        {
            return Ok(None);
        }
        let schema = &self.spec.probe_schema;
        let list = InListExpr::try_new_from_array(Arc::clone(key), values, false, schema)?;
        Ok(Some(Arc::new(list)))
    }

    /// Lets probe rows with a NULL key pass where they matter: NULL keys that equal NULL keys of
    /// the build side, and the right side of NOT IN.
    fn with_nulls(&self, filter: PhysicalExprRef) -> Result<PhysicalExprRef> {
        let spec = &self.spec;
        let equal = spec.null_equality == NullEquality::NullEqualsNull
            && self.has_null.load(Ordering::Acquire);
        if !equal && !spec.null_aware {
            return Ok(filter);
        }
        let mut all = filter;
        for key in &spec.probe_keys {
            if key.nullable(&spec.probe_schema)? {
                let is_null: PhysicalExprRef = Arc::new(IsNullExpr::new(Arc::clone(key)));
                all = Arc::new(BinaryExpr::new(is_null, Operator::Or, all));
            }
        }
        Ok(all)
    }
}

impl Column {
    fn update(&mut self, values: &ArrayRef) -> Result<()> {
        self.min.update_batch(std::slice::from_ref(values))?;
        self.max.update_batch(std::slice::from_ref(values))
    }

    /// None for types that have no order.
    fn for_type(data_type: &DataType) -> Result<Option<Self>> {
        if data_type.is_nested() {
            return Ok(None);
        }
        let data_type = match data_type {
            DataType::Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        Ok(Some(Self {
            min: MinAccumulator::try_new(data_type)?,
            max: MaxAccumulator::try_new(data_type)?,
        }))
    }
}

fn compare(key: &PhysicalExprRef, operator: Operator, value: ScalarValue) -> PhysicalExprRef {
    Arc::new(BinaryExpr::new(Arc::clone(key), operator, lit(value)))
}

fn and(left: Option<PhysicalExprRef>, right: PhysicalExprRef) -> PhysicalExprRef {
    match left {
        Some(left) => Arc::new(BinaryExpr::new(left, Operator::And, right)),
        None => right,
    }
}
