//! CSV beside the peers: three of nine columns, all of them, none, and types that widen.
//!
//! Row `id` of `logs` is made of `id` alone; agents are in quotes, with commas and quotes within. The
//! files of `widening` have whole numbers in `amount` and `code`; the last two have decimals in
//! `amount`, the very last texts in `code`. Nobody is told types. DuckDB's answers are the yardstick.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::BUFFER_BYTES;
use crate::bench::apart::{self, Ours};
use crate::bench::options::Options;
use crate::bench::tpch::Plan;
use crate::bench::{data_directory, report, sheaf};
use crate::failure::{Context, Result};
use crate::workspace;

const SIZE_BYTES_DEFAULT: u64 = 1_000_000_000;
/// Files of each table.
const FILES: u64 = 8;
/// What of the size `widening` has.
const WIDENING_SHARE: u64 = 4;
const ENDPOINTS: [&str; 5] = [
    "/api/users",
    "/api/orders",
    "/api/products",
    "/health",
    "/metrics",
];
const STATUSES: [u16; 7] = [200, 200, 200, 200, 404, 500, 301];
/// As CSV has them.
const AGENTS: [&str; 3] = [
    r#""Mozilla/5.0 (X11, Linux x86_64) ""Firefox/128.0""""#,
    "curl/8.9.1",
    r#""python-requests/2.32.3, urllib3/2.2.2""#,
];

/// Makes the files unless they are there, measures Sheaf and its peers, prints the table.
///
/// # Errors
/// Missing programs; answers that differ; queries that fail.
pub(super) fn run(options: &Options) -> Result<()> {
    let size_bytes = options.bytes("--size")?.unwrap_or(SIZE_BYTES_DEFAULT);
    let binary = sheaf::binary(options)?;
    let texts = workspace::root().join("benches/csv");
    let plan = Plan {
        data: data(size_bytes)?,
        queries: texts.clone(),
        answers: data_directory("csv-peers")?.join("answers"),
        names: ["filter_group", "all_columns", "count", "widening"]
            .map(str::to_owned)
            .to_vec(),
        threads: options.count("--threads", 2)?,
        memory_bytes: options.bytes("--memory")?,
        runs: options.count("--runs", 3)?.max(1),
        time_limit: None,
    };
    let view = |name: &str| {
        let files = plan.data.join(name);
        format!("CREATE VIEW {name} AS FROM '{}/*.csv';\n", files.display())
    };
    let ours = Ours {
        binary,
        setup: view("logs") + &view("widening"),
        texts,
    };
    let gigabytes = report::to_megabytes(size_bytes) / 1e3;
    let title = format!("CSV beside its peers, {gigabytes:.2} GB");
    apart::run(&title, &plan, &ours, true)
}

/// The folder of both tables, with at least `size_bytes` of logs.
fn data(size_bytes: u64) -> Result<PathBuf> {
    let folder = data_directory("csv-peers")?.join(format!("{size_bytes}"));
    let done = folder.join("done.txt");
    if done.is_file() {
        return Ok(folder);
    }
    println!(
        "writing {:.0} MB of CSV to {}",
        report::to_megabytes(size_bytes + size_bytes / WIDENING_SHARE),
        folder.display()
    );
    let logs = |row: &mut Vec<u8>, _, id| push_log(row, id);
    let header = "id,called_at,called_on,endpoint,status,duration_ms,user_id,price,agent";
    write_table(&folder.join("logs"), size_bytes, header, logs)?;
    let size_bytes = size_bytes / WIDENING_SHARE;
    let header = "id,amount,code,note";
    write_table(&folder.join("widening"), size_bytes, header, push_widening)?;
    fs::write(&done, "")?;
    Ok(folder)
}

/// Writes [`FILES`] files of at least `size_bytes` in all; `push` appends the row `id` of a file.
fn write_table(
    folder: &Path,
    size_bytes: u64,
    header: &str,
    push: impl Fn(&mut Vec<u8>, u64, u64) -> io::Result<()>,
) -> Result<()> {
    fs::create_dir_all(folder).context(folder.display())?;
    let (mut id, mut row) = (0, Vec::new());
    for file in 0..FILES {
        let path = folder.join(format!("part_{file:03}.csv"));
        let out = File::create(&path).context(path.display())?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
        writeln!(out, "{header}")?;
        let mut bytes = header.len() as u64 + 1;
        while bytes < size_bytes.div_ceil(FILES) {
            row.clear();
            push(&mut row, file, id)?;
            out.write_all(&row)?;
            bytes += row.len() as u64;
            id += 1;
        }
        out.flush()?;
    }
    Ok(())
}

fn push_log(row: &mut Vec<u8>, id: u64) -> io::Result<()> {
    let place = usize::try_from(id).unwrap_or_default();
    let day = id / 86_400 % 30 + 1;
    writeln!(
        row,
        "{id},2026-11-{day:02} {:02}:{:02}:{:02},2026-11-{day:02},{},{},{},{},{}.{:02},{}",
        id / 3_600 % 24,
        id / 60 % 60,
        id % 60,
        ENDPOINTS[place % ENDPOINTS.len()],
        STATUSES[place % STATUSES.len()],
        10 + id % 800,
        id % 500,
        id % 90,
        id % 100,
        AGENTS[place % AGENTS.len()],
    )
}

fn push_widening(row: &mut Vec<u8>, file: u64, id: u64) -> io::Result<()> {
    let fraction = if file + 2 < FILES { "" } else { ".25" };
    let letter = if file + 1 < FILES { "" } else { "A" };
    let number = id % 1_000;
    writeln!(row, "{id},{number}{fraction},{letter}{number},a note on it")
}

#[cfg(test)]
mod tests {
    use super::{push_log, push_widening};

    #[test]
    fn rows_follow_from_their_numbers() {
        let mut row = Vec::new();
        push_log(&mut row, 90_000).unwrap();
        push_widening(&mut row, 5, 1_017).unwrap();
        push_widening(&mut row, 6, 1_017).unwrap();
        push_widening(&mut row, 7, 1_017).unwrap();
        let text = String::from_utf8(row).unwrap();
        // 90,000 s are a day and an hour; 90,000 is 0 modulo 5 and 3, 1 modulo 7, 400 modulo 800.
        let log = r#"90000,2026-11-02 01:00:00,2026-11-02,/api/users,200,410,0,0.00,"Mozilla/5.0 (X11, Linux x86_64) ""Firefox/128.0""""#;
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                log,
                "1017,17,17,a note on it",
                "1017,17.25,17,a note on it",
                "1017,17.25,A17,a note on it"
            ]
        );
    }
}
