//! System tables: what the engine knows of itself, as rows.
//!
//! One list, [`SYSTEM_TABLES`], declares them; each row of it is a name, its columns and the
//! function that makes its rows when it is read.

mod functions;
mod memory;
mod queries;
mod settings;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{Session as EngineSession, TableProvider};
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use sheaf_base::{Result, SheafError};

use crate::session::SessionInner;

/// One system table, as declared.
struct SystemTableDecl {
    name: &'static str,
    columns: &'static [(&'static str, DataType)],
    rows: fn(&SessionInner, SchemaRef) -> Result<RecordBatch>,
}

/// Every table of the schema `sheaf`.
static SYSTEM_TABLES: &[SystemTableDecl] = &[
    SystemTableDecl {
        name: "functions",
        columns: functions::COLUMNS,
        rows: functions::rows,
    },
    SystemTableDecl {
        name: "memory",
        columns: memory::COLUMNS,
        rows: memory::rows,
    },
    SystemTableDecl {
        name: "queries",
        columns: queries::COLUMNS,
        rows: queries::rows,
    },
    SystemTableDecl {
        name: "settings",
        columns: settings::COLUMNS,
        rows: settings::rows,
    },
];

pub(crate) use functions::function_list;

/// The providers of all system tables of one session.
pub(crate) fn tables(
    session: &Weak<SessionInner>,
) -> BTreeMap<&'static str, Arc<dyn TableProvider>> {
    SYSTEM_TABLES
        .iter()
        .map(|decl| {
            let table = SystemTable {
                decl,
                schema: decl.schema(),
                session: Weak::clone(session),
            };
            (decl.name, Arc::new(table) as Arc<dyn TableProvider>)
        })
        .collect()
}

/// Their names and columns.
pub(crate) fn schemas() -> Vec<(&'static str, SchemaRef)> {
    let tables = SYSTEM_TABLES.iter();
    tables.map(|decl| (decl.name, decl.schema())).collect()
}

impl SystemTableDecl {
    fn schema(&self) -> SchemaRef {
        let columns = self.columns.iter();
        let fields = columns.map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

struct SystemTable {
    decl: &'static SystemTableDecl,
    schema: SchemaRef,
    session: Weak<SessionInner>,
}

impl std::fmt::Debug for SystemTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SystemTable({})", self.decl.name)
    }
}

#[async_trait]
impl TableProvider for SystemTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _state: &dyn EngineSession,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let session = self
            .session
            .upgrade()
            .ok_or_else(|| SheafError::internal("the session has ended"))?;
        let batch = (self.decl.rows)(&session, self.schema())?;
        let plan =
            MemorySourceConfig::try_new_exec(&[vec![batch]], self.schema(), projection.cloned())?;
        Ok(plan)
    }
}
