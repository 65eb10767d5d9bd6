//! Goes forward along the rows of a partition, with some expressions evaluated.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::buffer::NullBuffer;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::physical_expr::PhysicalExpr;

use super::function::{Sorting, evaluate};
use super::keys::KeyReader;
use super::spool::{Bookmark, Found, Spool};

/// A reader of one partition.
pub(super) struct Reader {
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    peers: Option<Peers>,
    bookmark: Bookmark,
    loaded: Option<Loaded>,
}

/// The batch at which a reader is.
pub(super) struct Loaded {
    pub(super) rows: RecordBatch,
    /// The number of its first row.
    pub(super) begin: u64,
    /// The values of the reader's expressions.
    pub(super) values: Vec<ArrayRef>,
    /// Which values of the first expression are NULL.
    nulls: Option<NullBuffer>,
    /// For each row, how many runs of peers are before its own; empty if that is not asked for.
    groups: Vec<u64>,
}

struct Peers {
    keys: KeyReader,
    /// Runs of peers that have begun.
    run_count: u64,
}

impl Loaded {
    /// The number of the row after the last.
    pub(super) fn end(&self) -> u64 {
        self.begin + self.rows.num_rows() as u64
    }

    /// Where row `row` is in this batch.
    pub(super) fn index(&self, row: u64) -> usize {
        usize::try_from(row.saturating_sub(self.begin)).unwrap_or(usize::MAX)
    }

    /// The values of the rows from `begin` to before `end`.
    pub(super) fn slices(&self, begin: u64, end: u64) -> Vec<ArrayRef> {
        let (begin, end) = (self.index(begin), self.index(end));
        let slice = |array: &ArrayRef| array.slice(begin, end - begin);
        self.values.iter().map(slice).collect()
    }

    /// The value of row `row`.
    ///
    /// # Errors
    /// `Internal` if the reader has no expression.
    pub(super) fn value(&self, row: u64) -> Result<ScalarValue> {
        match self.values.first() {
            Some(values) => ScalarValue::try_from_array(values, self.index(row)),
            None => internal_err!("a window function has no argument"),
        }
    }

    /// How many of the rows from `begin` to before `end` have a value.
    pub(super) fn valid_count(&self, begin: u64, end: u64) -> u64 {
        let count = end - begin;
        match &self.nulls {
            Some(nulls) => {
                let slice = nulls.slice(self.index(begin), self.index(end) - self.index(begin));
                count - slice.null_count() as u64
            }
            None => count,
        }
    }

    /// The row from `begin` on that has a value and `skipped` such rows before it.
    pub(super) fn valid_row(&self, begin: u64, skipped: u64) -> u64 {
        let Some(nulls) = &self.nulls else {
            return begin + skipped;
        };
        let index = self.index(begin);
        let rest = nulls.slice(index, nulls.len() - index);
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let found = rest.valid_indices().nth(skipped);
        found.map_or(self.end(), |place| begin + place as u64)
    }

    /// The run of peers of row `row`, from 0.
    pub(super) fn group(&self, row: u64) -> u64 {
        self.groups.get(self.index(row)).copied().unwrap_or(0)
    }
}

impl Reader {
    /// A reader at the first row, which evaluates `exprs`, and numbers runs of peers by `sorting`.
    pub(super) fn new(exprs: Vec<Arc<dyn PhysicalExpr>>, sorting: Option<&Sorting>) -> Self {
        Self {
            exprs,
            peers: sorting.map(|sorting| Peers {
                // Within one partition.
                keys: KeyReader::new(
                    Sorting {
                        partition_by: Vec::new(),
                        order_by: sorting.order_by.clone(),
                    },
                    true,
                ),
                run_count: 0,
            }),
            bookmark: Bookmark::default(),
            loaded: None,
        }
    }

    /// Rows before this one are not needed any more.
    pub(super) fn needed_from(&self) -> u64 {
        self.bookmark.next_row()
    }

    /// Passes the rows before `row` without looking at them; of no use where peers are numbered.
    pub(super) fn skip_to(&mut self, row: u64) {
        self.bookmark.skip_to(row);
    }

    /// Goes on from `row`, which may be one it has passed but that the spool still has. Of no use
    /// where peers are numbered.
    pub(super) fn restart(&mut self, row: u64) {
        self.bookmark = Bookmark::default();
        self.bookmark.skip_to(row);
        self.loaded = None;
    }

    /// The batch with row `row`, which must not be before the batch it was at; `None` if the row is
    /// not there, or not yet.
    pub(super) async fn at(&mut self, spool: &Spool, row: u64) -> Result<Option<&Loaded>> {
        while self
            .loaded
            .as_ref()
            .is_none_or(|loaded| loaded.end() <= row)
        {
            match spool.next(&mut self.bookmark).await? {
                Found::Rows(rows, begin) => self.load(rows, begin)?,
                Found::NotYet | Found::End => return Ok(None),
            }
        }
        match &self.loaded {
            Some(loaded) if loaded.begin <= row => Ok(Some(loaded)),
            _ => internal_err!("a window's reader cannot go back to row {row}"),
        }
    }

    /// As [`at`](Self::at), also for a row that the reader has passed.
    pub(super) async fn seek(&mut self, spool: &Spool, row: u64) -> Result<Option<&Loaded>> {
        let is_passed = match &self.loaded {
            Some(loaded) => row < loaded.begin,
            None => row < self.bookmark.next_row(),
        };
        match is_passed {
            true => self.restart(row),
            false => self.skip_to(row),
        }
        self.at(spool, row).await
    }

    fn load(&mut self, rows: RecordBatch, begin: u64) -> Result<()> {
        let mut groups = Vec::new();
        if let Some(peers) = &mut self.peers {
            groups.reserve(rows.num_rows());
            let runs = peers.keys.read(&rows)?;
            for (number, run) in runs.peers.iter().enumerate() {
                if number > 0 || runs.begins_peers {
                    peers.run_count += 1;
                }
                groups.extend(run.clone().map(|_| peers.run_count - 1));
            }
        }
        let values = evaluate(&self.exprs, &rows)?;
        self.loaded = Some(Loaded {
            nulls: values.first().and_then(|array| array.logical_nulls()),
            values,
            rows,
            begin,
            groups,
        });
        Ok(())
    }
}
