//! One Parquet column of every type, with an ordinary value, a largest one and NULL.

use std::path::Path;
use std::sync::Arc;

use sheaf::Result;
use sheaf::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array,
};

use super::columns::write_parquet;

const ROW_GROUP_ROWS: usize = 1_000;
/// Days from 1970-01-01 to 9999-12-31.
const DAY_9999: i32 = 2_932_896;
/// Seconds from 1970-01-01 to 2100-01-01.
const SECOND_2100: i64 = 4_102_444_800;

pub(super) fn write(folder: &Path) -> Result<()> {
    let mut columns: Vec<(&str, ArrayRef)> =
        vec![("id", Arc::new(Int32Array::from(vec![1, 2, 3])))];
    columns.extend(numeric()?);
    columns.extend(textual());
    columns.extend(temporal());
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true)))?;
    write_parquet(&folder.join("types.parquet"), &batch, ROW_GROUP_ROWS)
}

fn numeric() -> Result<Vec<(&'static str, ArrayRef)>> {
    let decimals = vec![Some(10_000_000_001), Some(10_i128.pow(38) - 1), None];
    let decimals = Decimal128Array::from(decimals).with_precision_and_scale(38, 10)?;
    Ok(vec![
        (
            "i8",
            Arc::new(Int8Array::from(vec![Some(1), Some(i8::MAX), None])),
        ),
        (
            "i16",
            Arc::new(Int16Array::from(vec![Some(1), Some(i16::MAX), None])),
        ),
        (
            "i32",
            Arc::new(Int32Array::from(vec![Some(1), Some(i32::MAX), None])),
        ),
        (
            "i64",
            Arc::new(Int64Array::from(vec![Some(1), Some(i64::MAX), None])),
        ),
        (
            "u8",
            Arc::new(UInt8Array::from(vec![Some(1), Some(u8::MAX), None])),
        ),
        (
            "u16",
            Arc::new(UInt16Array::from(vec![Some(1), Some(u16::MAX), None])),
        ),
        (
            "u32",
            Arc::new(UInt32Array::from(vec![Some(1), Some(u32::MAX), None])),
        ),
        (
            "u64",
            Arc::new(UInt64Array::from(vec![Some(1), Some(u64::MAX), None])),
        ),
        (
            "f32",
            Arc::new(Float32Array::from(vec![Some(1.5), Some(3.5), None])),
        ),
        (
            "f64",
            Arc::new(Float64Array::from(vec![Some(1.5), Some(1e300), None])),
        ),
        ("dec", Arc::new(decimals)),
    ])
}

fn textual() -> Vec<(&'static str, ArrayRef)> {
    let binary: Vec<Option<&[u8]>> = vec![Some(b"\x00\xff"), Some(b""), None];
    vec![
        (
            "bool",
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
        ),
        (
            "text",
            Arc::new(StringArray::from(vec![Some("a"), Some("zß水"), None])),
        ),
        ("bin", Arc::new(BinaryArray::from(binary))),
    ]
}

fn temporal() -> Vec<(&'static str, ArrayRef)> {
    let at = |unit: i64| vec![Some(unit), Some(SECOND_2100 * unit), None];
    let times = vec![Some(1_000_000), Some(86_399_000_000), None];
    vec![
        (
            "day",
            Arc::new(Date32Array::from(vec![Some(1), Some(DAY_9999), None])),
        ),
        ("ts_s", Arc::new(TimestampSecondArray::from(at(1)))),
        (
            "ts_ms",
            Arc::new(TimestampMillisecondArray::from(at(1_000))),
        ),
        (
            "ts_us",
            Arc::new(TimestampMicrosecondArray::from(at(1_000_000))),
        ),
        (
            "ts_ns",
            Arc::new(TimestampNanosecondArray::from(at(1_000_000_000))),
        ),
        (
            "tstz",
            Arc::new(TimestampMicrosecondArray::from(at(1_000_000)).with_timezone("UTC")),
        ),
        ("time", Arc::new(Time64MicrosecondArray::from(times))),
    ]
}
