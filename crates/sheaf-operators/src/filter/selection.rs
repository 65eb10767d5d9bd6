//! The rows of a batch that are left.

use arrow::array::BooleanArray;
use arrow::buffer::{BooleanBuffer, Buffer};

/// Rows a word of a mask stands for.
pub(super) const WORD_ROWS: usize = 64;

/// One bit a row, in words of 64; bits beyond the last row are clear.
#[derive(Debug, Clone)]
pub(super) struct Mask {
    pub(super) words: Vec<u64>,
    row_count: usize,
}

impl Mask {
    /// All of `row_count` rows.
    pub(super) fn all(row_count: usize) -> Self {
        let mut words = vec![u64::MAX; row_count.div_ceil(WORD_ROWS)];
        let rest = row_count % WORD_ROWS;
        if rest > 0
            && let Some(last) = words.last_mut()
        {
            *last = (1 << rest) - 1;
        }
        Self { words, row_count }
    }

    /// Those of `row_count` rows that are listed.
    fn of(rows: &[u32], row_count: usize) -> Self {
        let mut words = vec![0; row_count.div_ceil(WORD_ROWS)];
        for row in rows {
            let row = *row as usize;
            words[row / WORD_ROWS] |= 1 << (row % WORD_ROWS);
        }
        Self { words, row_count }
    }

    fn count(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// Keeps the rows that are set in `bits`, too.
    pub(super) fn and(&mut self, bits: &BooleanBuffer) {
        let chunks = bits.bit_chunks();
        for (word, other) in self.words.iter_mut().zip(chunks.iter_padded()) {
            *word &= other;
        }
    }

    /// Keeps those rows for which `test` holds, which is asked for no others.
    pub(super) fn retain(&mut self, mut test: impl FnMut(usize) -> bool) {
        for (index, word) in self.words.iter_mut().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                if !test(index * WORD_ROWS + bit) {
                    *word &= !(1 << bit);
                }
            }
        }
    }

    fn rows(&self) -> Vec<u32> {
        let mut rows = Vec::with_capacity(self.count());
        let mut first = 0;
        for word in &self.words {
            let mut rest = *word;
            while rest != 0 {
                rows.push(first + rest.trailing_zeros());
                rest &= rest - 1;
            }
            first += 64;
        }
        rows
    }
}

/// The rows of a batch that are left.
#[derive(Debug)]
pub(super) enum Selection {
    /// Conjuncts compute over all rows, and clear bits.
    Mask(Mask),
    /// Conjuncts compute over these rows, in ascending order, alone.
    Rows { rows: Vec<u32>, row_count: usize },
}

impl Selection {
    pub(super) fn all(row_count: usize) -> Self {
        Self::Mask(Mask::all(row_count))
    }

    /// How many rows are left.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Mask(mask) => mask.count(),
            Self::Rows { rows, .. } => rows.len(),
        }
    }

    /// The same as a list of rows.
    pub(super) fn into_rows(self) -> Self {
        match self {
            Self::Mask(mask) => Self::Rows {
                rows: mask.rows(),
                row_count: mask.row_count,
            },
            rows @ Self::Rows { .. } => rows,
        }
    }

    /// The first `count` of the rows that are left.
    pub(super) fn first(self, count: usize) -> Self {
        match self.into_rows() {
            Self::Rows {
                mut rows,
                row_count,
            } => {
                rows.truncate(count);
                Self::Rows { rows, row_count }
            }
            mask @ Self::Mask(_) => mask,
        }
    }

    /// The same with a bit for each row.
    pub(super) fn into_mask(self) -> Mask {
        match self {
            Self::Mask(mask) => mask,
            Self::Rows { rows, row_count } => Mask::of(&rows, row_count),
        }
    }

    /// True for each row that is left.
    pub(super) fn into_bits(self) -> BooleanArray {
        let mask = self.into_mask();
        let bits = Buffer::from_vec(mask.words);
        BooleanArray::new(BooleanBuffer::new(bits, 0, mask.row_count), None)
    }
}
