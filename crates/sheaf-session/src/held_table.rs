//! A table whose rows are in memory, accounted in the memory pool while it lives.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session as EngineSession, TableProvider};
use datafusion::datasource::MemTable;
use datafusion::error::Result as EngineResult;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::{Expr, TableType, dml::InsertOp};
use datafusion::physical_plan::ExecutionPlan;
use sheaf_base::Result;

/// Rows in memory and the reservation that stands for them.
#[derive(Debug)]
pub(crate) struct HeldTable {
    rows: MemTable,
    _reservation: MemoryReservation,
}

impl HeldTable {
    pub(crate) fn try_new(
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
        reservation: MemoryReservation,
    ) -> Result<Self> {
        Ok(Self {
            rows: MemTable::try_new(schema, vec![batches])?,
            _reservation: reservation,
        })
    }
}

#[async_trait]
impl TableProvider for HeldTable {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn EngineSession,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        self.rows.scan(state, projection, filters, limit).await
    }

    async fn insert_into(
        &self,
        state: &dyn EngineSession,
        input: Arc<dyn ExecutionPlan>,
        insert_op: InsertOp,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        self.rows.insert_into(state, input, insert_op).await
    }
}
