//! Files with one thing wrong, at a known place.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use sheaf::{Result, SheafError};

use super::compressed::CODECS;
use super::write_file;

const LINES: u32 = 10;
const BAD_LINE: u32 = 7;
/// Far behind whatever a reader samples.
const LATE_LINES: u32 = 60_000;
const LATE_LINE: u32 = 50_001;

pub(super) fn write(folder: &Path) -> Result<()> {
    write_text(folder)?;
    fs::create_dir_all(folder.join("empty"))?;
    let part = read(folder, "../numbers/part_0.parquet")?;
    write_file(folder, "truncated.parquet", first_half(&part))?;
    write_file(folder, "parquet.csv", &part)?;
    let arrow = read(folder, "../numbers/numbers.arrow")?;
    write_file(folder, "truncated.arrow", first_half(&arrow))?;
    for (extension, _) in CODECS {
        let whole = read(folder, &format!("../compressed/squares.csv.{extension}"))?;
        write_file(
            folder,
            &format!("truncated.csv.{extension}"),
            first_half(&whole),
        )?;
    }
    Ok(())
}

fn write_text(folder: &Path) -> Result<()> {
    let mut text = String::new();
    for n in 1..=LINES {
        let end = if n == BAD_LINE { "" } else { "}" };
        let _ = writeln!(text, "{{\"id\": {n}{end}");
    }
    write_file(folder, "bad_line.jsonl", text)?;

    let mut text = String::new();
    for n in 1..=LATE_LINES {
        let _ = match n {
            LATE_LINE => writeln!(text, "{{\"id\": \"oops\"}}"),
            _ => writeln!(text, "{{\"id\": {n}}}"),
        };
    }
    write_file(folder, "late_type.jsonl", text)?;

    let mut text = String::from("id,n\n");
    for n in 1..=LATE_LINES {
        let _ = match n + 1 {
            LATE_LINE => writeln!(text, "{n},oops"),
            _ => writeln!(text, "{n},{n}"),
        };
    }
    write_file(folder, "late_number.csv", text)?;
    write_file(folder, "unterminated.csv", "a,b\n1,x\n2,\"never closed\n")?;
    write_file(folder, "text.parquet", "this is not parquet\n")?;
    write_file(folder, "empty.parquet", "")
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>> {
    fs::read(folder.join(name)).map_err(|e| SheafError::from(e).with_context(name))
}

fn first_half(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() / 2]
}
