//! A table that holds its own rows (`CREATE TABLE`): in memory until that is needed, then on disk.
//!
//! How rows are kept is [`sheaf_operators::stored`]'s; here is what the planner asks of a table.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session as EngineSession, TableProvider};
use datafusion::common::SchemaExt;
use datafusion::common::stats::Precision;
use datafusion::common::{Statistics, not_impl_err};
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::error::Result as EngineResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType, dml::InsertOp};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use futures::StreamExt;
use sheaf_operators::stored::{StoredRows, StoredRowsWriter, StoredScanExec};
use sheaf_runtime::EngineRuntime;

/// A created table.
#[derive(Debug)]
pub(crate) struct HeldTable {
    name: String,
    rows: Arc<StoredRows>,
    engine: Arc<EngineRuntime>,
}

impl HeldTable {
    /// The table `name` of `rows`, which further rows are stored behind.
    pub(crate) fn new(name: &str, rows: StoredRows, engine: &Arc<EngineRuntime>) -> Self {
        Self {
            name: name.to_owned(),
            rows: Arc::new(rows),
            engine: Arc::clone(engine),
        }
    }
}

impl HeldTable {
    /// Stores further rows behind those that are there.
    pub(crate) async fn absorb(&self, rows: StoredRows) {
        self.rows.absorb(rows).await;
    }
}

/// How `sheaf.memory` and errors name the rows of the table `name`.
pub(crate) fn holder_name(name: &str) -> String {
    format!("table {name}")
}

#[async_trait]
impl TableProvider for HeldTable {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn statistics(&self) -> Option<Statistics> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        statistics.num_rows = Precision::Exact(self.rows.row_count());
        Some(statistics)
    }

    async fn scan(
        &self,
        _state: &dyn EngineSession,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let scan = StoredScanExec::try_new(Arc::clone(&self.rows), projection.cloned())?;
        Ok(Arc::new(scan))
    }

    async fn insert_into(
        &self,
        _state: &dyn EngineSession,
        input: Arc<dyn ExecutionPlan>,
        insert_op: InsertOp,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        self.schema()
            .logically_equivalent_names_and_types(&input.schema())?;
        if insert_op != InsertOp::Append {
            return not_impl_err!("{insert_op} into a table");
        }
        let sink = TableSink {
            name: self.name.clone(),
            rows: Arc::clone(&self.rows),
            schema: self.schema(),
            engine: Arc::clone(&self.engine),
        };
        Ok(Arc::new(DataSinkExec::new(input, Arc::new(sink), None)))
    }
}

/// The end of an INSERT: all of its rows are seen at once, or none.
#[derive(Debug)]
struct TableSink {
    name: String,
    rows: Arc<StoredRows>,
    schema: SchemaRef,
    engine: Arc<EngineRuntime>,
}

#[async_trait]
impl DataSink for TableSink {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    async fn write_all(
        &self,
        mut data: SendableRecordBatchStream,
        _context: &Arc<TaskContext>,
    ) -> EngineResult<u64> {
        let name = holder_name(&self.name);
        let mut writer = StoredRowsWriter::new(name, Arc::clone(&self.schema), &self.engine);
        while let Some(batch) = data.next().await {
            writer.append(&batch?).await?;
        }
        let inserted = writer.finish().await?;
        let row_count = inserted.row_count() as u64;
        self.rows.absorb(inserted).await;
        Ok(row_count)
    }
}

impl DisplayAs for TableSink {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&holder_name(&self.name))
    }
}
