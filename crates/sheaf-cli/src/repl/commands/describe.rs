//! `\d`, `\dt`, `\dv`, `\df`, `\l`: what there is in the session.

use std::sync::Arc;

use sheaf::arrow::array::{ArrayRef, RecordBatch, StringArray};
use sheaf::{Result, SheafError};

use super::words::words;
use crate::console::{Console, Outcome};

/// `\d [name]`.
pub(super) fn describe(console: &mut Console, arguments: &str) -> Result<Outcome> {
    if arguments.is_empty() {
        return list(console, "", |_| true);
    }
    let is_quoted = arguments.starts_with(['\'', '"']);
    let is_call = arguments.ends_with(')');
    let relation = if is_quoted || is_call || !is_path(arguments) {
        arguments.to_owned()
    } else {
        format!("'{}'", arguments.replace('\'', "''"))
    };
    Ok(console.run_own_sql(&format!("DESCRIBE {relation}")))
}

/// Whether a bare argument is a path rather than a name.
fn is_path(argument: &str) -> bool {
    argument.contains(['/', '*', '?', '-', ':', '~'])
        || argument.rsplit_once('.').is_some_and(|(_, extension)| {
            let names = sheaf::files::FORMATS
                .iter()
                .flat_map(|f| f.extensions.iter());
            let extension = extension.to_ascii_lowercase();
            names
                .into_iter()
                .any(|e| e.trim_start_matches('.') == extension)
        })
}

/// `\dt [pattern]`.
pub(super) fn tables(console: &mut Console, arguments: &str) -> Result<Outcome> {
    list(console, arguments, |kind| !kind.ends_with("view"))
}

/// `\dv [pattern]`.
pub(super) fn views(console: &mut Console, arguments: &str) -> Result<Outcome> {
    list(console, arguments, |kind| kind.ends_with("view"))
}

fn list(console: &mut Console, arguments: &str, wanted: fn(&str) -> bool) -> Result<Outcome> {
    let pattern = pattern(arguments)?;
    let names = console.session.names();
    let rows: Vec<[String; 3]> = names
        .tables
        .iter()
        .filter(|table| wanted(table.kind) && matches(&pattern, &table.name))
        .map(|table| {
            let columns: Vec<&str> = table
                .columns
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            [
                table.name.clone(),
                table.kind.to_owned(),
                columns.join(", "),
            ]
        })
        .collect();
    if rows.is_empty() {
        console.show("there are none; paths are tables: FROM 'dir/*.csv'\n")?;
        return Ok(Outcome::Done);
    }
    console.show_batch(&batch(["name", "kind", "columns"], &rows)?)?;
    Ok(Outcome::Done)
}

/// `\df [pattern]`.
pub(super) fn functions(console: &mut Console, arguments: &str) -> Result<Outcome> {
    let pattern = pattern(arguments)?;
    let names = console.session.names();
    let rows: Vec<[String; 4]> = names
        .functions
        .iter()
        .filter(|function| matches(&pattern, &function.name))
        .map(|function| {
            let text = |part: &Option<String>| {
                part.as_deref()
                    .unwrap_or_default()
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            [
                function.name.clone(),
                function.kind.to_owned(),
                text(&function.syntax),
                text(&function.description),
            ]
        })
        .collect();
    if rows.is_empty() {
        return Err(SheafError::user(format!("no function matches {arguments}")));
    }
    console.show_batch(&batch(["name", "kind", "syntax", "description"], &rows)?)?;
    Ok(Outcome::Done)
}

/// `\l`.
pub(super) fn databases(console: &mut Console, _arguments: &str) -> Result<Outcome> {
    Ok(console.run_own_sql(
        "SELECT catalog_name AS database, schema_name AS schema \
         FROM information_schema.schemata ORDER BY 1, 2",
    ))
}

/// The pattern of a list, in lower case; `*` stands for anything, `?` for a character.
fn pattern(arguments: &str) -> Result<Option<String>> {
    Ok(words(arguments)?
        .into_iter()
        .next()
        .map(|word| word.to_lowercase()))
}

/// Whether `name` matches; a pattern without wild cards matches what begins with it.
fn matches(pattern: &Option<String>, name: &str) -> bool {
    match pattern {
        None => true,
        Some(pattern) if pattern.contains(['*', '?']) => {
            let name: Vec<char> = name.to_lowercase().chars().collect();
            glob(&pattern.chars().collect::<Vec<_>>(), &name)
        }
        Some(pattern) => name.to_lowercase().starts_with(pattern.as_str()),
    }
}

/// Wild-card match in time `pattern × name`: after a mismatch only the last star is widened.
fn glob(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == '?' || *c == name[n]) {
            p += 1;
            n += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

fn batch<const N: usize>(names: [&str; N], rows: &[[String; N]]) -> Result<RecordBatch> {
    let columns = names.iter().enumerate().map(|(i, name)| {
        let values: StringArray = rows.iter().map(|row| Some(row[i].as_str())).collect();
        (*name, Arc::new(values) as ArrayRef)
    });
    Ok(RecordBatch::try_from_iter(columns)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_psql() {
        let matches = |pattern: &str, name| matches(&Some(pattern.to_owned()), name);
        assert!(matches("array_", "array_sort"));
        assert!(matches("*sort", "array_sort"));
        assert!(matches("a*_?ort", "Array_Sort"));
        assert!(!matches("?", "ab"));
        assert!(!matches("b*", "ab"));
        assert!(matches("*", ""));
    }

    #[test]
    fn bare_paths_are_told_from_names() {
        assert!(is_path("data/x"));
        assert!(is_path("access_*.jsonl"));
        assert!(is_path("x.csv"));
        assert!(!is_path("sales"));
        assert!(!is_path("sheaf.queries"));
    }
}
