//! Rows that are kept while a statement runs: of queries that name nothing outside, of those that do
//! by what they name, and of WITH; and indexes of them.
//!
//! A query of WITH that is evaluated anew makes everything that has read its rows be forgotten.

use std::collections::HashMap;
use std::rc::Rc;

use sheaf_base::{Result, SheafError};

use super::account::bytes_of_all;
use super::{Frame, Run};
use crate::database::Rows;
use crate::made::Memory;
use crate::plan::Query;
use crate::value::{Row, Value};

/// Bytes of rows that are kept by what their queries name outside; with more all of them go.
const MEMO_BYTES_MAX: usize = 16 << 20;
/// Bytes that an index has for a row.
const INDEX_ROW_BYTES: usize = 64;

/// Where rows are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Table(usize),
    Query(usize),
}

/// The places of rows by the values of a column.
pub(super) type Index = HashMap<Value, Vec<usize>>;

/// Rows that are kept.
struct Kept {
    rows: Rows,
    bytes: usize,
    /// The queries of WITH that were read for them.
    reads: Vec<usize>,
}

/// Everything that is kept.
#[derive(Default)]
pub(super) struct KeptRows {
    of_queries: HashMap<usize, Kept>,
    /// Of a query, by the values of the columns outside that it names.
    by_outer: HashMap<usize, HashMap<Vec<Value>, Kept>>,
    by_outer_bytes: usize,
    indexes: HashMap<(Place, usize), (Rc<Index>, usize)>,
}

impl KeptRows {
    /// Forgets what was read from a query of WITH; the bytes that it had.
    fn forget(&mut self, cte: usize) -> usize {
        let mut freed = 0;
        let mut gone = vec![Place::Query(cte)];
        self.of_queries.retain(|id, kept| {
            let stays = !kept.reads.contains(&cte);
            if !stays {
                freed += kept.bytes;
                gone.push(Place::Query(*id));
            }
            stays
        });
        let mut of_memos = 0;
        for rows in self.by_outer.values_mut() {
            rows.retain(|_, kept| {
                let stays = !kept.reads.contains(&cte);
                of_memos += if stays { 0 } else { kept.bytes };
                stays
            });
        }
        self.by_outer_bytes -= of_memos;
        self.indexes.retain(|(place, _), (_, bytes)| {
            let stays = !gone.contains(place);
            freed += if stays { 0 } else { *bytes };
            stays
        });
        freed + of_memos
    }
}

impl Run<'_> {
    /// The rows of a query. Those that it can give again are kept; others are held until whoever asked
    /// has looked at them.
    pub(super) fn rows_of(&self, query: &Query, outer: Option<&Frame<'_>>) -> Result<Rows> {
        if query.is_volatile && !query.outer.is_empty() {
            return Ok(Rc::new(self.run(query, outer)?));
        }
        if query.outer.is_empty() {
            if let Some(kept) = self.kept.borrow().of_queries.get(&query.id) {
                return Ok(Rc::clone(&kept.rows));
            }
            let kept = self.kept_of(query, outer)?;
            let rows = Rc::clone(&kept.rows);
            self.kept.borrow_mut().of_queries.insert(query.id, kept);
            return Ok(rows);
        }
        let key = query.outer.iter().map(|column| match outer {
            Some(frame) => frame.column(column.up, column.index),
            None => Value::Null,
        });
        let key: Vec<Value> = key.collect();
        let known = self.kept.borrow();
        if let Some(kept) = known.by_outer.get(&query.id).and_then(|all| all.get(&key)) {
            return Ok(Rc::clone(&kept.rows));
        }
        drop(known);
        let mut kept = self.kept_of(query, outer)?;
        let rows = Rc::clone(&kept.rows);
        let key_bytes = super::account::bytes_of(&key);
        self.make_room(kept.bytes + key_bytes);
        if kept.bytes + key_bytes <= MEMO_BYTES_MAX && self.grow(key_bytes).is_ok() {
            kept.bytes += key_bytes;
            let mut all = self.kept.borrow_mut();
            all.by_outer_bytes += kept.bytes;
            all.by_outer.entry(query.id).or_default().insert(key, kept);
        } else {
            // They are held instead, until whoever asked is done with them.
            self.shrink(kept.bytes);
            self.hold(kept.bytes)?;
        }
        Ok(rows)
    }

    /// The rows of a query, counted as what is kept.
    fn kept_of(&self, query: &Query, outer: Option<&Frame<'_>>) -> Result<Kept> {
        let mark = self.mark();
        let rows = self.run(query, outer)?;
        self.release_to(mark, 0);
        let bytes = bytes_of_all(&rows);
        self.grow(bytes)?;
        Ok(Kept {
            rows: Rc::new(rows),
            bytes,
            reads: query.reads.clone(),
        })
    }

    /// Forgets rows that were kept by what their queries name, if there would be too many.
    fn make_room(&self, bytes: usize) {
        let known = self.kept.borrow().by_outer_bytes;
        if known + bytes > MEMO_BYTES_MAX {
            self.forget_memos();
        }
    }

    /// Forgets all rows that were kept by what their queries name; says whether there were any.
    pub(super) fn forget_memos(&self) -> bool {
        let Ok(mut all) = self.kept.try_borrow_mut() else {
            return false;
        };
        all.by_outer.clear();
        let bytes = std::mem::take(&mut all.by_outer_bytes);
        self.shrink(bytes);
        bytes > 0
    }

    /// The rows of a query of WITH, which has run already.
    pub(super) fn cte_rows(&self, id: usize) -> Result<Rows> {
        let kept = self.kept.borrow();
        let kept = kept.of_queries.get(&id);
        let rows = kept.map(|kept| Rc::clone(&kept.rows));
        rows.ok_or_else(|| SheafError::internal("a query of WITH was not run"))
    }

    /// Keeps the rows of a query of WITH; what was made of others that it had is forgotten.
    pub(super) fn put(&self, id: usize, rows: Vec<Row>) -> Result<()> {
        let bytes = bytes_of_all(&rows);
        self.grow(bytes)?;
        let kept = Kept {
            rows: Rc::new(rows),
            bytes,
            reads: vec![],
        };
        let mut all = self.kept.borrow_mut();
        let freed = all.forget(id);
        let before = all.of_queries.insert(id, kept);
        self.shrink(freed + before.map_or(0, |before| before.bytes));
        Ok(())
    }

    /// The places of rows by the values of a column.
    pub(super) fn index(&self, place: Place, column: usize, rows: &Rows) -> Result<Rc<Index>> {
        if let Some((index, _)) = self.kept.borrow().indexes.get(&(place, column)) {
            return Ok(Rc::clone(index));
        }
        let bytes = rows.len().saturating_mul(INDEX_ROW_BYTES);
        self.grow(bytes)?;
        let mut index = Index::new();
        for (number, row) in rows.iter().enumerate() {
            self.step()?;
            if let Some(value) = row.get(column).filter(|value| !value.is_null()) {
                index.entry(value.clone()).or_default().push(number);
            }
        }
        let index = Rc::new(index);
        let mut all = self.kept.borrow_mut();
        let kept = (Rc::clone(&index), bytes);
        all.indexes.insert((place, column), kept);
        Ok(index)
    }

    /// The rows of a table, counted when they are first read.
    pub(super) fn table_rows(&self, table: usize) -> Result<Rows> {
        let rows = self.database.rows(table, self.watch)?;
        if self.tables.borrow_mut().insert(table) {
            self.grow(bytes_of_all(&rows))?;
        }
        Ok(rows)
    }
}
