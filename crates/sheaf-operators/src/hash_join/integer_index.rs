//! From a key to its first build row where the key is one integer: no hashes, no comparisons.
//!
//! - [`DirectIndex`]: one slot for each value between the smallest and the largest key. For keys
//!   that leave few values out.
//! - [`RankedIndex`]: one bit for each of those values, and one slot for each that is there. A key's
//!   slot is the number of bits set before its own (Jacobson, 1989, calls that rank). What misses
//!   costs a bit, and the bits of a million values fit into a core's cache.
//!
//! Many tasks fill an index at once.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::chunk::Chunk;
use super::index::{Chains, NO_ROW, Pairs, row_id};

/// Values in a word of bits.
const WORD_BITS: usize = 64;

/// See the module's text.
#[derive(Debug)]
pub(super) struct DirectIndex {
    min: i64,
    slots: Vec<AtomicU32>,
}

/// How many values there are from `min` to `max`; `None` if more than an address space has bytes.
pub(super) fn values_between(min: i64, max: i64) -> Option<usize> {
    usize::try_from(i128::from(max) - i128::from(min) + 1).ok()
}

impl DirectIndex {
    /// Bytes for so many values.
    pub(super) fn bytes(values: usize) -> usize {
        values.saturating_mul(size_of::<AtomicU32>())
    }

    /// No keys yet; `values` are as many as there are values from `min` on.
    pub(super) fn new(min: i64, values: usize) -> Self {
        Self {
            min,
            slots: no_rows(values),
        }
    }

    /// Puts in the rows of a chunk, whose keys are `keys`.
    pub(super) fn insert(&self, keys: &[i64], at: usize, chunk: &Chunk, chains: &Chains) {
        for (row, key) in valid_keys(keys, chunk) {
            if let Some(slot) = self.slots.get(place(*key, self.min)) {
                put(slot, row_id(at, row), chains);
            }
        }
    }

    /// Makes `found` the rows of `rows` that have a match, beside their first one.
    pub(super) fn look_up(&self, keys: &[i64], rows: &[u32], found: &mut Pairs) {
        found.fill(rows, |row| {
            let slot = self.slots.get(place(keys[row], self.min));
            slot.map_or(NO_ROW, |slot| slot.load(Ordering::Relaxed))
        });
    }
}

/// The bits of a [`RankedIndex`] while they are set.
#[derive(Debug)]
pub(super) struct Presence {
    min: i64,
    words: Vec<AtomicU64>,
}

impl Presence {
    /// No keys yet; `values` are as many as there are values from `min` on.
    pub(super) fn new(min: i64, values: usize) -> Self {
        let words = (0..values.div_ceil(WORD_BITS)).map(|_| AtomicU64::new(0));
        Self {
            min,
            words: words.collect(),
        }
    }

    /// Notes the keys of a chunk.
    pub(super) fn insert(&self, keys: &[i64], chunk: &Chunk) {
        for (_, key) in valid_keys(keys, chunk) {
            let place = place(*key, self.min);
            let bit = 1_u64 << (place % WORD_BITS);
            if let Some(word) = self.words.get(place / WORD_BITS)
                && word.load(Ordering::Relaxed) & bit == 0
            {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
    }
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct RankedIndex {
    min: i64,
    words: Vec<u64>,
    /// Bits set before each word.
    ranks: Vec<u32>,
    slots: Vec<AtomicU32>,
}

impl RankedIndex {
    /// Bytes for so many values, of which `rows` are there at most.
    pub(super) fn bytes(values: usize, rows: usize) -> usize {
        let words = values.div_ceil(WORD_BITS);
        words * (size_of::<u64>() + size_of::<u32>()) + rows * size_of::<AtomicU32>()
    }

    /// No rows yet; all keys are in `presence`.
    pub(super) fn new(presence: Presence) -> Self {
        let words = presence.words.into_iter().map(AtomicU64::into_inner);
        let words: Vec<u64> = words.collect();
        let mut present = 0_u32;
        let ranks = words.iter().map(|word| {
            let before = present;
            present += word.count_ones();
            before
        });
        let ranks = ranks.collect();
        Self {
            min: presence.min,
            words,
            ranks,
            slots: no_rows(present as usize),
        }
    }

    /// Puts in the rows of a chunk, whose keys are `keys`.
    pub(super) fn insert(&self, keys: &[i64], at: usize, chunk: &Chunk, chains: &Chains) {
        for (row, key) in valid_keys(keys, chunk) {
            if let Some(slot) = self.slot(*key) {
                put(slot, row_id(at, row), chains);
            }
        }
    }

    /// Makes `found` the rows of `rows` that have a match, beside their first one.
    pub(super) fn look_up(&self, keys: &[i64], rows: &[u32], found: &mut Pairs) {
        // First which are there, without a branch on it; then where.
        found.fill(rows, |row| {
            let place = place(keys[row], self.min);
            let word = self.words.get(place / WORD_BITS).copied().unwrap_or(0);
            if word >> (place % WORD_BITS) & 1 == 1 {
                0
            } else {
                NO_ROW
            }
        });
        for (row, first) in found.probe.iter().zip(&mut found.build) {
            let slot = self.slot(keys[*row as usize]);
            *first = slot.map_or(NO_ROW, |slot| slot.load(Ordering::Relaxed));
        }
    }

    /// The slot of a key, if it is there.
    fn slot(&self, key: i64) -> Option<&AtomicU32> {
        let place = place(key, self.min);
        let word = self.words.get(place / WORD_BITS)?;
        let bit = 1_u64 << (place % WORD_BITS);
        let rank = self.ranks[place / WORD_BITS] + (word & (bit - 1)).count_ones();
        self.slots.get(rank as usize).filter(|_| word & bit != 0)
    }
}

fn no_rows(slots: usize) -> Vec<AtomicU32> {
    (0..slots).map(|_| AtomicU32::new(NO_ROW)).collect()
}

/// How far a key is from the smallest one; for keys outside of the range, beyond its end.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is below the smallest key wraps to more than any range"
)]
fn place(key: i64, min: i64) -> usize {
    key.wrapping_sub(min) as u64 as usize
}

/// The keys that can equal others, with their rows.
fn valid_keys<'a>(keys: &'a [i64], chunk: &'a Chunk) -> impl Iterator<Item = (usize, &'a i64)> {
    let keys = keys.iter().enumerate();
    keys.filter(|(row, _)| chunk.keys.is_valid(*row))
}

/// Makes `id` the first row of a slot.
fn put(slot: &AtomicU32, id: u32, chains: &Chains) {
    // Whoever was first becomes second; nobody follows links before all are made.
    let before = slot.swap(id, Ordering::Relaxed);
    if before != NO_ROW {
        chains.link(id, before);
    }
}
