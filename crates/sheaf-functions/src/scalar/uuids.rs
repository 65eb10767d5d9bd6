//! UUIDs that are made, and what is in them: `uuid`, `uuidv7`, `uuid_extract_version`,
//! `uuid_extract_timestamp`, as in PostgreSQL 18.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::{ArrayRef, AsArray, FixedSizeBinaryArray};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Int16Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::Result;
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use sheaf_base::SheafError;
use sheaf_base::uuid::{UUID, UUID_BYTES, UUID_SIZE};

use crate::kernel::{Kernel, rows};

const SECTION: &str = "UUID Functions";

/// A version 7 says the time in milliseconds and 4,096ths of one: no two of a process say the same.
const STEP_NANOS: u64 = 1_000_000 / 4_096 + 1;

/// From the beginning of the Gregorian calendar, where versions 1 begin to count, to 1970, in steps of
/// 100 nanoseconds.
const GREGORIAN_TICKS: i64 = 0x01b2_1dd2_1381_4000;

/// In nanoseconds since 1970, the time that the last version 7 says.
static LAST: AtomicU64 = AtomicU64::new(0);

pub(super) fn functions() -> Vec<ScalarUDF> {
    let nullary = || Signature::nullary(Volatility::Volatile);
    vec![
        Kernel::new("uuid", &[], |_| Ok(UUID), |_, count, _| random(count))
            .with_signature(nullary())
            .with_aliases(&["gen_random_uuid", "uuidv4"])
            .documented(
                SECTION,
                "A random UUID (version 4), another for each row.",
                "uuid()",
                "SELECT uuid();",
            )
            .build(),
        Kernel::new("uuidv7", &[], |_| Ok(UUID), |_, count, _| ordered(count))
            .with_signature(nullary())
            .documented(
                SECTION,
                "A UUID that begins with the time (version 7), another for each row: later ones are \
                 greater.",
                "uuidv7()",
                "SELECT uuidv7();",
            )
            .build(),
        Kernel::new("uuid_extract_version", &[&[UUID]], |_| Ok(DataType::Int16), versions)
            .documented(
                SECTION,
                "The version of a UUID; NULL if it is of another kind than RFC 9562 has.",
                "uuid_extract_version(uuid)",
                "SELECT uuid_extract_version('41db1265-8bc1-4ab3-992f-885799a4af1d'::uuid); -- 4",
            )
            .build(),
        Kernel::new("uuid_extract_timestamp", &[&[UUID]], |_| Ok(zoned()), timestamps)
            .documented(
                SECTION,
                "The time that a UUID of version 1 or 7 says; NULL for others.",
                "uuid_extract_timestamp(uuid)",
                "SELECT uuid_extract_timestamp('019535d9-3df7-79fb-b466-fa907fa17f9e'::uuid);",
            )
            .build(),
    ]
}

fn zoned() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// UUIDs of random bits, but those that say the version and kind.
fn random(count: usize) -> Result<ArrayRef> {
    made(count, |uuid| set_version(uuid, 4))
}

fn ordered(count: usize) -> Result<ArrayRef> {
    made(count, |uuid| {
        let nanos = next_nanos();
        let (millis, rest) = (nanos / 1_000_000, nanos % 1_000_000);
        // Six bytes of milliseconds, then twelve bits of their parts.
        uuid[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        let part = u16::try_from(rest * 4_096 / 1_000_000).unwrap_or(0);
        uuid[6..8].copy_from_slice(&part.to_be_bytes());
        set_version(uuid, 7);
    })
}

/// The time, or a step after the time that was said last.
fn next_nanos() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    });
    let next = |last: u64| now.max(last.saturating_add(STEP_NANOS));
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
        Some(next(last))
    });
    last.map_or(now, next)
}

fn made(count: usize, mut change: impl FnMut(&mut [u8])) -> Result<ArrayRef> {
    let mut bytes = vec![0; count * UUID_BYTES];
    getrandom::getrandom(&mut bytes)
        .map_err(|_| SheafError::resource("the system gives no random numbers"))?;
    bytes.chunks_exact_mut(UUID_BYTES).for_each(&mut change);
    let uuids = FixedSizeBinaryArray::try_new(UUID_SIZE, Buffer::from_vec(bytes), None)?;
    Ok(Arc::new(uuids))
}

fn set_version(uuid: &mut [u8], version: u8) {
    uuid[6] = uuid[6] & 0x0f | version << 4;
    uuid[8] = uuid[8] & 0x3f | 0x80;
}

/// The version of a UUID of the standard's kind.
fn version(uuid: &[u8]) -> Option<u8> {
    (uuid[8] & 0xc0 == 0x80).then_some(uuid[6] >> 4)
}

fn versions(arrays: &[ArrayRef], count: usize, _: &DataType) -> Result<ArrayRef> {
    let uuids = arrays[0].as_fixed_size_binary();
    rows::numbers::<Int16Type>(arrays, count, |row| {
        Ok(version(uuids.value(row)).map(i16::from))
    })
}

fn timestamps(arrays: &[ArrayRef], count: usize, to: &DataType) -> Result<ArrayRef> {
    let uuids = arrays[0].as_fixed_size_binary();
    let micros = rows::numbers::<TimestampMicrosecondType>(arrays, count, |row| {
        Ok(micros(uuids.value(row)))
    })?;
    Ok(arrow::compute::cast(&micros, to)?)
}

fn micros(uuid: &[u8]) -> Option<i64> {
    let number = |bytes: &[u8]| {
        let digits = bytes.iter();
        digits.fold(0_i64, |number, byte| number << 8 | i64::from(*byte))
    };
    match version(uuid)? {
        1 => {
            let high = number(&uuid[6..8]) & 0x0fff;
            let ticks = high << 48 | number(&uuid[4..6]) << 32 | number(&uuid[..4]);
            Some((ticks - GREGORIAN_TICKS) / 10)
        }
        7 => Some(number(&uuid[..6]) * 1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use sheaf_base::uuid::parse_uuid;

    use super::*;

    /// The examples of RFC 9562, appendix A, and of PostgreSQL's documentation, 9.14.
    #[test]
    fn what_a_uuid_says_is_read() {
        let read = |text: &str| parse_uuid(text).unwrap();
        let first = read("C232AB00-9414-11EC-B3C8-9F6BDECED846");
        assert_eq!(
            (version(&first), micros(&first)),
            (Some(1), Some(1_645_557_742_000_000))
        );
        let seventh = read("017F22E2-79B0-7CC3-98C4-DC0C0C07398F");
        assert_eq!(
            (version(&seventh), micros(&seventh)),
            (Some(7), Some(1_645_557_742_000_000))
        );
        let fourth = read("41db1265-8bc1-4ab3-992f-885799a4af1d");
        assert_eq!((version(&fourth), micros(&fourth)), (Some(4), None));
        assert_eq!(version(&[0; 16]), None);
    }

    #[test]
    fn later_ones_are_greater_and_none_comes_twice() {
        let made = ordered(10_000).unwrap();
        let made: Vec<&[u8]> = made.as_fixed_size_binary().iter().flatten().collect();
        assert!(made.is_sorted() && made.iter().all(|uuid| version(uuid) == Some(7)));
        let two = random(2).unwrap();
        let two = two.as_fixed_size_binary();
        assert_ne!(two.value(0), two.value(1));
        assert_eq!(version(two.value(1)), Some(4));
    }
}
