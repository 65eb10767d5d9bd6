//! Tables that the engine makes of itself: PostgreSQL's catalogue and the schema `sheaf`.

use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::TableSource;
use sheaf_base::Result;

use super::Binder;
use super::open::Opened;
use crate::postgres::{self, PG_CATALOG};

impl Binder<'_> {
    /// Opens the system table that `reference` names, if there is one.
    ///
    /// # Errors
    /// `UserInput` if the session may not read it.
    pub(super) async fn open_system(
        self,
        reference: TableReference,
    ) -> Result<Option<Arc<dyn TableSource>>> {
        if let Some(opened) = self.open_postgres(&reference)? {
            return Ok(Some(opened.source));
        }
        let table = reference.table().to_owned();
        let schema_name = reference.schema().unwrap_or_default().to_owned();
        let Ok(schema) = self.state.schema_for_ref(reference) else {
            return Ok(None);
        };
        let Some(provider) = schema.table(&table).await? else {
            return Ok(None);
        };
        self.access.check_system_table(&schema_name, &table)?;
        Ok(Some(provider_as_source(provider)))
    }

    /// Opens a table of PostgreSQL's catalogue, for a statement that reads others too.
    ///
    /// # Errors
    /// `UserInput` if the session may not read it.
    pub(super) fn open_postgres(self, reference: &TableReference) -> Result<Option<Opened>> {
        let (schema, table) = (reference.schema(), reference.table());
        if !sheaf_pgcatalog::has_table(schema, table) {
            return Ok(None);
        }
        self.access
            .check_system_table(schema.unwrap_or(PG_CATALOG), table)?;
        let facts = Arc::new(postgres::facts(self.session));
        let provider = sheaf_pgcatalog::table(schema, table, &facts);
        Ok(provider.map(|provider| Opened::other(provider_as_source(provider))))
    }
}
