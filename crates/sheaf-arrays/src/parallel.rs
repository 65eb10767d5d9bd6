//! Many pieces of work on a few threads, their results in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicIsize, Ordering};

use parking_lot::{Condvar, Mutex};
use sheaf_base::{ErrorKind, Result, SheafError};

use crate::context::Context;

/// Results that wait for those before them, for each thread.
const WAITING_MAX: usize = 2;

/// What workers and the one who takes their results tell each other.
struct Results<T> {
    /// How many pieces there are.
    count: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// The piece that is begun next.
    begun: usize,
    /// Pieces that found no memory beside others: they are done again.
    again: BTreeSet<usize>,
    /// Results that have not been taken.
    done: BTreeMap<usize, Result<T>>,
    /// The result that is taken next.
    next: usize,
    /// Workers that have not ended.
    workers: usize,
    /// Whether no more results are wanted.
    is_over: bool,
}

/// A piece of work that a worker has taken on.
#[derive(Clone, Copy)]
struct Claim {
    number: usize,
    /// Whether no other worker is there.
    is_alone: bool,
}

/// Threads that had nothing left to do, and work for somebody else until this is dropped.
pub(crate) struct Lent<'a> {
    idle: &'a AtomicIsize,
    count: usize,
}

impl Lent<'_> {
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let count = isize::try_from(self.count).unwrap_or(0);
        self.idle.fetch_add(count, Ordering::Relaxed);
    }
}

impl Context {
    /// All threads that have nothing left to do now: so that who has a long piece of work need not end it
    /// alone.
    pub(crate) fn idle_threads(&self) -> Lent<'_> {
        let all = |idle: isize| (idle > 0).then_some(0);
        let taken = self
            .idle
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, all);
        let count = taken.ok().and_then(|idle| usize::try_from(idle).ok());
        Lent {
            idle: &self.idle,
            count: count.unwrap_or(0),
        }
    }

    /// Does `work` for 0, 1, … `count` − 1 on the context's threads, each told to use but one, and gives
    /// the results to `take` in this order. Results that come early wait; work that is far ahead of them
    /// does too.
    ///
    /// # Memory
    /// Each piece takes about `bytes_each` while it is done: no more threads work than fit. A piece that
    /// finds no memory beside others is done again with one thread less, which is lent to the others.
    /// # Errors
    /// The first that `work` or `take` gives, in the order of the pieces; `Cancelled`.
    pub fn in_order<T: Send>(
        &self,
        count: usize,
        bytes_each: usize,
        work: impl Fn(usize, &Context) -> Result<T> + Sync,
        mut take: impl FnMut(usize, T) -> Result<()>,
    ) -> Result<()> {
        let fitting = self.memory_left() / bytes_each.saturating_mul(2).max(1);
        let threads = self.threads().min(count).min(fitting.max(1));
        let single = self.single();
        if threads <= 1 {
            // A single piece may use them all.
            let own = if count == 1 { self } else { &single };
            for number in 0..count {
                self.check()?;
                take(number, work(number, own)?)?;
            }
            return Ok(());
        }
        let results = Results {
            count,
            state: Mutex::new(State {
                begun: 0,
                again: BTreeSet::new(),
                done: BTreeMap::new(),
                next: 0,
                workers: threads,
                is_over: false,
            }),
            changed: Condvar::new(),
        };
        let worker = || {
            while let Some(claim) = results.claim() {
                let mut promise = Promise {
                    results: &results,
                    claim,
                    is_kept: false,
                };
                let result = self.check().and_then(|()| work(claim.number, &single));
                promise.is_kept = true;
                if !results.put(claim, result) {
                    break;
                }
            }
            self.idle.fetch_add(1, Ordering::Relaxed);
        };
        let taken = std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(worker);
            }
            let taken = (0..count).try_for_each(|number| take(number, results.take(number)?));
            results.end();
            taken
        });
        let gone = isize::try_from(threads).unwrap_or(0);
        self.idle.fetch_sub(gone, Ordering::Relaxed);
        taken
    }

    /// The results of `work` for 0, 1, … `count` − 1, done on the context's threads.
    ///
    /// # Errors
    /// As [`Context::in_order`].
    pub fn all<T: Send>(
        &self,
        count: usize,
        bytes_each: usize,
        work: impl Fn(usize, &Context) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let mut results = Vec::with_capacity(count);
        self.in_order(count, bytes_each, work, |_, result| {
            results.push(result);
            Ok(())
        })?;
        Ok(results)
    }
}

/// Sees to it that a piece that has been begun has a result, though the worker breaks down: who waits for
/// it would wait for ever.
struct Promise<'a, T> {
    results: &'a Results<T>,
    claim: Claim,
    is_kept: bool,
}

impl<T> Drop for Promise<'_, T> {
    fn drop(&mut self) {
        if !self.is_kept {
            let broken = || SheafError::internal("a thread that reads an array has broken down");
            let mut state = self.results.state.lock();
            state.workers -= 1;
            state.done.insert(self.claim.number, Err(broken()));
            if state.workers == 0 {
                // Nobody is left to do them again.
                let again = std::mem::take(&mut state.again);
                state
                    .done
                    .extend(again.into_iter().map(|number| (number, Err(broken()))));
            }
            drop(state);
            self.results.changed.notify_all();
        }
    }
}

impl<T> Results<T> {
    /// The next piece that nobody does, once it is not too far ahead; if there is none, the worker ends.
    fn claim(&self) -> Option<Claim> {
        let mut state = self.state.lock();
        loop {
            if state.is_over {
                break;
            }
            let is_near = state.begun < state.next + state.workers * WAITING_MAX;
            let mut number = state.again.pop_first();
            if number.is_none() && state.begun < self.count && is_near {
                number = Some(state.begun);
                state.begun += 1;
            }
            if let Some(number) = number {
                let is_alone = state.workers == 1;
                return Some(Claim { number, is_alone });
            }
            if state.begun >= self.count {
                break;
            }
            self.changed.wait(&mut state);
        }
        state.workers -= 1;
        None
    }

    /// Puts a result down; whether the worker goes on.
    fn put(&self, claim: Claim, result: Result<T>) -> bool {
        let lacks_memory = |error: &SheafError| error.kind() == ErrorKind::Resource;
        let mut state = self.state.lock();
        let mut goes_on = true;
        if result.as_ref().is_err_and(lacks_memory) && !claim.is_alone {
            state.again.insert(claim.number);
            goes_on = state.workers == 1;
            state.workers -= usize::from(!goes_on);
        } else {
            state.done.insert(claim.number, result);
        }
        drop(state);
        self.changed.notify_all();
        goes_on
    }

    fn take(&self, number: usize) -> Result<T> {
        let mut state = self.state.lock();
        loop {
            if let Some(result) = state.done.remove(&number) {
                state.next = number + 1;
                drop(state);
                self.changed.notify_all();
                return result;
            }
            self.changed.wait(&mut state);
        }
    }

    fn end(&self) {
        self.state.lock().is_over = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sheaf_base::ByteCount;

    use super::*;
    use crate::{FixedMemory, Memory, ScratchDirectory};

    fn context(memory: usize, threads: usize) -> (Context, Arc<FixedMemory>) {
        let scratch = ScratchDirectory::new(std::env::temp_dir(), ByteCount(0));
        let memory = Arc::new(FixedMemory::new(memory));
        let used: Arc<dyn Memory> = Arc::clone(&memory) as _;
        (Context::new(used, Arc::new(scratch), threads), memory)
    }

    #[test]
    fn a_thread_that_has_nothing_left_is_lent_until_all_is_done() {
        let (context, _) = context(1 << 10, 2);
        // The first piece ends once it has been lent the thread of the second.
        let lent = context.all(2, 0, |number, context| {
            if number == 1 {
                return Ok(0);
            }
            loop {
                let lent = context.idle_threads();
                if lent.count() > 0 {
                    assert_eq!(context.idle_threads().count(), 0);
                    return Ok(lent.count());
                }
                std::thread::yield_now();
            }
        });
        assert_eq!(lent.unwrap(), [1, 0]);
        assert_eq!(context.idle_threads().count(), 0);
    }

    /// Three pieces fit at a time, and are all that three of the eight threads need.
    #[test]
    fn pieces_that_find_no_memory_are_done_again_with_fewer_threads() {
        let (context, memory) = context(350, 8);
        let done = context.all(40, 1, |number, context| {
            let _held = context.hold(100, "a piece")?;
            std::thread::sleep(std::time::Duration::from_millis(1));
            Ok(number)
        });
        assert_eq!(done.unwrap(), (0..40).collect::<Vec<_>>());
        assert_eq!((memory.left(), context.idle_threads().count()), (350, 0));
    }

    /// The second of two pieces breaks down before or after the first has been put back.
    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn nobody_waits_for_a_piece_that_nobody_does_again() {
        let (context, memory) = context(1 << 10, 2);
        let _ = context.all(2, 1, |number, context| {
            assert_eq!(number, 0, "broken");
            context.hold(memory.limit() + 1, "a piece")
        });
    }

    #[test]
    fn a_piece_that_does_not_fit_alone_is_an_error() {
        let (context, memory) = context(350, 4);
        let done = context.all(40, 1, |number, context| {
            let bytes = if number == 30 { 400 } else { 100 };
            context.hold(bytes, "a piece").map(|_| number)
        });
        let error = done.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Resource);
        assert!(error.message().starts_with("a piece takes 400"), "{error}");
        assert_eq!(memory.left(), 350);
    }
}
