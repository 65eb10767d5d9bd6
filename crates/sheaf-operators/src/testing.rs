//! What tests of this crate share: a session with our planners, random tables, rows as text.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session};
use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::TaskContext;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::Analyzer;
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement;
use sheaf_base::SheafError;
use sheaf_sql::StatementKind;

use crate::window::{WindowCallsRule, exclusion_marker};

/// A session as tests need it.
pub(crate) struct TestSession {
    state: SessionState,
}

#[derive(Debug)]
struct TestPlanner;

#[async_trait]
impl QueryPlanner for TestPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        state: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        DefaultPhysicalPlanner::with_extension_planners(crate::extension_planners())
            .create_physical_plan(plan, state)
            .await
    }
}

/// The names of the columns, and the rows as text, values separated by `|`.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) names: Vec<String>,
    pub(crate) rows: Vec<String>,
}

impl Answer {
    /// For answers without ORDER BY.
    pub(crate) fn sorted(mut self) -> Self {
        self.rows.sort();
        self
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.names.join("|"))?;
        self.rows.iter().try_for_each(|row| write!(f, "\n{row}"))
    }
}

impl TestSession {
    pub(crate) fn new(partitions: usize, batch_rows: usize) -> Self {
        Self::with_memory(partitions, batch_rows, usize::MAX)
    }

    pub(crate) fn with_memory(partitions: usize, batch_rows: usize, memory_bytes: usize) -> Self {
        let config = SessionConfig::new()
            .with_target_partitions(partitions)
            .with_batch_size(batch_rows)
            .set_usize("datafusion.execution.sort_spill_reservation_bytes", 1024);
        let runtime = RuntimeEnvBuilder::new().with_memory_limit(memory_bytes, 1.0);
        let mut state = SessionStateBuilder::new()
            .with_default_features()
            .with_config(config)
            .with_runtime_env(runtime.build_arc().unwrap())
            .with_query_planner(Arc::new(TestPlanner))
            .with_relation_planners(crate::relation_planners())
            .with_analyzer_rule(Arc::new(WindowCallsRule))
            .build();
        state.register_udf(exclusion_marker()).unwrap();
        Self { state }
    }

    /// A table of `columns`, cut into `partitions`, each of batches of `batch_rows`.
    pub(crate) fn table(
        &self,
        name: &str,
        columns: Vec<(&str, ArrayRef)>,
        partitions: usize,
        batch_rows: usize,
    ) {
        let whole = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        )
        .unwrap();
        let mut parts = vec![Vec::new(); partitions];
        let mut offset = 0;
        while offset < whole.num_rows() {
            let rows = batch_rows.min(whole.num_rows() - offset);
            parts[(offset / batch_rows) % partitions].push(copy(&whole.slice(offset, rows)));
            offset += rows;
        }
        let table = MemTable::try_new(whole.schema(), parts).unwrap();
        let schema = self.state.schema_for_ref(name).unwrap();
        schema
            .register_table(name.to_owned(), Arc::new(table))
            .unwrap();
    }

    /// Makes a table from a query.
    pub(crate) async fn create(&self, name: &str, sql: &str) {
        let plan = self.plan(sql).await.unwrap();
        let batches = collect(Arc::clone(&plan), self.state.task_ctx())
            .await
            .unwrap();
        let table = MemTable::try_new(plan.schema(), vec![batches]).unwrap();
        let schema = self.state.schema_for_ref(name).unwrap();
        schema
            .register_table(name.to_owned(), Arc::new(table))
            .unwrap();
    }

    /// The engine's own plan, without what our analyzer's rules make of it.
    pub(crate) async fn plan_of_the_engine(&self, sql: &str) -> Arc<dyn ExecutionPlan> {
        let state = SessionStateBuilder::new_from_existing(self.state.clone())
            .with_analyzer_rules(Analyzer::new().rules)
            .build();
        Self { state }.plan(sql).await.unwrap()
    }

    pub(crate) async fn plan(&self, sql: &str) -> Result<Arc<dyn ExecutionPlan>, SheafError> {
        let StatementKind::Query(query) = sheaf_sql::parse(sql)?.remove(0).kind else {
            panic!("{sql} is no query");
        };
        let mut statement = sheaf_sql::ast::Statement::Query(query);
        crate::rewrite(&mut statement)?;
        let plan = self
            .state
            .statement_to_plan(Statement::Statement(Box::new(statement)))
            .await?;
        Ok(self.state.create_physical_plan(&plan).await?)
    }

    pub(crate) fn task_context(&self) -> Arc<TaskContext> {
        self.state.task_ctx()
    }

    /// With as much memory as is given here, apart from the session's.
    pub(crate) fn task_with_memory(&self, memory_bytes: usize) -> Arc<TaskContext> {
        let runtime = RuntimeEnvBuilder::new().with_memory_limit(memory_bytes, 1.0);
        let task = TaskContext::from(&self.state).with_runtime(runtime.build_arc().unwrap());
        Arc::new(task)
    }

    pub(crate) fn display(&self, plan: &Arc<dyn ExecutionPlan>) -> String {
        displayable(plan.as_ref()).indent(false).to_string()
    }

    pub(crate) async fn explain(&self, sql: &str) -> String {
        displayable(self.plan(sql).await.unwrap().as_ref())
            .indent(false)
            .to_string()
    }

    pub(crate) async fn try_run(&self, sql: &str) -> Result<Answer, SheafError> {
        let plan = self.plan(sql).await?;
        let batches = collect(Arc::clone(&plan), self.state.task_ctx()).await?;
        let names = plan
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        Ok(Answer {
            names,
            rows: batches.iter().flat_map(rows_of).collect(),
        })
    }

    pub(crate) async fn run(&self, sql: &str) -> Answer {
        match self.try_run(sql).await {
            Ok(answer) => answer,
            Err(error) => panic!("{sql}: {error:?}"),
        }
    }

    /// An answer, and how often operators wrote to disk for it.
    pub(crate) async fn run_counting_spills(&self, sql: &str) -> (Answer, usize) {
        let plan = self.plan(sql).await.unwrap();
        let batches = collect(Arc::clone(&plan), self.state.task_ctx())
            .await
            .unwrap();
        let mut spill_count = 0;
        let mut plans = vec![plan];
        while let Some(plan) = plans.pop() {
            let metrics = plan.metrics().unwrap_or_default();
            spill_count += metrics.spill_count().unwrap_or(0);
            plans.extend(plan.children().into_iter().cloned());
        }
        (
            Answer {
                names: Vec::new(),
                rows: batches.iter().flat_map(rows_of).collect(),
            },
            spill_count,
        )
    }

    /// The only value of an answer, as a number.
    pub(crate) async fn number(&self, sql: &str) -> f64 {
        self.run(sql).await.rows[0].parse().unwrap()
    }

    pub(crate) async fn error(&self, sql: &str) -> SheafError {
        match self.try_run(sql).await {
            Ok(answer) => panic!("{sql} gave\n{answer}"),
            Err(error) => error,
        }
    }
}

/// A batch that shares no buffers with the whole, as one read from a file would be.
fn copy(batch: &RecordBatch) -> RecordBatch {
    let rows = UInt64Array::from_iter_values(0..batch.num_rows() as u64);
    let columns = batch
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_string_view().gc()) as ArrayRef,
            _ => take(column, &rows, None).unwrap(),
        });
    RecordBatch::try_new(batch.schema(), columns.collect()).unwrap()
}

pub(crate) fn rows_of(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::new().with_null("NULL");
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            let values: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            values.join("|")
        })
        .collect()
}

/// Random numbers that are the same in each run of a test.
pub(crate) struct Lottery(u64);

impl Lottery {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    /// A number below `bound`, or nothing, once in `one_in`.
    pub(crate) fn maybe(&mut self, bound: u64, one_in: u64) -> Option<u64> {
        (self.below(one_in) > 0).then(|| self.below(bound))
    }
}
