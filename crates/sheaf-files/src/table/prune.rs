//! Leaving out files and partitions that filters on partition columns exclude, before any of them
//! is opened.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::Schema;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::datasource::listing::helpers::expr_applicable_for_cols;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;

use super::FileTableParts;
use crate::partition::Stretch;

/// Whether `filter` can be decided from partition columns alone.
pub(super) fn is_about_partitions(filter: &Expr, schema: &TableSchema) -> bool {
    let columns = schema.table_partition_cols();
    if columns.is_empty() {
        return false;
    }
    let names: Vec<&str> = columns
        .iter()
        .map(|column| column.name().as_str())
        .collect();
    !filter.column_refs().is_empty() && expr_applicable_for_cols(&names, filter)
}

/// The stretches that the filters on partition columns leave.
pub(super) fn prune<'a>(
    parts: &'a FileTableParts,
    filters: &[Expr],
    session: &dyn Session,
) -> EngineResult<Vec<&'a Stretch>> {
    let decidable = filters
        .iter()
        .filter(|filter| is_about_partitions(filter, &parts.table_schema))
        .cloned();
    let Some(filter) = conjunction(decidable) else {
        return Ok(parts.stretches.iter().collect());
    };
    let schema = Arc::new(Schema::new(
        parts.table_schema.table_partition_cols().clone(),
    ));
    let columns = partition_columns(parts)?;
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let df_schema = DFSchema::try_from(schema.as_ref().clone())?;
    let predicate = session.create_physical_expr(filter, &df_schema)?;
    let decided = predicate.evaluate(&batch)?.into_array(batch.num_rows())?;
    // What is not known to be true is left out.
    let decided = decided.as_boolean();
    let kept = decided.iter().map(|keep| keep == Some(true));
    let stretches = parts.stretches.iter().zip(kept);
    Ok(stretches
        .filter_map(|(stretch, keep)| keep.then_some(stretch))
        .collect())
}

/// The partition columns, with a row for each stretch.
fn partition_columns(parts: &FileTableParts) -> EngineResult<Vec<ArrayRef>> {
    let fields = parts.table_schema.table_partition_cols();
    let mut columns = Vec::with_capacity(fields.len());
    for (i, field) in fields.iter().enumerate() {
        let values = parts.stretches.iter().map(|stretch| {
            let file = &parts.files[stretch.file];
            match i.checked_sub(parts.hive_columns) {
                None => file.hive_values[i].clone(),
                Some(0) => ScalarValue::Utf8(Some(file.path.to_string())),
                Some(_) => {
                    ScalarValue::Int64(Some(i64::try_from(stretch.partition).unwrap_or(i64::MAX)))
                }
            }
        });
        let column = ScalarValue::iter_to_array(values)?;
        columns.push(arrow::compute::cast(&column, field.data_type())?);
    }
    Ok(columns)
}
