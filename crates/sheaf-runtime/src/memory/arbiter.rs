//! Who is asked to give memory back, and how askers wait for it.
//!
//! ```text
//! asker: Holding::grow ─ refused ─> request at the largest listener's Desk ─ wait for `freed`
//!                                          │                                      ▲
//! listener: Holding::asked ────────────────┘ ─> spills ─> Holding::shrink ────────┘
//! ```
//!
//! # Why nobody waits for ever
//!
//! 1. Only a holder that *listens* is asked: one that will look at its desk before it waits for
//!    anything else, or while it waits (see [`Holding::listen`](super::Holding::listen)).
//! 2. Who asks does not listen while it waits, so that a chain of waits has no way back: two
//!    askers never wait for each other. Or else a task of its own answers, which waits for nobody
//!    ([`Holding::answered_by_task`](super::Holding::answered_by_task)): a chain ends there.
//! 3. A listener that has nothing to give says so ([`Holding::answer`](super::Holding::answer)),
//!    and is not asked again before it has grown.
//! 4. Should an operator break its word, a wait ends after [`WAIT_MAX`], and the desk is passed
//!    over until its holder is heard of again.
//!
//! A query at its own limit asks among its own operators, and waits for those alone: the rules hold
//! in each query as they do in the process, and whoever gives back helps both.
//!
//! Who holds nothing also waits while nobody can be asked: those who hold are waiting themselves,
//! and are told to spill. Each asker ends up with memory, or with the order to spill something of
//! its own, or, where it has nothing, with the refusal that names who holds most.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Condvar;
use tokio::sync::Notify;

/// The longest wait for one holder to give back. Spilling hundreds of megabytes to a slow disk
/// takes seconds.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(10);

/// The longest wait of an operator that cannot wait in the asynchronous way: it keeps a thread,
/// which may be the one on which the asked would answer.
const BLOCKING_WAIT_MAX: Duration = Duration::from_millis(200);

/// Where a holder is asked to give back.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// Bytes that others wait for.
    wanted_bytes: AtomicUsize,
    /// How many guards say that the holder looks at its desk.
    listeners: AtomicUsize,
    /// How many of those who use the holding wait for memory themselves.
    askers: AtomicUsize,
    /// It has said that it has nothing, or let an asker wait in vain.
    passed_over: AtomicBool,
    /// Requests are answered by a task that does nothing else, whatever the asker's thread does.
    has_own_task: bool,
    request: Notify,
}

impl Desk {
    pub(super) fn with_own_task() -> Self {
        Self {
            has_own_task: true,
            ..Self::default()
        }
    }

    /// How long an asker may wait that keeps its thread.
    pub(super) fn blocking_wait_max(&self) -> Duration {
        match self.has_own_task {
            true => WAIT_MAX,
            false => BLOCKING_WAIT_MAX,
        }
    }

    pub(super) fn listens(&self) -> bool {
        let waiting = match self.has_own_task {
            true => 0,
            false => self.askers.load(Ordering::Acquire),
        };
        self.listeners.load(Ordering::Acquire) > waiting && !self.is_passed_over()
    }

    /// Whether requests are answered by those who ask for the same holder.
    pub(super) fn is_answered_by_asker(&self) -> bool {
        !self.has_own_task
    }

    pub(super) fn is_passed_over(&self) -> bool {
        self.passed_over.load(Ordering::Acquire)
    }

    pub(super) fn begin_listening(&self) {
        self.listeners.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn end_listening(&self) {
        self.listeners.fetch_sub(1, Ordering::AcqRel);
    }

    /// Asks for `bytes`. Requests of several askers do not add up: each asks anew if it still
    /// finds no room.
    pub(super) fn post(&self, bytes: usize) {
        self.wanted_bytes.fetch_max(bytes, Ordering::AcqRel);
        self.request.notify_one();
    }

    pub(super) fn wanted_bytes(&self) -> usize {
        self.wanted_bytes.load(Ordering::Acquire)
    }

    /// Waits until somebody asks; the bytes asked for.
    pub(super) async fn asked(&self) -> usize {
        loop {
            let request = self.request.notified();
            let wanted = self.wanted_bytes();
            if wanted > 0 {
                return wanted;
            }
            request.await;
        }
    }

    /// `bytes` were given back.
    pub(super) fn gave(&self, bytes: usize) {
        let _ = self
            .wanted_bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |wanted| {
                Some(wanted.saturating_sub(bytes))
            });
    }

    /// The request is settled: the holder has given what it can.
    pub(super) fn settle(&self) {
        self.wanted_bytes.store(0, Ordering::Release);
    }

    pub(super) fn begin_asking(&self) {
        self.askers.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn end_asking(&self) {
        self.askers.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn pass_over(&self, yes: bool) {
        self.passed_over.store(yes, Ordering::Release);
    }
}

/// Tells those who wait that memory has come free, or that somebody listens or does no longer.
#[derive(Debug, Default)]
pub(super) struct Freed {
    notify: Notify,
    condvar: Condvar,
}

impl Freed {
    pub(super) fn tell(&self) {
        self.notify.notify_waiters();
        self.condvar.notify_all();
    }

    pub(super) fn notify(&self) -> &Notify {
        &self.notify
    }

    pub(super) fn condvar(&self) -> &Condvar {
        &self.condvar
    }
}
