//! What reading an array may use: memory, disk, threads, and how it is told to stop.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use sheaf_base::{ByteCount, Result, SheafError};

use crate::dtype::DType;
use crate::grid::{automatic_chunk, describe, tuple};
use crate::scratch::Scratch;

/// Where memory is reserved before it is taken. The engine's pool is one, [`FixedMemory`] another.
pub trait Memory: Send + Sync {
    /// Reserves `bytes`; whether they were left.
    fn try_grow(&self, bytes: usize) -> bool;
    /// Gives `bytes` back.
    fn shrink(&self, bytes: usize);
    /// Bytes that could be reserved now.
    fn left(&self) -> usize;
    /// Bytes that can be reserved in all.
    fn limit(&self) -> usize;
}

/// A fixed number of bytes.
#[derive(Debug)]
pub struct FixedMemory {
    limit: usize,
    used: AtomicUsize,
    peak: AtomicUsize,
}

/// Memory that is reserved until this is dropped.
pub struct Hold {
    memory: Arc<dyn Memory>,
    bytes: usize,
}

/// What one reader of arrays may use. Cloning is cheap; clones share what stores keep for them, which is
/// there until the last is dropped: one context a query.
#[derive(Clone)]
pub struct Context {
    memory: Arc<dyn Memory>,
    scratch: Arc<dyn Scratch>,
    stop: Arc<dyn Fn() -> bool + Send + Sync>,
    threads: usize,
    /// Threads that use the same memory: those of all readers of which this is one.
    sharers: usize,
    /// Threads that have nothing left to do, less those that have been lent meanwhile.
    pub(crate) idle: Arc<AtomicIsize>,
    kept: Arc<Mutex<Shelves>>,
}

/// What stores keep for the readings of one context, by their numbers.
type Shelves = HashMap<u64, Arc<dyn Any + Send + Sync>>;

impl FixedMemory {
    /// Memory of `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            used: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        }
    }

    /// The most bytes that were reserved at one time.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Memory for FixedMemory {
    fn try_grow(&self, bytes: usize) -> bool {
        let grown = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|after| *after <= self.limit)
            });
        if let Ok(before) = grown {
            self.peak.fetch_max(before + bytes, Ordering::Relaxed);
        }
        grown.is_ok()
    }

    fn shrink(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn left(&self) -> usize {
        self.limit.saturating_sub(self.used.load(Ordering::Relaxed))
    }

    fn limit(&self) -> usize {
        self.limit
    }
}

impl Hold {
    /// What is reserved.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.memory.shrink(self.bytes);
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} held", ByteCount(self.bytes as u64))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context of {} threads", self.threads)
    }
}

impl Context {
    /// A reader that reserves in `memory`, puts what does not fit into `scratch`, and works on `threads`
    /// threads (of its own, beside the caller's, where one value needs many chunks).
    #[must_use]
    pub fn new(memory: Arc<dyn Memory>, scratch: Arc<dyn Scratch>, threads: usize) -> Self {
        Self {
            memory,
            scratch,
            stop: Arc::new(|| false),
            threads: threads.max(1),
            sharers: threads.max(1),
            idle: Arc::default(),
            kept: Arc::default(),
        }
    }

    /// The same reader, which stops as soon as `is_stopped` says so.
    #[must_use]
    pub fn stopped_by(mut self, is_stopped: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.stop = Arc::new(is_stopped);
        self
    }

    /// The same reader on the calling thread alone, beside others that are as many as its threads were.
    #[must_use]
    pub fn single(&self) -> Self {
        Self {
            threads: 1,
            ..self.clone()
        }
    }

    /// Threads that it may use.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Where what does not fit into memory goes.
    #[must_use]
    pub fn scratch(&self) -> &Arc<dyn Scratch> {
        &self.scratch
    }

    /// Bytes that could be reserved now.
    #[must_use]
    pub fn memory_left(&self) -> usize {
        self.memory.left()
    }

    /// Bytes that a single block of an operation should take, so that a few of them for each thread fit
    /// into the limit.
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        (self.memory.limit() / 8 / self.sharers).clamp(1 << 12, 32 << 20)
    }

    /// Whether `bytes` may be kept for later: half of the limit stays free for what is read now.
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        self.memory.left().saturating_sub(bytes) > self.memory.limit() / 2
    }

    /// What the store of that number keeps as long as this context or a clone of it is there.
    pub(crate) fn kept<T: Default + Send + Sync + 'static>(&self, number: u64) -> Arc<T> {
        let mut kept = self.kept.lock();
        let entry = kept.entry(number).or_insert_with(|| Arc::new(T::default()));
        Arc::clone(entry).downcast().unwrap_or_default()
    }

    /// Whether the reader goes on.
    ///
    /// # Errors
    /// `Cancelled` if it does not.
    pub fn check(&self) -> Result<()> {
        match (self.stop)() {
            true => Err(SheafError::cancelled("the query was cancelled")),
            false => Ok(()),
        }
    }

    /// Reserves `bytes`, or says that there are none: for what has another way.
    pub(crate) fn try_hold(&self, bytes: usize) -> Option<Hold> {
        self.memory.try_grow(bytes).then(|| Hold {
            memory: Arc::clone(&self.memory),
            bytes,
        })
    }

    /// Reserves `bytes` for `what`.
    ///
    /// # Errors
    /// `Resource` if they are not left.
    pub fn hold(&self, bytes: usize, what: &str) -> Result<Hold> {
        self.try_hold(bytes).ok_or_else(|| {
            SheafError::resource(format!(
                "{what} takes {}, and {} of the memory limit are left",
                ByteCount(bytes as u64),
                ByteCount(self.memory.left() as u64)
            ))
            .with_hint("raise memory_limit, or take smaller chunks with array_rechunk")
        })
    }

    /// Reserves memory for a block of `shape`.
    ///
    /// # Errors
    /// `Resource` if there is not enough; it says what would fit.
    pub fn hold_chunk(&self, shape: &[usize], dtype: DType) -> Result<Hold> {
        let count = shape
            .iter()
            .try_fold(1usize, |count, length| count.checked_mul(*length));
        let bytes = count.and_then(|count| count.checked_mul(dtype.bytes()));
        let bytes = bytes.unwrap_or(usize::MAX / 2);
        self.try_hold(bytes).ok_or_else(|| {
            let lengths: Vec<u64> = shape.iter().map(|&length| length as u64).collect();
            let fitting = automatic_chunk(&lengths, dtype, self.block_bytes() as u64);
            SheafError::resource(format!(
                "a chunk of {} does not fit: {} of the memory limit of {} are left",
                describe(shape, dtype),
                ByteCount(self.memory.left() as u64),
                ByteCount(self.memory.limit() as u64),
            ))
            .with_hint(format!(
                "chunks of {} would fit: array_rechunk makes them; or raise memory_limit",
                tuple(&fitting)
            ))
        })
    }
}

/// A number for a store that keeps something in contexts.
pub(crate) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
