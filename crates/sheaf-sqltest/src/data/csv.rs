//! CSV: files of every shape, many columns, many rows, many files, odd names.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use sheaf::Result;
use sheaf::arrow::array::{ArrayRef, Int64Array, RecordBatch};

use super::columns::write_parquet;
use super::{csv_dialects, write_file};

const WIDE_COLUMNS: u32 = 200;
const WIDE_ROWS: u32 = 10;
const BIG_ROWS: u32 = 200_000;
const BIG_QUOTED_ROWS: u32 = 50_000;
const SMALL_FILES: u32 = 200;
const SMALL_ROWS: u32 = 5;

/// File names that a glob, a URL or SQL may stumble over.
const NAMES: [&str; 8] = [
    "with space.csv",
    "bracket[1].csv",
    "quote's.csv",
    "100%.csv",
    "ünï.csv",
    "plus+and&.csv",
    "star*.csv",
    "per%20cent.csv",
];

pub(super) fn write(folder: &Path) -> Result<()> {
    csv_dialects::write(folder)?;
    for (name, text) in SHAPES {
        write_file(folder, name, text)?;
    }
    write_wide(folder)?;
    write_big(folder)?;
    for file in 0..SMALL_FILES {
        let mut text = String::from("id,file\n");
        for row in 0..SMALL_ROWS {
            let _ = writeln!(text, "{},{file}", file * SMALL_ROWS + row);
        }
        write_file(folder, &format!("small/part_{file:03}.csv"), text)?;
    }
    for (number, name) in (1..).zip(NAMES) {
        write_file(folder, &format!("names/{name}"), format!("v\n{number}\n"))?;
    }
    let two: ArrayRef = Arc::new(Int64Array::from(vec![2]));
    let batch = RecordBatch::try_from_iter_with_nullable([("v", two, true)])?;
    write_file(folder, "two_formats/a.csv", "v\n1\n")?;
    write_parquet(&folder.join("two_formats/b.parquet"), &batch, 1)
}

/// Small files: columns that differ, rows of wrong length, a directory with things to skip.
const SHAPES: &[(&str, &str)] = &[
    ("duplicate_names.csv", "a,a,b\n1,2,3\n"),
    ("columns_1.csv", "a,b\n1,10\n2,20\n"),
    ("columns_2.csv", "b,a,c\n30,3,x\n40,4,y\n"),
    ("columns_3.csv", "a\n5\n"),
    ("widen_1.csv", "id,v\n1,10\n"),
    ("widen_2.csv", "id,v\n2,2.5\n"),
    ("widen_3.csv", "id,v\n3,many\n"),
    ("short_row.csv", "a,b,c\n1,2,3\n4,5\n6,7,8\n"),
    ("long_row.csv", "a,b,c\n1,2,3\n4,5,6,7\n8,9,10\n"),
    ("mixed/a.csv", "v\n1\n"),
    ("mixed/b.csv", "v\n2\n"),
    ("mixed/.hidden.csv", "v\n99\n"),
    ("mixed/_SUCCESS", ""),
    ("mixed/sub/c.csv", "v\n3\n"),
];

fn write_wide(folder: &Path) -> Result<()> {
    let line = |cell: &dyn Fn(u32) -> String| {
        (0..WIDE_COLUMNS).map(cell).collect::<Vec<_>>().join(",") + "\n"
    };
    let mut text = line(&|column| format!("c{column}"));
    for row in 0..WIDE_ROWS {
        text += &line(&|column| (WIDE_COLUMNS * row + column).to_string());
    }
    write_file(folder, "wide.csv", text)
}

fn write_big(folder: &Path) -> Result<()> {
    let mut text = String::from("id,k,v\n");
    for id in 0..BIG_ROWS {
        let _ = writeln!(text, "{id},{},{}", id % 1_000, id % 97);
    }
    write_file(folder, "big.csv", text)?;
    let mut text = String::from("id,text,n\n");
    for id in 0..BIG_QUOTED_ROWS {
        let cell = match id % 10 {
            0 => format!("\"line\n{id}\""),
            _ => format!("t{}", id % 100),
        };
        let _ = writeln!(text, "{id},{cell},{}", id % 1_000);
    }
    write_file(folder, "big_quoted.csv", text)
}
