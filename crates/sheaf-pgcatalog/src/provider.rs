//! Tables of the catalogue for statements that read others too.

use std::sync::Arc;

use ::arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::arrow::{batches, schema_of};
use crate::database::{Database, PG_CATALOG, catalog_tables};
use crate::facts::Facts;
use crate::functions::SECRET_TABLES;
use crate::plan::OutColumn;

/// Whether only a superuser may read that table of the catalogue.
#[must_use]
pub fn is_secret(schema: &str, name: &str) -> bool {
    schema == PG_CATALOG && SECRET_TABLES.contains(&name)
}

/// Whether there is such a table of the catalogue; without a schema, in `pg_catalog`.
#[must_use]
pub fn has_table(schema: Option<&str>, name: &str) -> bool {
    catalog_tables().find(schema, name).is_some()
}

/// The table of the catalogue with that name; without a schema, of `pg_catalog`.
#[must_use]
pub fn table(
    schema: Option<&str>,
    name: &str,
    facts: &Arc<Facts>,
) -> Option<Arc<dyn TableProvider>> {
    let index = catalog_tables().find(schema, name)?;
    let columns = catalog_tables().get(index)?.columns.iter();
    let columns: Vec<OutColumn> = columns
        .map(|column| OutColumn::new(column.name, column.type_of))
        .collect();
    Some(Arc::new(CatalogTableProvider {
        schema: schema_of(&columns),
        index,
        columns,
        facts: Arc::clone(facts),
    }))
}

#[derive(Debug)]
struct CatalogTableProvider {
    index: usize,
    columns: Vec<OutColumn>,
    schema: SchemaRef,
    facts: Arc<Facts>,
}

#[async_trait]
impl TableProvider for CatalogTableProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let rows = {
            let database = Database::new(Arc::clone(&self.facts));
            let rows = database.rows(self.index, None)?;
            batches(&rows, &self.columns, &self.schema, &database)?
        };
        let schema = self.schema();
        Ok(MemorySourceConfig::try_new_exec(
            &[rows],
            schema,
            projection.cloned(),
        )?)
    }
}
