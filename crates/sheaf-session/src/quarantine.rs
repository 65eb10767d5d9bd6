//! Bad records that a statement keeps in tables: `read_bag(…, on_error => 'quarantine',
//! quarantine => 'name')`.
//!
//! While the statement runs they are stored like the rows of a created table, in memory until that
//! is needed, then on disk. They become the table, or further rows of it, when the statement has
//! run to its end; if it fails or is stopped, there is nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use parking_lot::Mutex;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_files::{ReadRequest, Rejects, quarantine_of, reject_schema};
use sheaf_operators::stored::StoredRowsWriter;
use sheaf_runtime::EngineRuntime;

use crate::catalog::{Catalog, IfExists, Relation};
use crate::held_table::{HeldTable, holder_name};

/// The quarantines of one statement, by the names of their tables.
///
/// Tasks have this with their settings, and may live a little longer than the session: it keeps
/// neither the tables nor the engine, whose end removes what was spilled.
pub(crate) struct Quarantines {
    catalog: Weak<Catalog>,
    engine: Weak<EngineRuntime>,
    open: Mutex<BTreeMap<String, Arc<Quarantine>>>,
}

/// The rows of one quarantine so far.
struct Quarantine {
    writer: tokio::sync::Mutex<Option<StoredRowsWriter>>,
}

impl std::fmt::Debug for Quarantine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Quarantine")
    }
}

#[async_trait]
impl Rejects for Quarantine {
    async fn add(&self, rejected: &RecordBatch) -> Result<()> {
        match self.writer.lock().await.as_mut() {
            Some(writer) => Ok(writer.append(rejected).await?),
            None => Err(SheafError::internal("a quarantine was closed too early")),
        }
    }
}

/// What keeps the bad records of `request`, if they are wanted.
///
/// # Errors
/// `UserInput` if the table's name stands for something else.
pub(crate) fn rejects(
    request: &ReadRequest,
    state: &SessionState,
) -> Result<Option<Arc<dyn Rejects>>> {
    let quarantines = state.config().get_extension::<Quarantines>();
    match (quarantine_of(request), quarantines) {
        (Some(name), Some(quarantines)) => Ok(Some(quarantines.open(&name.to_lowercase())?)),
        _ => Ok(None),
    }
}

impl Quarantines {
    pub(crate) fn new(catalog: &Arc<Catalog>, engine: &Arc<EngineRuntime>) -> Self {
        Self {
            catalog: Arc::downgrade(catalog),
            engine: Arc::downgrade(engine),
            open: Mutex::default(),
        }
    }

    /// The session's tables and engine.
    fn owners(&self) -> Result<(Arc<Catalog>, Arc<EngineRuntime>)> {
        let owners = self.catalog.upgrade().zip(self.engine.upgrade());
        owners.ok_or_else(|| SheafError::cancelled("the session has ended"))
    }

    fn open(&self, name: &str) -> Result<Arc<Quarantine>> {
        let (catalog, engine) = self.owners()?;
        match catalog.get(name) {
            None => {}
            Some(Relation::Table(table))
                if table.is::<HeldTable>() && table.schema() == reject_schema() => {}
            Some(other) => {
                return Err(SheafError::user(format!(
                    "{} \"{name}\" is no table of rejected records",
                    other.kind()
                ))
                .with_state(SqlState::DUPLICATE_TABLE)
                .with_hint("quarantine takes a new name, or that of an earlier quarantine"));
            }
        }
        let mut open = self.open.lock();
        let quarantine = open.entry(name.to_owned()).or_insert_with(|| {
            let writer = StoredRowsWriter::new(holder_name(name), reject_schema(), &engine);
            Arc::new(Quarantine {
                writer: tokio::sync::Mutex::new(Some(writer)),
            })
        });
        Ok(Arc::clone(quarantine))
    }

    /// Makes tables of what was kept.
    async fn commit(&self) -> Result<()> {
        let (catalog, engine) = self.owners()?;
        let open = std::mem::take(&mut *self.open.lock());
        for (name, quarantine) in open {
            let Some(writer) = quarantine.writer.lock().await.take() else {
                continue;
            };
            let rows = writer.finish().await?;
            if let Some(Relation::Table(table)) = catalog.get(&name)
                && let Some(held) = table.downcast_ref::<HeldTable>()
                && table.schema() == reject_schema()
            {
                held.absorb(rows).await;
                continue;
            }
            let table = HeldTable::new(&name, rows, &engine);
            let relation = Relation::Table(Arc::new(table));
            catalog.put(&name, relation, IfExists::Fail)?;
        }
        Ok(())
    }
}

/// `stream`, at whose end the quarantines of the statement are committed.
pub(crate) fn committing(
    stream: SendableRecordBatchStream,
    state: &SessionState,
) -> SendableRecordBatchStream {
    let quarantines = state.config().get_extension::<Quarantines>();
    let Some(quarantines) = quarantines.filter(|all| !all.open.lock().is_empty()) else {
        return stream;
    };
    let schema = stream.schema();
    let commit = futures::stream::once(async move { quarantines.commit().await });
    let commit = commit.filter_map(|committed| async { committed.err().map(|e| Err(e.into())) });
    // An error ends it before.
    let mut has_failed = false;
    let rows = stream.chain(commit).take_while(move |item| {
        let goes_on = !has_failed;
        has_failed |= item.is_err();
        futures::future::ready(goes_on)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}
