//! Rows that have come, sorted in memory before they are too many for the cache.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;

use super::gather::gather;
use super::keys::{Entry, KeyEncoder, Keys, sort};
use crate::spill::batch_bytes;

/// Bytes that a row takes in the order of a chunk.
const ENTRY_BYTES: usize = size_of::<Entry>();

/// Rows in their order, in one piece, with their keys.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) rows: RecordBatch,
    pub(super) keys: Keys,
    /// Bytes that rows and keys take.
    pub(super) bytes: usize,
    /// Bytes of a row with its key, on average.
    pub(super) row_bytes: usize,
}

/// How large blocks are: whichever comes first.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockSize {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

/// Rows that have come and are not sorted yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pieces: Vec<(RecordBatch, Keys)>,
    row_count: usize,
    bytes: usize,
}

/// A chunk: its blocks, and the head of its last key.
pub(super) struct Chunk {
    pub(super) blocks: VecDeque<Block>,
    pub(super) bytes: usize,
    pub(super) row_count: usize,
    pub(super) last: Option<u128>,
}

impl Block {
    pub(super) fn new(rows: RecordBatch, keys: Keys) -> Result<Self> {
        let bytes = batch_bytes(&rows)? + keys.bytes();
        Ok(Self {
            row_bytes: bytes / rows.num_rows().max(1),
            rows,
            keys,
            bytes,
        })
    }
}

impl BlockSize {
    /// Rows of `row_bytes` that make a block.
    pub(super) fn rows_of(&self, row_bytes: usize) -> usize {
        (self.bytes / row_bytes.max(1)).clamp(1, self.rows)
    }
}

impl Pending {
    /// Bytes to be reserved for a piece whose rows take `row_bytes`: the rows and their keys, a copy
    /// of both in order, and the order.
    pub(super) fn cost(row_bytes: usize, keys: &Keys) -> usize {
        2 * (row_bytes + keys.bytes()) + keys.len() * ENTRY_BYTES
    }

    /// Adds rows for which `bytes` are reserved.
    pub(super) fn push(&mut self, rows: RecordBatch, keys: Keys, bytes: usize) {
        self.row_count += rows.num_rows();
        self.bytes += bytes;
        self.pieces.push((rows, keys));
    }

    pub(super) fn row_count(&self) -> usize {
        self.row_count
    }

    /// Bytes reserved.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Sorts the rows; of those that do not lie behind `last`, only the first `limit`.
    pub(super) fn sort(
        self,
        schema: &SchemaRef,
        encoder: &KeyEncoder,
        size: BlockSize,
        (limit, last): (Option<usize>, Option<u128>),
    ) -> Result<Chunk> {
        let (rows, keys): (Vec<&RecordBatch>, Vec<&Keys>) =
            self.pieces.iter().map(|(rows, keys)| (rows, keys)).unzip();
        let mut order = Vec::with_capacity(self.row_count);
        for (piece, keys) in (0..).zip(&keys) {
            keys.list(piece, last, &mut order);
        }
        sort(&mut order, &keys);
        order.truncate(limit.unwrap_or(usize::MAX));
        let held: usize = self.pieces.iter().map(|(_, keys)| keys.bytes()).sum();
        let held = rows
            .iter()
            .map(|rows| batch_bytes(rows))
            .sum::<Result<usize>>()?
            + held;
        let block_rows = size.rows_of(held / self.row_count.max(1));

        let mut chunk = Chunk {
            blocks: VecDeque::with_capacity(order.len().div_ceil(block_rows)),
            bytes: 0,
            row_count: order.len(),
            last: order.last().map(Entry::head),
        };
        let mut places = Vec::with_capacity(block_rows.min(order.len()));
        for order in order.chunks(block_rows) {
            places.clear();
            places.extend(order.iter().map(Entry::place));
            let block = Block::new(
                gather(schema, &rows, &places)?,
                encoder.gather(order, &keys),
            )?;
            chunk.bytes += block.bytes;
            chunk.blocks.push_back(block);
        }
        Ok(chunk)
    }
}
