//! Progress of scans of files, step by step.

use std::fmt::Write;
use std::sync::Arc;

use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::prelude::{CsvReadOptions, ParquetReadOptions, SessionConfig, SessionContext};
use futures::StreamExt;
use sheaf_base::ByteCount;

use super::*;
use crate::engine::{EngineRuntime, RuntimeOptions};
use crate::registry::QueryLimits;

const FILES: usize = 6;
const ROWS: usize = 20_000;

fn csv_files() -> (tempfile::TempDir, u64) {
    let directory = tempfile::tempdir().unwrap();
    let mut bytes = 0;
    for file in 0..FILES {
        let mut text = "a,b\n".to_owned();
        for row in 0..ROWS {
            writeln!(text, "{row},{file}").unwrap();
        }
        bytes += text.len() as u64;
        std::fs::write(directory.path().join(format!("{file}.csv")), text).unwrap();
    }
    (directory, bytes)
}

fn context(runtime: &EngineRuntime) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(1);
    SessionContext::new_with_config_rt(config, runtime.runtime_env())
}

fn runtime() -> Arc<EngineRuntime> {
    EngineRuntime::new(RuntimeOptions {
        threads: 1,
        memory_limit: ByteCount(100_000_000),
        ..RuntimeOptions::default()
    })
    .unwrap()
}

/// Runs a scan of the files; measures the plan after each batch, and the query at the end.
async fn follow(runtime: &EngineRuntime, path: &str) -> (Vec<Reading>, Progress) {
    let context = context(runtime);
    let frame = if path.ends_with(".csv") {
        context.read_csv(path, CsvReadOptions::new()).await.unwrap()
    } else {
        let options = ParquetReadOptions::default();
        context.read_parquet(path, options).await.unwrap()
    };
    let plan = frame.create_physical_plan().await.unwrap();
    let query = runtime.registry().begin("scan", QueryLimits::default());
    let mut gauge = PlanGauge::new(&plan);
    let mut stream = runtime
        .execute(plan, context.task_ctx(), Arc::clone(&query))
        .unwrap();
    let mut steps = Vec::new();
    while let Some(batch) = stream.next().await {
        batch.unwrap();
        steps.push(gauge.read_now());
        assert!(query.progress().fraction.unwrap_or(0.0) < 1.0);
    }
    (steps, query.progress())
}

fn check(steps: &[Reading], end: &Progress, bytes: u64) {
    let fractions: Vec<f64> = steps.iter().map(|s| s.fraction.unwrap()).collect();
    assert!(fractions.is_sorted(), "{fractions:?}");
    let between = fractions.iter().filter(|f| **f > 0.1 && **f < 0.9);
    assert!(between.count() >= 3, "{fractions:?}");
    assert!(
        steps
            .iter()
            .all(|s| s.bytes_scanned <= bytes && s.bytes_total == Some(bytes))
    );
    assert_eq!((end.state, end.fraction), (QueryState::Done, Some(1.0)));
    assert_eq!(end.bytes_total, Some(bytes));
    assert_eq!(end.rows_scanned, (FILES * ROWS) as u64);
    assert_eq!(end.rows_out, (FILES * ROWS) as u64);
}

#[test]
fn csv_is_measured_by_its_files() {
    let (directory, bytes) = csv_files();
    let runtime = runtime();
    let path = format!("{}/*.csv", directory.path().display());
    let (steps, end) = runtime.cpu().block_on(follow(&runtime, &path));
    check(&steps, &end, bytes);
    assert_eq!(end.bytes_scanned, bytes);
}

#[test]
fn parquet_is_measured_by_its_rows() {
    let (directory, _) = csv_files();
    let runtime = runtime();
    let target = directory.path().join("one.parquet");
    let path = target.to_str().unwrap();
    let written = runtime.cpu().block_on(async {
        let files = format!("{}/*.csv", directory.path().display());
        let frame = context(&runtime)
            .read_csv(files, CsvReadOptions::new())
            .await
            .unwrap();
        frame
            .write_parquet(path, DataFrameWriteOptions::new(), None)
            .await
    });
    written.unwrap();
    let bytes = std::fs::metadata(&target).unwrap().len();
    let (steps, end) = runtime.cpu().block_on(follow(&runtime, path));
    check(&steps, &end, bytes);
}

#[test]
fn time_left_needs_something_to_go_by() {
    let second = Duration::from_secs(1);
    assert_eq!(remaining(None, second), None);
    assert_eq!(remaining(Some(0.0), second), None);
    assert_eq!(remaining(Some(0.5), Duration::from_millis(10)), None);
    assert_eq!(remaining(Some(0.25), second), Some(Duration::from_secs(3)));
}
