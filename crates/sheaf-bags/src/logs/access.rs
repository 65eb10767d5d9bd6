//! Access logs of web servers, as NCSA's and Apache's common and combined formats have them:
//!
//! `host ident user [10/Oct/2000:13:55:36 -0700] "GET /path HTTP/1.0" 200 2326 "referer" "agent"`
//!
//! `-` is null. The time becomes ISO 8601 (`2000-10-10T13:55:36-07:00`), which casts to TIMESTAMP;
//! `status` and `bytes` are numbers. The request is there as a whole and, if it has three words,
//! in parts.

use super::Object;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

pub(super) fn write(line: &str, is_combined: bool, out: &mut String) -> Result<(), String> {
    let mut fields = Fields { rest: line };
    let mut object = Object::begin(out);
    for name in ["host", "ident", "user"] {
        let word = fields.word(name)?;
        object.text(name, present(word));
    }
    let time = fields.between('[', ']', "time")?;
    let time = iso_time(time).ok_or_else(|| format!("expected a time, found [{time}]"))?;
    object.text("time", Some(&time));
    let request = fields.quoted("request")?;
    object.text("request", present(&request));
    let mut words = request.split(' ');
    let parts = match [words.next(), words.next(), words.next(), words.next()] {
        [Some(method), Some(path), Some(protocol), None] => {
            [Some(method), Some(path), Some(protocol)]
        }
        _ => [None; 3],
    };
    for (name, part) in ["method", "path", "protocol"].into_iter().zip(parts) {
        object.text(name, part);
    }
    for name in ["status", "bytes"] {
        let word = fields.word(name)?;
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        match present(word) {
            None => object.bare(name, "null"),
            Some(digits) if is_number => {
                let number = digits.trim_start_matches('0');
                object.bare(name, if number.is_empty() { "0" } else { number });
            }
            Some(other) => return Err(format!("expected a number as {name}, found {other}")),
        }
    }
    if is_combined {
        for name in ["referer", "user_agent"] {
            let text = fields.quoted(name)?;
            object.text(name, present(&text));
        }
    }
    if !fields.rest.trim().is_empty() {
        let rest: String = fields.rest.trim().chars().take(40).collect();
        return Err(format!("expected the end of the line, found {rest}"));
    }
    object.end();
    Ok(())
}

fn present(word: &str) -> Option<&str> {
    (word != "-").then_some(word)
}

/// The fields of a line that are not read yet.
struct Fields<'a> {
    rest: &'a str,
}

impl<'a> Fields<'a> {
    fn word(&mut self, name: &str) -> Result<&'a str, String> {
        let text = self.rest.trim_start_matches(' ');
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        if word.is_empty() {
            return Err(format!("the line ends before its {name}"));
        }
        self.rest = rest;
        Ok(word)
    }

    fn between(&mut self, open: char, close: char, name: &str) -> Result<&'a str, String> {
        let text = self.rest.trim_start_matches(' ');
        let inner = text
            .strip_prefix(open)
            .and_then(|text| text.split_once(close));
        let (inner, rest) = inner.ok_or_else(|| format!("expected {open}{name}{close}"))?;
        self.rest = rest;
        Ok(inner)
    }

    /// A text in quotes, in which a backslash makes a quote or itself literal.
    fn quoted(&mut self, name: &str) -> Result<String, String> {
        let text = self.rest.trim_start_matches(' ');
        let Some(text) = text.strip_prefix('"') else {
            return Err(format!("expected the {name} in quotes"));
        };
        let mut value = String::new();
        let mut characters = text.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = text.get(at + 1..).unwrap_or_default();
                    return Ok(value);
                }
                '\\' => match characters.next() {
                    Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                    Some((_, other)) => value.extend(['\\', other]),
                    None => break,
                },
                other => value.push(other),
            }
        }
        Err(format!("the {name} has no closing quote"))
    }
}

/// `10/Oct/2000:13:55:36 -0700` in ISO 8601.
fn iso_time(time: &str) -> Option<String> {
    let (date, zone) = time.split_once(' ')?;
    let mut parts = date.splitn(3, '/');
    let (day, month, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (year, clock) = rest.split_once(':')?;
    let month = MONTHS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(month))?
        + 1;
    let is_digits = |text: &str, count: usize| {
        text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_clock = clock.len() == 8 && clock.split(':').all(|part| is_digits(part, 2));
    let (sign, offset) = zone.split_at_checked(1)?;
    let is_whole = is_digits(day, 2)
        && is_digits(year, 4)
        && is_clock
        && matches!(sign, "+" | "-")
        && is_digits(offset, 4);
    let (hours, minutes) = offset.split_at_checked(2)?;
    is_whole.then(|| format!("{year}-{month:02}-{day}T{clock}{sign}{hours}:{minutes}"))
}
