//! The build side in memory, ready to be probed by any number of threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use datafusion::common::{JoinSide, Result, exec_datafusion_err};

use super::chunk::Chunk;
use super::collect::{BuildSide, KeptRows};
use super::gather::{Gather, gather_column};
use super::index::{Chains, NO_ROW, Pairs, locate};
use super::indexing::{Index, IndexPlan};
use super::keys::Keys;
use super::matcher::{Matchers, key_matcher};
use super::portion::Portion;
use super::spec::JoinSpec;

/// Build rows, the index over their keys, and which have found a match.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) chunks: Arc<Vec<Chunk>>,
    index: Index,
    chains: Arc<Chains>,
    matchers: Matchers,
    /// One for each column of the build side that outputs or the filter need.
    gathers: Vec<Option<Box<dyn Gather>>>,
    /// One bit a row, if the join type asks for it.
    visited: Option<Vec<Vec<AtomicU64>>>,
    /// Gives the memory back when the last thread lets go of the table.
    portion: Portion,
}

impl Table {
    /// Builds the table over `rows`, whose hashes are given up, and whose portion covers `plan`,
    /// too.
    pub(super) async fn build(spec: &JoinSpec, rows: KeptRows, plan: IndexPlan) -> Result<Self> {
        let KeptRows {
            mut chunks,
            mut portion,
        } = rows;
        let visited = take_visited(spec, &mut chunks)?;
        let chains = Arc::new(Chains::new(&chunks));
        let mut matchers = Vec::with_capacity(spec.probe_keys.len());
        for (at, key) in spec.probe_keys.iter().enumerate() {
            let probe_type = key.data_type(&spec.probe_schema)?;
            matchers.push(key_matcher(&chunks, at, &probe_type, spec.null_equality));
        }
        let (chunks, matchers) = (Arc::new(chunks), Arc::new(matchers));
        let index = plan.build(&chunks, &chains, &matchers).await?;
        // All tasks have ended, so there is no other holder.
        let mut chunks = Arc::try_unwrap(chunks)
            .map_err(|_| exec_datafusion_err!("the build side of a join is still in use"))?;
        let freed: usize = chunks.iter_mut().map(Chunk::drop_hashes).sum();
        // Where rows of it are evicted, the hashes take the place of the index.
        portion.shrink(freed.min(plan.bytes));
        let gathers = needed_columns(spec)
            .into_iter()
            .enumerate()
            .map(|(column, needed)| needed.then(|| gather_column(&chunks, column)))
            .collect();
        Ok(Self {
            chunks: Arc::new(chunks),
            index,
            chains,
            matchers,
            gathers,
            visited,
            portion,
        })
    }

    /// Takes the index apart: the rows, with hashes and what is known of their matches, as they
    /// are moved to the files of `side`.
    pub(super) fn into_rows(self, side: &BuildSide) -> Result<KeptRows> {
        let (chunks, portion) = self.into_stored(&side.spec)?;
        let hashed = chunks.into_iter().map(|batch| {
            let keys = side.keys(&batch)?;
            Ok(Chunk::new(batch, keys))
        });
        Ok(KeptRows {
            chunks: hashed.collect::<Result<_>>()?,
            portion,
        })
    }

    /// The rows as they are stored, and what is reserved for them and for the index, which is gone.
    pub(super) fn into_stored(self, spec: &JoinSpec) -> Result<(Vec<RecordBatch>, Portion)> {
        let mut visited = self.visited.unwrap_or_default().into_iter();
        let batches = self.chunks.iter().map(|chunk| {
            let bits = visited.next().map(|words| bits_of(words, chunk.rows()));
            spec.stored(chunk.batch.clone(), bits)
        });
        Ok((batches.collect::<Result<_>>()?, self.portion))
    }

    /// Bytes of each chunk, and of what is known of its rows' matches.
    pub(super) fn chunk_bytes(&self) -> Vec<usize> {
        let chunks = self.chunks.iter();
        chunks
            .map(|chunk| chunk.bytes + words(chunk.rows()) * size_of::<u64>())
            .collect()
    }

    /// Bytes that are reserved for it.
    pub(super) fn bytes(&self) -> usize {
        self.portion.bytes()
    }

    /// Whether look-ups need hashes.
    pub(super) fn needs_hashes(&self) -> bool {
        matches!(self.index, Index::Hash(_))
    }

    /// Whether look-ups find matches rather than candidates.
    pub(super) fn is_exact(&self) -> bool {
        self.index.is_exact()
    }

    /// Whether what follows a candidate has its key.
    pub(super) fn has_pure_chains(&self) -> bool {
        !self.chains.is_mixed()
    }

    /// Whether no row can ever match.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.index, Index::Empty)
    }

    /// Whether rows have followers in [`Table::next`].
    pub(super) fn has_chains(&self) -> bool {
        self.chains.any()
    }

    /// The candidate after `id`, or [`NO_ROW`].
    pub(super) fn next(&self, id: u32) -> u32 {
        self.chains.next(id)
    }

    /// Makes `found` those of `rows` that have a candidate, beside their first one.
    pub(super) fn look_up(&self, keys: &Keys, rows: &[u32], found: &mut Pairs) -> Result<()> {
        self.index.look_up(keys, rows, found)
    }

    /// Keeps the pairs whose keys are equal.
    pub(super) fn retain_equal(&self, keys: &Keys, pairs: &mut Pairs) -> Result<()> {
        if self.is_exact() {
            return Ok(());
        }
        for (matcher, key) in self.matchers.iter().zip(&keys.arrays) {
            matcher.retain(key, pairs)?;
        }
        Ok(())
    }

    /// The values of a build column for the rows `ids`.
    pub(super) fn gather(&self, column: usize, ids: &[u32]) -> Result<ArrayRef> {
        match self.gathers.get(column).and_then(Option::as_ref) {
            Some(gather) => gather.gather(ids),
            None => gather_column(&self.chunks, column).gather(ids),
        }
    }

    /// Notes that `ids` have matched.
    pub(super) fn visit(&self, ids: &[u32]) {
        let Some(visited) = &self.visited else { return };
        for id in ids {
            let (chunk, row) = locate(*id);
            let (word, bit) = (&visited[chunk][row / 64], 1_u64 << (row % 64));
            if word.load(Ordering::Relaxed) & bit == 0 {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
    }

    /// Whether a row has matched.
    pub(super) fn is_visited(&self, chunk: usize, row: usize) -> bool {
        self.visited.as_ref().is_some_and(|visited| {
            visited[chunk][row / 64].load(Ordering::Relaxed) >> (row % 64) & 1 == 1
        })
    }
}

pub(super) fn words(rows: usize) -> usize {
    rows.div_ceil(64)
}

/// A bit for each row of `chunks`, if matches count; set for those that are known to have matched.
/// The chunks are as they are joined then.
fn take_visited(spec: &JoinSpec, chunks: &mut [Chunk]) -> Result<Option<Vec<Vec<AtomicU64>>>> {
    if !spec.tracks_build() {
        return Ok(None);
    }
    let words_of = |chunk: &mut Chunk| {
        let (batch, visited) = spec.unstored(chunk.batch.clone())?;
        chunk.batch = batch;
        let mut words = vec![0_u64; words(chunk.rows())];
        for row in visited.iter().flat_map(|v| v.values().set_indices()) {
            words[row / 64] |= 1 << (row % 64);
        }
        Ok(words.into_iter().map(AtomicU64::new).collect())
    };
    let words = chunks.iter_mut().map(words_of);
    words.collect::<Result<_>>().map(Some)
}

fn bits_of(words: Vec<AtomicU64>, rows: usize) -> BooleanArray {
    let words: Vec<u64> = words.into_iter().map(AtomicU64::into_inner).collect();
    let is_set = |row: usize| words[row / 64] >> (row % 64) & 1 == 1;
    BooleanArray::new(BooleanBuffer::collect_bool(rows, is_set), None)
}

/// For each column of the build side: whether joined rows show it, or the filter looks at it.
fn needed_columns(spec: &JoinSpec) -> Vec<bool> {
    let mut needed = vec![false; spec.build_schema.fields().len()];
    let filtered = spec.filter.iter().flat_map(|f| f.column_indices());
    let shown = spec.columns.iter().filter(|_| spec.emits_pairs());
    for column in filtered.chain(shown) {
        if column.side == JoinSide::Left
            && let Some(needed) = needed.get_mut(column.index)
        {
            *needed = true;
        }
    }
    needed
}

/// So that [`NO_ROW`] is known where candidates are followed.
pub(super) const END: u32 = NO_ROW;
