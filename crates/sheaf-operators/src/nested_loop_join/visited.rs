//! Which rows were matched: left ones, noted by all partitions at once, and those of a right batch.

use std::sync::atomic::{AtomicU64, Ordering};

use arrow::buffer::{BooleanBuffer, Buffer};

const WORD_BITS: usize = 64;

/// One bit for each row; bits are only ever set.
#[derive(Debug)]
pub(super) struct Visited {
    words: Vec<AtomicU64>,
}

impl Visited {
    /// Bytes for `row_count` rows.
    pub(super) fn memory_bytes(row_count: usize) -> usize {
        row_count.div_ceil(WORD_BITS) * size_of::<AtomicU64>()
    }

    pub(super) fn new(row_count: usize) -> Self {
        let mut words = Vec::new();
        words.resize_with(row_count.div_ceil(WORD_BITS), AtomicU64::default);
        Self { words }
    }

    pub(super) fn contains(&self, row: usize) -> bool {
        let word = &self.words[row / WORD_BITS];
        word.load(Ordering::Relaxed) >> (row % WORD_BITS) & 1 == 1
    }

    pub(super) fn insert(&self, row: usize) {
        // Most rows that match do so often: reading first spares the other threads' caches.
        if !self.contains(row) {
            let bit = 1 << (row % WORD_BITS);
            self.words[row / WORD_BITS].fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// The bits of `row_count` rows from `first` on.
    pub(super) fn slice(&self, first: usize, row_count: usize) -> BooleanBuffer {
        BooleanBuffer::collect_bool(row_count, |row| self.contains(first + row))
    }
}

/// Which rows of one right batch were matched.
#[derive(Debug, Clone)]
pub(super) struct Matches {
    words: Vec<u64>,
    row_count: usize,
}

impl Matches {
    pub(super) fn new(row_count: usize) -> Self {
        Self {
            words: vec![0; row_count.div_ceil(WORD_BITS)],
            row_count,
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.words.len() * size_of::<u64>()
    }

    pub(super) fn contains(&self, row: usize) -> bool {
        self.words[row / WORD_BITS] >> (row % WORD_BITS) & 1 == 1
    }

    pub(super) fn insert(&mut self, row: usize) {
        self.words[row / WORD_BITS] |= 1 << (row % WORD_BITS);
    }

    pub(super) fn insert_all(&mut self) {
        self.words.fill(u64::MAX);
    }

    /// Adds `found`, a bit for each row.
    pub(super) fn union(&mut self, found: &BooleanBuffer) {
        let found = found.bit_chunks();
        for (word, more) in self.words.iter_mut().zip(found.iter_padded()) {
            *word |= more;
        }
    }

    pub(super) fn into_buffer(self) -> BooleanBuffer {
        BooleanBuffer::new(Buffer::from_vec(self.words), 0, self.row_count)
    }
}
