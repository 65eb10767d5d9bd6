//! From a key to the first build row that may have it, and from there to the next.
//!
//! A row is called by 32 bits, its chunk and its place there. Rows of one tag hang together in a
//! chain, whose links are one array for the whole table.
//!
//! - [`HashIndex`]: slots of 64 bits, half tag (hash bits), half row, probed linearly, cut by the
//!   upper hash bits into regions that are filled without locks. A row whose tag is already
//!   there goes in front of that chain, so no key can make long runs of slots. Nearly always they
//!   are of one key, too; the chains know if they are not.
//! - Where the key is one integer: `integer_index.rs`.

#![expect(
    clippy::cast_possible_truncation,
    reason = "names of rows and tags are cut out of wider words"
)]

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::chunk::Chunk;

/// The name of no row.
pub(super) const NO_ROW: u32 = u32::MAX;

const EMPTY: u64 = u64::MAX;

/// Bits of a row's name that say where in its chunk it is.
const ROW_BITS: u32 = 16;

/// The name of a row of a chunk.
pub(super) fn row_id(chunk: usize, row: usize) -> u32 {
    (chunk as u32) << ROW_BITS | row as u32
}

/// The chunk and the place of a row.
pub(super) fn locate(id: u32) -> (usize, usize) {
    ((id >> ROW_BITS) as usize, (id & 0xFFFF) as usize)
}

/// The links between rows of one tag or value.
#[derive(Debug)]
pub(super) struct Chains {
    /// Rows before each chunk.
    offsets: Vec<usize>,
    next: Vec<AtomicU32>,
    any: AtomicBool,
    /// Whether some chain may have rows of several keys.
    is_mixed: AtomicBool,
}

impl Chains {
    pub(super) fn new(chunks: &[Chunk]) -> Self {
        let mut rows = 0;
        let mut offsets = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            offsets.push(rows);
            rows += chunk.rows();
        }
        Self {
            offsets,
            next: (0..rows).map(|_| AtomicU32::new(NO_ROW)).collect(),
            any: AtomicBool::new(false),
            is_mixed: AtomicBool::new(false),
        }
    }

    /// Bytes for so many rows.
    pub(super) fn bytes(rows: usize) -> usize {
        rows * size_of::<AtomicU32>()
    }

    pub(super) fn link(&self, id: u32, next: u32) {
        let (chunk, row) = locate(id);
        self.next[self.offsets[chunk] + row].store(next, Ordering::Relaxed);
        self.any.store(true, Ordering::Relaxed);
    }

    /// Notes that a chain may have rows of several keys.
    fn mix(&self) {
        self.is_mixed.store(true, Ordering::Relaxed);
    }

    /// Whether some chain may have rows of several keys.
    pub(super) fn is_mixed(&self) -> bool {
        self.is_mixed.load(Ordering::Relaxed)
    }

    /// Whether any row has a next one.
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// The row after `id`, or [`NO_ROW`].
    pub(super) fn next(&self, id: u32) -> u32 {
        let (chunk, row) = locate(id);
        self.next[self.offsets[chunk] + row].load(Ordering::Relaxed)
    }
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct HashIndex {
    region_bits: u32,
    regions: Vec<Region>,
}

/// The slots of all hashes with the same upper bits.
#[derive(Debug)]
pub(super) struct Region {
    slots: Vec<u64>,
    region_bits: u32,
    slot_bits: u32,
}

/// Which of `2^region_bits` regions a hash belongs to.
pub(super) fn region_of(hash: u64, region_bits: u32) -> usize {
    ((hash >> 1) >> (63 - region_bits)) as usize
}

impl Region {
    /// Slots for so many rows: a third to two thirds of them will be taken.
    pub(super) fn slots_for(rows: usize) -> usize {
        (rows + rows / 2 + 2).next_power_of_two()
    }

    pub(super) fn bytes(rows: usize) -> usize {
        Self::slots_for(rows) * size_of::<u64>()
    }

    pub(super) fn new(rows: usize, region_bits: u32) -> Self {
        let slots = Self::slots_for(rows);
        Self {
            slots: vec![EMPTY; slots],
            region_bits,
            slot_bits: slots.ilog2(),
        }
    }

    fn start(&self, hash: u64) -> usize {
        // At least two slots, so the shift is below 64.
        (hash.rotate_left(self.region_bits) >> (64 - self.slot_bits)) as usize
    }

    /// Puts in the rows of `chunk` whose hashes fall into `region`; `is_same` says whether two rows have
    /// one key.
    pub(super) fn insert(
        &mut self,
        region: usize,
        (at, chunk): (usize, &Chunk),
        chains: &Chains,
        is_same: impl Fn(u32, u32) -> bool,
    ) {
        for (row, hash) in chunk.keys.hashes.iter().enumerate() {
            if region_of(*hash, self.region_bits) == region && chunk.keys.is_valid(row) {
                self.insert_row(*hash, row_id(at, row), chains, &is_same);
            }
        }
    }

    fn insert_row(
        &mut self,
        hash: u64,
        id: u32,
        chains: &Chains,
        is_same: impl Fn(u32, u32) -> bool,
    ) {
        let entry = hash << 32 | u64::from(id);
        let mask = self.slots.len() - 1;
        let mut at = self.start(hash);
        loop {
            let slot = self.slots[at];
            if slot == EMPTY {
                self.slots[at] = entry;
                return;
            }
            if slot >> 32 == entry >> 32 {
                let first = slot as u32;
                chains.link(id, first);
                if !chains.is_mixed() && !is_same(first, id) {
                    chains.mix();
                }
                self.slots[at] = entry;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    fn first(&self, hash: u64) -> u32 {
        let tag = hash as u32;
        let mask = self.slots.len() - 1;
        let mut at = self.start(hash);
        loop {
            let slot = self.slots[at & mask];
            // The empty slot's row is `NO_ROW`.
            if slot == EMPTY || (slot >> 32) as u32 == tag {
                return slot as u32;
            }
            at += 1;
        }
    }
}

impl HashIndex {
    pub(super) fn new(region_bits: u32, regions: Vec<Region>) -> Self {
        Self {
            region_bits,
            regions,
        }
    }

    /// Makes `found` the rows of `rows` that have a candidate, beside their first one.
    pub(super) fn look_up(&self, hashes: &[u64], rows: &[u32], found: &mut Pairs) {
        if let [region] = self.regions.as_slice() {
            found.fill(rows, |row| region.first(hashes[row]));
            return;
        }
        found.fill(rows, |row| {
            let region = &self.regions[region_of(hashes[row], self.region_bits)];
            region.first(hashes[row])
        });
    }
}

/// Probe rows, each beside a build row.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) probe: Vec<u32>,
    pub(super) build: Vec<u32>,
}

impl Pairs {
    pub(super) fn len(&self) -> usize {
        self.probe.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.probe.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.probe.clear();
        self.build.clear();
    }

    pub(super) fn push(&mut self, probe: u32, build: u32) {
        self.probe.push(probe);
        self.build.push(build);
    }

    /// Keeps the first `len` pairs.
    pub(super) fn truncate(&mut self, len: usize) {
        self.probe.truncate(len);
        self.build.truncate(len);
    }

    /// The pairs, probe rows first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.probe.iter().copied().zip(self.build.iter().copied())
    }

    /// Becomes the rows beside what `first` names for them, less those for which that is no row.
    pub(super) fn fill(&mut self, rows: &[u32], first: impl Fn(usize) -> u32) {
        self.probe.resize(rows.len(), 0);
        self.build.resize(rows.len(), NO_ROW);
        let mut kept = 0;
        for row in rows {
            let build = first(*row as usize);
            // Written whether there is one or not: no branch to be mispredicted.
            self.probe[kept] = *row;
            self.build[kept] = build;
            kept += usize::from(build != NO_ROW);
        }
        self.probe.truncate(kept);
        self.build.truncate(kept);
    }

    /// Keeps the pairs for which `keep(probe, build)` holds.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(u32, u32) -> bool) {
        let mut kept = 0;
        for at in 0..self.probe.len() {
            let (probe, build) = (self.probe[at], self.build[at]);
            // Written whether kept or not: no branch to be mispredicted.
            self.probe[kept] = probe;
            self.build[kept] = build;
            kept += usize::from(keep(probe, build));
        }
        self.probe.truncate(kept);
        self.build.truncate(kept);
    }
}
