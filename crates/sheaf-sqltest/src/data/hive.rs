//! Trees whose directories hold column values: `year=2024/month=1/…`.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use sheaf::Result;
use sheaf::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};

use super::columns::write_parquet as write_parquet_file;
use super::write_file;

const ROWS: i32 = 100;
const ROW_GROUP_ROWS: usize = 1_000;

pub(super) fn write_parquet(folder: &Path) -> Result<()> {
    for (directory, start) in leaves() {
        let ids = start..start + ROWS;
        let values = ids.clone().map(|id| f64::from(id) / 2.0);
        let names = (0..ROWS).map(|k| format!("n{k}"));
        let columns: [(&str, ArrayRef); 3] = [
            (
                "id",
                Arc::new(Int64Array::from_iter_values(ids.map(i64::from))),
            ),
            ("value", Arc::new(Float64Array::from_iter_values(values))),
            ("name", Arc::new(StringArray::from_iter_values(names))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(n, a)| (n, a, true)))?;
        let directory = folder.join(directory);
        fs::create_dir_all(&directory)?;
        write_parquet_file(&directory.join("part.parquet"), &batch, ROW_GROUP_ROWS)?;
    }
    Ok(())
}

pub(super) fn write_csv(folder: &Path) -> Result<()> {
    for (directory, start) in leaves() {
        let mut text = String::from("id,value,name\n");
        for k in 0..ROWS {
            let id = start + k;
            let half = if id % 2 == 0 { 0 } else { 5 };
            let _ = writeln!(text, "{id},{}.{half},n{k}", id / 2);
        }
        write_file(folder, &format!("{directory}/part.csv"), text)?;
    }
    Ok(())
}

pub(super) fn write_text(folder: &Path) -> Result<()> {
    write_file(folder, "city=New%20York/part.csv", "id\n1\n")?;
    write_file(folder, "city=Oslo/part.csv", "id\n2\n")?;
    write_file(
        folder,
        "city=__HIVE_DEFAULT_PARTITION__/part.csv",
        "id\n3\n",
    )
}

/// Every leaf directory with the id of its first row.
fn leaves() -> impl Iterator<Item = (String, i32)> {
    (2024..=2026).flat_map(|year| {
        (1..=4).map(move |month| {
            (
                format!("year={year}/month={month}"),
                400 * (year - 2024) + 100 * (month - 1),
            )
        })
    })
}
