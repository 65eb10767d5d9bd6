//! The records of the demo, at full size, and yearly sales: text that a formula makes.

use std::fmt::Write;
use std::path::Path;

use sheaf::Result;

use super::write_file;

const LOG_FILES: u64 = 8;
const LOG_LINES: u64 = 10_000;
const EVENT_FILES: u64 = 5;
const EVENT_LINES: u64 = 1_000;
const SALES_ROWS: u64 = 1_000;
const TEXT_LINES: u64 = 1_000;

const ENDPOINTS: [&str; 5] = [
    "/api/users",
    "/api/orders",
    "/api/products",
    "/health",
    "/metrics",
];
const STATUSES: [u16; 7] = [200, 200, 200, 200, 404, 500, 301];
const EVENT_LEVELS: [&str; 3] = ["INFO", "WARNING", "ERROR"];
const SERVICES: [&str; 4] = ["auth", "api", "worker", "db"];
const REGIONS: [&str; 4] = ["north", "south", "east", "west"];
const TEXT_LEVELS: [&str; 4] = ["DEBUG", "INFO", "WARN", "ERROR"];

pub(super) fn write_logs(folder: &Path) -> Result<()> {
    for file in 0..LOG_FILES {
        let mut text = String::new();
        for e in file * LOG_LINES..(file + 1) * LOG_LINES {
            let method = if e % 5 == 0 { "POST" } else { "GET" };
            let _ = writeln!(
                text,
                r#"{{"id": {e}, "method": "{method}", "endpoint": "{}", "status": {}, "duration_ms": {}, "user_id": {}}}"#,
                pick(&ENDPOINTS, e),
                pick(&STATUSES, e),
                10 + e % 800,
                e % 500,
            );
        }
        write_file(folder, &format!("access_{file:02}.jsonl"), text)?;
    }
    Ok(())
}

pub(super) fn write_events(folder: &Path) -> Result<()> {
    for file in 0..EVENT_FILES {
        let mut text = String::new();
        for n in file * EVENT_LINES..(file + 1) * EVENT_LINES {
            let j = n % 1_000;
            let _ = writeln!(
                text,
                r#"{{"event_id": {n}, "level": "{}", "service": "{}", "duration_ms": {}}}"#,
                pick(&EVENT_LEVELS, j),
                pick(&SERVICES, j),
                10 + j % 500,
            );
        }
        write_file(folder, &format!("events_{file}.jsonl"), text)?;
    }
    Ok(())
}

pub(super) fn write_sales(folder: &Path) -> Result<()> {
    for year in 2023..=2025 {
        let mut text = String::from("order_id,order_date,region,product,quantity,unit_price\n");
        for i in 0..SALES_ROWS {
            let _ = writeln!(
                text,
                "{},{},{},p{},{},{}.{}0",
                1_000 * (year - 2023) + i,
                day_of_year(year, i % 365),
                pick(&REGIONS, i),
                i % 10,
                1 + i % 7,
                10 + (i % 20) / 2,
                if i % 2 == 0 { 0 } else { 5 },
            );
        }
        write_file(folder, &format!("sales_data_{year}.csv"), text)?;
    }
    Ok(())
}

pub(super) fn write_text(folder: &Path) -> Result<()> {
    let mut text = String::new();
    for n in 1..=TEXT_LINES {
        let level = pick(&TEXT_LEVELS, n);
        let (minute, second) = ((n / 60) % 60, n % 60);
        let _ = writeln!(
            text,
            "2026-01-01T00:{minute:02}:{second:02}Z {level} request {n}"
        );
    }
    write_file(folder, "app.log", text)
}

/// The item at `number` of an endless repetition of `items`.
fn pick<T: Copy>(items: &[T], number: u64) -> T {
    let count = items.len() as u64;
    items[usize::try_from(number % count).unwrap_or(0)]
}

/// `year-01-01` and `days` (0..=364) more, as ISO text.
fn day_of_year(year: u64, days: u64) -> String {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let lengths = [
        31,
        if leap { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut rest = days;
    for (month, length) in (1..).zip(lengths) {
        if rest < length {
            return format!("{year}-{month:02}-{:02}", rest + 1);
        }
        rest -= length;
    }
    format!("{}-01-{:02}", year + 1, rest + 1)
}
