//! The workers that a query keeps while something of it is held in them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use datafusion::execution::memory_pool::MemoryPool;
use parking_lot::{Mutex, MutexGuard};
use serde_json::json;
use sheaf_base::{Result, SheafError};
use sheaf_udf::CallContext;

use super::{Pool, TICK};
use crate::worker::{Call, Worker};

/// How long a worker may take to drop what nobody wants any more; then it is ended.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// Which query it is: each has an account of its memory.
#[derive(Debug)]
pub(super) struct QueryKey(Weak<dyn MemoryPool>);

impl QueryKey {
    pub(super) fn of(context: &CallContext) -> Self {
        Self(Arc::downgrade(context.memory()))
    }

    pub(super) fn is_of(&self, context: &CallContext) -> bool {
        // The account is not freed while this refers to it, so no other has its address.
        std::ptr::addr_eq(self.0.as_ptr(), Arc::as_ptr(context.memory()))
    }
}

/// The workers that a query keeps; idle ones again when nothing is held in them.
#[derive(Debug)]
pub(crate) struct QueryWorkers {
    pool: Arc<Pool>,
    slots: Mutex<Vec<Arc<Slot>>>,
}

/// A worker and what is held in it.
#[derive(Debug)]
struct Slot {
    /// `None` once it is given back.
    worker: Mutex<Option<Worker>>,
    /// Things that are held in it.
    held: AtomicU64,
}

static NEXT_INSTANCE: AtomicU64 = AtomicU64::new(1);

impl QueryWorkers {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self {
            pool,
            slots: Mutex::new(Vec::new()),
        }
    }

    /// A place in the worker that holds least, or in one more.
    pub(super) fn instance(self: Arc<Self>, context: &CallContext) -> Result<Instance> {
        let slot = self.slot(context)?;
        Ok(Instance {
            number: NEXT_INSTANCE.fetch_add(1, Ordering::Relaxed),
            context: context.clone(),
            slot,
            workers: self,
        })
    }

    fn slot(&self, context: &CallContext) -> Result<Arc<Slot>> {
        let mut slots = self.slots.lock();
        let least = slots
            .iter()
            .min_by_key(|slot| slot.held.load(Ordering::Relaxed))
            .cloned();
        let workers_max = self.pool.state.lock().options.workers_max;
        let is_free = |slot: &Arc<Slot>| slot.held.load(Ordering::Relaxed) == 0;
        let wants_another = !least.as_ref().is_some_and(is_free) && slots.len() < workers_max;
        if let Some(slot) = least
            && !(wants_another && self.pool.may_keep(true, context)?)
        {
            slot.held.fetch_add(1, Ordering::Relaxed);
            return Ok(slot);
        }
        if slots.is_empty() {
            self.pool.may_keep(false, context)?;
        }
        let worker = self
            .pool
            .take(&Call::of_query(context, None))
            .inspect_err(|_| self.pool.keeps_no_more())?;
        let slot = Arc::new(Slot {
            worker: Mutex::new(Some(worker)),
            held: AtomicU64::new(1),
        });
        slots.push(Arc::clone(&slot));
        Ok(slot)
    }

    /// Runs `ask` on the first worker that is free, or else on the first.
    pub(super) fn with_any<T>(
        &self,
        context: &CallContext,
        ask: impl FnOnce(&mut Worker) -> Result<T>,
    ) -> Result<T> {
        let slots = self.slots.lock().clone();
        for slot in &slots {
            if let Some(mut worker) = slot.worker.try_lock()
                && let Some(worker) = worker.as_mut()
            {
                return ask(worker);
            }
        }
        match slots.first() {
            Some(slot) => slot.with(context, ask),
            None => Err(SheafError::internal("a query that keeps no worker")),
        }
    }
}

impl Drop for QueryWorkers {
    fn drop(&mut self) {
        for slot in self.slots.get_mut().drain(..) {
            if let Some(worker) = slot.worker.lock().take() {
                self.pool.give_back(worker);
            }
            self.pool.keeps_no_more();
        }
    }
}

impl Slot {
    /// Runs `ask` on the worker as soon as nobody else uses it.
    fn with<T>(
        &self,
        context: &CallContext,
        ask: impl FnOnce(&mut Worker) -> Result<T>,
    ) -> Result<T> {
        let mut worker = self.locked(context)?;
        match worker.as_mut() {
            Some(worker) => ask(worker),
            None => Err(SheafError::internal("a worker that was given back")),
        }
    }

    fn locked(&self, context: &CallContext) -> Result<MutexGuard<'_, Option<Worker>>> {
        loop {
            context.check()?;
            if let Some(worker) = self.worker.try_lock_for(TICK) {
                return Ok(worker);
            }
        }
    }
}

/// Something that a query holds in a worker; gone from there when dropped.
pub(crate) struct Instance {
    number: u64,
    context: CallContext,
    slot: Arc<Slot>,
    /// Keeps the worker.
    workers: Arc<QueryWorkers>,
}

impl Instance {
    /// Its number, by which the worker knows it; nothing else in this process has or had it.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Runs `ask` on the worker, which is this call's alone meanwhile.
    ///
    /// # Errors
    /// Those of `ask`; `Cancelled` if the query ends first.
    pub(crate) fn with<T>(
        &self,
        ask: impl FnOnce(&mut Worker, &Call<'_>) -> Result<T>,
    ) -> Result<T> {
        self.slot.with(&self.context, |worker| {
            let timeout = self.workers.pool.call_timeout();
            ask(worker, &Call::of_query(&self.context, timeout))
        })
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.slot.held.fetch_sub(1, Ordering::Relaxed);
        let mut worker = self.slot.worker.lock();
        if let Some(worker) = worker.as_mut()
            && worker.is_sound()
        {
            let header = json!({"do": "close", "instance": self.number});
            // One that does not get it done is ended, and its workers' group with it.
            let _ = worker.ask(header, Vec::new(), &Call::alone(CLOSE_MAX));
        }
    }
}
