//! What a run holds, and whether it may go on.
//!
//! Rows and values that are made are held until whoever wanted them has what it needs: it marks what
//! was held before and comes back to that ([`Run::mark`], [`Run::release_to`]). Rows of queries that
//! are kept for later, and indexes of them, are held by themselves until they are forgotten.

use sheaf_base::Result;

use super::Run;
use crate::made::Memory;
use crate::value::{Row, Value};

/// Rows and values that are looked at between two looks at the clock.
const STEPS_BETWEEN_CHECKS: u64 = 1024;
/// Bytes of a row beside its values.
const ROW_BYTES: usize = size_of::<Row>();

/// Whoever watches over a run.
pub(crate) trait Watch {
    /// Whether it may go on.
    ///
    /// # Errors
    /// `Cancelled` if not.
    fn check(&self) -> Result<()>;
    /// Asks for more memory.
    ///
    /// # Errors
    /// `Resource` if there is none.
    fn grow(&self, bytes: usize) -> Result<()>;
    /// Gives memory back.
    fn shrink(&self, bytes: usize);
}

/// Bytes that a row holds.
pub(crate) fn bytes_of(row: &[Value]) -> usize {
    ROW_BYTES + row.iter().map(Value::bytes).sum::<usize>()
}

/// Bytes that rows hold.
pub(super) fn bytes_of_all(rows: &[Row]) -> usize {
    rows.iter().map(|row| bytes_of(row)).sum()
}

impl Memory for Run<'_> {
    fn hold(&self, bytes: usize) -> Result<()> {
        self.grow(bytes)?;
        self.held_bytes.set(self.held_bytes.get() + bytes);
        Ok(())
    }
}

impl Run<'_> {
    /// Counts something that is looked at.
    pub(super) fn step(&self) -> Result<()> {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        match self.watch {
            Some(watch) if steps.is_multiple_of(STEPS_BETWEEN_CHECKS) => watch.check(),
            _ => Ok(()),
        }
    }

    /// Asks for memory that is not given back with what is held. Rather than to fail, rows that could
    /// be evaluated again are forgotten.
    pub(super) fn grow(&self, bytes: usize) -> Result<()> {
        let Some(watch) = self.watch else {
            return Ok(());
        };
        match watch.grow(bytes) {
            Err(_) if self.forget_memos() => watch.grow(bytes),
            grown => grown,
        }
    }

    /// Gives such memory back.
    pub(super) fn shrink(&self, bytes: usize) {
        if let Some(watch) = self.watch {
            watch.shrink(bytes);
        }
    }

    /// Counts a row that is kept.
    pub(super) fn keep(&self, rows: &mut Vec<Row>, row: Row) -> Result<()> {
        self.hold(bytes_of(&row))?;
        self.step()?;
        rows.push(row);
        Ok(())
    }

    /// Bytes that are held now, to come back to.
    pub(super) fn mark(&self) -> usize {
        self.held_bytes.get()
    }

    /// Everything that was held since `mark` is gone, but for `bytes` of it.
    pub(super) fn release_to(&self, mark: usize, bytes: usize) {
        let held = self.held_bytes.get();
        let rest = held.min(mark + bytes);
        self.held_bytes.set(rest);
        self.shrink(held - rest);
    }

    /// So much of what is held is gone.
    pub(super) fn release(&self, bytes: usize) {
        self.release_to(self.held_bytes.get().saturating_sub(bytes), 0);
    }

    /// What `make` holds is gone when it has made what is wanted.
    pub(super) fn passing<T>(&self, make: impl FnOnce() -> Result<T>) -> Result<T> {
        let mark = self.mark();
        let made = make()?;
        self.release_to(mark, 0);
        Ok(made)
    }
}
