//! A stretch of an instance's memory that is filled from its beginning on.

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::REGION_BYTES_MAX;

/// What every buffer's address is a multiple of.
pub(crate) const ALIGNMENT: usize = 16;

/// A stretch that is filled, or only measured: what fills it is run twice, so that no second piece of code
/// has to know how large what the first writes is.
pub(crate) struct Region<'a> {
    memory: Option<&'a mut [u8]>,
    address: u32,
    used: usize,
}

impl<'a> Region<'a> {
    /// Measures only.
    pub(crate) fn measure() -> Self {
        Self {
            memory: None,
            address: 0,
            used: 0,
        }
    }

    /// Fills `memory`, which the guest calls `address`.
    pub(crate) fn fill(memory: &'a mut [u8], address: u32) -> Self {
        Self {
            memory: Some(memory),
            address,
            used: 0,
        }
    }

    /// The bytes so far.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// The address of the next `bytes`, which `fill` fills; they may hold anything before.
    ///
    /// # Errors
    /// `Resource` if there is more than a region may have.
    pub(crate) fn take(&mut self, bytes: usize, fill: impl FnOnce(&mut [u8])) -> Result<u32> {
        let start = self.used.next_multiple_of(ALIGNMENT);
        let end = start.saturating_add(bytes);
        if end > REGION_BYTES_MAX {
            return Err(too_large());
        }
        self.used = end;
        if let Some(memory) = &mut self.memory {
            let to = memory.get_mut(start..end);
            fill(to.ok_or_else(|| SheafError::internal("a region was measured wrongly"))?);
        }
        let start = u32::try_from(start).map_err(|_| too_large())?;
        self.address.checked_add(start).ok_or_else(too_large)
    }
}

fn too_large() -> SheafError {
    SheafError::resource(format!(
        "a batch has more than the {REGION_BYTES_MAX} bytes that a guest can be given at once"
    ))
    .with_state(SqlState::PROGRAM_LIMIT)
    .with_hint("SET batch_size to less")
}
