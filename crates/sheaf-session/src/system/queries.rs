//! `sheaf.queries`: what runs, and what ran lately.

use std::sync::Arc;
use std::time::SystemTime;

use arrow::array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use sheaf_base::Result;
use sheaf_runtime::Progress;

use crate::session::SessionInner;

pub(super) const COLUMNS: &[(&str, DataType)] = &[
    ("id", DataType::UInt64),
    ("state", DataType::Utf8),
    ("started", DataType::Timestamp(TimeUnit::Microsecond, None)),
    ("seconds", DataType::Float64),
    ("rows_scanned", DataType::UInt64),
    ("rows", DataType::UInt64),
    ("bytes_scanned", DataType::UInt64),
    ("spilled_bytes", DataType::UInt64),
    ("memory_peak_bytes", DataType::UInt64),
    ("progress", DataType::Float64),
    ("text", DataType::Utf8),
    ("error", DataType::Utf8),
];

pub(super) fn rows(session: &SessionInner, schema: SchemaRef) -> Result<RecordBatch> {
    let queries = session.engine.registry().list();
    let numbers = |value: fn(&Progress) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(
            queries.iter().map(|q| value(&q.progress)),
        ))
    };
    let texts = |values: Vec<Option<&str>>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from_iter_values(queries.iter().map(|q| q.id))),
        texts(
            queries
                .iter()
                .map(|q| Some(q.progress.state.name()))
                .collect(),
        ),
        Arc::new(TimestampMicrosecondArray::from_iter_values(
            queries.iter().map(|q| micros_since_epoch(q.started_at)),
        )),
        Arc::new(Float64Array::from_iter_values(
            queries.iter().map(|q| q.progress.elapsed.as_secs_f64()),
        )),
        numbers(|p| p.rows_scanned),
        numbers(|p| p.rows_out),
        numbers(|p| p.bytes_scanned),
        numbers(|p| p.spilled_bytes),
        numbers(|p| p.memory_peak_bytes),
        Arc::new(
            queries
                .iter()
                .map(|q| q.progress.fraction)
                .collect::<Float64Array>(),
        ),
        texts(queries.iter().map(|q| Some(q.text.as_str())).collect()),
        texts(queries.iter().map(|q| q.error.as_deref()).collect()),
    ];
    Ok(RecordBatch::try_new(schema, columns)?)
}

fn micros_since_epoch(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or(0)
}
