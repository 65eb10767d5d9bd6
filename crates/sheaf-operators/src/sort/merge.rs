//! Merges sorted rows from memory and from disk, an output batch at a time.
//!
//! A tree of losers (Knuth 3, 5.4.1): a row that is taken costs one comparison a level. Output rows are
//! first listed by their places, then copied at once; the blocks that they lie in are kept so long.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use futures::future::ready;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::ahead::ahead;
use super::chunk::{Block, BlockSize};
use super::gather::gather;
use super::keys::KeyEncoder;

/// Where sorted rows come from.
pub(super) enum Source {
    /// Blocks whose bytes are reserved, and given back as they are used up.
    Memory(VecDeque<Block>),
    /// A run, for the reading of which something is reserved until the merge ends.
    Disk(BoxStream<'static, Result<Block>>),
}

/// A source at the place that has been reached in it.
pub(super) struct Cursor {
    source: Source,
    block: Arc<Block>,
    row: usize,
    /// The place of the block in `Merge::held`.
    slot: usize,
}

/// The rows of the next batch: the blocks that they lie in, and where they do.
pub(super) struct Picked {
    blocks: Vec<Arc<Block>>,
    /// The number of a block, and of a row in it.
    places: Vec<(usize, usize)>,
}

/// Sorted rows of several sources.
pub(super) struct Merge {
    size: BlockSize,
    /// A source that has ended leaves `None`.
    cursors: Vec<Option<Cursor>>,
    /// The head of each cursor's key.
    heads: Vec<u128>,
    /// The winner, then the losers of the games above it.
    tree: Vec<usize>,
    /// The blocks that rows of the next batch lie in.
    held: Vec<Arc<Block>>,
    last: Option<u128>,
    /// Bytes of blocks of memory that are used up.
    freed_bytes: usize,
}

impl Cursor {
    /// At the first row of `source`; `None` if it has none.
    pub(super) async fn begin(mut source: Source) -> Result<Option<Self>> {
        let block = source.next().await?;
        Ok(block.map(|block| Self {
            source,
            block: Arc::new(block),
            row: 0,
            slot: 0,
        }))
    }

    fn is_in_memory(&self) -> bool {
        matches!(self.source, Source::Memory(_))
    }

    fn head(&self) -> u128 {
        self.block.keys.head(self.row)
    }

    fn compare_whole(&self, other: &Self) -> Ordering {
        let (keys, others) = (&self.block.keys, &other.block.keys);
        keys.compare_whole(self.row, others, other.row)
    }
}

impl Source {
    /// The rows of a run, given their keys by a task of its own.
    pub(super) fn of_run(rows: SendableRecordBatchStream, encoder: &Arc<KeyEncoder>) -> Self {
        let encoder = Arc::clone(encoder);
        let rows = rows.try_filter(|rows| ready(rows.num_rows() > 0));
        Self::Disk(ahead(rows.map(move |rows| {
            let rows = rows?;
            let keys = encoder.encode(&rows)?;
            Block::new(rows, keys)
        })))
    }

    async fn next(&mut self) -> Result<Option<Block>> {
        match self {
            Self::Memory(blocks) => Ok(blocks.pop_front()),
            Self::Disk(blocks) => blocks.next().await.transpose(),
        }
    }
}

impl Picked {
    /// The rows, copied out of their blocks.
    pub(super) fn gather(&self, schema: &SchemaRef) -> Result<RecordBatch> {
        let batches: Vec<&RecordBatch> = self.blocks.iter().map(|block| &block.rows).collect();
        gather(schema, &batches, &self.places)
    }

    pub(super) fn row_count(&self) -> usize {
        self.places.len()
    }
}

impl Merge {
    /// The rows that `cursors` have not given; of equal ones, those of the first cursor come first.
    pub(super) fn new(cursors: Vec<Cursor>, size: BlockSize) -> Self {
        let mut merge = Self {
            size,
            heads: cursors.iter().map(Cursor::head).collect(),
            tree: Vec::new(),
            held: Vec::new(),
            cursors: cursors.into_iter().map(Some).collect(),
            last: None,
            freed_bytes: 0,
        };
        merge.hold();
        merge.plant();
        merge
    }

    /// The rows of the next batch, at most `rows_max`.
    pub(super) async fn pick(&mut self, rows_max: usize) -> Result<Option<Picked>> {
        let rows_max = rows_max.min(self.size.rows);
        let (mut places, mut bytes) = (Vec::new(), 0);
        while places.len() < rows_max && bytes < self.size.bytes {
            let Some(winner) = self.tree.first().copied() else {
                break;
            };
            let Some(cursor) = &mut self.cursors[winner] else {
                break;
            };
            places.push((cursor.slot, cursor.row));
            self.last = Some(self.heads[winner]);
            bytes += cursor.block.row_bytes;
            cursor.row += 1;
            if cursor.row < cursor.block.keys.len() {
                self.heads[winner] = cursor.head();
            } else {
                self.refill(winner).await?;
            }
            self.replay(winner);
        }
        let blocks = self.hold();
        Ok((!places.is_empty()).then_some(Picked { blocks, places }))
    }

    /// Bytes of blocks of memory that have been used up since this was last asked.
    pub(super) fn take_freed_bytes(&mut self) -> usize {
        std::mem::take(&mut self.freed_bytes)
    }

    /// The head of the last key that was given.
    pub(super) fn last(&self) -> Option<u128> {
        self.last
    }

    /// Drops what is left, and tells `freed` of the bytes of memory as they go.
    pub(super) fn end(mut self, mut freed: impl FnMut(usize)) {
        self.held.clear();
        freed(self.freed_bytes);
        for cursor in self.cursors.into_iter().flatten() {
            let Source::Memory(blocks) = cursor.source else {
                continue;
            };
            let bytes = cursor.block.bytes;
            drop(cursor.block);
            freed(bytes);
            for block in blocks {
                let bytes = block.bytes;
                drop(block);
                freed(bytes);
            }
        }
    }

    /// The cursors over memory, and those over disk.
    pub(super) fn into_parts(self) -> (Vec<Cursor>, Vec<Cursor>) {
        let cursors = self.cursors.into_iter().flatten();
        cursors.partition(Cursor::is_in_memory)
    }

    /// Goes on to the next block of a cursor, or ends it.
    async fn refill(&mut self, at: usize) -> Result<()> {
        let Some(cursor) = &mut self.cursors[at] else {
            return Ok(());
        };
        if cursor.is_in_memory() {
            self.freed_bytes += cursor.block.bytes;
        }
        if let Some(block) = cursor.source.next().await? {
            cursor.block = Arc::new(block);
            cursor.row = 0;
            cursor.slot = self.held.len();
            self.held.push(Arc::clone(&cursor.block));
            self.heads[at] = cursor.head();
        } else {
            self.cursors[at] = None;
            self.heads[at] = u128::MAX;
        }
        Ok(())
    }

    /// Holds the blocks that cursors stand in, and gives away those that were held.
    fn hold(&mut self) -> Vec<Arc<Block>> {
        let held = std::mem::take(&mut self.held);
        for cursor in self.cursors.iter_mut().flatten() {
            cursor.slot = self.held.len();
            self.held.push(Arc::clone(&cursor.block));
        }
        held
    }

    // The tree of losers.

    fn plant(&mut self) {
        const NOBODY: usize = usize::MAX;
        let count = self.cursors.len();
        self.tree = vec![NOBODY; count];
        for player in 0..count {
            let mut winner = player;
            let mut node = (count + player) / 2;
            while node != 0 && self.tree[node] != NOBODY {
                if self.is_after(winner, self.tree[node]) {
                    std::mem::swap(&mut winner, &mut self.tree[node]);
                }
                node /= 2;
            }
            self.tree[node] = winner;
        }
    }

    /// Plays the games of a cursor that has gone on.
    fn replay(&mut self, player: usize) {
        let (mut winner, mut head) = (player, self.heads[player]);
        let mut node = (self.tree.len() + player) / 2;
        while node != 0 {
            let other = self.tree[node];
            let other_head = self.heads[other];
            let is_after = match head == other_head {
                true => self.is_after_by_whole(winner, other),
                false => head > other_head,
            };
            // Both are written, whoever has won: no branch to be mispredicted.
            self.tree[node] = if is_after { winner } else { other };
            winner = if is_after { other } else { winner };
            head = if is_after { other_head } else { head };
            node /= 2;
        }
        self.tree[0] = winner;
    }

    fn is_after(&self, a: usize, b: usize) -> bool {
        match self.heads[a].cmp(&self.heads[b]) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => self.is_after_by_whole(a, b),
        }
    }

    fn is_after_by_whole(&self, a: usize, b: usize) -> bool {
        let order = match (&self.cursors[a], &self.cursors[b]) {
            (Some(left), Some(right)) => left.compare_whole(right),
            (left, right) => left.is_none().cmp(&right.is_none()),
        };
        order.then(a.cmp(&b)) == Ordering::Greater
    }
}
