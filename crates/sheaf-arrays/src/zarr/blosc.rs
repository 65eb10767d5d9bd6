//! Blosc's format, version 1: blocks that are packed on their own, their bytes or bits sorted by place in
//! the number first (<https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst>).

use std::io::Read;

use sheaf_base::{Result, SheafError};

const HEADER: usize = 16;

/// What a header says.
struct Header {
    flags: u8,
    width: usize,
    bytes: usize,
    block: usize,
    packed: usize,
}

fn corrupt(what: &str) -> SheafError {
    SheafError::data(format!("the chunk is corrupt: {what}"))
}

fn number(bytes: &[u8], at: usize) -> Result<usize> {
    let four = bytes
        .get(at..at + 4)
        .ok_or_else(|| corrupt("it is too short"))?;
    Ok(four
        .iter()
        .rev()
        .fold(0usize, |number, byte| number << 8 | usize::from(*byte)))
}

/// The bytes of a chunk, `expected` at most.
pub(super) fn unpack(bytes: &[u8], expected: usize) -> Result<Vec<u8>> {
    let start = bytes
        .get(..HEADER)
        .ok_or_else(|| corrupt("it is too short"))?;
    let header = Header {
        flags: start[2],
        width: usize::from(start[3]).max(1),
        bytes: number(start, 4)?,
        block: number(start, 8)?,
        packed: number(start, 12)?,
    };
    if header.bytes > expected || header.packed > bytes.len() {
        return Err(corrupt("its lengths are too large"));
    }
    // Copied as it is.
    if header.flags & 2 != 0 {
        let content = bytes.get(HEADER..HEADER + header.bytes);
        return content
            .map(<[u8]>::to_vec)
            .ok_or_else(|| corrupt("it is too short"));
    }
    if header.bytes == 0 {
        return Ok(Vec::new());
    }
    if header.block == 0 {
        return Err(corrupt("it has blocks of no length"));
    }
    let mut unpacked = Vec::with_capacity(header.bytes);
    for block in 0..header.bytes.div_ceil(header.block) {
        let length = header.block.min(header.bytes - block * header.block);
        let at = number(bytes, HEADER + 4 * block)?;
        let content = self::block(&header, bytes, at, length)?;
        if header.flags & 1 != 0 && header.width > 1 {
            unpacked.extend(unshuffled(&content, header.width));
        } else if header.flags & 4 != 0 {
            unpacked.extend(bits_unshuffled(&content, header.width));
        } else {
            unpacked.extend(content);
        }
    }
    Ok(unpacked)
}

/// A block: one stream, or one for each byte of a number.
fn block(header: &Header, bytes: &[u8], at: usize, length: usize) -> Result<Vec<u8>> {
    let is_whole = length == header.block;
    let is_split = header.flags & 0x10 == 0
        && is_whole
        && header.width <= 16
        && length / header.width >= 128
        && length.is_multiple_of(header.width);
    let streams = if is_split { header.width } else { 1 };
    let mut content = Vec::with_capacity(length);
    let mut at = at;
    for _ in 0..streams {
        let packed = number(bytes, at)?;
        at += 4;
        let stream = bytes
            .get(at..at + packed)
            .ok_or_else(|| corrupt("it is too short"))?;
        at += packed;
        let expected = length / streams;
        if packed == expected {
            content.extend_from_slice(stream);
            continue;
        }
        let part = stream_of(header.flags >> 5, stream, expected)?;
        if part.len() != expected {
            return Err(corrupt("a block has another length"));
        }
        content.extend(part);
    }
    Ok(content)
}

fn stream_of(codec: u8, stream: &[u8], expected: usize) -> Result<Vec<u8>> {
    match codec {
        1 => lz4_flex::block::decompress(stream, expected)
            .map_err(|error| corrupt(&error.to_string())),
        3 => {
            let mut unpacked = Vec::with_capacity(expected);
            flate2::read::ZlibDecoder::new(stream)
                .take(expected as u64 + 1)
                .read_to_end(&mut unpacked)
                .map_err(|error| corrupt(&error.to_string()))?;
            Ok(unpacked)
        }
        4 => zstd::bulk::decompress(stream, expected).map_err(|error| corrupt(&error.to_string())),
        0 => blosclz(stream, expected),
        2 => Err(SheafError::unsupported(
            "chunks that Blosc has packed with snappy are not read",
        )),
        _ => Err(corrupt("its codec is not known")),
    }
}

/// Blosc's own codec, of FastLZ's kind: bytes as they are, and such as have been before. Of a control byte the
/// upper three bits tell which: 0 for up to 32 bytes as they are, else the length of what is repeated; the
/// lower five begin the distance, which goes on in the next byte and, if it is a far one, in two more.
fn blosclz(stream: &[u8], expected: usize) -> Result<Vec<u8>> {
    /// Distances from here on have two bytes of their own.
    const FAR: usize = 8191;
    let mut bytes = stream.iter().copied();
    let mut next = || bytes.next().map(usize::from);
    let short = || corrupt("it is too short");
    let mut unpacked = Vec::with_capacity(expected);
    // The first bytes cannot be those of before.
    let mut control = next().map(|control| control & 31);
    while let Some(code) = control {
        if code < 32 {
            for _ in 0..=code {
                unpacked.push(u8::try_from(next().ok_or_else(short)?).unwrap_or(0));
            }
        } else {
            let mut length = (code >> 5) + 2;
            // The longest ones go on in bytes that are added, as long as they are 255.
            let mut goes_on = code >> 5 == 7;
            while goes_on {
                let more = next().ok_or_else(short)?;
                length += more;
                goes_on = more == 255;
            }
            let high = (code & 31) << 8;
            let low = next().ok_or_else(short)?;
            let distance = match high + low {
                FAR => {
                    let high = next().ok_or_else(short)?;
                    FAR + (high << 8) + next().ok_or_else(short)? + 1
                }
                near => near + 1,
            };
            let from = unpacked.len().checked_sub(distance);
            let from = from.ok_or_else(|| corrupt("it repeats what is not there"))?;
            if length > expected - unpacked.len().min(expected) {
                return Err(corrupt("a block is too long"));
            }
            // What is repeated may begin in what is repeated.
            for at in from..from + length {
                unpacked.push(unpacked[at]);
            }
        }
        if unpacked.len() > expected {
            return Err(corrupt("a block is too long"));
        }
        control = next();
    }
    Ok(unpacked)
}

/// First bytes of all numbers, then second ones, and so on: put together again.
fn unshuffled(bytes: &[u8], width: usize) -> Vec<u8> {
    let count = bytes.len() / width;
    let mut numbers = bytes.to_vec();
    for number in 0..count {
        for place in 0..width {
            numbers[number * width + place] = bytes[place * count + number];
        }
    }
    numbers
}

/// First bits of all numbers, then second ones, and so on, of as many as make whole bytes: put together
/// again.
fn bits_unshuffled(bytes: &[u8], width: usize) -> Vec<u8> {
    let count = bytes.len() / width / 8 * 8;
    let mut numbers = bytes.to_vec();
    numbers[..count * width].fill(0);
    let row = count / 8;
    for bit in 0..width * 8 {
        for number in 0..count {
            let is_set = bytes[bit * row + number / 8] >> (number % 8) & 1;
            numbers[number * width + bit / 8] |= is_set << (bit % 8);
        }
    }
    numbers
}
