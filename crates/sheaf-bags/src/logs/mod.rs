//! Lines of text as records: what a log's format makes of each line.
//!
//! A [`LineFormat`] writes a line as JSON, which then goes the way of all records.

mod access;
mod grok;
mod logfmt;
mod pattern;
#[cfg(test)]
mod tests;

use sheaf_base::Result;

use crate::json::text::write_string;
pub use pattern::Pattern;

/// How a line of text becomes a record.
#[derive(Debug)]
pub enum LineFormat {
    /// The line itself, a text.
    Text,
    /// An object of the named groups of a pattern.
    Pattern(Pattern),
    /// An access log in NCSA's common format; with referer and user agent, in the combined one.
    Access {
        /// Whether referer and user agent follow.
        is_combined: bool,
    },
    /// `key=value` pairs.
    Logfmt,
}

impl LineFormat {
    /// A pattern: a regular expression with named groups.
    ///
    /// # Errors
    /// `UserInput` if it is none, or names no group.
    pub fn regex(pattern: &str) -> Result<Self> {
        Pattern::regex(pattern).map(Self::Pattern)
    }

    /// A pattern in grok's language: `%{IP:client} %{NUMBER:bytes:int}`.
    ///
    /// # Errors
    /// `UserInput` if it is none, or names no field.
    pub fn grok(pattern: &str) -> Result<Self> {
        Pattern::grok(pattern).map(Self::Pattern)
    }

    /// Whether a line without anything in it is a record, too.
    #[must_use]
    pub fn keeps_blank_lines(&self) -> bool {
        matches!(self, Self::Text)
    }

    /// Appends `line` as JSON.
    ///
    /// # Errors
    /// What is wrong with the line; then `out` may have a part of it.
    pub fn write(&self, line: &str, out: &mut String) -> Result<(), String> {
        match self {
            Self::Text => {
                write_string(line, out);
                Ok(())
            }
            Self::Pattern(pattern) => pattern.write(line, out),
            Self::Access { is_combined } => access::write(line, *is_combined, out),
            Self::Logfmt => logfmt::write(line, out),
        }
    }
}

/// Writes the members of an object.
struct Object<'o> {
    out: &'o mut String,
    is_empty: bool,
}

impl<'o> Object<'o> {
    fn begin(out: &'o mut String) -> Self {
        out.push('{');
        Self {
            out,
            is_empty: true,
        }
    }

    fn key(&mut self, key: &str) {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        write_string(key, self.out);
        self.out.push(':');
    }

    /// A text, or null.
    fn text(&mut self, key: &str, value: Option<&str>) {
        self.key(key);
        match value {
            Some(value) => write_string(value, self.out),
            None => self.out.push_str("null"),
        }
    }

    /// A value that is JSON already.
    fn bare(&mut self, key: &str, value: &str) {
        self.key(key);
        self.out.push_str(value);
    }

    fn end(self) {
        self.out.push('}');
    }
}
