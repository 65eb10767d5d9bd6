//! A function of a module, and its instances: a pool in each query that calls it.
//!
//! An instance is called by one thread at a time. Between calls it waits in the query's pool, with what it
//! has computed for itself (a table, say), and with the memory that it has reserved. It never serves
//! another query: who calls cannot see what others were called with.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::execution::memory_pool::{MemoryPool, UnboundedMemoryPool};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_udf::{CallContext, Code, Declaration};
use tokio_util::sync::CancellationToken;
use wasmtime::{InstancePre, Module};

use crate::host::{Host, IN_QUERY, IN_TRIAL, Limits};
use crate::instance::Instance;
use crate::machine::{self, Machine};

/// Instances of one function that wait in one query.
const IDLE_INSTANCES_MAX: usize = 256;
/// Exports that an error lists.
const NAMES_LISTED_MAX: usize = 10;

/// A function of a module.
pub(crate) struct Function {
    /// What tells it from all others in the process.
    id: u64,
    machine: &'static Machine,
    module: Module,
    instances: InstancePre<Host>,
    /// The module that calls it in a loop, for one over plain values.
    wrapper: Option<Module>,
    file: Arc<str>,
    /// What its exports' names begin with.
    pub(crate) entry: String,
}

/// The instances of a query that wait, by function.
#[derive(Default)]
struct Pools(Mutex<HashMap<u64, Pool>>);

#[derive(Default)]
struct Pool {
    idle: Vec<Instance>,
    /// Batches that the query has begun with the function.
    batches: u64,
}

impl Function {
    /// The function of `code` that `declaration` names.
    ///
    /// # Errors
    /// `UserInput` or `Data` if `code` is no module that can be run.
    pub(crate) fn new(code: &Code, declaration: &Declaration) -> Result<Self> {
        static FUNCTIONS: AtomicU64 = AtomicU64::new(0);
        let machine = Machine::get()?;
        let module = machine.module(code)?;
        let file = machine::file(code);
        let instances = machine.linker().instantiate_pre(&module).map_err(|error| {
            SheafError::data(format!("{file} cannot be linked: {error:#}"))
                .with_state(SqlState::INVALID_FUNCTION_DEFINITION)
        })?;
        Ok(Self {
            id: FUNCTIONS.fetch_add(1, Ordering::Relaxed),
            machine,
            module,
            instances,
            wrapper: None,
            file: Arc::from(file),
            entry: code.entry.as_ref().unwrap_or(&declaration.name).clone(),
        })
    }

    /// The same function, called by `wrapper`.
    ///
    /// # Errors
    /// `Internal` if that is no module.
    pub(crate) fn wrapped(mut self, wrapper: &str) -> Result<Self> {
        let wrong = |error: &dyn fmt::Display| {
            SheafError::internal(format!("the loop around a function is wrong: {error}"))
        };
        let binary = wat::parse_str(wrapper).map_err(|error| wrong(&error))?;
        let module = Module::new(self.machine.engine(), binary).map_err(|error| wrong(&error))?;
        self.wrapper = Some(module);
        Ok(self)
    }

    /// The type of the function that the module exports as `name`.
    pub(crate) fn export(&self, name: &str) -> Option<wasmtime::FuncType> {
        self.module.get_export(name)?.func().cloned()
    }

    /// The error of a module without the function, which would be called `wanted`.
    pub(crate) fn missing(&self, wanted: &str) -> SheafError {
        let exports = self.module.exports();
        let names: Vec<&str> = exports
            .filter(|export| export.ty().func().is_some())
            .map(|export| export.name())
            .take(NAMES_LISTED_MAX)
            .collect();
        let (file, entry) = (&self.file, &self.entry);
        let error = SheafError::user(format!("{file} has no function {entry}"))
            .with_state(SqlState::UNDEFINED_FUNCTION)
            .with_hint(format!("export {wanted}"));
        match names.is_empty() {
            true => error.with_detail("it exports no functions at all"),
            false => error.with_detail(format!("it exports {}", names.join(", "))),
        }
    }

    /// An instance for a call of its own, which nobody gets after it.
    ///
    /// # Errors
    /// As [`Instance::new`].
    pub(crate) fn instance(&self, context: &CallContext) -> Result<Instance> {
        self.limited_instance(context, IN_QUERY)
    }

    /// An instance outside of any query, to try what CREATE FUNCTION declares.
    ///
    /// # Errors
    /// As [`Instance::new`].
    pub(crate) fn trial(&self) -> Result<Instance> {
        let memory: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        let context = CallContext::new(memory, CancellationToken::new());
        self.limited_instance(&context, IN_TRIAL)
    }

    fn limited_instance(&self, context: &CallContext, limits: Limits) -> Result<Instance> {
        let mut instance =
            Instance::new(self.machine, &self.instances, &self.file, limits, context)?;
        if let Some(wrapper) = &self.wrapper {
            instance.wrap(wrapper, &self.entry)?;
        }
        Ok(instance)
    }

    /// Calls the function for one batch, on an instance of the query's pool; one that failed is not put back.
    ///
    /// # Errors
    /// Those of `call`; `Cancelled` if the query is over; those of [`Instance::new`].
    pub(crate) fn call<T>(
        &self,
        context: &CallContext,
        call: impl FnOnce(&mut Instance) -> Result<T>,
    ) -> Result<T> {
        context.check()?;
        let pools = context.kept::<Pools>();
        let (idle, number) = {
            let mut pools = pools.lock();
            let pool = pools.entry(self.id).or_default();
            pool.batches += 1;
            (pool.idle.pop(), pool.batches)
        };
        let mut instance = match idle {
            Some(instance) => instance,
            None => self.instance(context)?,
        };
        instance.begin_batch(&self.file, number);
        let result = call(&mut instance)?;
        let mut pools = pools.lock();
        let pool = pools.entry(self.id).or_default();
        if pool.idle.len() < IDLE_INSTANCES_MAX {
            pool.idle.push(instance);
        }
        Ok(result)
    }

    /// The file it is in, for errors.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }
}

impl Pools {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Pool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.file, self.entry)
    }
}
