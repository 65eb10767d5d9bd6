//! `sheaf.memory`: who holds how much of the process's memory budget.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, SchemaRef};
use sheaf_base::Result;

use crate::session::SessionInner;

pub(super) const COLUMNS: &[(&str, DataType)] = &[
    ("holder", DataType::Utf8),
    ("query", DataType::UInt64),
    ("bytes", DataType::UInt64),
    ("peak_bytes", DataType::UInt64),
    ("can_spill", DataType::Boolean),
];

pub(super) fn rows(session: &SessionInner, schema: SchemaRef) -> Result<RecordBatch> {
    let holders = session.engine.memory().holders();
    let bytes = holders.iter().map(|holder| holder.bytes as u64);
    let peaks = holders.iter().map(|holder| holder.peak_bytes as u64);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(
            holders.iter().map(|holder| &holder.name),
        )),
        Arc::new(
            holders
                .iter()
                .map(|holder| holder.query)
                .collect::<UInt64Array>(),
        ),
        Arc::new(UInt64Array::from_iter_values(bytes)),
        Arc::new(UInt64Array::from_iter_values(peaks)),
        Arc::new(
            holders
                .iter()
                .map(|holder| Some(holder.can_spill))
                .collect::<BooleanArray>(),
        ),
    ];
    Ok(RecordBatch::try_new(schema, columns)?)
}
