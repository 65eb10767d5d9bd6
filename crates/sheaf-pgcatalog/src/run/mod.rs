//! Evaluating a plan, a row at a time.
//!
//! Tables of the catalogue are small, and statements about them join a dozen of them with queries
//! within expressions that name columns outside: that is done as it is written, by nested loops,
//! whose inner tables are looked up in an index where an equation allows it. What is held is counted;
//! whether to stop is asked every [`STEPS_BETWEEN_CHECKS`] rows.

mod expr;
mod from;
mod groups;
mod query;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use regex::Regex;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use crate::database::{Database, Rows};
use crate::value::{Row, Value};

/// Rows that are looked at between two looks at the clock.
const STEPS_BETWEEN_CHECKS: u64 = 1024;
/// Patterns that are kept compiled.
const PATTERNS_MAX: usize = 64;
/// Rows of one query that names itself.
const RECURSION_ROWS_MAX: usize = 1_000_000;

/// Whoever watches over a run.
pub(crate) trait Watch {
    /// Whether it may go on.
    ///
    /// # Errors
    /// `Cancelled` if not.
    fn check(&self) -> Result<()>;
    /// Asks for more memory.
    ///
    /// # Errors
    /// `Resource` if there is none.
    fn grow(&self, bytes: usize) -> Result<()>;
    /// Gives memory back.
    fn shrink(&self, bytes: usize);
}

/// A run of one statement.
pub(crate) struct Run<'a> {
    database: &'a Database,
    parameters: &'a [Value],
    watch: Option<&'a dyn Watch>,
    steps: Cell<u64>,
    /// Bytes of rows that are held.
    held_bytes: Cell<usize>,
    /// Rows of queries that name nothing outside, and of those of WITH.
    rows: RefCell<HashMap<usize, Rows>>,
    /// Places of rows by the values of a column.
    indexes: RefCell<HashMap<(Place, usize), Rc<Index>>>,
    patterns: RefCell<HashMap<(String, bool, bool), Regex>>,
}

/// Where rows are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Table(usize),
    Query(usize),
}

type Index = HashMap<Value, Vec<usize>>;

/// What expressions see: a row of FROM, what was computed of its group and for it, and the same of
/// the queries around.
#[derive(Clone, Copy)]
struct Frame<'f> {
    row: &'f [Value],
    aggregates: &'f [Value],
    windows: &'f [Value],
    sets: &'f [Value],
    outer: Option<&'f Frame<'f>>,
}

impl<'f> Frame<'f> {
    fn of(row: &'f [Value], outer: Option<&'f Frame<'f>>) -> Self {
        Self {
            row,
            aggregates: &[],
            windows: &[],
            sets: &[],
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
            rows: RefCell::default(),
            indexes: RefCell::default(),
            patterns: RefCell::default(),
        }
    }

    /// The same, watched.
    pub(crate) fn watched(mut self, watch: &'a dyn Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Counts a row that is looked at.
    fn step(&self) -> Result<()> {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        match self.watch {
            Some(watch) if steps.is_multiple_of(STEPS_BETWEEN_CHECKS) => watch.check(),
            _ => Ok(()),
        }
    }

    /// Counts a row that is kept.
    fn keep(&self, rows: &mut Vec<Row>, row: Row) -> Result<()> {
        let bytes = bytes_of(&row);
        if let Some(watch) = self.watch {
            watch.grow(bytes)?;
        }
        self.held_bytes.set(self.held_bytes.get() + bytes);
        self.step()?;
        rows.push(row);
        Ok(())
    }

    /// Bytes that are held now, to come back to.
    fn mark(&self) -> usize {
        self.held_bytes.get()
    }

    /// Everything that was kept since `mark` is gone, but for `bytes` of it.
    fn release_to(&self, mark: usize, bytes: usize) {
        let held = self.held_bytes.get();
        let rest = held.min(mark + bytes);
        self.held_bytes.set(rest);
        if let Some(watch) = self.watch {
            watch.shrink(held - rest);
        }
    }

    /// A row that was kept is gone.
    fn release(&self, row: &[Value]) {
        let held = self.held_bytes.get();
        self.release_to(held.saturating_sub(bytes_of(row)), 0);
    }

    fn index(&self, place: Place, column: usize, rows: &Rows) -> Rc<Index> {
        if let Some(index) = self.indexes.borrow().get(&(place, column)) {
            return Rc::clone(index);
        }
        let mut index = Index::new();
        for (number, row) in rows.iter().enumerate() {
            if let Some(value) = row.get(column).filter(|value| !value.is_null()) {
                index.entry(value.clone()).or_default().push(number);
            }
        }
        let index = Rc::new(index);
        let mut indexes = self.indexes.borrow_mut();
        indexes.insert((place, column), Rc::clone(&index));
        index
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
            .build();
        let built = built.map_err(|_| {
            SheafError::user(format!("invalid regular expression: \"{text}\""))
                .with_state(SqlState::INVALID_PARAMETER_VALUE)
        })?;
        patterns.insert(key, built.clone());
        Ok(built)
    }
}

/// Bytes that a row holds.
fn bytes_of(row: &[Value]) -> usize {
    row.iter().map(Value::bytes).sum()
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
