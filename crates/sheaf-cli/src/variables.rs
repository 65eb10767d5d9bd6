//! psql's variables: `\set name value`, then `:name`, `:'name'` and `:"name"` in SQL.
//!
//! Only names that are set are replaced, and nothing inside strings, quoted names, dollar quotes or
//! comments, so that `'a:b'`, `x::int` and `list[1:2]` stay what they are.

use std::collections::BTreeMap;

use sheaf::{Result, SheafError};

/// Variables that may be set at once.
const VARIABLES_MAX: usize = 1_000;

/// The variables of a console.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Gives `name` a value.
    ///
    /// # Errors
    /// `UserInput` if the name has other characters than letters, digits and underscores, or there
    /// are too many variables.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        if name.is_empty() || name.len() != name_length(name) {
            return Err(
                SheafError::user(format!("\"{name}\" cannot be a variable's name"))
                    .with_hint("names have letters, digits and underscores"),
            );
        }
        if self.0.len() >= VARIABLES_MAX && !self.0.contains_key(name) {
            return Err(SheafError::resource(format!(
                "more than {VARIABLES_MAX} variables"
            )));
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Takes the value of `name` away; whether there was one.
    pub(crate) fn unset(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// Names and values, sorted by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// `sql` with the variables in it replaced by their values.
    pub(crate) fn interpolate(&self, sql: &str) -> String {
        if self.0.is_empty() || !sql.contains(':') {
            return sql.to_owned();
        }
        let mut out = String::with_capacity(sql.len());
        let mut rest = sql;
        while let Some(c) = rest.chars().next() {
            let taken = match opaque_length(rest) {
                Some(length) => length,
                None if rest.starts_with("::") => 2,
                None if c == ':' => {
                    if let Some((value, length)) = self.reference(rest) {
                        out.push_str(&value);
                        rest = &rest[length..];
                        continue;
                    }
                    1
                }
                // A word is taken whole: the quote in `E'…'` belongs to it.
                None => name_length(rest).max(c.len_utf8()),
            };
            out.push_str(&rest[..taken]);
            rest = &rest[taken..];
        }
        out
    }

    /// The value of the reference at the start of `text`, and the reference's length.
    fn reference(&self, text: &str) -> Option<(String, usize)> {
        let after = &text[1..];
        let quote = after.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let name_start = quote.map_or(0, char::len_utf8);
        let length = name_length(&after[name_start..]);
        let value = self.0.get(&after[name_start..name_start + length])?;
        let end = name_start + length;
        match quote {
            None => Some((value.clone(), 1 + end)),
            Some(quote) if after[end..].starts_with(quote) => {
                let doubled = value.replace(quote, &format!("{quote}{quote}"));
                Some((format!("{quote}{doubled}{quote}"), 1 + end + 1))
            }
            Some(_) => None,
        }
    }
}

/// Bytes of the name at the start of `text`.
fn name_length(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len())
}

/// Bytes of the string, quoted name, dollar quote or comment at the start of `text`; to the end of
/// the text if it is not closed.
fn opaque_length(text: &str) -> Option<usize> {
    let closed_by = |start: usize, end: &str| {
        text[start..]
            .find(end)
            .map_or(text.len(), |at| start + at + end.len())
    };
    if text.starts_with('\'') {
        return Some(closed_by(1, "'"));
    }
    if text.starts_with('"') {
        return Some(closed_by(1, "\""));
    }
    if text.starts_with("--") {
        return Some(closed_by(2, "\n"));
    }
    if text.starts_with("/*") {
        return Some(block_comment_length(text));
    }
    let tag = text.strip_prefix('$')?;
    let tag_length = name_length(tag);
    let opening = text.get(..tag_length + 2)?;
    (opening.ends_with('$') && !tag.starts_with(|c: char| c.is_ascii_digit()))
        .then(|| closed_by(opening.len(), opening))
}

/// Block comments nest, as in PostgreSQL.
fn block_comment_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(found) = text[at..].find(['/', '*']) {
        at += found;
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpolate(sql: &str) -> String {
        let mut variables = Variables::default();
        variables.set("n", "42").unwrap();
        variables.set("who", "O'Hara").unwrap();
        variables.set("col", "a\"b").unwrap();
        variables.interpolate(sql)
    }

    #[test]
    fn references_become_values_literals_and_names() {
        assert_eq!(interpolate("SELECT :n + :n"), "SELECT 42 + 42");
        assert_eq!(interpolate("name = :'who'"), "name = 'O''Hara'");
        assert_eq!(interpolate("SELECT :\"col\""), "SELECT \"a\"\"b\"");
    }

    #[test]
    fn everything_else_stays() {
        for sql in [
            "':n'",
            "\":n\"",
            "x::n",
            "list[1:2]",
            "list[a:b]",
            ":unknown",
            "-- :n",
            "/* :n /* :n */ :n */",
            "$$ :n $$",
            "$tag$ :n $tag$",
            "'it''s :n'",
            "$1 :",
        ] {
            assert_eq!(interpolate(sql), sql);
        }
        assert_eq!(interpolate("'x' || :n -- :n\n:n"), "'x' || 42 -- :n\n42");
    }

    #[test]
    fn names_are_checked() {
        let mut variables = Variables::default();
        assert!(variables.set("a b", "1").is_err());
        assert!(variables.set("", "1").is_err());
        assert!(!variables.unset("a"));
    }
}
