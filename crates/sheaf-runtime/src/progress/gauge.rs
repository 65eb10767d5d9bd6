//! Reads the metrics of one physical plan.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::{MetricValue, MetricsSet};

/// The shortest time between two measurements.
const INTERVAL_MIN: Duration = Duration::from_millis(20);

/// A measurement may take this part (one in so many) of the time between measurements.
const COST_PART: u32 = 50;

/// Scans and other operators of a plan, found once.
#[derive(Debug)]
pub(crate) struct PlanGauge {
    scans: Vec<Scan>,
    others: Vec<Arc<dyn ExecutionPlan>>,
    last: Reading,
    measured: Option<(Instant, Duration)>,
}

/// One measurement.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Reading {
    pub(crate) fraction: Option<f64>,
    pub(crate) rows_scanned: u64,
    pub(crate) bytes_scanned: u64,
    pub(crate) bytes_total: Option<u64>,
    pub(crate) spilled_bytes: u64,
    pub(crate) spill_count: u64,
}

#[derive(Debug)]
struct Scan {
    node: Arc<dyn ExecutionPlan>,
    files: Option<ScannedFiles>,
    partitions: usize,
}

/// What is known of a scan of files before it begins.
#[derive(Debug)]
struct ScannedFiles {
    bytes: u64,
    /// Files, or parts of files where they are split.
    parts: u64,
    rows: Option<u64>,
    /// The format is read from end to end, so bytes read tell how far the scan is.
    is_sequential: bool,
}

impl PlanGauge {
    /// Finds the scans of `plan`.
    pub(crate) fn new(plan: &Arc<dyn ExecutionPlan>) -> Self {
        let mut scans = Vec::new();
        let mut others = Vec::new();
        // Not recursive: plans can be deep.
        let mut pending = vec![Arc::clone(plan)];
        while let Some(node) = pending.pop() {
            let children = node.children();
            pending.extend(children.iter().map(|child| Arc::clone(child)));
            if children.is_empty() {
                scans.push(Scan::new(node));
            } else {
                others.push(node);
            }
        }
        Self {
            scans,
            others,
            last: Reading::default(),
            measured: None,
        }
    }

    /// The plan's state now, or as it was a moment ago if measuring is costly.
    pub(crate) fn read(&mut self) -> Reading {
        if let Some((at, cost)) = self.measured
            && at.elapsed() < INTERVAL_MIN.max(cost * COST_PART)
        {
            return self.last;
        }
        self.read_now()
    }

    /// The plan's state now.
    pub(crate) fn read_now(&mut self) -> Reading {
        let begin = Instant::now();
        let mut reading = Reading::default();
        let mut done_bytes = 0.0;
        for scan in &self.scans {
            let state = scan.read();
            reading.rows_scanned += state.rows;
            reading.bytes_scanned += state.bytes;
            if let Some(files) = &scan.files {
                done_bytes += state.fraction * files.bytes as f64;
                reading.bytes_total = Some(reading.bytes_total.unwrap_or(0) + files.bytes);
            }
        }
        reading.fraction = reading
            .bytes_total
            .filter(|total| *total > 0)
            .map(|total| (done_bytes / total as f64).clamp(0.0, 1.0));
        for metrics in self.others.iter().filter_map(|node| node.metrics()) {
            reading.spilled_bytes += metrics.spilled_bytes().unwrap_or(0) as u64;
            reading.spill_count += metrics.spill_count().unwrap_or(0) as u64;
        }
        // Metrics only grow, but one of them may become known late.
        reading.fraction = match (reading.fraction, self.last.fraction) {
            (Some(now), Some(before)) => Some(now.max(before)),
            (now, before) => now.or(before),
        };
        reading.bytes_scanned = reading.bytes_scanned.max(self.last.bytes_scanned);
        self.last = reading;
        self.measured = Some((Instant::now(), begin.elapsed()));
        reading
    }
}

struct ScanState {
    rows: u64,
    bytes: u64,
    fraction: f64,
}

impl Scan {
    fn new(node: Arc<dyn ExecutionPlan>) -> Self {
        let files = node
            .downcast_ref::<DataSourceExec>()
            .and_then(|exec| exec.data_source().downcast_ref::<FileScanConfig>())
            .map(ScannedFiles::new);
        let partitions = node.properties().output_partitioning().partition_count();
        Self {
            node,
            files,
            partitions,
        }
    }

    fn read(&self) -> ScanState {
        let metrics = self.node.metrics().unwrap_or_default();
        let totals = ScanTotals::new(&metrics);
        let Some(files) = &self.files else {
            return ScanState {
                rows: totals.rows,
                bytes: totals.bytes.unwrap_or(0),
                fraction: 0.0,
            };
        };
        let has_ended = totals.running == 0 && totals.begun.len() >= self.partitions;
        let fraction = if has_ended {
            1.0
        } else {
            files.fraction(&totals)
        };
        let bytes = totals.bytes.unwrap_or_else(|| scale(files.bytes, fraction));
        ScanState {
            rows: totals.rows,
            bytes,
            fraction,
        }
    }
}

impl ScannedFiles {
    fn new(config: &FileScanConfig) -> Self {
        let mut bytes = 0;
        let mut parts = 0;
        for file in config.file_groups.iter().flat_map(|group| group.iter()) {
            bytes += match &file.range {
                Some(range) => u64::try_from(range.end - range.start).unwrap_or(0),
                None => file.object_meta.size,
            };
            parts += 1;
        }
        let rows = config
            .statistics()
            .num_rows
            .get_value()
            .map(|rows| *rows as u64);
        let limit = config.limit.map(|limit| limit as u64);
        Self {
            bytes,
            parts,
            rows: rows.into_iter().chain(limit).min(),
            is_sequential: config.file_source().file_type() != "parquet",
        }
    }

    fn fraction(&self, totals: &ScanTotals) -> f64 {
        let by_files = share(totals.files_processed, Some(self.parts));
        let by_rows = share(totals.rows, self.rows);
        let by_bytes = match totals.bytes {
            Some(bytes) if self.is_sequential => share(bytes, Some(self.bytes)),
            _ => 0.0,
        };
        by_files.max(by_rows).max(by_bytes)
    }
}

/// Sums over the partitions and files of one scan.
#[derive(Default)]
struct ScanTotals {
    rows: u64,
    bytes: Option<u64>,
    files_processed: u64,
    /// Partitions that have begun.
    begun: HashSet<usize>,
    /// Timers that run. Each partition has one; some formats have one for each open file too.
    running: u64,
}

impl ScanTotals {
    fn new(metrics: &MetricsSet) -> Self {
        let mut totals = Self::default();
        for metric in metrics.iter() {
            match metric.value() {
                MetricValue::OutputRows(count) => totals.rows += count.value() as u64,
                MetricValue::Count { name, count } if name == "bytes_scanned" => {
                    totals.bytes = Some(totals.bytes.unwrap_or(0) + count.value() as u64);
                }
                MetricValue::Count { name, count } if name == "files_processed" => {
                    totals.files_processed += count.value() as u64;
                }
                MetricValue::EndTimestamp(at) => {
                    totals.begun.extend(metric.partition());
                    totals.running += u64::from(at.value().is_none());
                }
                _ => {}
            }
        }
        totals
    }
}

fn share(done: u64, total: Option<u64>) -> f64 {
    match total {
        Some(total) if total > 0 => (done as f64 / total as f64).min(1.0),
        _ => 0.0,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates, and both factors are positive"
)]
fn scale(bytes: u64, fraction: f64) -> u64 {
    (bytes as f64 * fraction) as u64
}
