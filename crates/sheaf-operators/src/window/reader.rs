//! Goes forward along the rows of a partition, with some expressions evaluated.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::{Result, internal_err};
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
        self.loaded = Some(Loaded {
            values: evaluate(&self.exprs, &rows)?,
            rows,
            begin,
            groups,
        });
        Ok(())
    }
}
