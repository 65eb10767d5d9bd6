//! Functions in Python, which run in worker processes.
//!
//! ```text
//! a call (scalar, aggregate, table)            the worker: an interpreter with pyarrow
//!   │  leases a worker of the `pool`          │
//!   └─ a request: header, Arrow IPC message ──> │ python/loop.py: one request, one reply
//!      <── a reply: header, Arrow IPC message ──┘
//! ```
//!
//! - `options`: the interpreter, how many workers, how much memory and time they have;
//! - `pool`: who has which worker: a scalar call has one to itself while it lasts; aggregates and
//!   table functions hold something between calls, so a query keeps the workers that hold it;
//! - `worker`: a process, its pipes, how long a reply is waited for, what becomes of it;
//! - `wire`: types that both sides have, batches to messages and back;
//! - `function`, `scalar`, `chain`, `aggregate`, `table`: the kinds of functions, and scalar
//!   ones that call each other within a worker;
//! - `python/`: the worker's program, which is handed to the interpreter when it starts.
//!
//! A worker is no jail: a function may do what the user may who runs Sheaf. It is apart, so that
//! whatever it does (raise, loop, print, crash, eat memory) ends its query with an error that says so,
//! and nothing else.
//!
//! This crate must not know of statements, sessions or files.

mod aggregate;
mod chain;
mod function;
mod options;
mod pool;
mod program;
mod scalar;
mod table;
mod wire;
mod worker;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sheaf_base::Result;
use sheaf_base::settings::Settings;
use sheaf_udf::{AggregateFunction, Code, Declaration, Language, ScalarFunction, TableFunction};

pub use options::PythonOptions;

use function::{Function, Kind};
use pool::Pool;

/// Python. One for a process, shared by its sessions.
#[derive(Debug)]
pub struct Python {
    pool: Arc<Pool>,
}

impl Python {
    /// Python as `options` say. No process is started before a function is made or called.
    #[must_use]
    pub fn new(options: PythonOptions) -> Self {
        Self {
            pool: Arc::new(Pool::new(options)),
        }
    }

    /// Changes the options for workers that start from now on; idle ones of other options end.
    pub fn set_options(&self, options: PythonOptions) {
        self.pool.set_options(options);
    }

    /// The workers that run now: those that wait for a call and those that are in one.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.pool.workers()
    }
}

impl Language for Python {
    fn apply(&self, settings: &Settings) {
        self.set_options(PythonOptions::of(settings));
    }

    fn scalar(
        &self,
        code: &Code,
        declaration: &Declaration,
        returns: &DataType,
    ) -> Result<Arc<dyn ScalarFunction>> {
        let function = Function::new(Kind::Scalar, code, declaration, &result(returns))?;
        let manner = self.pool.check(&function)?;
        let pool = Arc::clone(&self.pool);
        Ok(Arc::new(scalar::PythonScalar::new(function, manner, pool)))
    }

    fn aggregate(
        &self,
        code: &Code,
        declaration: &Declaration,
        returns: &DataType,
    ) -> Result<Arc<dyn AggregateFunction>> {
        let function = Function::new(Kind::Aggregate, code, declaration, &result(returns))?;
        self.pool.check(&function)?;
        Ok(Arc::new(aggregate::PythonAggregate::new(
            function,
            Arc::clone(&self.pool),
        )))
    }

    fn table(
        &self,
        code: &Code,
        declaration: &Declaration,
        returns: &SchemaRef,
    ) -> Result<Arc<dyn TableFunction>> {
        let function = Function::new(Kind::Table, code, declaration, returns)?;
        self.pool.check(&function)?;
        Ok(Arc::new(table::PythonTable::new(
            function,
            Arc::clone(&self.pool),
        )))
    }
}

/// The columns of a function that gives one value.
fn result(returns: &DataType) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(
        "result",
        returns.clone(),
        true,
    )]))
}
