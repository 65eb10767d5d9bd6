//! Rewrites that need only syntax: forms the engine's grammar or planner lacks become ones it has.
//!
//! Before parsing, on tokens ([`tokens()`]):
//!
//! - `FROM t …` without SELECT → `SELECT * FROM t …`; `TABLE t` as a query → `SELECT * FROM t`;
//! - `… USING SAMPLE 10%` → `TABLESAMPLE (10 PERCENT)` on the FROM clause: on its only table, or
//!   on a sub-query `(SELECT * FROM …)` around more than one. As in DuckDB, the sample is taken
//!   before WHERE. The engine keeps the tables' names visible through such a sub-query;
//! - `PIVOT t ON …` and `UNPIVOT t ON …` as statements → table factors of a SELECT;
//! - any sample's quantity gets its unit: `ROWS` or `PERCENT`;
//! - `ASOF [LEFT] JOIN t ON|USING …` → the engine's `ASOF JOIN t MATCH_CONDITION (marker) ON …`,
//!   read back by [`crate::asof_join`];
//! - `POSITIONAL JOIN t` → two joins, of a marker and of `t`;
//! - `OVER (… ROWS … EXCLUDE TIES)` → `OVER (PARTITION BY marker, … ROWS …)`.
//!
//! After parsing, on the tree ([`tree()`]):
//!
//! - `read_csv('x', delim = ';')` → `delim => ';'` in calls of table functions;
//! - an ASOF join is the only join of a `NestedJoin`, so that the session can plan it as a
//!   relation: `a JOIN b … ASOF JOIN c … JOIN d …` → `((a JOIN b …) ASOF JOIN c …) JOIN d …`;
//! - long chains of `AND`, `OR` and `UNION` get shallow.

mod asof;
mod balance;
mod clauses;
mod edits;
mod frames;
mod pivot;
pub(crate) mod positional;
mod sample;
mod tree;

use datafusion::sql::sqlparser::tokenizer::TokenWithSpan;
use sheaf_base::Result;

pub use asof::{ASOF_INNER, ASOF_LEFT};
pub use frames::FRAME_EXCLUSION;
pub use pivot::PIVOT_KEYS;
pub use positional::POSITIONAL;
pub use sample::WITH_REPLACEMENT;
pub(crate) use tree::tree;

/// Rewrites one statement's tokens.
///
/// # Errors
/// `UserInput` for a `USING SAMPLE` that is no sample or has no FROM.
pub(crate) fn tokens(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    let tokens = pivot::rewrite(tokens);
    let tokens = asof::rewrite(tokens);
    let tokens = positional::rewrite(tokens);
    let tokens = frames::rewrite(tokens);
    clauses::rewrite(tokens)
}
