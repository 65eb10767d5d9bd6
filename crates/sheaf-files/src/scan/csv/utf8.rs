//! Whether the bytes of a file are UTF-8, chunk by chunk.
//!
//! Arrow's reader (59) looks at the values of a batch as one text, without what stands between them. Two
//! values that are no UTF-8 may be some together (`x\xEF\xBB,\xBFy`), and are then given out as texts that
//! they are not: undefined behaviour. Where all of a file is UTF-8, so is each value, since what
//! separates, quotes and escapes them is ASCII.

/// The most bytes of a character that may be missing its end.
const PARTIAL_BYTES_MAX: usize = 4;

/// Checks bytes as they come.
#[derive(Debug, Default)]
pub(super) struct Utf8Check {
    /// The beginning of a character that the next bytes end.
    partial: [u8; PARTIAL_BYTES_MAX],
    len: usize,
}

impl Utf8Check {
    /// Whether `bytes` go on as UTF-8.
    pub(super) fn takes(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while self.len > 0
            && let Some((next, others)) = rest.split_first()
        {
            rest = others;
            self.partial[self.len] = *next;
            match std::str::from_utf8(&self.partial[..=self.len]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_none() => self.len += 1,
                Err(_) => return false,
            }
        }
        let Err(error) = std::str::from_utf8(rest) else {
            return true;
        };
        let left = &rest[error.valid_up_to()..];
        if error.error_len().is_some() {
            return false;
        }
        self.partial[..left.len()].copy_from_slice(left);
        self.len = left.len();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Utf8Check;

    fn is_utf8(bytes: &[u8], chunk: usize) -> bool {
        let mut check = Utf8Check::default();
        // An end in the middle of a character shows with what follows: here a line end.
        bytes.chunks(chunk).all(|part| check.takes(part)) && check.takes(b"\n")
    }

    #[test]
    fn however_it_is_cut_it_is_what_the_whole_is() {
        let cases: [&[u8]; 11] = [
            b"",
            b"plain",
            "größer 犬 🐕 ende".as_bytes(),
            b"x\xEF\xBB,\xBFy",
            b"\xEF\xBB",
            b"\xFF",
            b"\x80",
            b"\xC0\x80",
            b"\xED\xA0\x80",
            b"\xF4\x90\x80\x80",
            b"ab\xF0\x9F\x90\x95\xF0\x9F\x90",
        ];
        for bytes in cases {
            let whole = std::str::from_utf8(bytes).is_ok();
            for chunk in 1..=bytes.len().max(1) {
                assert_eq!(is_utf8(bytes, chunk), whole, "{bytes:x?} by {chunk}");
            }
        }
    }
}
