//! The values of a JSON file, found without parsing them.
//!
//! [`ValueSplitter`] follows brackets and strings over chunks of bytes, so it finds the values of
//! newline-delimited, concatenated and pretty-printed files and the elements of one outer array
//! alike. It serves inference, the search for a failing line, and the unwrapping of arrays.

/// Bytes that one value may have.
pub(crate) const VALUE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A value and the line on which it starts (from 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawValue<'a> {
    pub(crate) line: u64,
    pub(crate) bytes: &'a [u8],
    /// Whether the value spans lines.
    pub(crate) spans_lines: bool,
}

/// Splits a stream of bytes into top-level values.
#[derive(Debug)]
pub(crate) struct ValueSplitter {
    /// Whether values are elements of an outer array; `None` until the first byte decides.
    is_array: Option<bool>,
    /// Whether a value is whatever is on one line.
    is_by_line: bool,
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    /// Whether a scalar (number, true, …) is under way.
    in_scalar: bool,
    line: u64,
    start_line: u64,
    value: Vec<u8>,
}

impl ValueSplitter {
    /// Starts at `line`; `is_array` says whether the values are in one array, `None` goes by the
    /// first byte.
    pub(crate) fn new(is_array: Option<bool>, line: u64) -> Self {
        Self {
            is_array,
            is_by_line: false,
            depth: 0,
            in_string: false,
            is_escaped: false,
            in_scalar: false,
            line,
            start_line: line,
            value: Vec::new(),
        }
    }

    /// Takes each line for a value, whatever is in it.
    pub(crate) fn of_lines() -> Self {
        Self {
            is_by_line: true,
            ..Self::new(Some(false), 1)
        }
    }

    /// Takes bytes and calls `visit` with each value that ends in them, until it returns false.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut visit: impl FnMut(RawValue<'_>) -> bool) {
        for &byte in bytes {
            if self.step(byte) {
                let go_on = visit(self.raw());
                self.value.clear();
                if !go_on {
                    return;
                }
            }
            self.line += u64::from(byte == b'\n');
        }
    }

    /// The value under way when the input ends: a last scalar, or one that is cut off.
    pub(crate) fn rest(&self) -> Option<RawValue<'_>> {
        (!self.value.is_empty()).then(|| self.raw())
    }

    /// Whether the input may end here: no value is open but perhaps a scalar, and an array is
    /// closed.
    pub(crate) fn is_complete(&self) -> bool {
        self.depth == 0 && !self.in_string
    }

    /// The present line.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    fn raw(&self) -> RawValue<'_> {
        RawValue {
            line: self.start_line,
            bytes: &self.value,
            spans_lines: self.value.contains(&b'\n'),
        }
    }

    /// Depth at which values stand.
    fn base(&self) -> usize {
        usize::from(self.is_array == Some(true))
    }

    /// Moves over `byte`; true if a value ended with it.
    fn step(&mut self, byte: u8) -> bool {
        if self.is_by_line {
            match byte {
                b'\n' => return true,
                _ if self.value.is_empty() => self.start_line = self.line,
                _ => {}
            }
            self.keep(byte);
            return false;
        }
        if self.in_string {
            self.keep(byte);
            if self.is_escaped {
                self.is_escaped = false;
            } else if byte == b'\\' {
                self.is_escaped = true;
            } else if byte == b'"' {
                self.in_string = false;
                return self.depth == self.base();
            }
            return false;
        }
        let was_scalar = self.in_scalar;
        let ends_scalar = byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}');
        if was_scalar && self.depth == self.base() && ends_scalar {
            self.in_scalar = false;
            self.close_array(byte);
            return true;
        }
        match byte {
            b'[' | b'{' => self.open(byte),
            b']' | b'}' => return self.close(byte),
            b'"' => {
                self.begin();
                self.in_string = true;
                self.keep(byte);
            }
            b',' if self.depth == self.base() => {}
            _ if byte.is_ascii_whitespace() => {
                if self.depth > self.base() {
                    self.keep(byte);
                }
            }
            _ => {
                self.begin();
                self.in_scalar = self.depth == self.base();
                self.keep(byte);
            }
        }
        false
    }

    fn open(&mut self, byte: u8) {
        if self.is_array.is_none() {
            self.is_array = Some(byte == b'[');
            if byte == b'[' {
                self.depth = 1;
                return;
            }
        }
        if self.is_array == Some(true) && self.depth == 0 && byte == b'[' {
            self.depth = 1;
            return;
        }
        self.begin();
        self.depth += 1;
        self.keep(byte);
    }

    fn close(&mut self, byte: u8) -> bool {
        // Behind an array the depth is less: one bracket too many closes nothing.
        if self.depth <= self.base() {
            self.close_array(byte);
            return false;
        }
        self.depth -= 1;
        self.keep(byte);
        self.depth == self.base()
    }

    fn close_array(&mut self, byte: u8) {
        if byte == b']' && self.depth == 1 && self.base() == 1 {
            self.depth = 0;
        }
    }

    fn begin(&mut self) {
        if self.is_array.is_none() {
            self.is_array = Some(false);
        }
        if self.value.is_empty() {
            self.start_line = self.line;
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.value.len() < VALUE_BYTES_MAX {
            self.value.push(byte);
        }
    }
}

/// Takes the outer array off a stream of bytes: its elements follow each other, one a line. Line
/// breaks within are kept, so that lines can be counted.
#[derive(Debug, Default)]
pub(crate) struct ArrayUnwrapper {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
}

impl ArrayUnwrapper {
    /// The bytes without the outer brackets and the commas between elements.
    pub(crate) fn unwrap(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            if self.in_string {
                out.push(byte);
                self.in_string = self.is_escaped || byte != b'"';
                self.is_escaped = !self.is_escaped && byte == b'\\';
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'[' | b'{' => {
                    self.depth += 1;
                    if self.depth == 1 {
                        out.push(b' ');
                        continue;
                    }
                }
                b']' | b'}' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        out.push(b' ');
                        continue;
                    }
                }
                b',' if self.depth == 1 => {
                    out.push(b' ');
                    continue;
                }
                _ => {}
            }
            out.push(byte);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::ValueSplitter;

    #[test]
    fn brackets_too_many_close_nothing() {
        for (text, wanted) in [
            ("[1, 2]]", vec!["1", "2"]),
            ("[{\"a\": 1}]]]}", vec!["{\"a\": 1}"]),
            ("{\"a\": 1}}\n{\"b\": 2}", vec!["{\"a\": 1}", "{\"b\": 2}"]),
        ] {
            let mut found = Vec::new();
            ValueSplitter::new(None, 1).feed(text.as_bytes(), |value| {
                found.push(String::from_utf8_lossy(value.bytes).into_owned());
                true
            });
            assert_eq!(found, wanted, "{text}");
        }
    }
}
