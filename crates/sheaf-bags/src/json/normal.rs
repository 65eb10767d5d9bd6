//! The normal form: the one text that equal JSON values have.
//!
//! - No space outside of texts.
//! - Numbers that are equal are written alike: `1`, not `1.0` or `10e-1`. Digits are exact and
//!   their number is not limited; an exponent stands where JavaScript would write one.
//! - Texts hold as few escapes as there can be.
//! - Members of objects are in the order of the bytes of their keys; of members with one key only
//!   the last is there.
//!
//! So equality, grouping and joins of VARIANTs are those of texts, and no operator needs to know
//! of them.

use super::number::write_number;
use super::scan::{Fault, Scanner};
use super::text::{decode, unquoted, write_string};

/// Appends the normal form of `text`, which is checked on the way.
///
/// # Errors
/// A fault if it is not one JSON value; then `out` is as it was.
pub fn normalize(text: &str, out: &mut String) -> Result<(), Fault> {
    let start = out.len();
    let mut writer = Writer {
        scanner: Scanner::new(text),
        out,
    };
    writer.scanner.skip_space();
    let written = writer.value(0).and_then(|()| writer.scanner.finish());
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// The normal form of `text`.
///
/// # Errors
/// A fault if it is not one JSON value.
pub fn normalized(text: &str) -> Result<String, Fault> {
    let mut out = String::with_capacity(text.len());
    normalize(text, &mut out)?;
    Ok(out)
}

/// Appends the normal form of a checked value.
pub fn write_normal(value: &str, out: &mut String) {
    // Checked, so nothing can be wrong with it.
    let _ = normalize(value, out);
}

struct Writer<'a, 'o> {
    scanner: Scanner<'a>,
    out: &'o mut String,
}

/// A member of an object, as places in the output.
struct Member {
    start: usize,
    key_end: usize,
    end: usize,
}

impl Writer<'_, '_> {
    fn value(&mut self, depth: usize) -> Result<(), Fault> {
        match self.scanner.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            first => {
                let start = self.scanner.at();
                self.scanner.skip_value(depth)?;
                let raw = self.scanner.since(start);
                match first {
                    Some(b'"') => write_text(unquoted(raw), self.out),
                    Some(b'-' | b'0'..=b'9') => write_number(raw, self.out),
                    _ => self.out.push_str(raw),
                }
                Ok(())
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Fault> {
        let mut items = self.scanner.open(depth)?;
        self.out.push('[');
        let start = self.out.len();
        while self.scanner.next_item(&mut items)? {
            if self.out.len() > start {
                self.out.push(',');
            }
            self.value(depth + 1)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), Fault> {
        let mut object = self.scanner.open(depth)?;
        self.out.push('{');
        let mut members: Vec<Member> = Vec::new();
        let mut is_ordered = true;
        while let Some(key) = self.scanner.next_key(&mut object)? {
            if !members.is_empty() {
                self.out.push(',');
            }
            let start = self.out.len();
            write_text(key, self.out);
            let key_end = self.out.len();
            if let Some(last) = members.last() {
                is_ordered &= self.out[last.start..last.key_end] < self.out[start..key_end];
            }
            self.out.push(':');
            self.value(depth + 1)?;
            members.push(Member {
                start,
                key_end,
                end: self.out.len(),
            });
        }
        if !is_ordered {
            self.reorder(&mut members);
        }
        self.out.push('}');
        Ok(())
    }

    /// Puts the members that were written last in order.
    fn reorder(&mut self, members: &mut [Member]) {
        let Some(first) = members.first().map(|member| member.start) else {
            return;
        };
        let written = self.out.split_off(first);
        let part = |from: usize, to: usize| written.get(from - first..to - first).unwrap_or("");
        let key = |member: &Member| part(member.start, member.key_end);
        // Stable, so that the last of several members with one key is the last of them still.
        members.sort_by(|a, b| key(a).cmp(key(b)));
        for (at, member) in members.iter().enumerate() {
            let next = members.get(at + 1);
            if next.is_some_and(|next| key(next) == key(member)) {
                continue;
            }
            if self.out.len() > first {
                self.out.push(',');
            }
            self.out.push_str(part(member.start, member.end));
        }
    }
}

/// Writes a text that was written as `raw` between its quotes.
fn write_text(raw: &str, out: &mut String) {
    if raw.contains('\\') {
        write_string(&decode(raw), out);
    } else {
        out.push('"');
        out.push_str(raw);
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::normalized;

    #[test]
    fn one_text_for_equal_values() {
        for (text, wanted) in [
            (
                " { \"b\" : 1.0 , \"a\" : [ 1e1, null ] } ",
                r#"{"a":[10,null],"b":1}"#,
            ),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
            (
                r#"{"b":{"d":1,"c":2},"a":{}}"#,
                r#"{"a":{},"b":{"c":2,"d":1}}"#,
            ),
            (
                r#"{"\u0061":"\/\u00e9\ud83d\ude00\u0000"}"#,
                "{\"a\":\"/é😀\\u0000\"}",
            ),
            ("[]", "[]"),
            ("\t-0", "0"),
            (r#""a\nb""#, r#""a\nb""#),
        ] {
            assert_eq!(normalized(text).unwrap(), wanted, "{text}");
            assert_eq!(normalized(wanted).unwrap(), wanted, "{text} again");
        }
    }

    #[test]
    fn faults_are_told() {
        for (text, at, wanted) in [
            ("", 0, "expected a value, found the end"),
            ("}", 0, "expected a value, found '}'"),
            (r#"{"a":}"#, 5, "expected a value, found '}'"),
            (r#"{"a":1,}"#, 7, "expected a key, found '}'"),
            (r#"{"a" 1}"#, 5, "expected ':', found '1'"),
            (r#"{"a":1 "b":2}"#, 7, "expected ',' or '}', found '\"'"),
            ("[1 2]", 3, "expected ',' or ']', found '2'"),
            ("[1,]", 3, "expected a value, found ']'"),
            ("1 2", 2, "expected the end of the record, found '2'"),
            ("01", 1, "expected the end of the record, found '1'"),
            ("1.", 2, "expected a digit, found the end"),
            ("nul", 0, "expected a value, found 'n'"),
            ("\"a", 2, "expected '\"', found the end"),
            (
                "\"a\u{1}b\"",
                2,
                "a text holds the control character \\u0001",
            ),
            (
                r#""\x""#,
                1,
                "a text holds an escape that JSON does not have",
            ),
            (r#""\ud800""#, 1, "a text holds half a surrogate pair"),
            ("1e99999999", 10, "a number has too large an exponent"),
            ("é", 0, "expected a value, found 'é'"),
        ] {
            let fault = normalized(text).unwrap_err();
            assert_eq!(
                (fault.at, fault.to_string().as_str()),
                (at, wanted),
                "{text}"
            );
        }
        let deep = "[".repeat(600) + &"]".repeat(600);
        let fault = normalized(&deep).unwrap_err();
        assert_eq!(fault.to_string(), "values are nested over 512 deep");
    }
}
