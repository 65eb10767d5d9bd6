//! Gives one output: a table a part, and smaller parts where a table does not fit.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::Result;
use futures::StreamExt;
use sheaf_runtime::memory::Grant;

use super::large_group::LargeGroup;
use super::parts::{Cut, LEVEL_PARTS, Part, WholePart, part_bytes};
use super::sink::reserve;
use super::stage::Stage;
use super::table::GroupTable;

/// How often a part can be cut again: 16 · 16⁶ parts of an output are enough for any disk.
pub(super) const LEVELS_MAX: usize = 6;

/// Parts are merged in one table while they have no more rows than this, so that small results
/// come in few batches.
const TOGETHER_ROWS: usize = 32 * 1024;

/// A table is reserved this many times over, since its results are made while it is there.
const RESULT_COPIES: usize = 2;

/// One output partition.
pub(super) struct Output {
    stage: Arc<Stage>,
    /// Numbers of its parts that are still to come.
    parts: VecDeque<usize>,
    /// Parts of parts that did not fit, and how often they were cut.
    deeper: Vec<(WholePart, usize)>,
    has_begun: bool,
    results: Option<Results>,
    batch_rows: usize,
    /// Bytes reserved for the table or its results.
    bytes: usize,
}

/// Results being handed out.
struct Results {
    batch: RecordBatch,
    offset: usize,
}

impl Output {
    pub(super) fn new(
        stage: Arc<Stage>,
        parts: impl IntoIterator<Item = usize>,
        batch_rows: usize,
    ) -> Self {
        Self {
            stage,
            parts: parts.into_iter().collect(),
            deeper: Vec::new(),
            has_begun: false,
            results: None,
            batch_rows,
            bytes: 0,
        }
    }

    /// The next results, at most `batch_rows`; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if !self.has_begun {
            self.stage.inputs_end().await?;
            self.has_begun = true;
        }
        loop {
            if let Some(batch) = self.results.as_mut().and_then(|r| r.next(self.batch_rows)) {
                return Ok(Some(batch));
            }
            self.results = None;
            self.give_back();
            let Some((part, level)) = self.next_part()? else {
                return Ok(None);
            };
            if !part.is_empty() {
                self.aggregate(part, level).await?;
            }
        }
    }

    fn next_part(&mut self) -> Result<Option<(WholePart, usize)>> {
        if let Some(deeper) = self.deeper.pop() {
            return Ok(Some(deeper));
        }
        let store = &self.stage.store;
        let Some(first) = self.parts.pop_front() else {
            return Ok(None);
        };
        let mut row_count = store.row_count(first);
        let mut part = store.take(first)?;
        while let Some(next) = self.parts.front() {
            row_count += store.row_count(*next);
            if row_count > TOGETHER_ROWS {
                break;
            }
            part.extend(store.take(*next)?);
            self.parts.pop_front();
        }
        Ok(Some((part, 0)))
    }

    /// Merges the states of `part`; gives results, or parts of the part.
    async fn aggregate(&mut self, part: WholePart, level: usize) -> Result<()> {
        let stage = Arc::clone(&self.stage);
        let _listening = stage.holding.listen();
        let mut way = Way::Table(GroupTable::of_states(&stage.shape)?);
        // Files first: what they hold came before what is in memory.
        for file in part.files {
            let mut batches = file.read()?;
            while let Some(batch) = batches.next().await {
                way = self.take_in(&batch?, way, level).await?;
            }
        }
        for held in part.batches {
            way = self.take_in(&held.batch, way, level).await?;
        }
        match way {
            Way::Table(table) => self.results = Some(Results::new(table.into_results()?)),
            Way::CutUp(cut_up) => self.deeper.extend(cut_up.finish()?),
            Way::LargeGroup(group) => {
                self.give_back();
                let (batch, others) = group.finish().await?;
                if let Some(others) = others {
                    self.deeper.extend(others.finish()?);
                }
                // It was reserved, twice over, until a moment ago.
                let bytes = part_bytes(&batch)?;
                if self.stage.holding.try_grow(bytes) == Grant::Granted {
                    self.bytes = bytes;
                }
                self.results = Some(Results::new(batch));
            }
        }
        Ok(())
    }

    /// Takes one batch of states the way that the part goes, or another one once that does not fit.
    async fn take_in(&mut self, batch: &RecordBatch, way: Way, level: usize) -> Result<Way> {
        tokio::task::consume_budget().await;
        let wanted = self.stage.holding.wanted_bytes();
        if wanted > 0 {
            self.stage.store.spill_largest(wanted)?;
            self.stage.holding.answer();
        }
        match way {
            Way::CutUp(mut cut_up) => {
                cut_up.take_in(batch)?;
                Ok(Way::CutUp(cut_up))
            }
            Way::LargeGroup(mut group) => {
                group.take_in(batch)?;
                Ok(Way::LargeGroup(group))
            }
            Way::Table(mut table) => {
                table.merge(batch)?;
                if self.fits(table.bytes() * RESULT_COPIES).await? {
                    return Ok(Way::Table(table));
                }
                self.other_way(table, level)
            }
        }
    }

    /// The way of a part whose table does not fit.
    ///
    /// # Errors
    /// `ResourcesExhausted` where there is none: one group of small states, or groups that no hash
    /// parts.
    fn other_way(&mut self, table: GroupTable, level: usize) -> Result<Way> {
        let way = if table.len() > 1 && level < LEVELS_MAX {
            let mut cut_up = CutUp::new(&self.stage, level + 1);
            cut_up.take_in(&table.into_states()?)?;
            Way::CutUp(cut_up)
        } else if table.len() == 1 && self.stage.shape.grows() {
            Way::LargeGroup(Box::new(LargeGroup::new(&self.stage, table, level)?))
        } else {
            // Asked once more, for the refusal that names who holds what.
            let more = (table.bytes() * RESULT_COPIES).saturating_sub(self.bytes);
            self.stage.holding.reservation().try_grow(more)?;
            self.bytes += more;
            return Ok(Way::Table(table));
        };
        self.give_back();
        Ok(way)
    }

    /// Reserves what the table takes now.
    async fn fits(&mut self, bytes: usize) -> Result<bool> {
        let more = bytes.saturating_sub(self.bytes);
        let fits = more == 0 || reserve(&self.stage.holding, &self.stage.store, more).await?;
        if fits {
            self.bytes += more;
        }
        Ok(fits)
    }

    fn give_back(&mut self) {
        self.stage.holding.shrink(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Output {
    /// Also the parts nobody asks for now, which other outputs have no use for.
    fn drop(&mut self) {
        self.give_back();
        for part in self.parts.drain(..) {
            self.stage.store.discard(part);
        }
    }
}

/// How the states of a part become results.
enum Way {
    /// Merged in one table.
    Table(GroupTable),
    /// Cut into smaller parts, since the table did not fit.
    CutUp(CutUp),
    /// By sorting what each aggregate holds, since one group did not fit.
    LargeGroup(Box<LargeGroup>),
}

impl Results {
    fn new(batch: RecordBatch) -> Self {
        Self { batch, offset: 0 }
    }

    fn next(&mut self, rows_max: usize) -> Option<RecordBatch> {
        let rows = rows_max.min(self.batch.num_rows() - self.offset);
        if rows == 0 {
            return None;
        }
        let batch = self.batch.slice(self.offset, rows);
        self.offset += rows;
        Some(batch)
    }
}

/// A part being cut into smaller ones, on disk.
pub(super) struct CutUp {
    stage: Arc<Stage>,
    parts: Vec<Part>,
    level: usize,
}

impl CutUp {
    pub(super) fn new(stage: &Arc<Stage>, level: usize) -> Self {
        Self {
            stage: Arc::clone(stage),
            parts: (0..LEVEL_PARTS).map(|_| Part::default()).collect(),
            level,
        }
    }

    pub(super) fn take_in(&mut self, states: &RecordBatch) -> Result<()> {
        let cut = Cut::deeper(self.level);
        for (number, batch) in cut.cut(&self.stage.shape, std::slice::from_ref(states))? {
            self.parts[number].write(&batch, &self.stage.store.spill)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<(WholePart, usize)>> {
        let parts = self.parts.into_iter();
        parts.map(|part| Ok((part.finish()?, self.level))).collect()
    }
}
