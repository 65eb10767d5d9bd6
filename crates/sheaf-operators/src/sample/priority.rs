//! Random priorities of rows.
//!
//! Without a seed, priorities are a counter-based random sequence (SplitMix64, Steele, Lea and
//! Flood 2014) that begins anywhere. With one, a row's priority is a hash of its content, so it does
//! not depend on which partition reads the row, or when. Equal rows must not share one fate (a
//! sample of a column with three values would be all or nothing), so the how-manieth of its kind a
//! row is goes into the hash; kinds are counted in a table of fixed size where a newcomer evicts.
//! The sample of relations with many equal rows may therefore differ between partitionings.

use std::hash::{BuildHasher, Hasher, RandomState};

use arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion::common::hash_utils::{RandomState as RowHash, create_hashes};

/// Entries of the table that counts equal rows; 16 bytes each.
const KINDS_MAX: usize = 1 << 14;

/// Hands out priorities to the rows of one partition.
pub(super) enum RowPriorities {
    /// Another sample in every run.
    Random { state: u64 },
    /// The same sample in every run.
    Repeatable {
        seed: u64,
        hashes: Vec<u64>,
        kinds: Box<[(u64, u64)]>,
    },
}

impl RowPriorities {
    pub(super) fn new(seed: Option<u64>) -> Self {
        match seed {
            // The standard library's hasher is keyed with fresh random numbers each time.
            None => Self::Random {
                state: RandomState::new().build_hasher().finish(),
            },
            Some(seed) => Self::Repeatable {
                seed: mix(seed),
                hashes: Vec::new(),
                kinds: vec![(0, 0); KINDS_MAX].into_boxed_slice(),
            },
        }
    }

    /// Bytes held between batches.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Random { .. } => 0,
            Self::Repeatable { hashes, kinds, .. } => {
                hashes.capacity() * size_of::<u64>() + kinds.len() * size_of::<(u64, u64)>()
            }
        }
    }

    /// Appends the priority of each row of `batch` to `priorities`.
    pub(super) fn append(&mut self, batch: &RecordBatch, priorities: &mut Vec<u64>) -> Result<()> {
        let row_count = batch.num_rows();
        match self {
            Self::Random { state } => {
                priorities.extend((0..row_count).map(|_| {
                    *state = state.wrapping_add(GOLDEN);
                    mix(*state)
                }));
            }
            Self::Repeatable {
                seed,
                hashes,
                kinds,
            } => {
                hashes.clear();
                hashes.resize(row_count, 0);
                create_hashes(batch.columns(), &RowHash::with_seed(0), hashes)?;
                priorities.extend(hashes.iter().map(|hash| {
                    let kind = mix(*hash);
                    let ordinal = count(kinds, kind);
                    mix(kind ^ *seed ^ mix(ordinal))
                }));
            }
        }
        Ok(())
    }
}

/// Random numbers that are no priorities.
pub(super) struct RandomNumbers(u64);

impl RandomNumbers {
    pub(super) fn new(seed: Option<u64>) -> Self {
        Self(match seed {
            None => RandomState::new().build_hasher().finish(),
            // Not the numbers that priorities are made of.
            Some(seed) => mix(!seed),
        })
    }

    /// A number from 0 to below `end`, which is not 0. Some are likelier than others by `end` / 2⁶⁴.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        let product = u128::from(mix(self.0)) * u128::from(end);
        // The upper half of a product of two numbers of 64 bits fits.
        u64::try_from(product >> 64).unwrap_or(0)
    }
}

/// How many rows of this kind came before, as far as the table remembers.
fn count(kinds: &mut [(u64, u64)], kind: u64) -> u64 {
    // The table's length is a power of two, so this keeps the low bits, and fits.
    let slot = &mut kinds[usize::try_from(kind & (KINDS_MAX as u64 - 1)).unwrap_or(0)];
    if slot.0 == kind {
        slot.1 += 1;
        slot.1
    } else {
        *slot = (kind, 0);
        0
    }
}

/// 2⁶⁴ divided by the golden ratio: the step of SplitMix64.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64: each bit of the result depends on each bit of `value`.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(GOLDEN);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
