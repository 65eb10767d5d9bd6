//! Logfmt: `level=info msg="it works" took=12ms cached`. Values are texts; a key alone is true.

use super::Object;

pub(super) fn write(line: &str, out: &mut String) -> Result<(), String> {
    let mut object = Object::begin(out);
    let mut rest = line.trim();
    while !rest.is_empty() {
        let end = rest.find(['=', ' ', '"']).unwrap_or(rest.len());
        let (key, behind) = rest.split_at(end);
        if key.is_empty() || behind.starts_with('"') {
            let found: String = rest.chars().take(20).collect();
            return Err(format!("expected key=value, found {found}"));
        }
        let Some(value) = behind.strip_prefix('=') else {
            object.bare(key, "true");
            rest = behind.trim_start();
            continue;
        };
        rest = match value.strip_prefix('"') {
            Some(quoted) => {
                let (value, behind) = unquote(quoted)
                    .ok_or_else(|| format!("the value of {key} has no closing quote"))?;
                object.text(key, Some(&value));
                behind
            }
            None => {
                let end = value.find(' ').unwrap_or(value.len());
                let (value, behind) = value.split_at(end);
                object.text(key, Some(value));
                behind
            }
        }
        .trim_start();
    }
    object.end();
    Ok(())
}

/// A text up to its closing quote, and what follows.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}
