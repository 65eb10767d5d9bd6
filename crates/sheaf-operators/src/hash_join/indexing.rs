//! Which index a table gets, what it takes, and how tasks build it together.

use std::sync::Arc;

use arrow::array::{Array, Int64Array};
use arrow::compute::{max, min};
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};

use super::OPERATOR;
use super::chunk::Chunk;
use super::index::{Chains, HashIndex, Pairs, Region, region_of};
use super::integer_index::{DirectIndex, Presence, RankedIndex, values_between};
use super::keys::{Keys, integers, is_integer};
use super::matcher::Matchers;
use super::spec::JoinSpec;
use super::table::words;
use crate::task::joined;

/// Below this many rows one thread builds the index.
const PARALLEL_ROWS_MIN: usize = 64 * 1024;

/// A slot for every value takes this many bytes a row at most …
const DIRECT_BYTES_PER_ROW_MAX: usize = 8;

/// … and bits for every value this many; what slots and tags take is 12 to 24.
const RANKED_BYTES_PER_ROW_MAX: usize = 32;

/// An index addressed by the key may always take this much, which fits into a core's cache.
const SMALL_BYTES: usize = 256 * 1024;

/// The index over some build rows.
#[derive(Debug)]
pub(super) enum Index {
    Empty,
    Hash(HashIndex),
    Direct(DirectIndex),
    Ranked(RankedIndex),
}

impl Index {
    /// Makes `found` those of `rows` that have a candidate, beside their first one.
    pub(super) fn look_up(&self, keys: &Keys, rows: &[u32], found: &mut Pairs) -> Result<()> {
        match self {
            Self::Empty => found.clear(),
            Self::Hash(index) => index.look_up(&keys.hashes, rows, found),
            Self::Direct(index) => index.look_up(&integers(&keys.arrays[0])?, rows, found),
            Self::Ranked(index) => index.look_up(&integers(&keys.arrays[0])?, rows, found),
        }
        Ok(())
    }

    /// Whether look-ups find matches rather than candidates.
    pub(super) fn is_exact(&self) -> bool {
        matches!(self, Self::Direct(_) | Self::Ranked(_))
    }
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Empty,
    Hash { region_bits: u32 },
    Direct { min: i64, values: usize },
    Ranked { min: i64, values: usize },
}

/// How the index over some chunks will be made, and what it takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct IndexPlan {
    shape: Shape,
    threads: usize,
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
        let threads = if rows < PARALLEL_ROWS_MIN { 1 } else { threads };
        if rows == 0 {
            return Self {
                shape: Shape::Empty,
                threads,
                bytes: 0,
            };
        }
        let mut bytes = Chains::bytes(rows);
        if spec.tracks_build() {
            bytes += chunks.iter().map(|c| words(c.rows()) * 8).sum::<usize>();
        }
        let range = range.filter(|_| chunks.iter().all(|chunk| has_integer_key(spec, chunk)));
        let by_integer = range.and_then(|(min, max)| integer_shape(min, max, rows));
        let (shape, index_bytes) = by_integer.unwrap_or_else(|| {
            let region_bits = threads.next_power_of_two().ilog2();
            // Regions are not filled equally, but seldom one doubles its slots for that.
            let bytes = Region::bytes(rows >> region_bits).saturating_mul(1 << region_bits);
            (Shape::Hash { region_bits }, bytes)
        });
        Self {
            shape,
            threads,
            bytes: bytes + index_bytes,
        }
    }

    /// Bytes that the index over so many rows takes where keys do not address it, as a guess before
    /// they are there.
    pub(super) fn bytes_for_rows(rows: usize) -> usize {
        Region::bytes(rows) + Chains::bytes(rows) + words(rows) * 8
    }

    /// Builds the index.
    pub(super) async fn build(
        self,
        chunks: &Arc<Vec<Chunk>>,
        chains: &Arc<Chains>,
        matchers: &Matchers,
    ) -> Result<Index> {
        let threads = self.threads;
        match self.shape {
            Shape::Empty => Ok(Index::Empty),
            Shape::Hash { region_bits } => hash(chunks, (chains, matchers), region_bits, threads)
                .await
                .map(Index::Hash),
            Shape::Direct { min, values } => {
                let (index, chains) = (DirectIndex::new(min, values), Arc::clone(chains));
                let insert = move |index: &DirectIndex, keys: &[i64], at, chunk: &Chunk| {
                    index.insert(keys, at, chunk, &chains);
                };
                let index = fill(index, chunks, threads, insert).await?;
                Ok(Index::Direct(index))
            }
            Shape::Ranked { min, values } => {
                let presence = Presence::new(min, values);
                let insert = |presence: &Presence, keys: &[i64], _, chunk: &Chunk| {
                    presence.insert(keys, chunk);
                };
                let presence = fill(presence, chunks, threads, insert).await?;
                let (index, chains) = (RankedIndex::new(presence), Arc::clone(chains));
                let insert = move |index: &RankedIndex, keys: &[i64], at, chunk: &Chunk| {
                    index.insert(keys, at, chunk, &chains);
                };
                let index = fill(index, chunks, threads, insert).await?;
                Ok(Index::Ranked(index))
            }
        }
    }
}

/// The index addressed by keys from `min` to `max` and its bytes, if one is worth its memory.
fn integer_shape(min: i64, max: i64, rows: usize) -> Option<(Shape, usize)> {
    let values = values_between(min, max)?;
    let cap = |bytes_per_row: usize| SMALL_BYTES.max(rows.saturating_mul(bytes_per_row));
    let direct = DirectIndex::bytes(values);
    if direct <= cap(DIRECT_BYTES_PER_ROW_MAX) {
        return Some((Shape::Direct { min, values }, direct));
    }
    let ranked = RankedIndex::bytes(values, rows);
    (ranked <= cap(RANKED_BYTES_PER_ROW_MAX)).then_some((Shape::Ranked { min, values }, ranked))
}

/// The smallest and the largest key, if there is one key column of integers.
pub(super) fn key_range(chunks: &[Chunk]) -> Option<(i64, i64)> {
    let mut range: Option<(i64, i64)> = None;
    for chunk in chunks {
        let [key] = chunk.keys.arrays.as_slice() else {
            return None;
        };
        if !is_integer(key.data_type()) {
            return None;
        }
        let values = Int64Array::try_new(integers(key).ok()?, key.nulls().cloned()).ok()?;
        // Of NULLs alone there is neither.
        let (Some(low), Some(high)) = (min(&values), max(&values)) else {
            continue;
        };
        range = Some(match range {
            Some((lowest, highest)) => (lowest.min(low), highest.max(high)),
            None => (low, high),
        });
    }
    range
}

fn has_integer_key(spec: &JoinSpec, chunk: &Chunk) -> bool {
    let [key] = chunk.keys.arrays.as_slice() else {
        return false;
    };
    let same_type = spec.probe_keys.first().is_some_and(|probe| {
        probe.data_type(&spec.probe_schema).ok().as_ref() == Some(key.data_type())
    });
    // Where NULL equals NULL it is a key like others, for which there is no place among integers.
    same_type
        && is_integer(key.data_type())
        && (chunk.keys.valid.is_some() || key.null_count() == 0)
}

async fn hash(
    chunks: &Arc<Vec<Chunk>>,
    (chains, matchers): (&Arc<Chains>, &Matchers),
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
        let matchers = Arc::clone(matchers);
        async move {
            let is_same = |a, b| matchers.iter().all(|matcher| matcher.is_same(a, b));
            let mut region = Region::new(rows, region_bits);
            for numbered in chunks.iter().enumerate() {
                region.insert(at, numbered, &chains, is_same);
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
        filled.push(joined(task, OPERATOR).await?);
    }
    Ok(HashIndex::new(region_bits, filled))
}

/// Calls `insert` with the integer keys of every chunk, in `threads` tasks at once.
async fn fill<I, F>(index: I, chunks: &Arc<Vec<Chunk>>, threads: usize, insert: F) -> Result<I>
where
    I: Send + Sync + 'static,
    F: Fn(&I, &[i64], usize, &Chunk) + Send + Sync + 'static,
{
    let shared = Arc::new((index, insert));
    let part = |first: usize| {
        let (chunks, shared) = (Arc::clone(chunks), Arc::clone(&shared));
        async move {
            let (index, insert) = shared.as_ref();
            for (number, chunk) in chunks.iter().enumerate().skip(first).step_by(threads) {
                insert(index, &integers(&chunk.keys.arrays[0])?, number, chunk);
                tokio::task::consume_budget().await;
            }
            Ok::<(), DataFusionError>(())
        }
    };
    if threads == 1 {
        part(0).await?;
    } else {
        let tasks: Vec<_> = (0..threads).map(|t| SpawnedTask::spawn(part(t))).collect();
        for task in tasks {
            joined(task, OPERATOR).await??;
        }
    }
    Arc::try_unwrap(shared)
        .map(|(index, _)| index)
        .map_err(|_| exec_datafusion_err!("the index of a join is still being built"))
}
