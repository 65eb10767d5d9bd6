//! The table of what is made of arrays.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result, Statistics, stats::Precision};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use sheaf_arrays::Array;

use crate::arguments::ArrayArgument;
use crate::cells::Cells;
use crate::exec::ArrayExec;
use crate::rows::{RowSource, Wanted};

/// Rows that are made of arrays when they are read.
#[derive(Debug)]
pub struct ArrayTable {
    source: Arc<dyn RowSource>,
    cells: Vec<Arc<Cells>>,
}

impl ArrayTable {
    /// The rows of `source`, which needs `cells`.
    #[must_use]
    pub fn new(source: Arc<dyn RowSource>, cells: Vec<Arc<Cells>>) -> Self {
        Self { source, cells }
    }

    /// The array whose chunks these rows are, where they are.
    #[must_use]
    pub fn array(&self) -> Option<ArrayArgument> {
        let array: &Array = self.source.array()?;
        Some(ArrayArgument {
            array: array.clone(),
            cells: self.cells.clone(),
            number: None,
        })
    }
}

#[async_trait]
impl TableProvider for ArrayTable {
    fn schema(&self) -> SchemaRef {
        self.source.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn statistics(&self) -> Option<Statistics> {
        let rows = usize::try_from(self.source.row_count()?).ok()?;
        let mut statistics = Statistics::new_unknown(&self.schema());
        statistics.num_rows = Precision::Exact(rows);
        Some(statistics)
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| self.source.takes(filter))
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.schema();
        let columns = projection
            .cloned()
            .unwrap_or_else(|| (0..schema.fields().len()).collect());
        let condition = match conjunction(filters.to_vec()) {
            None => None,
            Some(condition) => {
                let schema = DFSchema::try_from(Arc::clone(&schema))?;
                Some(state.create_physical_expr(condition, &schema)?)
            }
        };
        let mut inputs = Vec::with_capacity(self.cells.len());
        for cells in &self.cells {
            let plan = state.create_physical_plan(cells.plan()).await?;
            inputs.push((Arc::clone(cells), plan));
        }
        let wanted = Wanted {
            columns,
            conditions: filters.to_vec(),
            condition,
            batch_rows: 0,
        };
        let exec = ArrayExec::try_new(Arc::clone(&self.source), wanted, inputs, limit)?;
        Ok(Arc::new(exec))
    }
}
