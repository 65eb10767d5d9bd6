//! Evaluating a plan, a row at a time.
//!
//! Tables of the catalogue are small, and statements about them join a dozen of them with queries
//! within expressions that name columns outside: that is done as it is written, by nested loops,
//! whose inner tables are looked up in an index where an equation allows it, and whose queries are
//! evaluated once for the same values of what they name outside ([`kept`]). What is held is counted
//! and whether to stop is asked all the while ([`account`]).

mod account;
mod expr;
mod from;
mod groups;
mod kept;
mod numbers;
mod query;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use regex::Regex;
use sheaf_base::error::SqlState;
use sheaf_base::{ByteCount, Result, SheafError};

pub(crate) use self::account::{Watch, bytes_of};
use self::kept::KeptRows;
use crate::database::Database;
use crate::value::Value;

/// Patterns that are kept compiled.
const PATTERNS_MAX: usize = 16;
/// Bytes that a pattern may have compiled, and as many again while it is matched.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Rows of one query that names itself.
const RECURSION_ROWS_MAX: usize = 1_000_000;

/// A run of one statement.
pub(crate) struct Run<'a> {
    database: &'a Database,
    parameters: &'a [Value],
    watch: Option<&'a dyn Watch>,
    steps: Cell<u64>,
    /// Bytes of rows and values that are held.
    held_bytes: Cell<usize>,
    kept: RefCell<KeptRows>,
    /// The tables whose rows are counted.
    tables: RefCell<HashSet<usize>>,
    patterns: RefCell<HashMap<(String, bool, bool), Regex>>,
}

/// What expressions see: a row of FROM, what was computed of its group and for it, and the same of
/// the queries around.
#[derive(Clone, Copy)]
struct Frame<'f> {
    row: &'f [Value],
    aggregates: &'f [Value],
    windows: &'f [Value],
    sets: &'f [Value],
    /// What [`crate::plan::Expr::Operand`] stands for.
    operand: Option<&'f Value>,
    outer: Option<&'f Frame<'f>>,
}

impl<'f> Frame<'f> {
    fn of(row: &'f [Value], outer: Option<&'f Frame<'f>>) -> Self {
        Self {
            row,
            aggregates: &[],
            windows: &[],
            sets: &[],
            operand: None,
            outer,
        }
    }

    fn column(&self, up: usize, index: usize) -> Value {
        let mut frame = self;
        for _ in 0..up {
            match frame.outer {
                Some(outer) => frame = outer,
                None => return Value::Null,
            }
        }
        frame.row.get(index).cloned().unwrap_or(Value::Null)
    }
}

impl<'a> Run<'a> {
    /// A run over `database` with values for `$1`, `$2`, ….
    pub(crate) fn new(database: &'a Database, parameters: &'a [Value]) -> Self {
        Self {
            database,
            parameters,
            watch: None,
            steps: Cell::new(0),
            held_bytes: Cell::new(0),
            kept: RefCell::default(),
            tables: RefCell::default(),
            patterns: RefCell::default(),
        }
    }

    /// The same, watched.
    pub(crate) fn watched(mut self, watch: Option<&'a dyn Watch>) -> Self {
        self.watch = watch;
        self
    }

    /// The expression that a pattern means.
    fn pattern(&self, text: &str, is_like: bool, ignores_case: bool) -> Result<Regex> {
        let key = (text.to_owned(), is_like, ignores_case);
        if let Some(found) = self.patterns.borrow().get(&key) {
            return Ok(found.clone());
        }
        let mut patterns = self.patterns.borrow_mut();
        if patterns.len() >= PATTERNS_MAX {
            patterns.clear();
        }
        let source = if is_like { like(text) } else { text.to_owned() };
        let built = regex::RegexBuilder::new(&source)
            .case_insensitive(ignores_case)
            .dot_matches_new_line(true)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX)
            .build();
        let built = built.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => SheafError::resource(format!(
                "a pattern takes more than {} compiled",
                ByteCount::from(PATTERN_BYTES_MAX)
            ))
            .with_state(SqlState::PROGRAM_LIMIT),
            _ => SheafError::user(format!("invalid regular expression: \"{text}\""))
                .with_state(SqlState::INVALID_REGULAR_EXPRESSION),
        })?;
        patterns.insert(key, built.clone());
        Ok(built)
    }
}

/// A pattern of LIKE as a regular expression.
fn like(pattern: &str) -> String {
    let mut source = String::from("^");
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        match c {
            '%' => source.push_str(".*"),
            '_' => source.push('.'),
            '\\' => {
                let escaped = characters.next().map(String::from).unwrap_or_default();
                source.push_str(&regex::escape(&escaped));
            }
            c => source.push_str(&regex::escape(&String::from(c))),
        }
    }
    source.push('$');
    source
}
