//! Ten thousand rows of every common type in the columnar formats.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_avro::writer::AvroWriter;
use sheaf::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    ListBuilder, RecordBatch, StringArray, StringBuilder, StructArray, TimestampMicrosecondArray,
};
use sheaf::arrow::datatypes::{DataType, Field, Fields};
use sheaf::arrow::ipc::writer::{FileWriter, StreamWriter};
use sheaf::parquet::arrow::ArrowWriter;
use sheaf::parquet::file::properties::WriterProperties;
use sheaf::{Result, SheafError};

const ROWS: i32 = 10_000;
const PARQUET_FILES: i32 = 4;
const ROW_GROUP_ROWS: usize = 500;
const IPC_BATCH_ROWS: i32 = 1_000;
/// Days from 1970-01-01 to 2024-01-01.
const DAY_2024: i32 = 19_723;
/// Columns of `numbers.avro`: the leading ones, which Avro has types for.
const AVRO_COLUMNS: usize = 8;

pub(super) fn write(folder: &Path) -> Result<()> {
    let rows = ROWS / PARQUET_FILES;
    for file in 0..PARQUET_FILES {
        let path = folder.join(format!("part_{file}.parquet"));
        write_parquet(
            &path,
            &numbers(file * rows, (file + 1) * rows)?,
            ROW_GROUP_ROWS,
        )?;
    }
    let batches = (0..ROWS / IPC_BATCH_ROWS)
        .map(|b| numbers(b * IPC_BATCH_ROWS, (b + 1) * IPC_BATCH_ROWS))
        .collect::<Result<Vec<_>>>()?;
    let schema = batches[0].schema();
    let mut file = FileWriter::try_new(File::create(folder.join("numbers.arrow"))?, &schema)?;
    let mut stream = StreamWriter::try_new(File::create(folder.join("numbers.arrows"))?, &schema)?;
    for batch in &batches {
        file.write(batch)?;
        stream.write(batch)?;
    }
    file.finish()?;
    stream.finish()?;
    write_avro(&folder.join("numbers.avro"), &batches)
}

/// Writes `batch` to a Parquet file.
pub(super) fn write_parquet(path: &Path, batch: &RecordBatch, row_group_rows: usize) -> Result<()> {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(row_group_rows))
        .build();
    let mut writer = ArrowWriter::try_new(File::create(path)?, batch.schema(), Some(properties))?;
    writer.write(batch)?;
    writer.close()?;
    Ok(())
}

fn write_avro(path: &Path, batches: &[RecordBatch]) -> Result<()> {
    let columns = (0..AVRO_COLUMNS).collect::<Vec<_>>();
    let schema = batches[0].schema().project(&columns)?;
    let fault = |e: arrow_avro::errors::AvroError| SheafError::internal(e.to_string());
    let mut writer = AvroWriter::new(File::create(path)?, schema).map_err(fault)?;
    for batch in batches {
        writer.write(&batch.project(&columns)?).map_err(fault)?;
    }
    writer.finish().map_err(fault)
}

/// The rows from `start` up to but not including `end`.
fn numbers(start: i32, end: i32) -> Result<RecordBatch> {
    let ids = || start..end;
    let mut tags = ListBuilder::new(StringBuilder::new());
    for id in ids() {
        tags.append_value((0..id % 3).map(|tag| Some(format!("t{tag}"))));
    }
    let names = ids().map(|id| format!("name_{}", id % 100));
    let seconds = i64::from(DAY_2024) * 86_400;
    let micros = ids().map(|id| (seconds + i64::from(id)) * 1_000_000);
    let options = ids().map(|id| (id % 7 != 0).then_some(i64::from(id)));
    let amounts = Decimal128Array::from_iter_values(ids().map(|id| i128::from(id) * 25));
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "id",
            Arc::new(Int64Array::from_iter_values(ids().map(i64::from))),
        ),
        (
            "grp",
            Arc::new(Int32Array::from_iter_values(ids().map(|id| id % 10))),
        ),
        ("name", Arc::new(StringArray::from_iter_values(names))),
        (
            "value",
            Arc::new(Float64Array::from_iter_values(
                ids().map(|id| f64::from(id) / 4.0),
            )),
        ),
        (
            "flag",
            Arc::new(BooleanArray::from_iter(ids().map(|id| Some(id % 2 == 0)))),
        ),
        (
            "day",
            Arc::new(Date32Array::from_iter_values(
                ids().map(|id| DAY_2024 + id % 366),
            )),
        ),
        (
            "ts",
            Arc::new(TimestampMicrosecondArray::from_iter_values(micros)),
        ),
        ("opt", Arc::new(Int64Array::from_iter(options))),
        ("amount", Arc::new(amounts.with_precision_and_scale(12, 2)?)),
        ("tags", Arc::new(tags.finish())),
        ("point", Arc::new(points(start, end)?)),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(n, a)| (n, a, true)),
    )?)
}

fn points(start: i32, end: i32) -> Result<StructArray> {
    let axis = |modulus| {
        Arc::new(Int32Array::from_iter_values(
            (start..end).map(|id| id % modulus),
        ))
    };
    let fields = Fields::from(
        ["x", "y"]
            .map(|name| Field::new(name, DataType::Int32, true))
            .to_vec(),
    );
    Ok(StructArray::try_new(fields, vec![axis(5), axis(3)], None)?)
}
