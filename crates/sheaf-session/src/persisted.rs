//! The rows of a persisted view, for whoever reads the view: in memory until that is needed, then
//! on disk. Nothing can be added to them; how they are kept is [`sheaf_operators::stored`]'s.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session as EngineSession, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use sheaf_operators::stored::{StoredRows, StoredScanExec};

/// What a view gave when it was persisted.
#[derive(Debug)]
pub(crate) struct PersistedRows {
    rows: Arc<StoredRows>,
}

impl PersistedRows {
    /// The view that `rows` are of.
    pub(crate) fn new(rows: StoredRows) -> Self {
        let rows = Arc::new(rows);
        Self { rows }
    }
}

/// How `sheaf.memory` and errors name the rows of the view `name`.
pub(crate) fn holder_name(name: &str) -> String {
    format!("view {name}")
}

#[async_trait]
impl TableProvider for PersistedRows {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
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
}
