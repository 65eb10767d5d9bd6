//! The header of an npy file: type, order and shape, as a Python dictionary in text.

use sheaf_base::{Result, SheafError};

use crate::dtype::DType;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Bytes that a header may have.
const HEADER_BYTES_MAX: usize = 1 << 20;

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) dtype: DType,
    pub(super) is_big_endian: bool,
    pub(super) is_column_major: bool,
    pub(super) shape: Vec<u64>,
    /// Where the elements begin.
    pub(super) length: usize,
}

/// Reads a header; `bytes` gives as many bytes from the beginning of the file as it is asked for.
pub(super) fn read(name: &str, bytes: impl Fn(usize) -> Result<Vec<u8>>) -> Result<Header> {
    let wrong = |what: &str| SheafError::data(format!("{name}: {what}"));
    let start = bytes(10)?;
    if !start.starts_with(MAGIC) {
        return Err(wrong("this is no npy file"));
    }
    let (length, begin) = match start[6] {
        1 => (usize::from(u16::from_le_bytes([start[8], start[9]])), 10),
        2 | 3 => {
            let start = bytes(12)?;
            let length = u32::from_le_bytes([start[8], start[9], start[10], start[11]]);
            (usize::try_from(length).unwrap_or(usize::MAX), 12)
        }
        version => return Err(wrong(&format!("npy version {version} is not known"))),
    };
    if length > HEADER_BYTES_MAX {
        return Err(wrong("its header is too long"));
    }
    let all = bytes(begin + length)?;
    let text = std::str::from_utf8(&all[begin..]).map_err(|_| wrong("its header is no text"))?;
    let value = |key: &str| {
        let start = text.find(&format!("'{key}'"))? + key.len() + 2;
        Some(text[start..].trim_start().strip_prefix(':')?.trim_start())
    };
    let descr = value("descr")
        .and_then(quoted)
        .ok_or_else(|| wrong("its type is no simple one"))?;
    let (dtype, is_big_endian) = DType::of_code(descr)
        .ok_or_else(|| wrong(&format!("elements of type '{descr}' are not supported")))?;
    let is_column_major = match value("fortran_order") {
        Some(text) if text.starts_with("True") => true,
        Some(text) if text.starts_with("False") => false,
        _ => return Err(wrong("its header does not tell the order")),
    };
    let shape = value("shape")
        .and_then(numbers)
        .ok_or_else(|| wrong("its shape is unreadable"))?;
    Ok(Header {
        dtype,
        is_big_endian,
        is_column_major,
        shape,
        length: begin + length,
    })
}

/// The header of a file of row-major elements, lowest byte first.
pub(super) fn write(dtype: DType, shape: &[u64]) -> Vec<u8> {
    let code = dtype.code();
    let shape = crate::grid::tuple(shape);
    let mut text = format!("{{'descr': '{code}', 'fortran_order': False, 'shape': {shape}, }}");
    // Elements begin at a multiple of 64 bytes, and the header ends with a line.
    let padding = 63 - (10 + text.len()) % 64;
    text.push_str(&" ".repeat(padding));
    text.push('\n');
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [MAGIC, &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat()
}

fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|quote| "'\"".contains(*quote))?;
    text[1..].split_once(quote).map(|(inside, _)| inside)
}

fn numbers(text: &str) -> Option<Vec<u64>> {
    let (inside, _) = text.strip_prefix('(')?.split_once(')')?;
    let numbers = inside
        .split(',')
        .map(str::trim)
        .filter(|number| !number.is_empty());
    numbers
        .map(|number| number.trim_end_matches('L').parse().ok())
        .collect()
}
