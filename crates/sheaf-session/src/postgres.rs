//! PostgreSQL's catalogue of a session: what the session tells of itself, and where statements about
//! the catalogue leave the way of others.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use arrow::datatypes::SchemaRef;
use datafusion::execution::SessionState;
use datafusion::execution::registry::FunctionRegistry;
use datafusion::logical_expr::{LogicalPlan, ScalarUDF};
use datafusion::sql::sqlparser::ast;
use sheaf_base::settings::Layer;
use sheaf_base::{Result, SheafError};
use sheaf_functions::fold::Fold;
use sheaf_pgcatalog::{
    Concern, EngineFunctions, Facts, FactsSource, Function, Late, Relation, RelationKind,
    SERVER_VERSION, Setting, concerns, is_ours, scalar_functions,
};

use crate::access::Access;
use crate::apply::effective_value;
use crate::binder::names_files;
use crate::catalog::{self, CATALOG_NAME, PUBLIC_SCHEMA};
use crate::session::SessionInner;
use crate::system::{function_list, schemas};

/// The schema whose tables are found without it.
pub(crate) const PG_CATALOG: &str = "pg_catalog";

/// What a session tells of itself: what it may see, and no more. Lists are made when they are read.
pub(crate) fn facts(session: &SessionInner) -> Facts {
    Facts {
        database: CATALOG_NAME.to_owned(),
        identity: session.identity.read().clone(),
        version: format!(
            "PostgreSQL {SERVER_VERSION} (Sheaf {})",
            env!("CARGO_PKG_VERSION")
        ),
        relations: late(session, relations),
        functions: late(session, functions),
        settings: late(session, settings),
    }
}

/// What `find` finds when it is asked for; nothing when the session has ended.
fn late<T: 'static>(session: &SessionInner, find: fn(&SessionInner) -> Vec<T>) -> Late<Vec<T>> {
    let session = Weak::clone(&session.this);
    Late::new(Box::new(move || {
        let session = session.upgrade();
        session.map_or_else(Vec::new, |session| find(&session))
    }))
}

fn relations(session: &SessionInner) -> Vec<Relation> {
    let own = session.catalog.list().into_iter();
    let own = own.map(|(name, relation)| own_relation(&session.access, name, &relation));
    let may_read = |name: &str| session.access.check_system_table("sheaf", name).is_ok();
    let system = schemas().into_iter().filter(|(name, _)| may_read(name));
    let system = system.map(|(name, columns)| Relation {
        schema: "sheaf",
        name: name.to_owned(),
        kind: RelationKind::View,
        columns,
        definition: None,
    });
    own.chain(system).collect()
}

fn own_relation(access: &Access, name: String, relation: &catalog::Relation) -> Relation {
    let columns: SchemaRef = relation.schema();
    let (kind, definition) = match relation {
        catalog::Relation::View(view) => {
            let kind = match view.rows {
                Some(_) => RelationKind::MaterializedView,
                None => RelationKind::View,
            };
            // Who may name no paths is told of none.
            let is_told = access.is_process() || !names_files(&view.query);
            // One blank before it, as PostgreSQL prints them.
            (kind, is_told.then(|| format!(" {};", view.query)))
        }
        catalog::Relation::Files(_) | catalog::Relation::Table(_) => (RelationKind::Table, None),
    };
    Relation {
        schema: PUBLIC_SCHEMA,
        name,
        kind,
        columns,
        definition,
    }
}

fn functions(session: &SessionInner) -> Vec<Function> {
    let state = Arc::clone(session.state.read().functions());
    let state = &state;
    let is_users = |name: &str| {
        let found = state.aggregate_functions().get(name);
        found.is_some_and(|function| Fold::of(function).is_some())
    };
    let own = session.catalog.functions.all();
    let all = function_list(state, &own, &session.access);
    let all = all.into_iter().map(|function| Function {
        is_users: function.parameters.is_some() || is_users(&function.name),
        name: function.name,
        kind: function.kind,
        description: function.description,
    });
    all.collect()
}

fn settings(session: &SessionInner) -> Vec<Setting> {
    let state = session.state.read().clone();
    let settings = session.settings.read();
    let all = settings.iter().map(|(setting, value, layer)| Setting {
        name: setting.name.to_owned(),
        value: effective_value(setting.name, value, &session.engine, state.config()),
        default: setting.default.to_owned(),
        source: match layer {
            Layer::Default => "default",
            Layer::File => "configuration file",
            Layer::Environment => "environment variable",
            Layer::CommandLine => "command line",
            Layer::Session => "session",
        },
        description: setting.doc.to_owned(),
    });
    all.collect()
}

/// Functions of the engine's that know of no session and no database: ours take their place.
const REPLACED: &[&str] = &[
    "version",
    "current_database",
    "current_catalog",
    "current_schema",
    "current_user",
    "current_role",
    "session_user",
    "user",
];

/// Registers PostgreSQL's functions that the engine lacks, or has for nobody in particular.
///
/// # Errors
/// `Internal` if the engine refuses one.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    let is_kept = |name: &str| !REPLACED.contains(&name) && has_function(state, name);
    for function in scalar_functions(&is_kept) {
        state.register_udf(Arc::new(function))?;
    }
    Ok(())
}

/// What those functions find out of the session that a statement is of.
pub(crate) fn facts_source(session: &Weak<SessionInner>) -> FactsSource {
    let session = Weak::clone(session);
    FactsSource::new(move || {
        let session = session.upgrade();
        let session = session.ok_or_else(|| SheafError::internal("the session has ended"))?;
        Ok(Arc::new(facts(&session)))
    })
}

/// Whether the engine itself has a function of that name.
fn has_function(state: &SessionState, name: &str) -> bool {
    let found = state.scalar_functions().get(name);
    found.is_some_and(|function| !is_ours(function))
        || state.higher_order_functions().contains_key(name)
        || state.aggregate_functions().contains_key(name)
}

/// Plans a query if it is about the catalogue alone.
///
/// # Errors
/// `UserInput` if it names what is not there, or what the session may not read.
pub(crate) fn plan(
    session: &SessionInner,
    state: &SessionState,
    query: &ast::Query,
) -> Result<CatalogPlan> {
    let is_own = |name: &str| session.catalog.get(name).is_some();
    let has_function = |name: &str| has_function(state, name);
    if concerns(query, &is_own, &has_function) == Concern::Other {
        return Ok(CatalogPlan::Other);
    }
    let functions: HashMap<String, Arc<ScalarUDF>> = state
        .scalar_functions()
        .iter()
        .filter(|(_, function)| !is_ours(function))
        .map(|(name, function)| (name.clone(), Arc::clone(function)))
        .collect();
    let engine = EngineFunctions::new(functions, Arc::clone(state.config_options()));
    match sheaf_pgcatalog::plan(query, Arc::new(facts(session)), &engine) {
        Ok(plan) => Ok(CatalogPlan::Planned(plan)),
        Err(error) if sheaf_pgcatalog::may_be_engines(&error) => Ok(CatalogPlan::Refused(error)),
        Err(error) => Err(error),
    }
}

/// What became of a query.
pub(crate) enum CatalogPlan {
    /// It is about the catalogue, and this is its plan.
    Planned(LogicalPlan),
    /// It is about the catalogue, in a form that only the engine may have.
    Refused(SheafError),
    /// It is about something else.
    Other,
}
