//! A glob of CSV files larger than the memory allowed: its first rows at once, groups in bounds.
//!
//! Row `id` is `id,key,category,value,note` with `key = id · 2654435761 mod 1000003` (a prime, so
//! a run of 1000003 rows meets every key once), `category = id mod 100`, `value = id mod 1000`.
//! All answers follow from that.
//!
//! With `--peers` other files are read ([`compared`]), by them as well.

mod compared;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::options::Options;
use super::sheaf::{self, Engine, Query};
use super::{answers, data_directory, report};
use crate::failure::{Context, Failure, Result};

const SIZE_BYTES_DEFAULT: u64 = 10_000_000_000;
const MEMORY_BYTES_DEFAULT: u64 = 500_000_000;
/// Files of a size at which readers must split them.
const FILE_BYTES_MAX: u64 = 250_000_000;
const BUFFER_BYTES: usize = 1 << 20;
const KEYS: u64 = 1_000_003;
const KEY_FACTOR: u64 = 2_654_435_761;
const CATEGORIES: usize = 100;
const VALUES: u64 = 1_000;
const NOTE: &str = "the quick brown fox jumps over the lazy dog";
/// Resident memory may exceed the limit by a quarter.
const RESIDENT_PERCENT_MAX: u64 = 125;

/// Makes the files unless they are there, runs the queries, checks answers and memory.
///
/// # Errors
/// Missing programs; wrong answers; memory over the bound.
pub(super) fn run(options: &Options) -> Result<()> {
    if options.flag("--peers") {
        return compared::run(options);
    }
    let size_bytes = options.bytes("--size")?.unwrap_or(SIZE_BYTES_DEFAULT);
    let memory_bytes = options.bytes("--memory")?.unwrap_or(MEMORY_BYTES_DEFAULT);
    let threads = options.count("--threads", 2)?;
    let binary = sheaf::binary(options)?;
    let (data, rows) = data(size_bytes)?;
    let setup = format!("CREATE VIEW data AS FROM '{}/*.csv';", data.display());
    let engine = Engine {
        binary,
        threads,
        memory_bytes: Some(memory_bytes),
        setup,
        runs: 1,
        time_limit: None,
    };
    println!(
        "\n### CSV, {:.1} GB in a glob\n",
        report::to_megabytes(size_bytes) / 1e3
    );
    println!("{}", report::circumstances(threads, Some(memory_bytes)));
    println!("\n| query | seconds | peak resident, MB | answer |\n|---|--:|--:|---|");
    let answers_folder = data_directory("csv")?.join("answers");
    let mut faults = 0;
    for (query, expected) in queries(rows) {
        let name = query.name.clone();
        // A process for each, so that each peak is the query's own.
        let measured = sheaf::measure(&engine, &[query], &answers_folder)?;
        let Some(measured) = measured.first() else {
            continue;
        };
        let (seconds, verdict) = match &measured.seconds {
            Err(reason) => ("–".to_owned(), reason.clone()),
            Ok(seconds) => {
                let actual = answers::read(&answers_folder.join(format!("{name}.tsv")))?;
                let difference = expected.difference(&actual);
                (
                    format!("{seconds:.2}"),
                    difference.unwrap_or_else(|| "right".to_owned()),
                )
            }
        };
        let is_over = measured.peak_bytes > memory_bytes / 100 * RESIDENT_PERCENT_MAX;
        let over = if is_over { " (over)" } else { "" };
        let peak = report::to_megabytes(measured.peak_bytes);
        println!("| {name} | {seconds} | {peak:.0}{over} | {verdict} |");
        faults += usize::from(is_over || verdict != "right");
    }
    if faults == 0 {
        Ok(())
    } else {
        Err(Failure::new(format!("{faults} queries are not right")))
    }
}

/// What an answer must be.
enum Expected {
    /// So many rows, whichever.
    Count(usize),
    /// These rows in this order.
    Rows(answers::Rows),
}

impl Expected {
    fn difference(&self, actual: &answers::Rows) -> Option<String> {
        match self {
            Self::Count(count) if actual.len() == *count => None,
            Self::Count(count) => Some(format!("{} rows, not {count}", actual.len())),
            Self::Rows(rows) => answers::difference(rows, actual, &[0]),
        }
    }
}

fn queries(rows: u64) -> Vec<(Query, Expected)> {
    let query = |name: &str, sql: &str| Query {
        name: name.to_owned(),
        sql: sql.to_owned(),
    };
    let mut groups = vec![(0_u64, 0_u64); CATEGORIES];
    for (id, category) in (0..rows).zip((0..CATEGORIES).cycle()) {
        groups[category].0 += 1;
        groups[category].1 += id % VALUES;
    }
    let groups = (0..).zip(groups).map(|(category, (count, sum)): (u64, _)| {
        [category, count, sum]
            .map(|number| number.to_string())
            .to_vec()
    });
    let keys = [rows.min(KEYS), rows]
        .map(|number| number.to_string())
        .to_vec();
    vec![
        (query("limit", "FROM data LIMIT 5"), Expected::Count(5)),
        (
            query(
                "few_groups",
                "SELECT category, count(*), sum(value) FROM data GROUP BY category ORDER BY category",
            ),
            Expected::Rows(groups.collect()),
        ),
        (
            query(
                "million_groups",
                "SELECT count(*), sum(n) FROM \
                 (SELECT key, count(*) AS n, min(note) AS note FROM data GROUP BY key) AS groups",
            ),
            Expected::Rows(vec![keys]),
        ),
    ]
}

/// The folder of files with at least `size_bytes` in all, and their rows.
fn data(size_bytes: u64) -> Result<(PathBuf, u64)> {
    let parent = data_directory("csv")?;
    let folder = parent.join(format!("{size_bytes}"));
    let count = folder.join("rows.txt");
    if let Some(rows) = fs::read_to_string(&count)
        .ok()
        .and_then(|text| text.trim().parse().ok())
    {
        return Ok((folder, rows));
    }
    println!(
        "writing {:.0} MB of CSV to {}",
        report::to_megabytes(size_bytes),
        folder.display()
    );
    fs::create_dir_all(&folder).context(folder.display())?;
    let (mut written, mut rows) = (0, 0);
    for number in 0.. {
        if written >= size_bytes {
            break;
        }
        let path = folder.join(format!("part_{number:03}.csv"));
        let bytes = FILE_BYTES_MAX.min(size_bytes - written);
        let (file_bytes, next) = write_file(&path, rows, bytes).context(path.display())?;
        written += file_bytes;
        rows = next;
    }
    fs::write(&count, rows.to_string())?;
    Ok((folder, rows))
}

/// Writes rows from `id` on until the file has `bytes_min` bytes; gives its size and the next id.
fn write_file(path: &Path, mut id: u64, bytes_min: u64) -> Result<(u64, u64)> {
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, File::create(path)?);
    let header = "id,key,category,value,note\n";
    file.write_all(header.as_bytes())?;
    let mut bytes = header.len() as u64;
    let mut line = Vec::new();
    while bytes < bytes_min {
        line.clear();
        let (key, category) = (id.wrapping_mul(KEY_FACTOR) % KEYS, id % CATEGORIES as u64);
        writeln!(line, "{id},{key},{category},{},{NOTE}", id % VALUES)?;
        file.write_all(&line)?;
        bytes += line.len() as u64;
        id += 1;
    }
    file.flush()?;
    Ok((bytes, id))
}
