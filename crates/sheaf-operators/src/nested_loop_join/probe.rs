//! One partition of the right side, paired with all left rows.
//!
//! ```text
//! Begin → Block → Right ⇄ Pairs ┐
//!           ↑───────────────────┤ next block
//!                               └→ Unmatched (the last partition) → End
//! ```
//!
//! Each phase does a bounded piece of work and comes back to [`Probe::next`], which yields.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{BooleanArray, RecordBatch, UInt64Array};
use arrow::buffer::BooleanBuffer;
use datafusion::common::{DataFusionError, JoinSide, JoinType, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::metrics::{SpillMetrics, Time};
use tokio::task::coop::consume_budget;
use tokio::task::yield_now;

use super::Needs;
use super::build::{Block, Blocks, Build, BuildFuture};
use super::filter::PairFilter;
use super::output::{Output, OutputColumns, Rows};
use super::pairing::{Filters, Meeting, Pairing};
use super::right::RightRows;
use super::visited::Matches;

/// The longest a partition works without giving way. The scheduler's budget counts batches, and one
/// of them may take long to come.
const TURN_MAX: Duration = Duration::from_millis(10);

/// What a partition is made of.
pub(super) struct ProbeParts {
    pub(super) join_type: JoinType,
    pub(super) filter: Option<JoinFilter>,
    pub(super) columns: OutputColumns,
    pub(super) partition: usize,
    pub(super) partition_count: usize,
    pub(super) context: Arc<TaskContext>,
    pub(super) spill_metrics: SpillMetrics,
    pub(super) elapsed: Time,
}

/// A running partition.
pub(super) struct Probe {
    parts: ProbeParts,
    needs: Needs,
    phase: Phase,
    filters: Option<Filters>,
    output: Output,
    turn_began: Instant,
    /// For the matches of right rows that are kept from block to block.
    reservation: MemoryReservation,
}

enum Phase {
    Begin(SendableRecordBatchStream, BuildFuture),
    Block(Box<Passes>),
    Right(Box<Passes>, Block),
    Pairs(Box<Passes>, Block, Box<Pairing>),
    Unmatched(Box<LeftRows>),
    End,
    Done,
}

/// What is kept while one block after another meets the right rows.
struct Passes {
    build: Arc<Build>,
    blocks: Blocks,
    right: RightRows,
    /// Matches with earlier blocks, for each right batch.
    matches: Vec<Matches>,
    /// Right batches met in this pass.
    batch_count: usize,
}

/// Left rows on their way out, after all partitions.
struct LeftRows {
    build: Arc<Build>,
    blocks: Blocks,
    block: Block,
    /// The batch of the block that comes next.
    batch: usize,
}

impl Probe {
    pub(super) fn new(
        right: SendableRecordBatchStream,
        build: BuildFuture,
        parts: ProbeParts,
    ) -> Result<Self> {
        let filters = match &parts.filter {
            Some(filter) => Some(Filters {
                left_rows: PairFilter::new(filter, JoinSide::Left)?,
                right_rows: PairFilter::new(filter, JoinSide::Right)?,
            }),
            None => None,
        };
        let batch_rows = parts.context.session_config().batch_size();
        let consumer = MemoryConsumer::new(format!("NestedLoopJoin[{}]", parts.partition));
        Ok(Self {
            needs: Needs::of(parts.join_type),
            phase: Phase::Begin(right, build),
            filters,
            output: Output::new(parts.columns.clone(), batch_rows),
            turn_began: Instant::now(),
            reservation: consumer.register(parts.context.memory_pool()),
            parts,
        })
    }

    /// The next batch of the result.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.output.next() {
                return Ok(Some(batch));
            }
            consume_budget().await;
            if self.turn_began.elapsed() > TURN_MAX {
                yield_now().await;
                self.turn_began = Instant::now();
            }
            self.phase = match std::mem::replace(&mut self.phase, Phase::Done) {
                Phase::Begin(right, build) => self.begin(right, build).await?,
                Phase::Block(mut passes) => {
                    let block = passes.blocks.next().await?;
                    passes.batch_count = 0;
                    Phase::Right(passes, block)
                }
                Phase::Right(passes, block) => self.meet_right(passes, block).await?,
                Phase::Pairs(passes, block, pairing) => self.pair(passes, block, pairing)?,
                Phase::Unmatched(left) => self.give_left(left).await?,
                Phase::End => {
                    self.output.finish()?;
                    self.reservation.free();
                    Phase::Done
                }
                Phase::Done => return Ok(None),
            };
        }
    }

    async fn begin(
        &mut self,
        right: SendableRecordBatchStream,
        build: BuildFuture,
    ) -> Result<Phase> {
        let build = build.await.map_err(|error| DataFusionError::from(&error))?;
        if build.row_count() == 0 && !self.needs.right_matches {
            return Ok(Phase::End);
        }
        let parts = &self.parts;
        let blocks = Blocks::new(Arc::clone(&build), &parts.context, parts.partition_count);
        let passes_again = !blocks.is_single();
        let right = RightRows::new(right, &parts.context, &parts.spill_metrics, passes_again)?;
        Ok(Phase::Block(Box::new(Passes {
            build,
            blocks,
            right,
            matches: Vec::new(),
            batch_count: 0,
        })))
    }

    async fn meet_right(&mut self, mut passes: Box<Passes>, block: Block) -> Result<Phase> {
        if let Some(right) = passes.right.next().await? {
            let number = passes.batch_count;
            passes.batch_count += 1;
            let matches = match passes.matches.get(number) {
                Some(matches) => matches.clone(),
                None => Matches::new(right.num_rows()),
            };
            let pairing = Pairing::new(right, matches, &block);
            return Ok(Phase::Pairs(passes, block, Box::new(pairing)));
        }
        if !block.is_last {
            drop(block);
            passes.right.again()?;
            return Ok(Phase::Block(passes));
        }
        let Passes { build, blocks, .. } = *passes;
        if build.end_partition() && build.visited().is_some() {
            drop((block, blocks));
            let parts = &self.parts;
            let mut blocks = Blocks::new(Arc::clone(&build), &parts.context, 1);
            let block = blocks.next().await?;
            return Ok(Phase::Unmatched(Box::new(LeftRows {
                build,
                blocks,
                block,
                batch: 0,
            })));
        }
        Ok(Phase::End)
    }

    /// Tries some pairs of a right batch and the block.
    fn pair(
        &mut self,
        mut passes: Box<Passes>,
        block: Block,
        mut pairing: Box<Pairing>,
    ) -> Result<Phase> {
        let elapsed = self.parts.elapsed.clone();
        let _timer = elapsed.timer();
        let mut meeting = Meeting {
            needs: self.needs,
            filters: self.filters.as_ref(),
            block: &block,
            visited: passes.build.visited(),
            output: &mut self.output,
        };
        if !meeting.advance(&mut pairing)? {
            return Ok(Phase::Pairs(passes, block, pairing));
        }
        if self.needs.right_matches {
            let Pairing { right, matches, .. } = *pairing;
            if block.is_last {
                self.give(JoinSide::Right, &right, &matches.into_buffer())?;
            } else {
                let number = passes.batch_count - 1;
                match passes.matches.get_mut(number) {
                    Some(known) => *known = matches,
                    None => {
                        self.reservation.try_grow(matches.memory_bytes())?;
                        passes.matches.push(matches);
                    }
                }
            }
        }
        Ok(Phase::Right(passes, block))
    }

    /// Gives the next batch of left rows.
    async fn give_left(&mut self, mut left: Box<LeftRows>) -> Result<Phase> {
        let Some(rows) = left.block.batches.get(left.batch) else {
            if left.block.is_last {
                return Ok(Phase::End);
            }
            left.block = Block::default();
            left.block = left.blocks.next().await?;
            left.batch = 0;
            return Ok(Phase::Unmatched(left));
        };
        if let Some(visited) = left.build.visited() {
            let elapsed = self.parts.elapsed.clone();
            let _timer = elapsed.timer();
            let first = left.block.first_rows[left.batch];
            self.give(JoinSide::Left, rows, &visited.slice(first, rows.num_rows()))?;
        }
        left.batch += 1;
        Ok(Phase::Unmatched(left))
    }

    /// Gives what the join type wants of `rows` of a side whose matches are all known.
    fn give(&mut self, side: JoinSide, rows: &RecordBatch, matches: &BooleanBuffer) -> Result<()> {
        let wanted = match self.parts.join_type {
            JoinType::LeftSemi | JoinType::RightSemi => matches.clone(),
            JoinType::LeftMark | JoinType::RightMark => BooleanBuffer::new_set(rows.num_rows()),
            _ => !matches,
        };
        let mark = Arc::new(BooleanArray::from(matches.clone()));
        let indices = UInt64Array::from_iter_values(wanted.set_indices().map(|row| row as u64));
        let given = if indices.len() == rows.num_rows() {
            Rows::Whole(rows)
        } else {
            Rows::Taken(rows, &indices)
        };
        let (left, right) = match side {
            JoinSide::Left => (given, Rows::Nulls),
            _ => (Rows::Nulls, given),
        };
        self.output.push(indices.len(), &left, &right, Some(mark))
    }
}
