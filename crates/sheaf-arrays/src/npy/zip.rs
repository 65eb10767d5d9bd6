//! What npz files need of the zip format (APPNOTE.TXT 6.3): the directory at the end of the file, and
//! members that are stored or deflated, with the longer fields of zip64.

use flate2::{Crc, Decompress, FlushDecompress, Status};
use sheaf_base::{Result, SheafError};

use crate::grid::to_usize;
use crate::objects::{GoOn, Objects};

/// Bytes that the directory of a file may have.
const DIRECTORY_BYTES_MAX: u64 = 16 << 20;
/// The record at the end, without its comment; that of zip64, and where to find it.
const END_BYTES: usize = 22;
const END64_BYTES: usize = 56;
const LOCATOR_BYTES: usize = 20;
/// Bytes that are unpacked at a time.
pub(super) const PIECE_BYTES: usize = 256 << 10;

/// A member of a zip file.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: String,
    method: u64,
    is_encrypted: bool,
    pub(super) packed: u64,
    pub(super) bytes: u64,
    crc: u32,
    header: u64,
}

fn corrupt(name: &str, what: &str) -> SheafError {
    SheafError::data(format!("{name} is no npz file, or corrupt: {what}"))
}

/// A number of `count` bytes, the lowest first.
fn number(bytes: &[u8], at: usize, count: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(count)?)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    )
}

fn part(file: &dyn Objects, offset: u64, length: usize, go_on: GoOn<'_>) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    match file.read("", offset, &mut bytes, go_on)? {
        true => Ok(bytes),
        false => Err(super::missing(&file.name())),
    }
}

/// The members of a file of `size` bytes.
pub(super) fn members(file: &dyn Objects, size: u64, go_on: GoOn<'_>) -> Result<Vec<Member>> {
    let name = file.name();
    let wrong = |what: &str| corrupt(&name, what);
    // The record at the end has a comment of at most 65,535 bytes.
    let tail_bytes = size.min((END_BYTES + LOCATOR_BYTES + 65_535) as u64);
    let tail = part(file, size - tail_bytes, to_usize(tail_bytes), go_on)?;
    let is_end = |at: &usize| {
        tail[*at..].starts_with(b"PK\x05\x06")
            && number(&tail, at + 20, 2) == Some((tail.len() - at - END_BYTES) as u64)
    };
    let end = (0..(tail.len() + 1).saturating_sub(END_BYTES))
        .rev()
        .find(is_end);
    let end = end.ok_or_else(|| wrong("it has no directory"))?;
    let field = |at: usize, count: usize| number(&tail, end + at, count).unwrap_or(0);
    let (mut length, mut start) = (field(12, 4), field(16, 4));
    let locator = end.checked_sub(LOCATOR_BYTES);
    let locator = locator.filter(|at| tail[*at..].starts_with(b"PK\x06\x07"));
    if let Some(at) = locator {
        let offset = number(&tail, at + 8, 8).unwrap_or(u64::MAX);
        if offset.saturating_add(END64_BYTES as u64) > size {
            return Err(wrong("its directory is not where it should be"));
        }
        let end = part(file, offset, END64_BYTES, go_on)?;
        if !end.starts_with(b"PK\x06\x06") {
            return Err(wrong("its directory is not where it should be"));
        }
        length = number(&end, 40, 8).unwrap_or(u64::MAX);
        start = number(&end, 48, 8).unwrap_or(u64::MAX);
    }
    if length > DIRECTORY_BYTES_MAX || start.saturating_add(length) > size {
        return Err(wrong("its directory is too long"));
    }
    let directory = part(file, start, to_usize(length), go_on)?;
    let mut rest = directory.as_slice();
    let mut members = Vec::new();
    while !rest.is_empty() {
        let (member, next) = member(rest).ok_or_else(|| wrong("its directory is unreadable"))?;
        if member.header.saturating_add(member.packed) > size {
            return Err(wrong("a member lies beyond its end"));
        }
        members.push(member);
        rest = next;
    }
    Ok(members)
}

/// A member's entry in the directory, and what follows.
fn member(entry: &[u8]) -> Option<(Member, &[u8])> {
    if !entry.starts_with(b"PK\x01\x02") {
        return None;
    }
    let field = |at, count| number(entry, at, count);
    let (name, extra) = (to_usize(field(28, 2)?), to_usize(field(30, 2)?));
    let comment = to_usize(field(32, 2)?);
    let text = entry.get(46..46 + name)?;
    let extras = entry.get(46 + name..46 + name + extra)?;
    let (mut packed, mut bytes, mut header) = (field(20, 4)?, field(24, 4)?, field(42, 4)?);
    // Longer fields stand in an extra one, those that are needed, in this order.
    let mut long = long_fields(extras);
    for short in [&mut bytes, &mut packed, &mut header] {
        if *short == u64::from(u32::MAX) {
            *short = number(long, 0, 8)?;
            long = &long[8..];
        }
    }
    let member = Member {
        name: String::from_utf8_lossy(text).into_owned(),
        method: field(10, 2)?,
        is_encrypted: field(8, 2)? & 1 == 1,
        packed,
        bytes,
        crc: u32::try_from(field(16, 4)?).ok()?,
        header,
    };
    Some((member, entry.get(46 + name + extra + comment..)?))
}

fn long_fields(mut extras: &[u8]) -> &[u8] {
    while let (Some(kind), Some(length)) = (number(extras, 0, 2), number(extras, 2, 2)) {
        let end = 4 + to_usize(length);
        let Some(content) = extras.get(4..end) else {
            break;
        };
        if kind == 1 {
            return content;
        }
        extras = &extras[end..];
    }
    &[]
}

impl Member {
    /// Whether it is deflated, and not stored as it is.
    ///
    /// # Errors
    /// `Unsupported` if it is neither.
    pub(super) fn is_deflated(&self) -> Result<bool> {
        match (self.is_encrypted, self.method) {
            (false, 0) => Ok(false),
            (false, 8) => Ok(true),
            (true, _) => Err(SheafError::unsupported("encrypted members are not read")),
            (_, method) => Err(SheafError::unsupported(format!(
                "members that are packed by method {method} are not read"
            ))
            .with_hint("NumPy stores members, or deflates them")),
        }
    }

    /// Where its bytes begin, behind a header of its own.
    pub(super) fn begin(&self, file: &dyn Objects, size: u64, go_on: GoOn<'_>) -> Result<u64> {
        let wrong = || corrupt(&file.name(), "a member is not where it should be");
        if self.header.saturating_add(30) > size {
            return Err(wrong());
        }
        let header = part(file, self.header, 30, go_on)?;
        let length = |at| number(&header, at, 2).unwrap_or(0);
        let begin = self.header + 30 + length(26) + length(28);
        match header.starts_with(b"PK\x03\x04") && begin.saturating_add(self.packed) <= size {
            true => Ok(begin),
            false => Err(wrong()),
        }
    }

    /// Unpacks its bytes, which begin at `begin`, until `take` says that there are enough. If it takes all,
    /// they have the length and the checksum that the directory tells; more are never unpacked.
    pub(super) fn inflate(
        &self,
        file: &dyn Objects,
        begin: u64,
        go_on: GoOn<'_>,
        mut take: impl FnMut(&[u8]) -> Result<bool>,
    ) -> Result<()> {
        let wrong = |what: &str| corrupt(&format!("{}/{}", file.name(), self.name), what);
        let mut inflater = Decompress::new(false);
        let (mut crc, mut unpacked) = (Crc::new(), vec![0; PIECE_BYTES]);
        let mut read = 0;
        loop {
            go_on()?;
            let length = (self.packed - read).min(PIECE_BYTES as u64);
            let packed = part(file, begin + read, to_usize(length), go_on)?;
            read += length;
            let mut rest = packed.as_slice();
            loop {
                let (before_in, before_out) = (inflater.total_in(), inflater.total_out());
                let status = inflater
                    .decompress(rest, &mut unpacked, FlushDecompress::None)
                    .map_err(|error| wrong(&error.to_string()))?;
                rest = &rest[to_usize(inflater.total_in() - before_in)..];
                let piece = &unpacked[..to_usize(inflater.total_out() - before_out)];
                crc.update(piece);
                if inflater.total_out() > self.bytes {
                    return Err(wrong("it has more bytes than it says"));
                }
                if !piece.is_empty() && !take(piece)? {
                    return Ok(());
                }
                if status == Status::StreamEnd {
                    let is_whole = inflater.total_out() == self.bytes && crc.sum() == self.crc;
                    return match is_whole {
                        true => Ok(()),
                        false => Err(wrong("its length or its checksum is another")),
                    };
                }
                if piece.len() < unpacked.len() && rest.is_empty() {
                    break;
                }
                if piece.is_empty() {
                    return Err(wrong("it does not go on"));
                }
            }
            if read == self.packed {
                return Err(wrong("it ends too early"));
            }
        }
    }
}
