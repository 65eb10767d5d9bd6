//! Starting a session: settings from their layers, the engine, the state with its functions and
//! rules.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use datafusion::execution::FunctionRegistry;
use datafusion::execution::object_store::DefaultObjectStoreRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::prelude::SessionConfig;
use parking_lot::{Mutex, RwLock};
use sheaf_bags::planner::VariantPlanner;
use sheaf_base::settings::{Layer, Settings};
use sheaf_base::{ByteCount, Result, SheafError};
use sheaf_runtime::{EngineRuntime, RuntimeOptions};
use sheaf_udf::Language;

use crate::access::Access;
use crate::apply::apply_settings;
use crate::catalog::{CATALOG_NAME, Catalog, PUBLIC_SCHEMA, catalog_list};
use crate::engine_state::EngineState;
use crate::languages::Languages;
use crate::planner::SheafQueryPlanner;
use crate::session::{Session, SessionInner};
use crate::system;
use crate::versioned::Versioned;

/// Collects what a session starts with. Settings may come in any order: layers decide.
#[derive(Debug, Default)]
pub struct SessionBuilder {
    settings: Settings,
    environment: HashMap<String, String>,
    engine: Option<Arc<EngineRuntime>>,
    languages: Languages,
}

impl SessionBuilder {
    /// Gives a setting its value, as a command-line option does.
    ///
    /// # Errors
    /// `UserInput` if there is no such setting, or it does not take the value.
    pub fn setting(mut self, name: &str, value: &str) -> Result<Self> {
        self.settings.set(name, value, Layer::CommandLine)?;
        Ok(self)
    }

    /// Reads a configuration file's text: lines `name = value`, `#` begins a comment.
    ///
    /// # Errors
    /// `UserInput` with the number of the first line that is wrong.
    pub fn config_text(mut self, text: &str) -> Result<Self> {
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let at = |error: SheafError| error.with_context(format!("line {}", index + 1));
            let (name, value) = line
                .split_once('=')
                .ok_or_else(|| at(SheafError::user("expected name = value")))?;
            let value = value.trim().trim_matches(['"', '\'']);
            self.settings
                .set(name.trim(), value, Layer::File)
                .map_err(at)?;
        }
        Ok(self)
    }

    /// Takes the environment: `SHEAF_…` variables are settings, the usual ones of S3, GCS and
    /// Azure credentials. Without this call the environment is not read.
    ///
    /// # Errors
    /// `UserInput` if a `SHEAF_…` variable has a value its setting cannot take.
    pub fn environment(
        mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        self.environment.extend(variables);
        for setting in sheaf_base::settings::SETTINGS {
            let variable = setting.environment_name();
            if let Some(value) = self.environment.get(&variable) {
                self.settings
                    .set(setting.name, value, Layer::Environment)
                    .map_err(|error| error.with_context(variable))?;
            }
        }
        Ok(self)
    }

    /// Shares the engine (threads, memory, spill space) of another session of this process.
    #[must_use]
    pub fn engine(mut self, engine: Arc<EngineRuntime>) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Adds a language for `CREATE FUNCTION … LANGUAGE name`; one of that name is replaced.
    #[must_use]
    pub fn language(mut self, name: &str, language: Arc<dyn Language>) -> Self {
        self.languages.add(name, language);
        self
    }

    /// Bytes that queries may hold in all, as the settings so far have it.
    #[must_use]
    pub fn memory_limit(&self) -> ByteCount {
        runtime_options(&self.settings).memory_limit
    }

    /// Starts the session.
    ///
    /// # Errors
    /// `Resource` if the engine's threads or its temporary directory cannot be had.
    pub fn build(self) -> Result<Session> {
        let engine = match self.engine {
            Some(engine) => engine,
            None => EngineRuntime::new(runtime_options(&self.settings))?,
        };
        self.languages.apply(&self.settings);
        let catalog = Arc::new(Catalog::default());
        let mut completed = Ok(());
        let inner = Arc::new_cyclic(|session: &Weak<SessionInner>| {
            let mut state = session_state(&engine);
            completed = complete(&mut state, &self.settings, &engine);
            SessionInner {
                this: Weak::clone(session),
                access: Access::Process,
                catalogs: catalog_list(&catalog, system::tables(session)),
                engine: Arc::clone(&engine),
                settings: Versioned::new(Arc::new(self.settings)),
                catalog,
                state: Versioned::new(EngineState::new(state)),
                prepared: Mutex::default(),
                kept: Arc::default(),
                identity: RwLock::default(),
                environment: self.environment.into_iter().collect(),
                languages: self.languages,
                templates: Arc::default(),
            }
        });
        completed?;
        Ok(Session { inner })
    }
}

fn runtime_options(settings: &Settings) -> RuntimeOptions {
    let auto = RuntimeOptions::default();
    RuntimeOptions {
        threads: settings.count("threads").unwrap_or(auto.threads),
        memory_limit: settings.bytes("memory_limit").unwrap_or(auto.memory_limit),
        temp_directory: settings.string("temp_directory").map(PathBuf::from),
        temp_bytes_max: settings
            .bytes("max_temp_directory_size")
            .unwrap_or(auto.temp_bytes_max),
    }
}

fn session_state(engine: &EngineRuntime) -> SessionState {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG_NAME, PUBLIC_SCHEMA)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true);
    sheaf_optimizer::engine_options(config.options_mut());
    // Stores are found by their buckets, and keep credentials, which are the session's own.
    let runtime = RuntimeEnv {
        object_store_registry: Arc::new(DefaultObjectStoreRegistry::new()),
        ..engine.runtime_env().as_ref().clone()
    };
    let mut builder = SessionStateBuilder::new();
    // The first planner that knows an operator plans it.
    let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(VariantPlanner)];
    planners.extend(sheaf_functions::expression_planners());
    builder = builder.with_expr_planners(planners);
    builder
        .with_config(config)
        .with_runtime_env(Arc::new(runtime))
        .with_default_features()
        .with_analyzer_rules(sheaf_optimizer::analyzer_rules())
        .with_optimizer_rules(sheaf_optimizer::logical_rules())
        .with_physical_optimizer_rules(sheaf_optimizer::physical_rules())
        .with_query_planner(Arc::new(SheafQueryPlanner::new()))
        .with_relation_planners(sheaf_operators::relation_planners())
        .build()
}

/// Adds Sheaf's functions to the engine's, and carries the settings into the state.
fn complete(state: &mut SessionState, settings: &Settings, engine: &EngineRuntime) -> Result<()> {
    sheaf_functions::register(state)?;
    let (scalars, aggregates) = sheaf_array_relations::tensor_functions();
    for function in scalars {
        state.register_udf(Arc::new(function))?;
    }
    for function in aggregates {
        state.register_udaf(Arc::new(function))?;
    }
    state.register_udf(sheaf_operators::window::exclusion_marker())?;
    crate::postgres::register(state)?;
    apply_settings(settings, engine, state.config_mut().options_mut())
}
