//! The catalogue as the engine sees it: one catalogue `sheaf` with the schemas `public` (the
//! user's names) and `sheaf` (system tables). The binder resolves names by itself; this view of
//! them serves `information_schema` only.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProviderList, SchemaProvider, TableProvider,
};
use datafusion::datasource::ViewTable;
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::LogicalPlanBuilder;

use super::{Catalog, Relation};

/// The name of the only catalogue.
pub(crate) const CATALOG_NAME: &str = "sheaf";
/// The schema of the user's names.
pub(crate) const PUBLIC_SCHEMA: &str = "public";
/// The schema of system tables.
pub(crate) const SYSTEM_SCHEMA: &str = "sheaf";

/// System tables by name.
pub(crate) type SystemTables = BTreeMap<&'static str, Arc<dyn TableProvider>>;

/// The catalogue `sheaf`.
pub(crate) struct SheafCatalog {
    public: Arc<PublicSchema>,
    system: Arc<SystemSchema>,
}

/// A list of catalogues that holds the one of this session.
pub(crate) fn catalog_list(
    catalog: &Arc<Catalog>,
    system: SystemTables,
) -> Arc<dyn CatalogProviderList> {
    let list = MemoryCatalogProviderList::new();
    let sheaf = SheafCatalog {
        public: Arc::new(PublicSchema {
            catalog: Arc::clone(catalog),
        }),
        system: Arc::new(SystemSchema { tables: system }),
    };
    list.register_catalog(CATALOG_NAME.to_owned(), Arc::new(sheaf));
    Arc::new(list)
}

impl std::fmt::Debug for SheafCatalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SheafCatalog")
    }
}

impl CatalogProvider for SheafCatalog {
    fn schema_names(&self) -> Vec<String> {
        vec![PUBLIC_SCHEMA.to_owned(), SYSTEM_SCHEMA.to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        match name {
            PUBLIC_SCHEMA => Some(Arc::clone(&self.public) as _),
            SYSTEM_SCHEMA => Some(Arc::clone(&self.system) as _),
            _ => None,
        }
    }
}

struct PublicSchema {
    catalog: Arc<Catalog>,
}

impl std::fmt::Debug for PublicSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PublicSchema")
    }
}

#[async_trait]
impl SchemaProvider for PublicSchema {
    fn table_names(&self) -> Vec<String> {
        self.catalog
            .list()
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    async fn table(&self, name: &str) -> EngineResult<Option<Arc<dyn TableProvider>>> {
        let Some(relation) = self.catalog.get(name) else {
            return Ok(None);
        };
        let schema = relation.schema();
        let provider: Arc<dyn TableProvider> = match relation {
            Relation::Table(table) => table,
            Relation::Files(_) => Arc::new(EmptyTable::new(schema)),
            // Only its columns and its text are asked for here.
            Relation::View(view) => {
                let columns = Arc::new(EmptyTable::new(schema)) as Arc<dyn TableProvider>;
                let source = datafusion::datasource::provider_as_source(columns);
                let plan = LogicalPlanBuilder::scan(name, source, None)?.build()?;
                Arc::new(ViewTable::new(plan, Some(view.text)))
            }
        };
        Ok(Some(provider))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.catalog.get(name).is_some()
    }
}

struct SystemSchema {
    tables: SystemTables,
}

impl std::fmt::Debug for SystemSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SystemSchema")
    }
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        self.tables.keys().map(|name| (*name).to_owned()).collect()
    }

    async fn table(&self, name: &str) -> EngineResult<Option<Arc<dyn TableProvider>>> {
        Ok(self.tables.get(name).cloned())
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.contains_key(name)
    }
}
