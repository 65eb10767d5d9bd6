//! The build side in memory, ready to be probed by any number of threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef};
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, JoinSide, Result, exec_datafusion_err};
use datafusion::execution::memory_pool::MemoryReservation;

use super::chunk::Chunk;
use super::gather::{Gather, gather_column};
use super::index::{Chains, DirectIndex, HashIndex, NO_ROW, Pairs, Region, locate, region_of};
use super::keys::{Keys, integers, is_integer};
use super::matcher::{KeyMatcher, key_matcher};
use super::spec::JoinSpec;

/// Below this many rows one thread builds the index.
const PARALLEL_ROWS_MIN: usize = 64 * 1024;

/// An array addressed by the key takes this many bytes a row at most: what slots and tags take.
const DIRECT_BYTES_PER_ROW_MAX: usize = 20;

/// An array addressed by the key may always take this much, which fits into a core's cache.
const DIRECT_BYTES_SMALL: usize = 256 * 1024;

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

#[derive(Debug)]
enum Index {
    Empty,
    Hash(HashIndex),
    Direct(DirectIndex),
}

/// How the index over some chunks will be made, and what it takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct IndexPlan {
    rows: usize,
    direct: Option<(i64, usize)>,
    region_bits: u32,
    /// Bytes of index, chains, visited bits.
    pub(super) bytes: usize,
}

impl IndexPlan {
    /// The plan for the rows of `chunks`. `range` has the smallest and the largest key, if it is
    /// known and the key is one integer column.
    pub(super) fn new(
        spec: &JoinSpec,
        chunks: &[Chunk],
        range: Option<(i64, i64)>,
        threads: usize,
    ) -> Self {
        let rows: usize = chunks.iter().map(Chunk::rows).sum();
        let mut fixed = Chains::bytes(rows);
        if spec.tracks_build() {
            fixed += chunks.iter().map(|c| words(c.rows()) * 8).sum::<usize>();
        }
        let direct = range
            .filter(|_| chunks.iter().all(|chunk| has_integer_key(spec, chunk)))
            .and_then(|(min, max)| {
                let bytes = DirectIndex::bytes(min, max)?;
                let cap = DIRECT_BYTES_SMALL.max(rows.saturating_mul(DIRECT_BYTES_PER_ROW_MAX));
                (bytes <= cap).then_some((min, bytes))
            });
        let region_bits = if rows < PARALLEL_ROWS_MIN {
            0
        } else {
            threads.next_power_of_two().ilog2()
        };
        let index = match direct {
            Some((_, bytes)) => bytes,
            // Regions are not filled equally, but seldom one doubles its slots for that.
            None => Region::bytes(rows >> region_bits).saturating_mul(1 << region_bits),
        };
        Self {
            rows,
            direct: direct.map(|(min, bytes)| (min, bytes / size_of::<u32>())),
            region_bits,
            bytes: if rows == 0 { 0 } else { fixed + index },
        }
    }

    /// Bytes that the index over so many rows takes at most, as a guess before they are there.
    pub(super) fn bytes_for_rows(rows: usize) -> usize {
        Region::bytes(rows) + Chains::bytes(rows) + words(rows) * 8
    }
}

fn has_integer_key(spec: &JoinSpec, chunk: &Chunk) -> bool {
    let [key] = chunk.keys.arrays.as_slice() else {
        return false;
    };
    let same_type = spec.probe_keys.first().is_some_and(|probe| {
        probe.data_type(&spec.probe_schema).ok().as_ref() == Some(key.data_type())
    });
    // Where NULL equals NULL it is a key like others, for which the array has no place.
    same_type
        && is_integer(key.data_type())
        && (chunk.keys.valid.is_some() || key.null_count() == 0)
}

impl Table {
    /// Builds the table over `chunks`, whose hashes are given up. `reservation` covers chunks and
    /// `plan`; it is the table's from here on.
    pub(super) async fn build(
        spec: &JoinSpec,
        chunks: Vec<Chunk>,
        plan: IndexPlan,
        threads: usize,
        reservation: MemoryReservation,
    ) -> Result<Self> {
        let chains = Arc::new(Chains::new(&chunks));
        let chunks = Arc::new(chunks);
        let threads = if plan.rows < PARALLEL_ROWS_MIN {
            1
        } else {
            threads
        };
        let index = match plan.direct {
            _ if plan.rows == 0 => Index::Empty,
            Some((min, values)) => {
                Index::Direct(build_direct(&chunks, &chains, min, values, threads).await?)
            }
            None => Index::Hash(build_hash(&chunks, &chains, plan.region_bits, threads).await?),
        };
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
        matches!(self.index, Index::Direct(_))
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
        match &self.index {
            Index::Empty => found.clear(),
            Index::Hash(index) => index.look_up(&keys.hashes, rows, found),
            Index::Direct(index) => {
                index.look_up(&integers(&keys.arrays[0])?, rows, found);
            }
        }
        Ok(())
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

fn words(rows: usize) -> usize {
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

async fn build_hash(
    chunks: &Arc<Vec<Chunk>>,
    chains: &Arc<Chains>,
    region_bits: u32,
    threads: usize,
) -> Result<HashIndex> {
    let regions = 1_usize << region_bits;
    let mut rows = vec![0_usize; regions];
    for chunk in chunks.iter() {
        for hash in &chunk.keys.hashes {
            rows[region_of(*hash, region_bits)] += 1;
        }
    }
    let fill = |at: usize, rows: usize| {
        let (chunks, chains) = (Arc::clone(chunks), Arc::clone(chains));
        async move {
            let mut region = Region::new(rows, region_bits);
            for (number, chunk) in chunks.iter().enumerate() {
                region.insert(at, number, chunk, &chains);
                tokio::task::consume_budget().await;
            }
            region
        }
    };
    let mut filled = Vec::with_capacity(regions);
    if threads == 1 {
        for (at, rows) in rows.into_iter().enumerate() {
            filled.push(fill(at, rows).await);
        }
        return Ok(HashIndex::new(region_bits, filled));
    }
    let tasks: Vec<_> = rows
        .into_iter()
        .enumerate()
        .map(|(at, rows)| SpawnedTask::spawn(fill(at, rows)))
        .collect();
    for task in tasks {
        filled.push(joined(task).await?);
    }
    Ok(HashIndex::new(region_bits, filled))
}

async fn build_direct(
    chunks: &Arc<Vec<Chunk>>,
    chains: &Arc<Chains>,
    min: i64,
    values: usize,
    threads: usize,
) -> Result<DirectIndex> {
    let index = Arc::new(DirectIndex::new(min, values));
    let fill = |first: usize| {
        let (chunks, chains) = (Arc::clone(chunks), Arc::clone(chains));
        let index = Arc::clone(&index);
        async move {
            for (number, chunk) in chunks.iter().enumerate().skip(first).step_by(threads) {
                let keys = integers(&chunk.keys.arrays[0])?;
                index.insert(&keys, number, chunk, &chains);
                tokio::task::consume_budget().await;
            }
            Ok::<(), DataFusionError>(())
        }
    };
    if threads == 1 {
        fill(0).await?;
    } else {
        let tasks: Vec<_> = (0..threads).map(|t| SpawnedTask::spawn(fill(t))).collect();
        for task in tasks {
            joined(task).await??;
        }
    }
    Arc::try_unwrap(index)
        .map_err(|_| exec_datafusion_err!("the index of a join is still being built"))
}

/// What a task gave; its panics go on here.
pub(super) async fn joined<T: 'static>(task: SpawnedTask<T>) -> Result<T> {
    task.join_unwind()
        .await
        .map_err(|error| exec_datafusion_err!("a task of a join ended early: {error}"))
}

/// So that [`NO_ROW`] is known where candidates are followed.
pub(super) const END: u32 = NO_ROW;
