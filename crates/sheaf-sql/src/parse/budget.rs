//! How much work the engine's parser may do on one statement.
//!
//! Where a word like CASE or CAST could be a name as well, the parser reads what follows once as the
//! one and, if that fails, once as the other. With such words in one another an error in the
//! innermost is found over and over, twice as often with each level. The steps of a statement are
//! counted therefore (each is the beginning of an expression), and those of a good one are about as
//! many as its tokens.

use std::cell::Cell;

use datafusion::sql::sqlparser::parser::ParserError;

/// Steps for each token.
const STEPS_PER_TOKEN: usize = 16;
/// Steps of the shortest statement: some hundredths of a second.
const STEPS_MIN: usize = 50_000;

thread_local! {
    // The parser calls the dialect, which is the same for all statements, with nothing of ours.
    static STEPS_LEFT: Cell<usize> = const { Cell::new(STEPS_MIN) };
}

/// A statement of so many tokens begins on this thread.
pub(super) fn begin(tokens: usize) {
    STEPS_LEFT.set(
        tokens
            .saturating_mul(STEPS_PER_TOKEN)
            .saturating_add(STEPS_MIN),
    );
}

/// Takes a step.
///
/// # Errors
/// The one after which the parser tries nothing else, if none is left.
pub(crate) fn step() -> Result<(), ParserError> {
    match STEPS_LEFT.get().checked_sub(1) {
        Some(left) => {
            STEPS_LEFT.set(left);
            Ok(())
        }
        None => Err(ParserError::RecursionLimitExceeded),
    }
}

/// Whether the statement was given up.
pub(super) fn is_spent() -> bool {
    STEPS_LEFT.get() == 0
}
