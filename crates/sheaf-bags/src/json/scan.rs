//! The scanner: moves over JSON text and checks it, value by value, without building anything.
//!
//! All of a record is checked, also what nobody asks for, so that whether a record is good does
//! not depend on the query. Texts, which are most of a record's bytes, are passed eight bytes at a
//! time.

use std::fmt;

use super::text::{escape_end, has_special, special_bytes};

/// Objects and arrays within each other; deeper ones are faults, so that hostile records cannot
/// exhaust a stack.
pub const DEPTH_MAX: usize = 512;

/// Digits that an exponent may have.
const EXPONENT_DIGITS_MAX: usize = 6;

/// What is wrong with JSON text, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The offending byte, from 0.
    pub at: usize,
    /// What is wrong.
    pub kind: FaultKind,
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Something else should stand here; what does, `None` at the end.
    Expected(&'static str, Option<char>),
    /// A control character in a text, which must be escaped.
    Control(u8),
    /// `\x` in a text.
    Escape,
    /// Half of a surrogate pair.
    Surrogate,
    /// A number with too large an exponent.
    Exponent,
    /// Over [`DEPTH_MAX`] levels.
    Depth,
    /// Bytes that are not UTF-8.
    NotUtf8(u8),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FaultKind::Expected(what, Some(found)) => {
                write!(f, "expected {what}, found {}", quoted(found))
            }
            FaultKind::Expected(what, None) => write!(f, "expected {what}, found the end"),
            FaultKind::Control(byte) => {
                write!(f, "a text holds the control character \\u{byte:04x}")
            }
            FaultKind::Escape => f.write_str("a text holds an escape that JSON does not have"),
            FaultKind::Surrogate => f.write_str("a text holds half a surrogate pair"),
            FaultKind::Exponent => f.write_str("a number has too large an exponent"),
            FaultKind::Depth => write!(f, "values are nested over {DEPTH_MAX} deep"),
            FaultKind::NotUtf8(byte) => write!(f, "not UTF-8: byte 0x{byte:02x}"),
        }
    }
}

fn quoted(found: char) -> String {
    match found {
        '\'' => "\"'\"".to_owned(),
        found if found.is_control() => format!("'{}'", found.escape_default()),
        found => format!("'{found}'"),
    }
}

/// The kinds of JSON values, in the order in which VARIANTs of different kinds sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` and `false`.
    Boolean,
    /// Numbers.
    Number,
    /// Texts.
    String,
    /// Arrays.
    Array,
    /// Objects.
    Object,
}

impl Kind {
    /// The kind of a checked value, which its first byte tells.
    #[must_use]
    pub fn of(value: &str) -> Self {
        match value.as_bytes().first() {
            Some(b'"') => Self::String,
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Number,
        }
    }

    /// Its name, as `variant_type` gives it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// Moves over JSON text.
#[derive(Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// At the start of `text`.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
        }
    }

    /// The next byte's place.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// The text from `start` to here.
    #[must_use]
    pub fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// The next byte.
    #[inline]
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// What has not been passed.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Passes what [`next_key`](Self::next_key) would, of which `length` bytes are known.
    #[inline]
    pub(super) fn pass_member(&mut self, length: usize, object: &mut Container) {
        object.is_first = false;
        self.at += length;
        self.skip_space();
    }

    /// Moves over space.
    #[inline]
    pub fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    #[cold]
    pub(crate) fn expected(&self, what: &'static str) -> Fault {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.fault(FaultKind::Expected(what, rest.chars().next()))
    }

    fn fault(&self, kind: FaultKind) -> Fault {
        Fault { at: self.at, kind }
    }

    /// Moves over one value, which must begin here; `depth` levels are open around it.
    ///
    /// # Errors
    /// A fault if it is no JSON.
    pub fn skip_value(&mut self, depth: usize) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.skip_string()
            }
            Some(b'-' | b'0'..=b'9') => self.skip_number(),
            Some(b'{') => {
                let mut members = self.open(depth)?;
                while self.next_key(&mut members)?.is_some() {
                    self.skip_value(depth + 1)?;
                }
                Ok(())
            }
            Some(b'[') => {
                let mut items = self.open(depth)?;
                while self.next_item(&mut items)? {
                    self.skip_value(depth + 1)?;
                }
                Ok(())
            }
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(self.expected("a value")),
        }
    }

    /// Checks that only space follows.
    ///
    /// # Errors
    /// A fault if more does.
    pub fn finish(&mut self) -> Result<(), Fault> {
        self.skip_space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected("the end of the record")),
        }
    }

    /// Moves into the object or array that begins here; `depth` levels are open around it.
    ///
    /// # Errors
    /// A fault if these are too many.
    pub fn open(&mut self, depth: usize) -> Result<Container, Fault> {
        if depth >= DEPTH_MAX {
            return Err(self.fault(FaultKind::Depth));
        }
        self.at += 1;
        Ok(Container { is_first: true })
    }

    /// Moves to the value of the object's next member and gives its key, without quotes and as it
    /// is written; `None` behind the closing brace.
    ///
    /// # Errors
    /// A fault if it is no JSON.
    #[inline]
    pub fn next_key(&mut self, object: &mut Container) -> Result<Option<&'a str>, Fault> {
        self.skip_space();
        let is_first = std::mem::take(&mut object.is_first);
        match self.peek() {
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b',') if !is_first => {
                self.at += 1;
                self.skip_space();
            }
            _ if is_first => {}
            _ => return Err(self.expected("',' or '}'")),
        }
        if self.peek() != Some(b'"') {
            return Err(self.expected(if is_first { "a key or '}'" } else { "a key" }));
        }
        self.at += 1;
        let start = self.at;
        self.skip_string()?;
        let key = self.text.get(start..self.at - 1).unwrap_or_default();
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.expected("':'"));
        }
        self.at += 1;
        self.skip_space();
        Ok(Some(key))
    }

    /// Moves to the array's next item; false behind the closing bracket.
    ///
    /// # Errors
    /// A fault if it is no JSON.
    #[inline]
    pub fn next_item(&mut self, array: &mut Container) -> Result<bool, Fault> {
        self.skip_space();
        let is_first = std::mem::take(&mut array.is_first);
        match self.peek() {
            Some(b']') => {
                self.at += 1;
                return Ok(false);
            }
            Some(b',') if !is_first => {
                self.at += 1;
                self.skip_space();
            }
            _ if is_first => {}
            _ => return Err(self.expected("',' or ']'")),
        }
        Ok(true)
    }

    fn word(&mut self, word: &'static str) -> Result<(), Fault> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at = end;
        Ok(())
    }

    /// Moves behind the closing quote of a text whose opening quote has been passed.
    #[inline]
    fn skip_string(&mut self) -> Result<(), Fault> {
        loop {
            if self.pass_plain_word() {
                // It is no short one.
                while let Some(block) = self.rest().first_chunk()
                    && !has_special(block)
                {
                    self.at += block.len();
                }
                while self.pass_plain_word() {}
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => match escape_end(self.bytes, self.at) {
                    Ok(end) => self.at = end,
                    Err(kind) => return Err(self.fault(kind)),
                },
                Some(byte) if byte < b' ' => return Err(self.fault(FaultKind::Control(byte))),
                Some(_) => self.at += 1,
                None => return Err(self.expected("'\"'")),
            }
        }
    }

    /// Moves over eight bytes of a text; if one of them is special, to that, and says false. So it does
    /// where fewer are left.
    #[inline]
    fn pass_plain_word(&mut self) -> bool {
        let Some(word) = self.rest().first_chunk() else {
            return false;
        };
        let special = special_bytes(u64::from_le_bytes(*word));
        // Without any, these are eight.
        self.at += (special.trailing_zeros() / 8) as usize;
        special == 0
    }

    fn skip_number(&mut self) -> Result<(), Fault> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.skip_digits(),
            _ => return Err(self.expected("a digit")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            let start = self.at;
            self.digits()?;
            let digits = self.since(start).trim_start_matches('0');
            if digits.len() > EXPONENT_DIGITS_MAX {
                return Err(self.fault(FaultKind::Exponent));
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.expected("a digit"));
        }
        self.skip_digits();
        Ok(())
    }

    fn skip_digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }
}

/// An object or array that is open.
#[derive(Debug)]
pub struct Container {
    is_first: bool,
}
