//! Queries about PostgreSQL's catalogue alone, which leave the way of others here.

use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast;
use futures::future::{BoxFuture, FutureExt};
use sheaf_base::Result;

use super::references::{Reference, references};
use super::{Binder, functions, table_reference};
use crate::postgres::{self, CatalogPlan};

impl<'a> Binder<'a> {
    /// Plans any statement that the engine's planner knows, and queries about PostgreSQL's catalogue.
    pub(crate) fn plan(self, statement: ast::Statement) -> BoxFuture<'a, Result<LogicalPlan>> {
        async move {
            match self.catalog_plan(&statement)? {
                CatalogPlan::Planned(plan) => Ok(plan),
                CatalogPlan::Other => self.engine_plan(statement).await,
                CatalogPlan::Refused(error) => {
                    let planned = self.engine_plan(statement).await;
                    planned.map_err(|_| error)
                }
            }
        }
        .boxed()
    }

    /// Plans a statement that is about the catalogue alone.
    fn catalog_plan(self, statement: &ast::Statement) -> Result<CatalogPlan> {
        let ast::Statement::Query(query) = statement else {
            return Ok(CatalogPlan::Other);
        };
        // What these stand for may be about something else.
        if functions::are_called(statement, self) {
            return Ok(CatalogPlan::Other);
        }
        let plan = postgres::plan(self.session, self.state, query)?;
        if let CatalogPlan::Planned(_) = plan {
            for reference in references(statement) {
                if let Reference::Name(name) = reference {
                    let table = table_reference(&name)?;
                    let schema = table.schema().unwrap_or(postgres::PG_CATALOG);
                    if sheaf_pgcatalog::is_secret(schema, table.table()) {
                        self.access.check_system_table(schema, table.table())?;
                    }
                }
            }
        }
        Ok(plan)
    }
}
