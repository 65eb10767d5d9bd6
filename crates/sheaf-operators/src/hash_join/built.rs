//! The build side while it is probed: who uses the table, and how some of it is taken back.
//!
//! ```text
//! prober ── lease ──> look up a window ── give the lease back ──> hand out a piece ──> lease …
//! giver  ── asked ──> wait until nobody has a lease ──> evict buckets, index the rest ──> go on
//! ```
//!
//! Whoever has a lease computes and waits for nobody, so the giver's wait is short. The exception
//! is a prober in the middle of one key's matches that are more than an output batch: it keeps the
//! lease while its output is taken, and is said to pin the table. Then nothing can be given.

use std::pin::pin;
use std::sync::{Arc, Weak};

use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, internal_datafusion_err};
use parking_lot::Mutex;
use sheaf_runtime::memory::Holding;
use tokio::sync::Notify;

use super::build::Running;
use super::collect::BuildSide;
use super::emit::Emitter;
use super::portion::Portion;
use super::spec::JoinSpec;
use super::spill::{BucketFiles, BucketSet, Stage};
use super::table::Table;
use super::tail::Tail;

/// The build side of a join, or of one of its buckets.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) side: Arc<BuildSide>,
    lending: Mutex<Lending>,
    /// Leases were given back, or may be had again.
    changed: Arc<Notify>,
    pub(super) probe_files: BucketFiles,
    tail: Tail,
    /// Gives memory back when others want it; ends with this.
    giver: Mutex<Option<SpawnedTask<()>>>,
}

#[derive(Debug)]
struct Lending {
    /// None when it has been cut into its tail, or lost.
    table: Option<Arc<Table>>,
    leases: usize,
    /// Leases of those who wait for their output to be taken.
    pins: usize,
    /// Somebody waits for the table to be free, or cuts it: there are no new leases.
    is_wanted: bool,
    /// How often buckets were evicted from it.
    cuts: u32,
    /// It has become the tail.
    is_ended: bool,
}

/// The use of the table for a short while.
#[derive(Debug)]
pub(super) struct Lease<'a> {
    // Goes before the place does, so that who finds no lease taken has the table for itself.
    pub(super) table: Arc<Table>,
    pub(super) evicted: BucketSet,
    pub(super) cuts: u32,
    place: Place<'a>,
}

/// Counts as a lease while it lives.
#[derive(Debug)]
struct Place<'a> {
    built: &'a Built,
    is_pinned: bool,
}

/// While it lives nobody gets a lease.
struct Claim(Arc<Built>);

/// What whoever wants the table for itself gets.
enum Exclusive {
    Table(Box<Table>, Claim),
    /// No row is in memory.
    Empty,
    Pinned,
    Gone(Arc<Built>),
}

impl Built {
    pub(super) fn new(running: &Running, side: Arc<BuildSide>, table: Table) -> Arc<Self> {
        let probe_files = BucketFiles::new(
            running.context.runtime_env(),
            &running.metrics.spill,
            &running.spec.probe_schema,
        );
        let lending = Lending {
            table: Some(Arc::new(table)),
            leases: 0,
            pins: 0,
            is_wanted: false,
            cuts: 0,
            is_ended: false,
        };
        let holding = Arc::clone(&side.holding);
        let built = Arc::new(Self {
            side,
            lending: Mutex::new(lending),
            changed: Arc::default(),
            probe_files,
            tail: Tail::default(),
            giver: Mutex::new(None),
        });
        let giver = Giver {
            built: Arc::downgrade(&built),
            holding,
            changed: Arc::clone(&built.changed),
        }
        .give_back();
        *built.giver.lock() = Some(SpawnedTask::spawn(giver));
        built
    }

    /// For the rows that a probe sends to files.
    pub(super) fn probe_stage(&self) -> Stage {
        Stage::new(Portion::empty(&self.side.holding))
    }

    /// Takes the table in use, waiting while buckets of it are evicted.
    ///
    /// # Errors
    /// If the table was lost.
    pub(super) async fn lease(&self) -> Result<Lease<'_>> {
        // Nearly always there is nothing to wait for.
        if let Some(lease) = self.try_lease()? {
            return Ok(lease);
        }
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(lease) = self.try_lease()? {
                return Ok(lease);
            }
            changed.await;
        }
    }

    /// `None` while somebody waits for the table to be free, or cuts it.
    pub(super) fn try_lease(&self) -> Result<Option<Lease<'_>>> {
        let mut lending = self.lending.lock();
        if lending.is_wanted {
            return Ok(None);
        }
        let table = lending.table.clone().ok_or_else(|| self.loss())?;
        lending.leases += 1;
        let place = Place {
            built: self,
            is_pinned: false,
        };
        Ok(Some(Lease {
            table,
            evicted: self.side.evicted(),
            cuts: lending.cuts,
            place,
        }))
    }

    /// Whether rows are left for when all probes have ended, as far as it is known now: whoever
    /// ends last looks again.
    pub(super) fn leaves_rows(&self, spec: &JoinSpec) -> bool {
        spec.tracks_build() || !self.side.evicted().is_empty()
    }

    /// Ends the probing: what is left of the table goes to the tail. Nobody has a lease.
    ///
    /// # Errors
    /// If rows were lost.
    pub(super) async fn end_probing(&self, running: &Running) -> Result<()> {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let mut lending = self.lending.lock();
                if !lending.is_wanted {
                    if lending.is_ended {
                        return self.side.check();
                    }
                    let table = lending.table.take().and_then(Arc::into_inner);
                    let table = table.ok_or_else(|| self.loss())?;
                    self.tail.fill(&running.spec, &running.facts, table)?;
                    running.buckets.add_evicted(&running.spec, self)?;
                    lending.is_ended = true;
                    return Ok(());
                }
            }
            changed.await;
        }
    }

    /// Hands out what has gone to the tail.
    ///
    /// # Errors
    /// Also if rows of it were lost on the way to a file.
    pub(super) async fn emit_tail(&self, running: &Running, out: &mut Emitter) -> Result<()> {
        let (spec, facts) = (&running.spec, &running.facts);
        self.tail.emit(spec, facts, out).await?;
        self.side.check()
    }

    /// Why there is no table.
    fn loss(&self) -> DataFusionError {
        let lost = self.side.check().err();
        lost.unwrap_or_else(|| internal_datafusion_err!("the table of a join is gone"))
    }

    /// Takes out the table if nobody uses it; whoever gets it puts it back. `None` if it is worth
    /// waiting for: nobody gets a lease meanwhile.
    fn exclusive(self: Arc<Self>) -> Option<Exclusive> {
        let mut lending = self.lending.lock();
        let is_empty = lending.table.as_ref().map(|table| table.chunks.is_empty());
        let nothing = match is_empty {
            None => Some(Exclusive::Gone(Arc::clone(&self))),
            Some(true) => Some(Exclusive::Empty),
            Some(false) => (lending.pins > 0).then_some(Exclusive::Pinned),
        };
        lending.is_wanted = nothing.is_none();
        if nothing.is_some() {
            self.changed.notify_waiters();
            return nothing;
        }
        let is_free = lending.leases == 0;
        let table = is_free.then(|| lending.table.take().and_then(Arc::into_inner));
        drop(lending);
        let table = Box::new(table.flatten()?);
        Some(Exclusive::Table(table, Claim(self)))
    }

    fn is_pinned(&self) -> bool {
        self.lending.lock().pins > 0
    }
}

impl Lease<'_> {
    /// From now on the table cannot be had by others: output is to be taken first.
    pub(super) fn pin(&mut self) {
        self.place.set_pinned(true);
    }

    /// Ends what [`Lease::pin`] began.
    pub(super) fn unpin(&mut self) {
        self.place.set_pinned(false);
    }
}

impl Place<'_> {
    fn set_pinned(&mut self, is_pinned: bool) {
        if self.is_pinned == is_pinned {
            return;
        }
        self.is_pinned = is_pinned;
        let mut lending = self.built.lending.lock();
        match is_pinned {
            true => lending.pins += 1,
            false => lending.pins -= 1,
        }
        self.built.changed.notify_waiters();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.set_pinned(false);
        let mut lending = self.built.lending.lock();
        lending.leases -= 1;
        if lending.is_wanted && lending.leases == 0 {
            self.built.changed.notify_waiters();
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut lending = self.0.lending.lock();
        lending.is_wanted = false;
        lending.cuts += 1;
        self.0.changed.notify_waiters();
    }
}

/// Gives memory back when others want it, for as long as there is a build side. Waits neither for
/// memory nor for other operators; and while it waits, it keeps nothing.
struct Giver {
    built: Weak<Built>,
    holding: Arc<Holding>,
    /// That of the build side.
    changed: Arc<Notify>,
}

impl Giver {
    async fn give_back(self) {
        loop {
            // Listening anew, it is asked again although it had nothing to give before.
            let _listening = self.holding.listen();
            loop {
                let wanted = self.holding.asked().await;
                let given = self.give(wanted).await;
                self.holding.answer();
                match given {
                    Ok(true) => {}
                    Ok(false) => {
                        self.refuse_while_pinned().await;
                        break;
                    }
                    // Whoever uses the rows that were lost is told.
                    Err(_) => return,
                }
                tokio::task::consume_budget().await;
            }
        }
    }

    /// Tells whoever asks that there is nothing, until there is.
    async fn refuse_while_pinned(&self) {
        let mut unpinned = pin!(self.when(|built| (!built.is_pinned()).then_some(())));
        loop {
            tokio::select! {
                biased;
                _ = &mut unpinned => return,
                _ = self.holding.asked() => self.holding.answer(),
            }
        }
    }

    /// Gives back `wanted_bytes` or more; false if the table is pinned.
    async fn give(&self, wanted_bytes: usize) -> Result<bool> {
        match self.when(Built::exclusive).await {
            None | Some(Exclusive::Empty) => {}
            Some(Exclusive::Pinned) => return Ok(false),
            Some(Exclusive::Gone(built)) => built.tail.give(&built.side)?,
            Some(Exclusive::Table(table, claim)) => {
                let built = &claim.0;
                let cut = built.side.cut(*table, wanted_bytes).await;
                let cut = cut.map_err(|error| built.side.fail(error))?;
                built.lending.lock().table = Some(Arc::new(cut));
            }
        }
        Ok(true)
    }

    /// Waits until `look` finds something; `None` if the build side is gone.
    async fn when<T>(&self, look: impl Fn(Arc<Built>) -> Option<T>) -> Option<T> {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = look(self.built.upgrade()?) {
                return Some(found);
            }
            changed.await;
        }
    }
}
