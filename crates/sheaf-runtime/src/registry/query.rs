//! One query: its identity, its cancellation, its progress, its end.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant, SystemTime};

use datafusion::physical_plan::ExecutionPlan;
use parking_lot::Mutex;
use sheaf_base::{ErrorKind, Result, SheafError};
use tokio_util::sync::CancellationToken;

use super::{Books, QuerySnapshot};
use crate::memory::QueryPool;
use crate::progress::{PlanGauge, Progress, RUNNING_FRACTION_MAX, Reading, remaining};

/// What a query is doing, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueryState {
    /// It is being parsed, bound and planned.
    Planning,
    /// Its plan runs.
    Running,
    /// Its result was handed over.
    Done,
    /// It ended with an error.
    Failed,
    /// Somebody cancelled it, or stopped listening.
    Cancelled,
    /// Its time ran out.
    TimedOut,
}

impl QueryState {
    /// The name shown in `sheaf.queries`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed out",
        }
    }

    /// Whether the query has ended.
    #[must_use]
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Planning | Self::Running)
    }
}

/// How a query ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its result was handed over.
    Done,
    /// It ended with an error of this message.
    Failed(String),
    /// Somebody cancelled it, or stopped listening.
    Cancelled,
    /// Its time ran out.
    TimedOut,
}

impl Outcome {
    fn state(&self) -> QueryState {
        match self {
            Self::Done => QueryState::Done,
            Self::Failed(_) => QueryState::Failed,
            Self::Cancelled => QueryState::Cancelled,
            Self::TimedOut => QueryState::TimedOut,
        }
    }
}

/// A query of the registry. Shared by whoever runs it, shows its progress, or may cancel it.
#[derive(Debug)]
pub struct Query {
    id: u64,
    text: String,
    started: Instant,
    started_at: SystemTime,
    pool: Arc<QueryPool>,
    gauge: Mutex<Option<PlanGauge>>,
    rows_out: AtomicU64,
    /// Why the query was told to stop; set before `stop` is triggered.
    stop_reason: OnceLock<StopReason>,
    stop: CancellationToken,
    /// Its time limit does not count any more.
    is_untimed: AtomicBool,
    end: OnceLock<QuerySnapshot>,
    /// Triggered when `end` is set, or when the query is dropped.
    ended: CancellationToken,
    books: Weak<Books>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StopReason {
    User,
    Timeout,
}

impl Query {
    pub(super) fn new(id: u64, text: &str, pool: QueryPool, books: Weak<Books>) -> Self {
        Self {
            id,
            text: text.to_owned(),
            started: Instant::now(),
            started_at: SystemTime::now(),
            pool: Arc::new(pool),
            gauge: Mutex::new(None),
            rows_out: AtomicU64::new(0),
            stop_reason: OnceLock::new(),
            stop: CancellationToken::new(),
            is_untimed: AtomicBool::new(false),
            end: OnceLock::new(),
            ended: CancellationToken::new(),
            books,
        }
    }

    /// The number by which `CANCEL QUERY` knows it; unique in the process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The statement.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// When it began.
    #[must_use]
    pub fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// The query's account with the process's memory.
    #[must_use]
    pub fn pool(&self) -> &Arc<QueryPool> {
        &self.pool
    }

    /// Tells the query to stop. False if it has ended already; true if it stops, now or because
    /// it was told before.
    pub fn cancel(&self) -> bool {
        self.stop_for(StopReason::User)
    }

    /// Lifts its time limit: it waits for its reader, who keeps a limit of its own.
    pub fn lift_time_limit(&self) {
        self.is_untimed.store(true, Ordering::Relaxed);
    }

    /// Waits until the query is told to stop.
    pub async fn cancelled(&self) {
        self.stop.cancelled().await;
    }

    /// Whether the query was told to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// What computes for long without an await looks here from time to time.
    ///
    /// # Errors
    /// `Cancelled` if the query was told to stop.
    pub fn check(&self) -> Result<()> {
        match self.is_cancelled() {
            true => Err(self.cancel_error()),
            false => Ok(()),
        }
    }

    /// The token that is triggered when the query is told to stop.
    pub fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// The error a stopped query ends with, in PostgreSQL's words (SQLSTATE 57014).
    #[must_use]
    pub fn cancel_error(&self) -> SheafError {
        SheafError::cancelled(match self.stop_reason.get() {
            Some(StopReason::Timeout) => "canceling statement due to statement timeout",
            _ => "canceling statement due to user request",
        })
    }

    /// Runs `work`, planning for example, unless the query is told to stop first.
    ///
    /// # Errors
    /// `Cancelled` if the query is told to stop; otherwise what `work` gives.
    pub async fn guard<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(self.cancel_error()),
            result = work => result,
        }
    }

    /// Says what runs, so that progress can be read from it.
    pub fn set_plan(&self, plan: &Arc<dyn ExecutionPlan>) {
        if self.end.get().is_none() {
            *self.gauge.lock() = Some(PlanGauge::new(plan));
        }
    }

    /// Counts rows of the result that were handed over.
    pub fn add_rows_out(&self, rows: usize) {
        self.rows_out.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// How far the query has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        if let Some(end) = self.end.get() {
            return end.progress.clone();
        }
        let mut gauge = self.gauge.lock();
        let state = match self.stop_reason.get() {
            Some(reason) => reason.outcome().state(),
            None if gauge.is_some() => QueryState::Running,
            None => QueryState::Planning,
        };
        let reading = gauge.as_mut().map(PlanGauge::read).unwrap_or_default();
        drop(gauge);
        self.progress_at(state, reading)
    }

    /// Ends the query; the first end counts. A query that was told to stop ends so, whatever
    /// `outcome` says, unless it was done before it noticed.
    pub fn finish(&self, outcome: Outcome) {
        let outcome = match (outcome, self.stop_reason.get()) {
            (Outcome::Failed(_) | Outcome::Cancelled, Some(reason)) => reason.outcome(),
            (outcome, _) => outcome,
        };
        // The plan goes: it may hold much.
        let gauge = self.gauge.lock().take();
        let mut is_first = false;
        let snapshot = self.end.get_or_init(|| {
            is_first = true;
            let reading = gauge.map(|mut g| g.read_now()).unwrap_or_default();
            QuerySnapshot {
                id: self.id,
                text: self.text.clone(),
                started_at: self.started_at,
                progress: self.progress_at(outcome.state(), reading),
                error: match outcome {
                    Outcome::Failed(message) => Some(message),
                    _ => None,
                },
            }
        });
        if is_first {
            if let Some(books) = self.books.upgrade() {
                books.ended(snapshot.clone());
            }
            self.ended.cancel();
        }
    }

    /// Ends the query with `error`.
    pub fn fail(&self, error: &SheafError) {
        self.finish(match error.kind() {
            ErrorKind::Cancelled => Outcome::Cancelled,
            _ => Outcome::Failed(error.message().to_owned()),
        });
    }

    pub(super) fn snapshot(&self) -> QuerySnapshot {
        self.end.get().cloned().unwrap_or_else(|| QuerySnapshot {
            id: self.id,
            text: self.text.clone(),
            started_at: self.started_at,
            progress: self.progress(),
            error: None,
        })
    }

    /// A task that stops the query after `timeout`, and that ends with the query.
    pub(super) fn expire_after(
        self: &Arc<Self>,
        timeout: Duration,
    ) -> impl Future<Output = ()> + Send + 'static {
        let query = Arc::downgrade(self);
        let ended = self.ended.clone();
        let deadline = self.started + timeout;
        async move {
            tokio::select! {
                () = ended.cancelled() => {}
                () = tokio::time::sleep_until(deadline.into()) => {
                    if let Some(query) = query.upgrade()
                        && !query.is_untimed.load(Ordering::Relaxed)
                    {
                        query.stop_for(StopReason::Timeout);
                    }
                }
            }
        }
    }

    fn stop_for(&self, reason: StopReason) -> bool {
        if self.end.get().is_some() {
            return false;
        }
        let _ = self.stop_reason.set(reason);
        self.stop.cancel();
        true
    }

    fn progress_at(&self, state: QueryState, reading: Reading) -> Progress {
        let elapsed = self.started.elapsed();
        let fraction = match state {
            QueryState::Done => Some(1.0),
            _ => reading.fraction.map(|f| f.min(RUNNING_FRACTION_MAX)),
        };
        Progress {
            state,
            fraction,
            rows_scanned: reading.rows_scanned,
            bytes_scanned: reading.bytes_scanned,
            bytes_total: reading.bytes_total,
            rows_out: self.rows_out.load(Ordering::Relaxed),
            spilled_bytes: reading.spilled_bytes,
            spill_count: reading.spill_count,
            memory_peak_bytes: self.pool.peak_bytes() as u64,
            elapsed,
            remaining: match state {
                QueryState::Running => remaining(fraction, elapsed),
                _ => None,
            },
        }
    }
}

impl Drop for Query {
    fn drop(&mut self) {
        self.finish(Outcome::Cancelled);
    }
}

impl StopReason {
    fn outcome(self) -> Outcome {
        match self {
            Self::User => Outcome::Cancelled,
            Self::Timeout => Outcome::TimedOut,
        }
    }
}
