//! An operator's end of the memory budget: ask for more, be asked for some.

use std::future::pending;
use std::sync::Arc;

use datafusion::common::Result as EngineResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::physical_plan::metrics::Gauge;
use tokio::time::{Instant, timeout_at};

use super::arbiter::{Desk, WAIT_MAX};
use super::{MemoryBudget, QueryPool};

/// The memory of one operator that can spill.
///
/// Memory is asked for before it is held. Who is told [`Grant::SpillFirst`] writes something of
/// its own to disk, gives the bytes back with [`shrink`](Self::shrink), and asks again. An
/// operator of the engine can only be refused; a holding can also take what is free beyond its
/// fair share, since it [listens](Self::listen): it gives back when others need it.
///
/// Outside a query of Sheaf's (in tests, with a pool of the engine's) it is a plain reservation.
#[derive(Debug)]
pub struct Holding {
    reservation: MemoryReservation,
    line: Option<Line>,
    /// Where the most that was held is shown.
    peak: Gauge,
}

/// The connection to the arbiter.
#[derive(Debug)]
struct Line {
    budget: Arc<MemoryBudget>,
    desk: Arc<Desk>,
}

/// The answer to an operator that wants to grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "without a grant nothing may be held"]
pub enum Grant {
    /// The bytes are reserved.
    Granted,
    /// Nothing was reserved: give something back first, then ask again.
    SpillFirst,
}

impl Holding {
    /// An empty holding for the operator `name` (`HashJoin[3]`) with the memory of its query.
    #[must_use]
    pub fn new(name: impl Into<String>, pool: &Arc<dyn MemoryPool>) -> Self {
        Self::with_desk(name, pool, Desk::default())
    }

    /// The same for an operator that answers requests in a task which does nothing else and
    /// waits for neither memory nor other operators: it can be asked whatever the operator's
    /// other tasks wait for.
    #[must_use]
    pub fn answered_by_task(name: impl Into<String>, pool: &Arc<dyn MemoryPool>) -> Self {
        Self::with_desk(name, pool, Desk::with_own_task())
    }

    fn with_desk(name: impl Into<String>, pool: &Arc<dyn MemoryPool>, desk: Desk) -> Self {
        let reservation = MemoryConsumer::new(name)
            .with_can_spill(true)
            .register(pool);
        let line = pool.downcast_ref::<QueryPool>().map(|query| {
            let budget = Arc::clone(query.budget());
            let desk = budget.open_desk(reservation.consumer(), desk);
            Line { budget, desk }
        });
        Self {
            reservation,
            line,
            peak: Gauge::new(),
        }
    }

    /// Shows the most that it holds in `peak`, a metric of its operator.
    #[must_use]
    pub fn with_peak(mut self, peak: Gauge) -> Self {
        self.peak = peak;
        self
    }

    /// An empty holding for what outlives queries, as the rows of a table do.
    ///
    /// It takes what is free and never has others spill for it. Other operators' fair shares are
    /// of what it leaves: many small tables do not count as many operators at work. A task of its
    /// own must [listen](Self::listen) for it.
    #[must_use]
    pub fn of_process(name: impl Into<String>, budget: &Arc<MemoryBudget>) -> Self {
        let pool = Arc::clone(budget) as Arc<dyn MemoryPool>;
        let reservation = MemoryConsumer::new(name).register(&pool);
        let line = Line {
            desk: budget.open_desk(reservation.consumer(), Desk::with_own_task()),
            budget: Arc::clone(budget),
        };
        Self {
            reservation,
            line: Some(line),
            peak: Gauge::new(),
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.reservation.size()
    }

    /// Takes `bytes` more, if they are free now.
    pub fn try_grow(&self, bytes: usize) -> Grant {
        match self.reservation.try_grow(bytes) {
            Ok(()) => self.granted(),
            Err(_) => Grant::SpillFirst,
        }
    }

    /// Takes `bytes` more; where they are not free, the largest holder that listens is asked to
    /// give back, and waited for.
    ///
    /// # Errors
    /// `ResourcesExhausted` if nobody can give and this holding has nothing to spill.
    pub async fn grow(&self, bytes: usize) -> EngineResult<Grant> {
        let Some(line) = &self.line else {
            return self.grow_or_spill(bytes);
        };
        let _asking = Asking::begin(line);
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            let freed = line.budget.freed.notify().notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if self.try_grow(bytes) == Grant::Granted {
                return Ok(Grant::Granted);
            }
            // Others wait for this one: settling that comes first.
            if line.desk.is_answered_by_asker() && self.wanted_bytes() > 0 && self.bytes() > 0 {
                return Ok(Grant::SpillFirst);
            }
            let asked = line.budget.request(&self.reservation, bytes);
            if asked.is_none() && !line.budget.is_worth_waiting(&self.reservation, bytes) {
                return self.grow_or_spill(bytes);
            }
            if timeout_at(deadline, freed).await.is_err() {
                if let Some(asked) = asked {
                    asked.pass_over(true);
                }
                return self.grow_or_spill(bytes);
            }
        }
    }

    /// Gives `bytes` back (all, if fewer are held).
    pub fn shrink(&self, bytes: usize) {
        let bytes = bytes.min(self.bytes());
        self.reservation.shrink(bytes);
        if let Some(line) = &self.line {
            line.desk.gave(bytes);
            line.budget.freed.tell();
        }
    }

    /// Takes over all that `other` holds: no memory is asked for, and none becomes free.
    pub fn take_over(&self, other: &Self) {
        let bytes = other.bytes();
        self.reservation.grow(bytes);
        let _granted = self.granted();
        other.shrink(bytes);
    }

    /// Gives everything back.
    pub fn free(&self) {
        self.shrink(self.bytes());
    }

    /// Declares that this operator answers requests until the guard is dropped: it looks at
    /// [`wanted_bytes`](Self::wanted_bytes) after every batch, and waits for its input with
    /// [`asked`](Self::asked) beside it. Not while it waits for its output to be taken.
    #[must_use]
    pub fn listen(&self) -> Listening<'_> {
        if let Some(line) = &self.line {
            line.desk.pass_over(false);
            line.desk.begin_listening();
            // Whoever waits because nobody listened can ask now.
            line.budget.tell_of_desk();
        }
        Listening { holding: self }
    }

    /// Bytes that others wait for; 0 if nobody does.
    #[must_use]
    pub fn wanted_bytes(&self) -> usize {
        self.line
            .as_ref()
            .map_or(0, |line| line.desk.wanted_bytes())
    }

    /// Waits until others want memory; the bytes they want. Give back what there is, then call
    /// [`answer`](Self::answer).
    pub async fn asked(&self) -> usize {
        match &self.line {
            Some(line) => line.desk.asked().await,
            None => pending().await,
        }
    }

    /// Says that a request is settled. If less was given than wanted, this one is not asked again
    /// before it has grown.
    pub fn answer(&self) {
        if let Some(line) = &self.line {
            line.desk.pass_over(line.desk.wanted_bytes() > 0);
            line.desk.settle();
            line.budget.tell_of_desk();
        }
    }

    /// The engine's reservation, for parts that are handed one.
    #[must_use]
    pub fn reservation(&self) -> &MemoryReservation {
        &self.reservation
    }

    fn grow_or_spill(&self, bytes: usize) -> EngineResult<Grant> {
        match self.reservation.try_grow(bytes) {
            Ok(()) => Ok(self.granted()),
            Err(_) if self.bytes() > 0 => Ok(Grant::SpillFirst),
            Err(error) => Err(error),
        }
    }

    /// It has grown, so it can be asked again though it had nothing before.
    fn granted(&self) -> Grant {
        if let Some(line) = &self.line {
            line.desk.pass_over(false);
        }
        self.peak.set_max(self.bytes());
        Grant::Granted
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.free();
    }
}

/// While it lives, its holder can be asked to give back.
#[derive(Debug)]
pub struct Listening<'a> {
    holding: &'a Holding,
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        if let Some(line) = &self.holding.line {
            line.desk.end_listening();
            line.desk.settle();
            line.budget.tell_of_desk();
        }
    }
}

/// While it lives, its holder waits for memory and is not asked for any.
struct Asking<'a>(&'a Line);

impl<'a> Asking<'a> {
    fn begin(line: &'a Line) -> Self {
        line.desk.begin_asking();
        Self(line)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.desk.end_asking();
    }
}
