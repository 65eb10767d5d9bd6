//! What expressions make: texts and arrays are counted before they are there.
//!
//! | what | limit | beyond it |
//! |---|---|---|
//! | one value | [`VALUE_BYTES_MAX`] | 54000 |
//! | all that a run holds | its reservation | 53200 |

use std::cell::Cell;

use sheaf_base::error::SqlState;
use sheaf_base::{ByteCount, Result, SheafError, VALUE_BYTES_MAX};

use crate::value::Value;

/// The memory in which values are made.
pub(crate) trait Memory {
    /// Counts bytes that are about to be made.
    ///
    /// # Errors
    /// `Resource` if there are none; `Cancelled` if the statement is to end.
    fn hold(&self, bytes: usize) -> Result<()>;
}

/// Asks for the memory of an array of so many elements.
///
/// # Errors
/// `Resource` if it is too large, or there is no memory for it.
pub(crate) fn hold_elements(memory: &dyn Memory, count: usize) -> Result<()> {
    let bytes = count.saturating_mul(size_of::<Value>());
    match bytes > VALUE_BYTES_MAX {
        true => Err(too_large()),
        false => memory.hold(bytes),
    }
}

/// Where a text is written.
pub(crate) trait Sink {
    /// Adds to it.
    ///
    /// # Errors
    /// `Resource` if it becomes too large.
    fn put(&mut self, text: &str) -> Result<()>;
}

impl Sink for String {
    fn put(&mut self, text: &str) -> Result<()> {
        self.push_str(text);
        Ok(())
    }
}

/// A text that is counted as it grows.
pub(crate) struct Text<'m> {
    text: String,
    memory: &'m dyn Memory,
}

fn too_large() -> SheafError {
    SheafError::resource(format!(
        "a value has more than {}",
        ByteCount::from(VALUE_BYTES_MAX)
    ))
    .with_state(SqlState::PROGRAM_LIMIT)
}

impl<'m> Text<'m> {
    pub(crate) fn new(memory: &'m dyn Memory) -> Self {
        Self {
            text: String::new(),
            memory,
        }
    }

    /// The text as a value, which is a copy of it.
    ///
    /// # Errors
    /// `Resource` if there is no memory for it.
    pub(crate) fn into_value(self) -> Result<Value> {
        self.memory.hold(self.text.len())?;
        Ok(self.text.into())
    }
}

impl Sink for Text<'_> {
    fn put(&mut self, text: &str) -> Result<()> {
        let needed = self.text.len().saturating_add(text.len());
        if needed > VALUE_BYTES_MAX {
            return Err(too_large());
        }
        let has = self.text.capacity();
        if needed > has {
            let wanted = needed.max(has.saturating_mul(2)).min(VALUE_BYTES_MAX);
            self.memory.hold(wanted - has)?;
            self.text.reserve_exact(wanted - self.text.len());
        }
        self.text.push_str(text);
        Ok(())
    }
}

/// Memory of a call by the engine, which has no account of it: so many bytes and no more.
pub(crate) struct Allowance(Cell<usize>);

/// Bytes that such a call may make.
const CALL_BYTES_MAX: usize = 256 << 20;

impl Default for Allowance {
    fn default() -> Self {
        Self(Cell::new(CALL_BYTES_MAX))
    }
}

impl Memory for Allowance {
    fn hold(&self, bytes: usize) -> Result<()> {
        match self.0.get().checked_sub(bytes) {
            Some(rest) => {
                self.0.set(rest);
                Ok(())
            }
            None => Err(SheafError::resource(format!(
                "a call makes more than {}",
                ByteCount::from(CALL_BYTES_MAX)
            ))
            .with_state(SqlState::PROGRAM_LIMIT)),
        }
    }
}
