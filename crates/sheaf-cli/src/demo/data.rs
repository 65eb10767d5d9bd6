//! The demo's sample data. Every value follows from the number of its record, so that what the
//! queries must answer can be worked out by hand (see [`mod@super::tour`]).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use sheaf::{Result, SheafError};

/// Shards of the access log, and lines in each.
const ACCESS_FILES: u32 = 8;
const ACCESS_LINES: u32 = 10_000;
/// Shards of the events, and records in each.
const EVENT_FILES: u32 = 5;
const EVENT_RECORDS: u32 = 1_000;
/// Months of sales, and rows in each.
const SALES_FILES: u32 = 4;
const SALES_ROWS: u32 = 1_000;

const ENDPOINTS: [&str; 5] = [
    "/api/users",
    "/api/orders",
    "/api/products",
    "/health",
    "/metrics",
];
const STATUSES: [u32; 7] = [200, 200, 200, 200, 404, 500, 301];
const LEVELS: [&str; 3] = ["INFO", "WARNING", "ERROR"];
const SERVICES: [&str; 4] = ["auth", "api", "worker", "db"];
const REGIONS: [&str; 4] = ["north", "east", "south", "west"];

/// Writes every file into `directory`, which is made if it does not exist; files of an earlier run
/// are replaced.
///
/// # Errors
/// `Data` or `UserInput` if a file cannot be written; the message names it.
pub(super) fn write(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).map_err(|error| named(error, directory))?;
    for file in 0..ACCESS_FILES {
        let first = file * ACCESS_LINES;
        let text = lines(first..first + ACCESS_LINES, push_access);
        write_file(&directory.join(format!("access_{file:02}.jsonl")), &text)?;
    }
    for file in 0..EVENT_FILES {
        let first = file * EVENT_RECORDS;
        let text = lines(first..first + EVENT_RECORDS, push_event);
        write_file(&directory.join(format!("events_{file:02}.jsonl")), &text)?;
    }
    for file in 0..SALES_FILES {
        let first = file * SALES_ROWS;
        let text = lines(first..first + SALES_ROWS, push_sale);
        let month = file + 1;
        let text = format!("sale_id,region,amount\n{text}");
        write_file(
            &directory.join(format!("sales_data_2026_{month:02}.csv")),
            &text,
        )?;
    }
    Ok(())
}

fn lines(numbers: std::ops::Range<u32>, push: fn(u32, &mut String)) -> String {
    let mut text = String::new();
    for number in numbers {
        push(number, &mut text);
    }
    text
}

/// A text from a list that is gone through again and again.
fn pick<T: Copy>(list: &[T], number: u32) -> T {
    list[number as usize % list.len()]
}

fn push_access(e: u32, out: &mut String) {
    let method = if e.is_multiple_of(5) { "POST" } else { "GET" };
    let _ = writeln!(
        out,
        "{{\"id\": {e}, \"method\": \"{method}\", \"endpoint\": \"{}\", \"status\": {}, \
         \"duration_ms\": {}, \"user_id\": {}}}",
        pick(&ENDPOINTS, e),
        pick(&STATUSES, e),
        10 + e % 800,
        e % 500
    );
}

fn push_event(n: u32, out: &mut String) {
    let j = n % EVENT_RECORDS;
    let _ = writeln!(
        out,
        "{{\"event_id\": {n}, \"level\": \"{}\", \"service\": \"{}\", \"duration_ms\": {}}}",
        pick(&LEVELS, j),
        pick(&SERVICES, j),
        10 + j % 500
    );
}

fn push_sale(i: u32, out: &mut String) {
    let _ = writeln!(out, "{i},{},{}.25", pick(&REGIONS, i), i % 100);
}

/// Writes beside the file and renames, so that nobody ever reads half of it.
fn write_file(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("partial");
    fs::write(&beside, text).map_err(|error| named(error, &beside))?;
    fs::rename(&beside, path).map_err(|error| named(error, path))
}

fn named(error: std::io::Error, path: &Path) -> SheafError {
    SheafError::from(error).with_context(path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_follow_from_their_numbers() {
        assert_eq!(
            lines(79_999..80_000, push_access),
            "{\"id\": 79999, \"method\": \"GET\", \"endpoint\": \"/metrics\", \"status\": 200, \
             \"duration_ms\": 809, \"user_id\": 499}\n"
        );
        assert_eq!(
            lines(1_002..1_003, push_event),
            "{\"event_id\": 1002, \"level\": \"ERROR\", \"service\": \"worker\", \
             \"duration_ms\": 12}\n"
        );
        assert_eq!(lines(0..2, push_sale), "0,north,0.25\n1,east,1.25\n");
    }

    #[test]
    fn writing_twice_leaves_the_same_files() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path()).unwrap();
        write(directory.path()).unwrap();
        let mut names: Vec<String> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), 8 + 5 + 4);
        assert_eq!(names[0], "access_00.jsonl");
        assert_eq!(names[16], "sales_data_2026_04.csv");
        let log = fs::read_to_string(directory.path().join("access_07.jsonl")).unwrap();
        assert_eq!(log.lines().count(), 10_000);
    }
}
