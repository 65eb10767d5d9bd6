//! A Bloom filter over the hashes of evicted build rows: probe rows that are not in it need not be
//! written to disk.
//!
//! Blocked: all bits of a hash lie in one 64-bit word, so that a look-up costs one cache miss.

use std::sync::atomic::{AtomicU64, Ordering};

use super::portion::Portion;

/// Beyond this share of set bits (in percent) the filter lets most rows pass.
const FILL_PERCENT_MAX: usize = 60;

/// A set of hashes that may seem to hold more than it does.
#[derive(Debug)]
pub(super) struct Bloom {
    words: Vec<AtomicU64>,
    mask: u64,
    _portion: Portion,
}

impl Bloom {
    /// An empty filter of about `bytes`, which is rounded down to a power of two and reserved in
    /// `portion`.
    pub(super) fn new(bytes: usize, portion: Portion) -> Self {
        let words = (bytes / size_of::<u64>()).max(1);
        let words = 1_usize << words.ilog2();
        Self {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
            mask: words as u64 - 1,
            _portion: portion,
        }
    }

    pub(super) fn insert(&self, hash: u64) {
        let (word, bits) = self.locate(hash);
        if word.load(Ordering::Relaxed) & bits != bits {
            word.fetch_or(bits, Ordering::Relaxed);
        }
    }

    pub(super) fn may_contain(&self, hash: u64) -> bool {
        let (word, bits) = self.locate(hash);
        word.load(Ordering::Relaxed) & bits == bits
    }

    /// Whether the filter still tells anything.
    pub(super) fn is_useful(&self) -> bool {
        let set: usize = self
            .words
            .iter()
            .map(|word| word.load(Ordering::Relaxed).count_ones() as usize)
            .sum();
        set * 100 <= self.words.len() * 64 * FILL_PERCENT_MAX
    }

    fn locate(&self, hash: u64) -> (&AtomicU64, u64) {
        // Bits of the word and bits in the word come from different parts of a mixed hash.
        let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let word = (mixed >> 24) & self.mask;
        let bits = 1 << (mixed & 63) | 1 << ((mixed >> 6) & 63) | 1_u64 << ((mixed >> 12) & 63);
        (&self.words[word as usize], bits)
    }
}
