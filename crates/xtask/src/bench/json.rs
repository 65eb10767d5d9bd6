//! JSON lines through `read_bag`: a filter and groups of three fields of nine, and the frequencies of
//! more texts than the memory allowed holds.
//!
//! Record `id` of `logs` is made of `id` alone. Record `id` of `words` has the text
//! `w{id · 2654435761 mod 10000019}` (a prime: so many texts, some of them twice). DuckDB's answers are
//! the yardstick.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::options::Options;
use super::sheaf::{self, Engine, Query};
use super::tpch::{self, Column, Plan};
use super::{data_directory, peers, report};
use crate::failure::{Context, Failure, Result};
use crate::{process, workspace};

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
    let mut columns = vec![measure_sheaf(&plan, &binary, &texts.join("sheaf"))?];
    for (engine, _) in peers::ENGINES {
        if *engine == "duckdb" || options.flag("--peers") {
            columns.push(measure_peer(&plan, engine)?);
        }
    }
    let engines = ["sheaf"]
        .into_iter()
        .chain(peers::ENGINES.iter().map(|(engine, _)| *engine));
    for (column, engine) in columns.iter_mut().zip(engines) {
        column.differences = tpch::differences(&plan, engine, &column.measurements)?;
    }
    let title = format!(
        "JSON lines, {:.1} GB",
        report::to_megabytes(size_bytes) / 1e3
    );
    report::print(&title, &plan, &columns);
    print_peaks(&columns);
    let ours = &columns[0];
    let failed = ours.measurements.iter().filter(|m| m.seconds.is_err());
    match ours.differences.len() + failed.count() {
        0 => Ok(()),
        wrong => Err(Failure::new(format!("{wrong} queries are not right"))),
    }
}

/// Each query in a process of its own, so that each peak is the query's.
fn measure_sheaf(plan: &Plan, binary: &Path, texts: &Path) -> Result<Column> {
    let bag = |name: &str| {
        format!(
            "CREATE BAG {name} AS '{}/*.jsonl';\n",
            plan.data.join(name).display()
        )
    };
    let engine = Engine {
        binary: binary.to_path_buf(),
        threads: plan.threads,
        memory_bytes: plan.memory_bytes,
        setup: bag("logs") + &bag("words"),
        runs: plan.runs,
        time_limit: plan.time_limit,
    };
    let mut measurements = Vec::new();
    for name in &plan.names {
        let path = texts.join(format!("{name}.sql"));
        let sql = fs::read_to_string(&path).context(path.display())?;
        let query = Query {
            name: name.clone(),
            sql,
        };
        measurements.extend(sheaf::measure(
            &engine,
            &[query],
            &plan.answers.join("sheaf"),
        )?);
    }
    let version = process::capture(Command::new(binary).arg("--version"))?;
    Ok(Column {
        engine: format!(
            "Sheaf {}",
            version.split_whitespace().last().unwrap_or_default()
        ),
        measurements,
        differences: Vec::new(),
    })
}

fn measure_peer(plan: &Plan, engine: &str) -> Result<Column> {
    let queries = match engine {
        peers::DASK => plan.queries.join(peers::DASK),
        _ => plan.queries.clone(),
    };
    let mut column: Option<Column> = None;
    for name in &plan.names {
        let one = Plan {
            data: plan.data.clone(),
            queries: queries.clone(),
            answers: plan.answers.clone(),
            names: vec![name.clone()],
            ..*plan
        };
        let measured = peers::measure(&one, engine)?;
        match &mut column {
            Some(column) => column.measurements.extend(measured.measurements),
            None => column = Some(measured),
        }
    }
    column.ok_or_else(|| Failure::new("no query to measure"))
}

fn print_peaks(columns: &[Column]) {
    println!("\nPeak resident, MB, of each query in a process of its own:\n");
    for column in columns {
        let peaks = column.measurements.iter().map(|measured| {
            let peak = report::to_megabytes(measured.peak_bytes);
            format!("{} {peak:.0}", measured.query)
        });
        println!(
            "- {}: {}",
            column.engine,
            peaks.collect::<Vec<_>>().join(", ")
        );
    }
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
