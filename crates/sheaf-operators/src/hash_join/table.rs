//! The build side in memory, ready to be probed by any number of threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::ArrayRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{JoinSide, Result, exec_datafusion_err};
use datafusion::execution::memory_pool::MemoryReservation;

use super::chunk::Chunk;
use super::gather::{Gather, gather_column};
use super::index::{Chains, NO_ROW, Pairs, locate};
use super::indexing::{Index, IndexPlan};
use super::keys::Keys;
use super::matcher::{KeyMatcher, key_matcher};
use super::spec::JoinSpec;

/// Build rows, the index over their keys, and which have found a match.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) chunks: Arc<Vec<Chunk>>,
    index: Index,
    chains: Arc<Chains>,
    matchers: Vec<Box<dyn KeyMatcher>>,
    /// One for each column of the build side that outputs or the filter need.
    gathers: Vec<Option<Box<dyn Gather>>>,
    /// One bit a row, if the join type asks for it.
    visited: Option<Vec<Vec<AtomicU64>>>,
    /// Gives the memory back when the last thread lets go of the table.
    reservation: MemoryReservation,
}

impl Table {
    /// Builds the table over `chunks`, whose hashes are given up. `reservation` covers chunks and
    /// `plan`; it is the table's from here on.
    pub(super) async fn build(
        spec: &JoinSpec,
        chunks: Vec<Chunk>,
        plan: IndexPlan,
        reservation: MemoryReservation,
    ) -> Result<Self> {
        let chains = Arc::new(Chains::new(&chunks));
        let chunks = Arc::new(chunks);
        let index = plan.build(&chunks, &chains).await?;
        // All tasks have ended, so there is no other holder.
        let mut chunks = Arc::try_unwrap(chunks)
            .map_err(|_| exec_datafusion_err!("the build side of a join is still in use"))?;
        let freed: usize = chunks.iter_mut().map(Chunk::drop_hashes).sum();
        reservation.shrink(freed.min(reservation.size()));
        let mut matchers = Vec::with_capacity(spec.probe_keys.len());
        for (at, key) in spec.probe_keys.iter().enumerate() {
            let probe_type = key.data_type(&spec.probe_schema)?;
            matchers.push(key_matcher(&chunks, at, &probe_type, spec.null_equality));
        }
        let gathers = needed_columns(spec)
            .into_iter()
            .enumerate()
            .map(|(column, needed)| needed.then(|| gather_column(&chunks, column)))
            .collect();
        let bits = |chunk: &Chunk| {
            (0..words(chunk.rows()))
                .map(|_| AtomicU64::new(0))
                .collect()
        };
        let visited = spec
            .tracks_build()
            .then(|| chunks.iter().map(bits).collect());
        Ok(Self {
            chunks: Arc::new(chunks),
            index,
            chains,
            matchers,
            gathers,
            visited,
            reservation,
        })
    }

    /// Bytes that are reserved for it.
    pub(super) fn bytes(&self) -> usize {
        self.reservation.size()
    }

    /// Whether look-ups need hashes.
    pub(super) fn needs_hashes(&self) -> bool {
        matches!(self.index, Index::Hash(_))
    }

    /// Whether look-ups find matches rather than candidates.
    pub(super) fn is_exact(&self) -> bool {
        self.index.is_exact()
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

/// What a task gave; its panics go on here.
pub(super) async fn joined<T: 'static>(task: SpawnedTask<T>) -> Result<T> {
    task.join_unwind()
        .await
        .map_err(|error| exec_datafusion_err!("a task of a join ended early: {error}"))
}

/// So that [`NO_ROW`] is known where candidates are followed.
pub(super) const END: u32 = NO_ROW;
