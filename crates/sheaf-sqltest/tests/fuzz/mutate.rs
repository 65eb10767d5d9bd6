//! Files out of good ones.

use crate::random::Random;

/// Most bytes of a file: some tens of pieces.
const BYTES_MAX: usize = 24 * 1024;

/// Most changes of a file.
const CHANGES_MAX: usize = 12;

/// What formats stumble over.
const ODDITIES: &[&[u8]] = &[
    b"\"",
    b"\"\"",
    b"'",
    b"\\",
    b"\\u",
    b"\\ud800",
    b"\\u0000",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b":",
    b",",
    b",,,,",
    b"\n",
    b"\r\n",
    b"\r",
    b"\n\n\n",
    b"\0",
    b"\xEF\xBB\xBF",
    b"\xFF\xFE",
    b"\xC3",
    b"\xF0\x9F\x92",
    b"\xED\xA0\x80",
    b"\xE2\x80\xA8",
    b"-",
    b"1e999",
    b"-0",
    b"00",
    b"9223372036854775808",
    b"123456789012345678901234567890123456789012345678901234567890",
    b"0.1e-400",
    b"NaN",
    b"null",
    b"true",
    b"{\"a\":{\"a\":{\"a\":{\"a\":1}}}}",
    b"{\"a\":1,\"a\":2}",
    b"#",
    b";",
    b"\t",
    b" ",
    b"=",
    b"%",
    b"2026-02-30",
    b"0000-00-00T99:99:99Z",
];

/// One of `seeds`, or two one after the other, repeated to a size and changed in some places.
pub(crate) fn mutated(seeds: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut bytes = random.pick(seeds).to_vec();
    if random.below(4) == 0 {
        bytes.extend_from_slice(random.pick(seeds));
    }
    let wanted = 1 << random.below(15);
    let once = bytes.clone();
    while !once.is_empty() && bytes.len() < wanted {
        bytes.extend_from_slice(&once);
    }
    for _ in 0..random.below(CHANGES_MAX + 1) {
        change(&mut bytes, random);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let length_max = 1 << random.below(9);
    let length = 1 + random.below(length_max);
    let end = (at + length).min(bytes.len());
    let odd = random.pick(ODDITIES);
    match random.below(7) {
        // A bit turned.
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        // Something odd in between, or in place of what is there.
        1 | 2 => drop(bytes.splice(at..at, odd.iter().copied())),
        3 => drop(bytes.splice(at..end, odd.iter().copied())),
        // A part left out, or twice.
        4 => drop(bytes.drain(at..end)),
        5 => {
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        // The end cut off.
        _ if random.below(4) == 0 => bytes.truncate(at),
        _ => {}
    }
}
