//! Paths into JSON values: `$.a.b[0]`, `$['a key']`; a text without `$` in front is one key.

use std::fmt;

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Into the member of an object.
    Key(String),
    /// Into the item of an array, counted from 0.
    Item(usize),
}

/// Steps that a path may have.
const STEPS_MAX: usize = 256;

/// A path into a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Path {
    /// From the outside in.
    pub steps: Vec<Step>,
}

impl Path {
    /// The path of one key.
    #[must_use]
    pub fn key(name: impl Into<String>) -> Self {
        Self {
            steps: vec![Step::Key(name.into())],
        }
    }

    /// Reads a path as users write it.
    ///
    /// # Errors
    /// `UserInput` if it is none.
    pub fn parse(text: &str) -> Result<Self> {
        let Some(mut rest) = text.strip_prefix('$') else {
            return Ok(Self::key(text));
        };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, behind) = next_step(rest).ok_or_else(|| bad_path(text))?;
            steps.push(step);
            rest = behind;
            if steps.len() > STEPS_MAX {
                return Err(bad_path(text).with_detail(format!("it has over {STEPS_MAX} steps")));
            }
        }
        Ok(Self { steps })
    }

    /// This path, and then `more`.
    #[must_use]
    pub fn join(&self, more: &Self) -> Self {
        let steps = self.steps.iter().chain(&more.steps).cloned().collect();
        Self { steps }
    }
}

fn next_step(rest: &str) -> Option<(Step, &str)> {
    if let Some(name) = rest.strip_prefix('.') {
        if name.starts_with('"') {
            return quoted(name);
        }
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (name, behind) = name.split_at(end);
        let is_name = !name.is_empty() && !name.contains(['*', '"', '\'', ']', ' ']);
        return is_name.then(|| (Step::Key(name.to_owned()), behind));
    }
    let inner = rest.strip_prefix('[')?;
    if inner.starts_with(['"', '\'']) {
        let (step, behind) = quoted(inner)?;
        return Some((step, behind.strip_prefix(']')?));
    }
    let (digits, behind) = inner.split_once(']')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let item = is_number.then(|| digits.parse().ok()).flatten()?;
    Some((Step::Item(item), behind))
}

/// A key in quotes; a backslash makes the next character literal.
fn quoted(text: &str) -> Option<(Step, &str)> {
    let mut characters = text.char_indices();
    let (_, quote) = characters.next()?;
    let mut key = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => key.push(characters.next()?.1),
            end if end == quote => return Some((Step::Key(key), text.get(at + 1..)?)),
            other => key.push(other),
        }
    }
    None
}

fn bad_path(text: &str) -> SheafError {
    SheafError::user(format!("\"{text}\" is no path into a VARIANT"))
        .with_state(SqlState::INVALID_PARAMETER_VALUE)
        .with_hint("paths are like $.a.b[0] and $['a key']; without the $ it is one key")
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for step in &self.steps {
            match step {
                Step::Item(item) => write!(f, "[{item}]")?,
                Step::Key(key) if is_simple(key) => write!(f, ".{key}")?,
                Step::Key(key) => {
                    let escaped = key.replace('\\', "\\\\").replace('\'', "\\'");
                    write!(f, "['{escaped}']")?;
                }
            }
        }
        Ok(())
    }
}

fn is_simple(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn paths_read_and_show() {
        for (text, shown) in [
            ("$", "$"),
            ("$.a.b[0]", "$.a.b[0]"),
            ("$['a b'].\"c\"[10]", "$['a b'].c[10]"),
            ("$[\"it's\"]", "$['it\\'s']"),
            ("a.b", "$['a.b']"),
            ("$.user-id", "$.user-id"),
            ("", "$['']"),
        ] {
            let path = Path::parse(text).unwrap();
            assert_eq!(path.to_string(), shown, "{text}");
            assert_eq!(Path::parse(shown).unwrap(), path, "{text} again");
        }
        for text in [
            "$a", "$.", "$..a", "$[", "$[x]", "$[-1]", "$.*", "$['a", "$['a'", "$[*]",
        ] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
        let long = format!("${}", ".a".repeat(300));
        assert!(Path::parse(&long).is_err());
    }
}
