//! JSON lines through `read_bag`: a filter and groups of three fields of nine, and the frequencies of
//! more texts than the memory allowed holds.
//!
//! Record `id` of `logs` is made of `id` alone. Record `id` of `words` has the text
//! `w{id · 2654435761 mod 10000019}` (a prime: so many texts, some of them twice). DuckDB's answers are
//! the yardstick.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::apart::{self, Ours};
use super::options::Options;
use super::tpch::Plan;
use super::{data_directory, report, sheaf};
use crate::failure::{Context, Result};
use crate::workspace;

const SIZE_BYTES_DEFAULT: u64 = 1_000_000_000;
/// Files of a size at which readers must split them.
const FILE_BYTES_MAX: u64 = 250_000_000;
const BUFFER_BYTES: usize = 1 << 20;
const WORDS: u64 = 10_000_019;
const WORD_FACTOR: u64 = 2_654_435_761;
const WORD_RECORDS: u64 = 12_000_000;
const ENDPOINTS: [&str; 5] = [
    "/api/users",
    "/api/orders",
    "/api/products",
    "/health",
    "/metrics",
];
const STATUSES: [u16; 7] = [200, 200, 200, 200, 404, 500, 301];
const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "curl/8.9.1",
    "python-requests/2.32.3",
];

/// Measures Sheaf and its peers, compares the answers with DuckDB's, prints the table.
///
/// # Errors
/// Missing programs; answers that differ; queries that fail.
pub(super) fn run(options: &Options) -> Result<()> {
    let size_bytes = options.bytes("--size")?.unwrap_or(SIZE_BYTES_DEFAULT);
    let binary = sheaf::binary(options)?;
    let texts = workspace::root().join("benches/json");
    let plan = Plan {
        data: data(size_bytes)?,
        queries: texts.clone(),
        answers: data_directory("json")?.join("answers"),
        names: ["filter_group", "frequencies"].map(str::to_owned).to_vec(),
        threads: options.count("--threads", 2)?,
        memory_bytes: options.bytes("--memory")?,
        runs: options.count("--runs", 3)?.max(1),
        time_limit: None,
    };
    let bag = |name: &str| {
        let files = plan.data.join(name);
        format!("CREATE BAG {name} AS '{}/*.jsonl';\n", files.display())
    };
    let ours = Ours {
        binary,
        setup: bag("logs") + &bag("words"),
        texts: texts.join("sheaf"),
    };
    let gigabytes = report::to_megabytes(size_bytes) / 1e3;
    let title = format!("JSON lines, {gigabytes:.1} GB");
    apart::run(&title, &plan, &ours, options.flag("--peers"))
}

/// The folder of both tables, with at least `size_bytes` of logs.
fn data(size_bytes: u64) -> Result<PathBuf> {
    let folder = data_directory("json")?.join(format!("{size_bytes}"));
    let done = folder.join("done.txt");
    if done.is_file() {
        return Ok(folder);
    }
    println!(
        "writing {:.0} MB of JSON lines to {}",
        report::to_megabytes(size_bytes),
        folder.display()
    );
    for table in ["logs", "words"] {
        fs::create_dir_all(folder.join(table)).context(folder.display())?;
    }
    let (mut written, mut id) = (0, 0);
    for number in 0.. {
        if written >= size_bytes {
            break;
        }
        let path = folder.join(format!("logs/part_{number:03}.jsonl"));
        let bytes = FILE_BYTES_MAX.min(size_bytes - written);
        let (file_bytes, next) = write_logs(&path, id, bytes).context(path.display())?;
        written += file_bytes;
        id = next;
    }
    let path = folder.join("words/words.jsonl");
    write_words(&path).context(path.display())?;
    fs::write(&done, "")?;
    Ok(folder)
}

/// Writes records from `id` on until the file has `bytes_min` bytes; gives its size and the next id.
fn write_logs(path: &Path, mut id: u64, bytes_min: u64) -> Result<(u64, u64)> {
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, File::create(path)?);
    let mut bytes = 0;
    let mut line = Vec::new();
    while bytes < bytes_min {
        line.clear();
        let place = usize::try_from(id).unwrap_or_default();
        writeln!(
            line,
            "{{\"id\": {id}, \"time\": \"2026-11-{:02}T{:02}:{:02}:{:02}Z\", \"method\": \"{}\", \
             \"endpoint\": \"{}\", \"status\": {}, \"duration_ms\": {}, \"user_id\": {}, \
             \"agent\": \"{}\", \"request\": \"{:016x}\"}}",
            id / 86_400 % 30 + 1,
            id / 3_600 % 24,
            id / 60 % 60,
            id % 60,
            if place % 5 == 0 { "POST" } else { "GET" },
            ENDPOINTS[place % ENDPOINTS.len()],
            STATUSES[place % STATUSES.len()],
            10 + id % 800,
            id % 500,
            AGENTS[place % AGENTS.len()],
            id.wrapping_mul(WORD_FACTOR)
        )?;
        file.write_all(&line)?;
        bytes += line.len() as u64;
        id += 1;
    }
    file.flush()?;
    Ok((bytes, id))
}

fn write_words(path: &Path) -> Result<()> {
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, File::create(path)?);
    for id in 0..WORD_RECORDS {
        writeln!(
            file,
            "{{\"word\": \"w{}\"}}",
            id.wrapping_mul(WORD_FACTOR) % WORDS
        )?;
    }
    Ok(file.flush()?)
}
