//! What EXPLAIN ANALYZE shows of a join, by the names of the engine's own join.

use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder, SpillMetrics, Time,
};

/// The metrics of one partition.
#[derive(Debug, Clone)]
pub(super) struct JoinMetrics {
    pub(super) baseline: BaselineMetrics,
    pub(super) build_time: Time,
    pub(super) join_time: Time,
    pub(super) build_input_batches: Count,
    pub(super) build_input_rows: Count,
    /// Bytes of the build side in memory, at most.
    pub(super) build_mem_used: Gauge,
    pub(super) input_batches: Count,
    pub(super) input_rows: Count,
    pub(super) spill: SpillMetrics,
}

impl JoinMetrics {
    pub(super) fn new(partition: usize, metrics: &ExecutionPlanMetricsSet) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        Self {
            baseline: BaselineMetrics::new(metrics, partition),
            build_time: MetricBuilder::new(metrics).subset_time("build_time", partition),
            join_time: MetricBuilder::new(metrics).subset_time("join_time", partition),
            build_input_batches: counter("build_input_batches"),
            build_input_rows: counter("build_input_rows"),
            build_mem_used: MetricBuilder::new(metrics)
                .peak_memory_usage("build_mem_used", partition),
            input_batches: counter("input_batches"),
            input_rows: counter("input_rows"),
            spill: SpillMetrics::new(metrics, partition),
        }
    }
}
