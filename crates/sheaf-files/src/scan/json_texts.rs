//! Objects and arrays where a text is wanted: rewritten as JSON strings before decoding.
//!
//! Arrow's reader refuses `{"v": {"a": 1}}` for a text column. [`TextRewriter`] follows keys and
//! brackets over the bytes and, at the paths it is given, encloses such values in quotes; all else
//! passes unchanged. Tables without such columns do without it.

use std::collections::HashSet;
use std::sync::Arc;

/// What stands between the keys of a path; lists add [`LIST_STEP`].
const SEPARATOR: char = '\u{1f}';

/// The step of a path into the items of a list.
pub(crate) const LIST_STEP: &str = "[]";

/// The path `key` below `prefix`.
pub(crate) fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() {
        key.to_owned()
    } else {
        format!("{prefix}{SEPARATOR}{key}")
    }
}

/// Rewrites a stream of JSON values.
#[derive(Debug)]
pub(crate) struct TextRewriter {
    paths: Arc<HashSet<String>>,
    stack: Vec<Frame>,
    in_string: bool,
    is_escaped: bool,
    /// The key being read, if the string under way is one.
    key: Option<Vec<u8>>,
    /// Depth within a value that is being enclosed; 0 outside.
    enclosed_depth: usize,
}

/// An object or list that is open.
#[derive(Debug)]
struct Frame {
    is_object: bool,
    expects_key: bool,
    /// The path of the object or list itself.
    path: String,
    /// The present key of an object.
    key: String,
}

impl TextRewriter {
    pub(crate) fn new(paths: Arc<HashSet<String>>) -> Self {
        Self {
            paths,
            stack: Vec::new(),
            in_string: false,
            is_escaped: false,
            key: None,
            enclosed_depth: 0,
        }
    }

    /// The bytes, rewritten.
    pub(crate) fn rewrite(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8);
        for &byte in bytes {
            if self.enclosed_depth > 0 {
                self.enclosed(byte, &mut out);
            } else if self.in_string {
                self.string(byte);
                out.push(byte);
            } else {
                self.structure(byte, &mut out);
            }
        }
        out
    }

    fn enclosed(&mut self, byte: u8, out: &mut Vec<u8>) {
        push_escaped(byte, out);
        if self.in_string {
            self.in_string = self.is_escaped || byte != b'"';
            self.is_escaped = !self.is_escaped && byte == b'\\';
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.enclosed_depth += 1,
            b'}' | b']' => {
                self.enclosed_depth -= 1;
                if self.enclosed_depth == 0 {
                    out.push(b'"');
                }
            }
            _ => {}
        }
    }

    fn string(&mut self, byte: u8) {
        let ends = !self.is_escaped && byte == b'"';
        self.is_escaped = !self.is_escaped && byte == b'\\';
        if !ends {
            if let Some(key) = &mut self.key {
                key.push(byte);
            }
            return;
        }
        self.in_string = false;
        if let (Some(key), Some(frame)) = (self.key.take(), self.stack.last_mut()) {
            frame.key = String::from_utf8_lossy(&key).into_owned();
        }
    }

    fn structure(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'{' | b'[' => {
                let path = self.path();
                if !self.stack.is_empty() && self.paths.contains(&path) {
                    out.push(b'"');
                    out.push(byte);
                    self.enclosed_depth = 1;
                    return;
                }
                let is_object = byte == b'{';
                let frame = Frame {
                    is_object,
                    expects_key: is_object,
                    path,
                    key: String::new(),
                };
                self.stack.push(frame);
            }
            b'}' | b']' => {
                self.stack.pop();
            }
            b'"' => {
                self.in_string = true;
                let is_key = self.stack.last().is_some_and(|frame| frame.expects_key);
                self.key = is_key.then(Vec::new);
            }
            b':' | b',' => {
                if let Some(frame) = self.stack.last_mut() {
                    frame.expects_key = frame.is_object && byte == b',';
                }
            }
            _ => {}
        }
        out.push(byte);
    }

    /// The path of the value that starts here.
    fn path(&self) -> String {
        match self.stack.last() {
            None => String::new(),
            Some(frame) if frame.is_object => join(&frame.path, &frame.key),
            Some(frame) => join(&frame.path, LIST_STEP),
        }
    }
}

/// Appends `byte` as it stands within a JSON string.
fn push_escaped(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend([b'\\', byte]),
        b'\n' => out.extend(b"\\n"),
        b'\r' => out.extend(b"\\r"),
        b'\t' => out.extend(b"\\t"),
        _ => out.push(byte),
    }
}
