//! One pool of memory, the process's or a query's within it, and the rules by which it grants.
//!
//! Plain data; who holds what is the [books](super::books)'.

/// The part of a pool (one in this many) that only consumers with little get.
const LATECOMER_PART: usize = 8;

/// A consumer has little while it holds less than its fair share divided by this.
const LATECOMER_SHARE: usize = 4;

/// What is held of a pool.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) pool_bytes: usize,
    /// Spillable holders with more than 0 bytes.
    spillers: usize,
    spillable_bytes: usize,
    unspillable_bytes: usize,
    peak_bytes: usize,
}

/// Who holds or asks, as far as the rules look at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) held_bytes: usize,
    pub(super) can_spill: bool,
    /// It gives back when others need memory.
    pub(super) can_be_asked: bool,
}

impl Account {
    pub(super) fn new(pool_bytes: usize) -> Self {
        Self {
            pool_bytes,
            spillers: 0,
            spillable_bytes: 0,
            unspillable_bytes: 0,
            peak_bytes: 0,
        }
    }

    pub(super) fn reserved(&self) -> usize {
        self.spillable_bytes.saturating_add(self.unspillable_bytes)
    }

    /// The most that was held at one time.
    pub(super) fn peak_bytes(&self) -> usize {
        self.peak_bytes
    }

    #[cfg(test)]
    pub(super) fn spillers(&self) -> usize {
        self.spillers
    }

    /// Whether the rules of the [module](super) give that much more.
    pub(super) fn allows(&self, asker: Standing, additional: usize) -> bool {
        let after = self.reserved().saturating_add(additional);
        if after > self.pool_bytes {
            return false;
        }
        if !asker.can_spill && !asker.can_be_asked {
            return true;
        }
        let wanted = asker.held_bytes.saturating_add(additional);
        let share = self.share(asker);
        let kept = self.pool_bytes / LATECOMER_PART;
        let leaves_kept = after <= self.pool_bytes - kept || wanted <= share / LATECOMER_SHARE;
        leaves_kept && (wanted <= share || asker.can_be_asked)
    }

    /// Notes that `holder` holds that much more.
    pub(super) fn grow(&mut self, holder: Standing, additional: usize) {
        if holder.can_spill {
            self.spillable_bytes = self.spillable_bytes.saturating_add(additional);
            self.spillers += usize::from(holder.held_bytes == 0 && additional > 0);
        } else {
            self.unspillable_bytes = self.unspillable_bytes.saturating_add(additional);
        }
        self.peak_bytes = self.peak_bytes.max(self.reserved());
    }

    /// Notes that `holder` has given back some of what it held.
    pub(super) fn shrink(&mut self, holder: Standing, returned: usize) {
        if holder.can_spill {
            let ends = returned > 0 && returned == holder.held_bytes;
            self.spillable_bytes = self.spillable_bytes.saturating_sub(returned);
            self.spillers = self.spillers.saturating_sub(usize::from(ends));
        } else {
            self.unspillable_bytes = self.unspillable_bytes.saturating_sub(returned);
        }
    }

    /// What unspillable consumers leave, divided by the spillable ones that hold something.
    fn share(&self, asker: Standing) -> usize {
        let spillers = self.spillers + usize::from(asker.held_bytes == 0);
        self.pool_bytes.saturating_sub(self.unspillable_bytes) / spillers.max(1)
    }
}
