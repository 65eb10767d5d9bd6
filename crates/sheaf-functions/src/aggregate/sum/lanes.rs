//! What the rows of a batch add to few groups, in 64 bits.
//!
//! Where groups are few, rows of one group follow one another, and each addition waits until the one
//! before is in memory. A group has several sums, therefore, which take turns.

/// So many groups have sums here.
const GROUPS_MAX: usize = 64;

/// Sums of a group.
const TURNS: usize = 4;

/// Fewer rows than this for each sum are not worth adding the sums up.
const ROWS_PER_SUM_MIN: usize = 2;

/// Whether adding in turns pays.
pub(super) fn suit(row_count: usize, group_count: usize) -> bool {
    group_count <= GROUPS_MAX && row_count >= GROUPS_MAX * TURNS * ROWS_PER_SUM_MIN
}

/// Whether 64 bits hold the sum of so many values of so many bits.
pub(super) fn hold(bits: u32, row_count: usize) -> bool {
    bits + row_count.max(1).ilog2() + 1 < i64::BITS
}

/// The sum of each group; `values` and their number are such that all of them [`hold`].
pub(super) fn sums<T: Copy>(
    groups: &[usize],
    values: &[T],
    short: impl Fn(T) -> i64,
) -> [i64; GROUPS_MAX] {
    let mut turns = [[0_i64; GROUPS_MAX]; TURNS];
    let mut add = |groups: &[usize], values: &[T]| {
        for ((sums, group), value) in turns.iter_mut().zip(groups).zip(values) {
            // Group numbers are less than that.
            sums[group % GROUPS_MAX] += short(*value);
        }
    };
    let (group_chunks, last_groups) = groups.as_chunks::<TURNS>();
    let (value_chunks, last_values) = values.as_chunks::<TURNS>();
    for (groups, values) in group_chunks.iter().zip(value_chunks) {
        add(groups, values);
    }
    add(last_groups, last_values);
    std::array::from_fn(|group| turns.iter().map(|sums| sums[group]).sum())
}
