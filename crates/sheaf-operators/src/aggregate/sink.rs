//! Takes in one input: groups it while that pays, and hands states on to the parts.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::Count;
use futures::StreamExt;
use sheaf_runtime::memory::{Grant, Holding};

use super::parts::{Cut, HeldBatch, PartStore, dictionary_bytes, part_bytes};
use super::shape::Shape;
use super::table::{GroupTable, RowStates};

/// Groups at which a table is looked at for the first time: has grouping paid?
const PROBE_GROUPS: usize = 64 * 1024;

/// Groups at which a table is emptied: what a second-level cache holds, a few times over.
const TABLE_GROUPS_MAX: usize = 256 * 1024;

/// Grouping does not pay if a table has more groups than this share of the rows it took in.
const GROUPS_PER_ROW_MAX: f64 = 0.8;

/// Rows that pass ungrouped before grouping is tried again.
const PASSING_ROWS: usize = 8 * 1024 * 1024;

/// Ungrouped rows that are cut at a time, so that each part gets pieces of some hundred rows.
const CUT_ROWS: usize = 32 * 1024;

/// One input's way to the parts.
pub(super) struct Sink {
    pub(super) shape: Arc<Shape>,
    pub(super) store: Arc<PartStore>,
    pub(super) holding: Arc<Holding>,
    pub(super) cut: Cut,
    /// Bytes at which a table is emptied however few groups it has.
    pub(super) table_bytes_max: usize,
    pub(super) skipped_rows: Count,
}

/// How rows are taken in.
enum Phase {
    Grouping(Grouping),
    Passing(Passing),
}

struct Grouping {
    table: GroupTable,
    /// Bytes reserved for the table.
    bytes: usize,
    row_count: usize,
    is_probed: bool,
}

struct Passing {
    states: RowStates,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    /// Bytes reserved for `pending`.
    bytes: usize,
    rows_left: usize,
}

impl Sink {
    /// Takes in all of `input`.
    pub(super) async fn run(self, mut input: SendableRecordBatchStream) -> Result<()> {
        let _listening = self.holding.listen();
        let mut phase = self.grouping()?;
        let mut has_rows = false;
        loop {
            let batch = tokio::select! {
                biased;
                wanted = self.holding.asked() => {
                    self.store.spill_largest(wanted)?;
                    self.holding.answer();
                    continue;
                }
                batch = input.next() => batch,
            };
            let Some(batch) = batch else { break };
            has_rows = true;
            phase = match phase {
                Phase::Grouping(grouping) => self.group(grouping, &batch?).await?,
                Phase::Passing(passing) => self.pass(passing, &batch?).await?,
            };
            tokio::task::consume_budget().await;
        }
        drop(input);
        if !has_rows && let Some(states) = GroupTable::states_of_no_rows(&self.shape)? {
            self.hand_on(&[states]).await?;
        }
        match phase {
            Phase::Grouping(grouping) => self.empty(grouping).await,
            Phase::Passing(mut passing) => self.cut_pending(&mut passing).await,
        }
    }

    fn grouping(&self) -> Result<Phase> {
        Ok(Phase::Grouping(Grouping {
            table: GroupTable::of_rows(&self.shape)?,
            bytes: 0,
            row_count: 0,
            is_probed: false,
        }))
    }

    fn passing(&self) -> Result<Phase> {
        Ok(Phase::Passing(Passing {
            states: RowStates::new(&self.shape)?,
            pending: Vec::new(),
            pending_rows: 0,
            bytes: 0,
            rows_left: PASSING_ROWS,
        }))
    }

    async fn group(&self, mut grouping: Grouping, batch: &RecordBatch) -> Result<Phase> {
        grouping.table.update(batch)?;
        grouping.row_count += batch.num_rows() * self.shape.group_by.groups().len();
        let group_count = grouping.table.len();
        let bytes = grouping.table.bytes();
        let has_memory = self.reserve(bytes.saturating_sub(grouping.bytes)).await?;
        if has_memory {
            grouping.bytes = grouping.bytes.max(bytes);
        }
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let pays = group_count as f64 <= GROUPS_PER_ROW_MAX * grouping.row_count as f64;
        if group_count >= PROBE_GROUPS && !grouping.is_probed {
            grouping.is_probed = true;
            if !pays {
                self.empty(grouping).await?;
                return self.passing();
            }
        }
        let is_full = group_count >= TABLE_GROUPS_MAX || bytes >= self.table_bytes_max;
        if is_full || !has_memory {
            self.empty(grouping).await?;
            return self.grouping();
        }
        Ok(Phase::Grouping(grouping))
    }

    async fn pass(&self, mut passing: Passing, batch: &RecordBatch) -> Result<Phase> {
        self.skipped_rows.add(batch.num_rows());
        let mut has_memory = true;
        for states in passing.states.of(batch)? {
            let bytes = part_bytes(&states)?;
            passing.pending_rows += states.num_rows();
            passing.pending.push(states);
            if self.reserve(bytes).await? {
                passing.bytes += bytes;
            } else {
                has_memory = false;
            }
        }
        if passing.pending_rows >= CUT_ROWS || !has_memory {
            self.cut_pending(&mut passing).await?;
        }
        passing.rows_left = passing.rows_left.saturating_sub(batch.num_rows());
        if passing.rows_left == 0 {
            self.cut_pending(&mut passing).await?;
            return self.grouping();
        }
        Ok(Phase::Passing(passing))
    }

    /// Hands the groups of a table on.
    async fn empty(&self, grouping: Grouping) -> Result<()> {
        if grouping.table.len() > 0 {
            let states = grouping.table.into_states()?;
            self.hand_on(&[states]).await?;
        }
        self.holding.shrink(grouping.bytes);
        Ok(())
    }

    async fn cut_pending(&self, passing: &mut Passing) -> Result<()> {
        let pending = std::mem::take(&mut passing.pending);
        self.hand_on(&pending).await?;
        passing.pending_rows = 0;
        self.holding.shrink(std::mem::take(&mut passing.bytes));
        Ok(())
    }

    async fn hand_on(&self, states: &[RecordBatch]) -> Result<()> {
        for (index, (number, batch)) in self.cut.cut(&self.shape, states)?.into_iter().enumerate() {
            let mut bytes = part_bytes(&batch)?;
            if index > 0 {
                bytes = bytes.saturating_sub(dictionary_bytes(&batch));
            }
            if self.reserve(bytes).await? {
                let held = HeldBatch::new(batch, bytes, &self.holding);
                self.store.push(number, held)?;
            } else {
                self.store.write(number, &batch)?;
            }
        }
        Ok(())
    }

    /// Reserves `bytes`, if need be for what the parts can give back; false if that does not help.
    async fn reserve(&self, bytes: usize) -> Result<bool> {
        reserve(&self.holding, &self.store, bytes).await
    }
}

/// Reserves `bytes`; where they are refused, the largest parts go to disk. False if nothing is left
/// that could.
pub(super) async fn reserve(holding: &Holding, store: &PartStore, bytes: usize) -> Result<bool> {
    if bytes == 0 {
        return Ok(true);
    }
    loop {
        match holding.grow(bytes).await {
            Ok(Grant::Granted) => return Ok(true),
            Ok(Grant::SpillFirst) => {
                let wanted = holding.wanted_bytes().max(bytes);
                let given = store.spill_largest(wanted)?;
                holding.answer();
                if given == 0 {
                    return Ok(false);
                }
            }
            Err(DataFusionError::ResourcesExhausted(_)) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
