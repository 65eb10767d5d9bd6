//! Indexes addressed by integer keys, beside a map.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};

use crate::hash_join::chunk::Chunk;
use crate::hash_join::index::{Chains, NO_ROW, Pairs, row_id};
use crate::hash_join::integer_index::{DirectIndex, Presence, RankedIndex, values_between};
use crate::hash_join::keys::{Keys, valid_rows};
use crate::testing::Lottery;

fn chunk(keys: &[Option<i64>]) -> Chunk {
    let array: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
    let batch = RecordBatch::try_from_iter([("k", Arc::clone(&array))]).unwrap();
    let arrays = vec![array];
    let valid = valid_rows(&arrays);
    Chunk::new(
        batch,
        Keys {
            arrays,
            hashes: Vec::new(),
            valid,
        },
    )
}

/// Every key from `low` to `high` finds all of its rows and no others, as do keys beyond.
fn check(low: i64, high: i64, count: usize, seed: u64) {
    let mut lottery = Lottery::new(seed);
    let span = high.abs_diff(low);
    let mut key = || {
        let place = lottery.below(span.saturating_add(1).max(1));
        (lottery.below(9) > 0).then(|| low.wrapping_add_unsigned(place))
    };
    let rows: Vec<Vec<Option<i64>>> = (0..3)
        .map(|_| (0..count).map(|_| key()).collect())
        .collect();
    let chunks: Vec<Chunk> = rows.iter().map(|keys| chunk(keys)).collect();
    let values = values_between(low, high).unwrap();
    let (direct, presence) = (DirectIndex::new(low, values), Presence::new(low, values));
    let (direct_chains, ranked_chains) = (Chains::new(&chunks), Chains::new(&chunks));
    let filled = |keys: &[Option<i64>]| keys.iter().map(|k| k.unwrap_or(0)).collect::<Vec<_>>();
    for (chunk, keys) in chunks.iter().zip(&rows) {
        presence.insert(&filled(keys), chunk);
    }
    let ranked = RankedIndex::new(presence);
    let mut expected: HashMap<i64, Vec<u32>> = HashMap::new();
    for (at, (chunk, keys)) in chunks.iter().zip(&rows).enumerate() {
        direct.insert(&filled(keys), at, chunk, &direct_chains);
        ranked.insert(&filled(keys), at, chunk, &ranked_chains);
        for (row, key) in keys.iter().enumerate() {
            if let Some(key) = key {
                expected.entry(*key).or_default().push(row_id(at, row));
            }
        }
    }
    let mut probes: Vec<i64> = expected.keys().copied().collect();
    probes.extend([
        low.wrapping_sub(1),
        high.wrapping_add(1),
        i64::MIN,
        i64::MAX,
        0,
    ]);
    probes.extend((0..200).map(|_| low.wrapping_add_unsigned(lottery.below(span.max(1)))));
    let places: Vec<u32> = (0..u32::try_from(probes.len()).unwrap()).collect();
    let mut found = Pairs::default();
    for (chains, is_ranked) in [(&direct_chains, false), (&ranked_chains, true)] {
        if is_ranked {
            ranked.look_up(&probes, &places, &mut found);
        } else {
            direct.look_up(&probes, &places, &mut found);
        }
        let mut firsts: HashMap<u32, u32> = found.iter().collect();
        for (place, key) in places.iter().zip(&probes) {
            let mut ids = Vec::new();
            let mut id = firsts.remove(place).unwrap_or(NO_ROW);
            while id != NO_ROW {
                ids.push(id);
                id = chains.next(id);
            }
            ids.sort_unstable();
            let wanted = expected.get(key).cloned().unwrap_or_default();
            assert_eq!(ids, wanted, "{key} of {low}..={high}, ranked: {is_ranked}");
        }
    }
}

#[test]
fn every_key_finds_its_rows() {
    check(0, 63, 40, 1);
    check(0, 64, 40, 2);
    check(-100, 1_000, 300, 3);
    check(-5, -5, 10, 4);
    check(1, 500_000, 2_000, 5);
    check(i64::MAX - 1_000, i64::MAX, 300, 6);
    check(i64::MIN, i64::MIN + 1_000, 300, 7);
}

#[test]
fn ranges_that_no_memory_holds_are_refused() {
    assert_eq!(values_between(i64::MIN, i64::MAX), None);
    assert_eq!(values_between(3, 3), Some(1));
}
