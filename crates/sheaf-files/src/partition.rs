//! Partitions: which bytes of which files are read together.
//!
//! Files are taken in order. One that is larger than the partition size and may be split is cut
//! into equal pieces, each a partition of its own; smaller ones are gathered until the size is
//! reached. Numbers count from 0 and depend on the listing and the size alone, so `_partition` and
//! `SHOW PARTITIONS` agree.

use std::ops::Range;
use std::sync::Arc;

/// The size of a partition when the user sets none is at least this.
pub(crate) const PARTITION_BYTES_MIN: u64 = 256 << 10;

/// The size of a partition when the user sets none is at most this.
pub(crate) const PARTITION_BYTES_MAX: u64 = 128 << 20;

/// Partitions per thread when the user sets no size, so that threads that finish early find work.
const PARTITIONS_PER_THREAD: u64 = 4;

/// Files that one partition may gather: opening a file costs more than its first bytes.
const FILES_PER_PARTITION_MAX: usize = 1_024;

/// A stretch of one file that belongs to a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionInfo {
    /// The partition's number, from 0.
    pub partition: u64,
    /// The file, as the user would write it.
    pub path: Arc<str>,
    /// First byte of the stretch.
    pub offset: u64,
    /// Bytes of the stretch, as stored.
    pub length: u64,
    /// Rows of the stretch, if the file's metadata tells.
    pub rows: Option<u64>,
}

/// What planning needs to know of a file.
#[derive(Debug, Clone)]
pub(crate) struct FileExtent {
    pub(crate) bytes: u64,
    pub(crate) split: Split,
}

/// Where a file may be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Split {
    /// Nowhere.
    No,
    /// Anywhere; the reader finds whole records.
    Anywhere,
    /// Only at these offsets (starts of row groups, ascending).
    At(Arc<[u64]>),
}

/// A stretch of file `file` (an index) in a partition; no range for whole files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) partition: u64,
    pub(crate) file: usize,
    pub(crate) range: Option<Range<u64>>,
}

/// The partition size that suits an input of `bytes_total` on `threads` threads.
pub(crate) fn auto_size(bytes_total: u64, threads: usize) -> u64 {
    let partitions = PARTITIONS_PER_THREAD * threads.max(1) as u64;
    (bytes_total / partitions).clamp(PARTITION_BYTES_MIN, PARTITION_BYTES_MAX)
}

/// Cuts `files` into partitions of about `partition_bytes`.
pub(crate) fn plan(files: &[FileExtent], partition_bytes: u64) -> Vec<Stretch> {
    let partition_bytes = partition_bytes.max(1);
    let mut stretches = Vec::with_capacity(files.len());
    let mut partition = 0;
    // The partition under way: its files and bytes.
    let (mut gathered, mut gathered_bytes) = (0_usize, 0_u64);
    for (file, extent) in files.iter().enumerate() {
        let ranges = ranges_of(extent, partition_bytes);
        let is_full = gathered > 0
            && (ranges.len() > 1
                || gathered_bytes + extent.bytes > partition_bytes
                || gathered >= FILES_PER_PARTITION_MAX);
        if is_full {
            partition += 1;
            (gathered, gathered_bytes) = (0, 0);
        }
        if ranges.len() > 1 {
            for range in ranges {
                stretches.push(Stretch {
                    partition,
                    file,
                    range: Some(range),
                });
                partition += 1;
            }
            continue;
        }
        stretches.push(Stretch {
            partition,
            file,
            range: None,
        });
        gathered += 1;
        gathered_bytes += extent.bytes;
    }
    stretches
}

/// The ranges that a file is cut into; one or none if it stays whole.
fn ranges_of(extent: &FileExtent, partition_bytes: u64) -> Vec<Range<u64>> {
    let bytes = extent.bytes;
    // A file a little larger than a partition is not worth two.
    if bytes <= partition_bytes + partition_bytes / 4 {
        return vec![];
    }
    match &extent.split {
        Split::No => vec![],
        Split::Anywhere => {
            let count = bytes.div_ceil(partition_bytes);
            let cut = |i: u64| u64::try_from(u128::from(bytes) * u128::from(i) / u128::from(count));
            let cut = |i: u64| cut(i).unwrap_or(bytes);
            (0..count).map(|i| cut(i)..cut(i + 1)).collect()
        }
        Split::At(offsets) => {
            let mut ranges = Vec::new();
            let mut start = 0;
            for (i, &offset) in offsets.iter().enumerate().skip(1) {
                // Cut before the stretch that would take the range over the size.
                let end = offsets.get(i + 1).copied().unwrap_or(bytes);
                if end - start > partition_bytes && offset > start {
                    ranges.push(start..offset);
                    start = offset;
                }
            }
            ranges.push(start..bytes);
            ranges
        }
    }
}

/// Distributes stretches, in order, over at most `groups_max` groups of about equal bytes; a
/// partition stays together. `bytes_of` gives a stretch's bytes.
pub(crate) fn distribute<T>(
    stretches: Vec<T>,
    groups_max: usize,
    partition_of: impl Fn(&T) -> u64,
    bytes_of: impl Fn(&T) -> u64,
) -> Vec<Vec<T>> {
    let total: u64 = stretches.iter().map(&bytes_of).sum();
    let groups_max = groups_max.max(1) as u64;
    let mut groups: Vec<Vec<T>> = Vec::new();
    let mut bytes_before = 0;
    let mut last_partition = None;
    for stretch in stretches {
        let partition = partition_of(&stretch);
        let bytes = bytes_of(&stretch);
        // The group in which the stretch's middle falls.
        let middle = u128::from(bytes_before) + u128::from(bytes / 2);
        let group = middle * u128::from(groups_max) / u128::from(total.max(1));
        let group = usize::try_from(group.min(u128::from(groups_max - 1))).unwrap_or(0);
        let is_new = last_partition != Some(partition) && group >= groups.len();
        if groups.is_empty() || is_new {
            groups.push(Vec::new());
        }
        if let Some(group) = groups.last_mut() {
            group.push(stretch);
        }
        bytes_before += bytes;
        last_partition = Some(partition);
    }
    groups
}
