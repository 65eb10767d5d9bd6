//! Joins on conditions that no hash table serves (`a.x < b.y`, `a.t LIKE b.p`), and cross joins.
//!
//! The block nested-loop join of Kim ("A New Way to Compute the Product and Join of Relations",
//! SIGMOD 1980), over batches:
//!
//! 1. *Build* (`build.rs`). The left input is gathered once for all partitions of the right one. If
//!    memory is refused, all of it goes to disk.
//! 2. *Probe* (`probe.rs`). Each partition of the right input is paired with one block of the left
//!    rows after another: there is one block if they are in memory; else as many rows as fit are
//!    read back, and the partition, which was written to disk during its first pass, is read again.
//! 3. *Unmatched*. Right rows give their fate away during the pass over the last block; left rows
//!    when the last partition has ended, which alone reads them once more.
//!
//! Pairs are tried a row of one side with a batch of the other at a time (`pairing.rs`, `filter.rs`): the row's
//! values take part as scalars, nothing is gathered but rows that match, and after each such step
//! the operator may yield, so that a query whose pairs never match can be cancelled.
//!
//! Partitions never wait for one another but for the build, so that back-pressure above cannot lock
//! them; hence each reads blocks of its own. Which left rows were matched is known in one bitmap
//! over all of them, written by all partitions (`visited.rs`). The engine's operator keeps one a
//! partition when it spills, and gives left rows of LEFT, SEMI, ANTI and MARK joins once for each.
//!
//! Memory: the left rows, or a block of them a partition, of at most a share of the limit; a bit
//! for each left row and, when it spills, each right row; a batch of each side, and one of output.

mod build;
mod exec;
mod filter;
mod output;
mod pairing;
mod probe;
mod right;
#[cfg(test)]
mod tests;
mod visited;

pub use exec::BlockNestedLoopJoinExec;

use datafusion::common::JoinType;

/// Who spills, in errors.
const OPERATOR: &str = "the nested-loop join";

/// What a type of join asks of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Needs {
    /// Rows of output for pairs that match.
    pairs: bool,
    /// To know which left rows were matched.
    left_matches: bool,
    /// To know which right rows were matched.
    right_matches: bool,
}

impl Needs {
    fn of(join_type: JoinType) -> Self {
        use JoinType::{
            Full, Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightMark, RightSemi,
        };
        Self {
            pairs: matches!(join_type, Inner | Left | Right | Full),
            left_matches: matches!(join_type, Left | Full | LeftSemi | LeftAnti | LeftMark),
            right_matches: matches!(join_type, Right | Full | RightSemi | RightAnti | RightMark),
        }
    }
}
