//! Patterns: regular expressions with named groups, and grok's patterns, which stand for some.
//!
//! A line matches where the pattern is found in it; `^` and `$` tie it to the whole line. A group
//! that takes no part is null.

use regex::{Regex, RegexBuilder};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::Object;
use super::grok::expand;
use crate::json::{Kind, Scanner};

/// Bytes that a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 10 << 20;

/// Characters of the reason why a pattern is none that errors show.
const WHY_CHARACTERS_MAX: usize = 400;

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    fields: Vec<Field>,
    text: String,
}

/// A key of the records.
#[derive(Debug)]
struct Field {
    key: String,
    /// The groups that give its value, of which the first that takes part does.
    groups: Vec<usize>,
    is_number: bool,
}

impl Pattern {
    pub(super) fn regex(pattern: &str) -> Result<Self> {
        let regex = compile(pattern, pattern, "no regular expression")?;
        let names = regex.capture_names().enumerate();
        let fields = names.filter_map(|(group, name)| {
            Some(Field {
                key: name?.to_owned(),
                groups: vec![group],
                is_number: false,
            })
        });
        let fields = fields.collect();
        Self::new(pattern, regex, fields, "(?<level>[A-Z]+)")
    }

    pub(super) fn grok(pattern: &str) -> Result<Self> {
        let what = "no grok pattern";
        let expanded = expand(pattern).map_err(|why| bad_pattern(pattern, what, &why))?;
        let regex = compile(&expanded.regex, pattern, what)?;
        let mut fields: Vec<Field> = Vec::new();
        for (at, (key, is_number)) in expanded.keys.into_iter().enumerate() {
            let name = format!("g{at}");
            let mut names = regex.capture_names();
            let group = names.position(|known| known == Some(&name)).unwrap_or(0);
            match fields.iter_mut().find(|field| field.key == key) {
                Some(field) => field.groups.push(group),
                None => fields.push(Field {
                    key,
                    groups: vec![group],
                    is_number,
                }),
            }
        }
        Self::new(pattern, regex, fields, "%{NUMBER:bytes:int}")
    }

    fn new(pattern: &str, regex: Regex, fields: Vec<Field>, example: &str) -> Result<Self> {
        if fields.is_empty() {
            let why = "nothing in it has a name";
            return Err(bad_pattern(pattern, "no pattern of records", why)
                .with_hint(format!("name what is to be a key: {example}")));
        }
        Ok(Self {
            regex,
            fields,
            text: pattern.to_owned(),
        })
    }

    pub(super) fn write(&self, line: &str, out: &mut String) -> Result<(), String> {
        let found = self.regex.captures(line).ok_or_else(|| {
            let pattern: String = self.text.chars().take(60).collect();
            format!("the line does not match {pattern}")
        })?;
        let mut object = Object::begin(out);
        for field in &self.fields {
            let groups = field.groups.iter();
            let value = groups.filter_map(|group| found.get(*group)).next();
            match value.map(|value| value.as_str()) {
                Some(text) if field.is_number => write_number_field(&mut object, &field.key, text),
                text => object.text(&field.key, text),
            }
        }
        object.end();
        Ok(())
    }
}

/// A number, if JSON has it as one; a text otherwise.
fn write_number_field(object: &mut Object<'_>, key: &str, text: &str) {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let mut scanner = Scanner::new(digits);
    let is_json = scanner
        .skip_value(0)
        .and_then(|()| scanner.finish())
        .is_ok();
    match is_json && Kind::of(digits) == Kind::Number {
        true => object.bare(key, digits),
        false => object.text(key, Some(text)),
    }
}

fn compile(regex: &str, pattern: &str, what: &str) -> Result<Regex> {
    RegexBuilder::new(regex)
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| {
            let why: String = error.to_string().chars().take(WHY_CHARACTERS_MAX).collect();
            bad_pattern(pattern, what, &why)
        })
}

fn bad_pattern(pattern: &str, what: &str, why: &str) -> SheafError {
    let shown: String = pattern.chars().take(80).collect();
    SheafError::user(format!("\"{shown}\" is {what}"))
        .with_state(SqlState::INVALID_PARAMETER_VALUE)
        .with_detail(why.to_owned())
}
