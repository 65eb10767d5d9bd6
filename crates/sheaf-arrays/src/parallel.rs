//! Many pieces of work on a few threads, their results in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex};
use sheaf_base::{Result, SheafError};

use crate::context::Context;

/// Results that wait for those before them, for each thread.
const WAITING_MAX: usize = 2;

/// What workers and the one who takes their results tell each other.
struct Results<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    done: BTreeMap<usize, Result<T>>,
    /// The result that is taken next.
    next: usize,
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
    /// Each piece takes about `bytes_each` while it is done: no more threads work than fit.
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
            state: Mutex::new(State {
                done: BTreeMap::new(),
                next: 0,
            }),
            changed: Condvar::new(),
        };
        let (begun, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let worker = || {
            while let Some(number) = results.claim(&begun, &is_over, count, threads) {
                let mut promise = Promise {
                    results: &results,
                    number,
                    is_kept: false,
                };
                let result = self.check().and_then(|()| work(number, &single));
                promise.is_kept = true;
                results.put(number, result);
            }
            self.idle.fetch_add(1, Ordering::Relaxed);
        };
        let taken = std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(worker);
            }
            let taken = (0..count).try_for_each(|number| take(number, results.take(number)?));
            is_over.store(true, Ordering::Relaxed);
            results.wake();
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
    number: usize,
    is_kept: bool,
}

impl<T> Drop for Promise<'_, T> {
    fn drop(&mut self) {
        if !self.is_kept {
            let error = SheafError::internal("a thread that reads an array has broken down");
            self.results.put(self.number, Err(error));
        }
    }
}

impl<T> Results<T> {
    /// The next piece that nobody does, once it is not too far ahead.
    fn claim(
        &self,
        begun: &AtomicUsize,
        is_over: &AtomicBool,
        count: usize,
        threads: usize,
    ) -> Option<usize> {
        let number = begun.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock();
        while number < count
            && number >= state.next + threads * WAITING_MAX
            && !is_over.load(Ordering::Relaxed)
        {
            self.changed.wait(&mut state);
        }
        (number < count && !is_over.load(Ordering::Relaxed)).then_some(number)
    }

    fn put(&self, number: usize, result: Result<T>) {
        self.state.lock().done.insert(number, result);
        self.changed.notify_all();
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

    fn wake(&self) {
        // Under the lock, so that nobody who has looked goes to sleep after this.
        let _state = self.state.lock();
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sheaf_base::ByteCount;

    use super::*;
    use crate::{FixedMemory, ScratchDirectory};

    #[test]
    fn a_thread_that_has_nothing_left_is_lent_until_all_is_done() {
        let scratch = ScratchDirectory::new(std::env::temp_dir(), ByteCount(0));
        let memory = Arc::new(FixedMemory::new(0));
        let context = Context::new(memory, Arc::new(scratch), 2);
        // The first piece ends once it has been lent the thread of the second.
        let lent = context.all(2, 0, |number, context| {
            while number == 0 {
                let lent = context.idle_threads();
                if lent.count() > 0 {
                    assert_eq!(context.idle_threads().count(), 0);
                    return Ok(lent.count());
                }
                std::thread::yield_now();
            }
            Ok(0)
        });
        assert_eq!(lent.unwrap(), [1, 0]);
        assert_eq!(context.idle_threads().count(), 0);
    }
}
