//! One operator of a plan, as it is shown.

use std::time::Duration;

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::metrics::MetricValue;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use sheaf_base::{ByteCount, RowCount};

/// Scanned columns that are named before the rest is counted.
const COLUMNS_SHOWN_MAX: usize = 8;

/// An operator with what it did and what feeds it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlanNode {
    /// The operator's name in words (`Hash Join`).
    pub(crate) name: String,
    /// What it works on, in the engine's notation.
    pub(crate) details: String,
    /// The columns that it gives.
    pub(crate) output: Vec<String>,
    /// What it measured, if it ran.
    pub(crate) measured: Option<Measured>,
    /// Its inputs.
    pub(crate) children: Vec<PlanNode>,
}

/// What one operator measured over all its partitions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    pub(crate) rows: Option<RowCount>,
    /// Processor time, summed over partitions.
    pub(crate) cpu: Option<Duration>,
    pub(crate) memory_peak: Option<ByteCount>,
    pub(crate) spilled: Option<ByteCount>,
}

impl PlanNode {
    /// The tree below `plan`; `with_metrics` after it ran.
    pub(crate) fn of(plan: &dyn ExecutionPlan, with_metrics: bool) -> Self {
        // Yielding is no work that anybody would look for in a plan.
        if plan.name() == "CooperativeExec"
            && let [input] = plan.children().as_slice()
        {
            return Self::of(input.as_ref(), with_metrics);
        }
        let (name, details) = match scan_details(plan) {
            Some(details) => ("Scan".to_owned(), details),
            None => (words(plan.name()), details(plan)),
        };
        Self {
            name,
            details,
            output: output(plan),
            measured: with_metrics.then(|| measured(plan)),
            children: plan
                .children()
                .into_iter()
                .map(|child| Self::of(child.as_ref(), with_metrics))
                .collect(),
        }
    }
}

fn output(plan: &dyn ExecutionPlan) -> Vec<String> {
    let schema = plan.schema();
    schema.fields().iter().map(|f| f.name().clone()).collect()
}

fn measured(plan: &dyn ExecutionPlan) -> Measured {
    let metrics = plan.metrics().map(|metrics| metrics.aggregate_by_name());
    let mut memory_peak: Option<usize> = None;
    if let Some(metrics) = &metrics {
        for metric in metrics.iter() {
            if let MetricValue::Gauge { name, gauge } = metric.value()
                && name.contains("mem")
            {
                memory_peak = Some(memory_peak.unwrap_or(0).max(gauge.value()));
            }
        }
    }
    let bytes = |n: Option<usize>| n.filter(|n| *n > 0).map(ByteCount::from);
    Measured {
        rows: metrics
            .as_ref()
            .and_then(|m| m.output_rows())
            .map(|n| RowCount(n as u64)),
        cpu: metrics
            .as_ref()
            .and_then(|m| m.elapsed_compute())
            .map(|nanos| Duration::from_nanos(nanos as u64)),
        memory_peak: bytes(memory_peak),
        spilled: bytes(metrics.as_ref().and_then(|m| m.spilled_bytes())),
    }
}

/// A scan of files says what it reads: format, number of files, size, columns, filter.
fn scan_details(plan: &dyn ExecutionPlan) -> Option<String> {
    let scan = plan.downcast_ref::<DataSourceExec>()?;
    let config = scan.data_source().downcast_ref::<FileScanConfig>()?;
    let files = config.file_groups.iter().flat_map(|group| group.iter());
    let (mut count, mut bytes, mut last) = (0_u64, 0_u64, None);
    for file in files {
        if last != Some(&file.object_meta.location) {
            count += 1;
            last = Some(&file.object_meta.location);
        }
        bytes += match &file.range {
            Some(range) => u64::try_from(range.end - range.start).unwrap_or(0),
            None => file.object_meta.size,
        };
    }
    let source = config.file_source();
    let plural = if count == 1 { "" } else { "s" };
    let mut text = format!(
        "{} {count} file{plural}, {}",
        source.file_type(),
        ByteCount(bytes)
    );
    let schema = plan.schema();
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let shown = names.len().min(COLUMNS_SHOWN_MAX);
    text.push_str(&format!(", columns: {}", names[..shown].join(", ")));
    if names.len() > shown {
        text.push_str(&format!(", … ({})", names.len()));
    }
    if let Some(filter) = source.filter() {
        text.push_str(&format!(
            ", filter: {}",
            without_indexes(&filter.to_string())
        ));
    }
    if let Some(limit) = config.limit {
        text.push_str(&format!(", limit: {limit}"));
    }
    Some(text)
}

fn details(plan: &dyn ExecutionPlan) -> String {
    let line = displayable(plan).one_line().to_string();
    let line = line.trim();
    let details = line.strip_prefix(plan.name()).unwrap_or(line);
    without_indexes(details.trim_start_matches([':', ' ']))
}

/// `HashJoinExec` → `Hash Join`.
fn words(name: &str) -> String {
    let name = name.strip_suffix("Exec").unwrap_or(name);
    let mut out = String::with_capacity(name.len() + 4);
    for (index, letter) in name.char_indices() {
        if index > 0 && letter.is_uppercase() {
            out.push(' ');
        }
        out.push(letter);
    }
    out
}

/// Removes the engine's column numbers: `region@0` → `region`.
pub(super) fn without_indexes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let after = &rest[at + 1..];
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        out.push_str(&rest[..at]);
        if digits == 0 {
            out.push('@');
        }
        rest = &after[digits..];
    }
    out.push_str(rest);
    out
}
