//! Who has which worker.
//!
//! - A call of a scalar function holds nothing afterwards: it leases a worker for itself alone and gives
//!   it back. At most `workers_max` are leased at once, all queries together; others wait.
//! - Aggregates and table functions hold objects in a worker between calls. A query keeps up to
//!   `workers_max` workers for them ([`query`]), shared by all that it runs: each request has the worker
//!   to itself while it lasts, so that nothing waits for something that waits for it.
//!
//! A query that keeps workers lets its scalar calls use them when all others are leased. So whatever a
//! query waits for ends without it, and nothing waits for ever.

mod query;

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use sheaf_base::Result;
use sheaf_udf::CallContext;

use crate::function::Function;
use crate::options::PythonOptions;
use crate::worker::{Call, Worker};
pub(crate) use query::Instance;
use query::{QueryKey, QueryWorkers};

/// Workers that all queries together keep for what they hold between calls.
const KEPT_MAX: usize = 64;

/// How long a function may take to be made.
const CHECK_MAX: Duration = Duration::from_secs(120);

/// The longest wait between two looks at whether the query goes on.
const TICK: Duration = Duration::from_millis(20);

/// How a function is called.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// Whether with the values of one row.
    pub(crate) is_rows: bool,
    /// Whether many rows wait at once.
    pub(crate) is_async: bool,
}

/// The workers of a process.
#[derive(Debug)]
pub(crate) struct Pool {
    state: Mutex<State>,
    /// Told when a worker is given back.
    given_back: Condvar,
}

#[derive(Debug)]
struct State {
    options: PythonOptions,
    /// Workers that nobody has.
    idle: Vec<Worker>,
    /// Workers that calls have to themselves.
    leased: usize,
    /// Workers that queries keep.
    kept: usize,
    queries: Vec<(QueryKey, Weak<QueryWorkers>)>,
}

impl Pool {
    pub(crate) fn new(options: PythonOptions) -> Self {
        Self {
            state: Mutex::new(State {
                options,
                idle: Vec::new(),
                leased: 0,
                kept: 0,
                queries: Vec::new(),
            }),
            given_back: Condvar::new(),
        }
    }

    pub(crate) fn set_options(&self, options: PythonOptions) {
        let ended = {
            let mut state = self.state.lock();
            if state.options == options {
                return;
            }
            state.options = options;
            std::mem::take(&mut state.idle)
        };
        // Outside the lock: ending a process takes a moment.
        drop(ended);
        self.given_back.notify_all();
    }

    pub(crate) fn workers(&self) -> usize {
        let state = self.state.lock();
        state.idle.len() + state.leased + state.kept
    }

    pub(crate) fn call_timeout(&self) -> Option<Duration> {
        self.state.lock().options.call_timeout
    }

    /// Loads `function` once, so that what is wrong with its code is known when it is made. Says what it
    /// is like.
    ///
    /// # Errors
    /// `UserInput` if the interpreter or the code cannot be used.
    pub(crate) fn check(&self, function: &Function) -> Result<Manner> {
        let call = Call::alone(CHECK_MAX);
        let mut worker = self.take(&call)?;
        let loaded = worker.load(function, &call);
        self.give_back(worker);
        Ok(match loaded? {
            Some(answer) => Manner {
                is_rows: answer.is("is_rows"),
                is_async: answer.is("is_async"),
            },
            None => Manner::default(),
        })
    }

    /// A worker for a call of `context`'s query.
    ///
    /// # Errors
    /// `Cancelled` if the query ends first; `UserInput` if no interpreter can be started.
    pub(crate) fn lease(self: &Arc<Self>, context: &CallContext) -> Result<Lease> {
        loop {
            context.check()?;
            let mut state = self.state.lock();
            if state.leased < state.options.workers_max {
                state.leased += 1;
                drop(state);
                let lease = Leased {
                    pool: Arc::clone(self),
                    worker: None,
                };
                let worker = self.take(&Call::of_query(context, None))?;
                return Ok(Lease::Own(lease.having(worker)));
            }
            if let Some(workers) = state.workers_of(context) {
                return Ok(Lease::Kept(workers));
            }
            self.given_back.wait_for(&mut state, TICK);
        }
    }

    /// A place in a worker for what `context`'s query holds between calls.
    ///
    /// # Errors
    /// As [`Pool::lease`].
    pub(crate) fn instance(self: &Arc<Self>, context: &CallContext) -> Result<Instance> {
        let workers = {
            let mut state = self.state.lock();
            match state.workers_of(context) {
                Some(workers) => workers,
                None => {
                    let workers = Arc::new(QueryWorkers::new(Arc::clone(self)));
                    let key = QueryKey::of(context);
                    state.queries.push((key, Arc::downgrade(&workers)));
                    workers
                }
            }
        };
        workers.instance(context)
    }

    /// An idle worker, or a new one.
    fn take(&self, call: &Call<'_>) -> Result<Worker> {
        let options = loop {
            let mut state = self.state.lock();
            let options = state.options.clone();
            let Some(mut worker) = state.idle.pop() else {
                break options;
            };
            drop(state);
            if worker.is_fit(&options) {
                return Ok(worker);
            }
        };
        Worker::start(&options, call)
    }

    fn give_back(&self, mut worker: Worker) {
        let mut state = self.state.lock();
        if state.idle.len() < state.options.workers_max && worker.is_fit(&state.options) {
            state.idle.push(worker);
        } else {
            drop(state);
            drop(worker);
        }
    }

    /// Asks for the right to keep one more worker; a query that has none waits for it.
    fn may_keep(&self, has_some: bool, context: &CallContext) -> Result<bool> {
        let mut state = self.state.lock();
        loop {
            if state.kept < KEPT_MAX {
                state.kept += 1;
                return Ok(true);
            }
            if has_some {
                return Ok(false);
            }
            context.check()?;
            self.given_back.wait_for(&mut state, TICK);
        }
    }

    fn keeps_no_more(&self) {
        self.state.lock().kept -= 1;
        self.given_back.notify_all();
    }
}

impl State {
    /// The workers that `context`'s query keeps.
    fn workers_of(&mut self, context: &CallContext) -> Option<Arc<QueryWorkers>> {
        self.queries
            .retain(|(_, workers)| workers.strong_count() > 0);
        self.queries
            .iter()
            .find(|(key, _)| key.is_of(context))
            .and_then(|(_, workers)| workers.upgrade())
    }
}

/// A worker for one call.
pub(crate) enum Lease {
    /// One that the call has to itself.
    Own(Leased),
    /// Those that the query keeps.
    Kept(Arc<QueryWorkers>),
}

impl Lease {
    /// Runs `ask` on the worker.
    ///
    /// # Errors
    /// Those of `ask`; `Cancelled` if the query ends first.
    pub(crate) fn with<T>(
        &mut self,
        context: &CallContext,
        ask: impl FnOnce(&mut Worker) -> Result<T>,
    ) -> Result<T> {
        match self {
            Self::Own(leased) => match leased.worker.as_mut() {
                Some(worker) => ask(worker),
                None => Err(sheaf_base::SheafError::internal("a lease without a worker")),
            },
            Self::Kept(workers) => workers.with_any(context, ask),
        }
    }
}

/// A worker that a call has to itself; given back when dropped.
pub(crate) struct Leased {
    pool: Arc<Pool>,
    worker: Option<Worker>,
}

impl Leased {
    fn having(mut self, worker: Worker) -> Self {
        self.worker = Some(worker);
        self
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            self.pool.give_back(worker);
        }
        self.pool.state.lock().leased -= 1;
        self.pool.given_back.notify_one();
    }
}
