//! Draws with replacement from rows in a random order.

use super::priority::RandomNumbers;

/// The draws of one sample, as places in the random order of rows: a place is new or was drawn before.
pub(super) struct Draws {
    numbers: RandomNumbers,
    /// How many draws are to come.
    left: u64,
    /// How many rows there are.
    row_count: u64,
    /// How many different rows have been drawn.
    drawn: u64,
}

impl Draws {
    /// `draws` of `row_count` rows; none if there are no rows.
    pub(super) fn new(draws: u64, row_count: u64, seed: Option<u64>) -> Self {
        Self {
            numbers: RandomNumbers::new(seed),
            left: if row_count == 0 { 0 } else { draws },
            row_count,
            drawn: 0,
        }
    }

    /// The next draws, `draws_max` at most.
    pub(super) fn next(&mut self, draws_max: usize) -> Vec<u64> {
        let draws_max = u64::try_from(draws_max).unwrap_or(u64::MAX).min(self.left);
        self.left -= draws_max;
        (0..draws_max).map(|_| self.draw()).collect()
    }

    fn draw(&mut self) -> u64 {
        // Every row is as likely as any other; those drawn before are the first ones.
        let row = self.numbers.below(self.row_count);
        if row < self.drawn {
            return row;
        }
        self.drawn += 1;
        self.drawn - 1
    }
}
