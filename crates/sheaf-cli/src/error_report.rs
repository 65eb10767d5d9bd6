//! Errors as people read them: message, the line of SQL with a caret, detail, hint.
//!
//! ```text
//! error: column "amuont" does not exist
//! line 1: SELECT amuont FROM sales
//!                ^
//! hint: did you mean "amount"?
//! ```

use std::fmt::Write;

use sheaf::{Position, SheafError};

use crate::render::text;
use crate::terminal::Paint;

/// Columns of SQL that are shown around the caret.
const LINE_WIDTH_MAX: usize = 100;

/// The text an error's position points into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The file's name, if it is one.
    pub(crate) name: Option<&'a str>,
    /// The text that was parsed.
    pub(crate) text: &'a str,
    /// The number of its first line in the file.
    pub(crate) line_first: u64,
}

/// The report of `error`, with a line break at its end.
pub(crate) fn report(error: &SheafError, source: Option<Source<'_>>, paint: Paint) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{} {}", paint.red("error:"), lines(error.message()));
    if let (Some(position), Some(source)) = (error.position(), source) {
        push_excerpt(position, source, paint, &mut out);
    }
    if let Some(detail) = error.detail() {
        let _ = writeln!(out, "{} {}", paint.bold("detail:"), lines(detail));
    }
    if let Some(hint) = error.hint() {
        let _ = writeln!(out, "{} {}", paint.cyan("hint:"), lines(hint));
    }
    out
}

/// Messages may quote stored values: what could drive the terminal is escaped, line by line.
fn lines(message: &str) -> String {
    message
        .trim_end()
        .lines()
        .map(text::escape)
        .collect::<Vec<_>>()
        .join("\n")
}

fn push_excerpt(position: Position, source: Source<'_>, paint: Paint, out: &mut String) {
    let index = usize::try_from(position.line.saturating_sub(1)).unwrap_or(usize::MAX);
    let Some(line) = source.text.lines().nth(index) else {
        return;
    };
    let column = usize::try_from(position.column.saturating_sub(1)).unwrap_or(usize::MAX);
    let (shown, caret) = window(line, column);
    let number = source.line_first + position.line - 1;
    let label = match source.name {
        Some(name) => format!("{name}:{number}: "),
        None => format!("line {number}: "),
    };
    let blanks = " ".repeat(text::width(&label) + caret);
    let _ = writeln!(out, "{}{shown}", paint.dim(&label));
    let _ = writeln!(out, "{blanks}{}", paint.red("^"));
}

/// The part of `line` around character `column` (from 0), tabs as one blank each, and the width of
/// what stands before that character.
fn window(line: &str, column: usize) -> (String, usize) {
    let pieces: Vec<String> = line.chars().map(shown).collect();
    let column = column.min(pieces.len());
    let width_of = |pieces: &[String]| pieces.iter().map(|p| text::width(p)).sum::<usize>();
    let mut start = 0;
    while width_of(&pieces[start..column]) > LINE_WIDTH_MAX * 2 / 3 {
        start += 1;
    }
    let mut end = start;
    let mut used = 0;
    while end < pieces.len() && used <= LINE_WIDTH_MAX {
        used += text::width(&pieces[end]);
        end += 1;
    }
    let before = if start > 0 { "…" } else { "" };
    let after = if end < pieces.len() { "…" } else { "" };
    let caret = text::width(before) + width_of(&pieces[start..column]);
    (
        format!("{before}{}{after}", pieces[start..end].concat()),
        caret,
    )
}

fn shown(c: char) -> String {
    if c == '\t' {
        " ".to_owned()
    } else {
        text::escape(c.encode_utf8(&mut [0; 4]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(text: &str, line: u64, column: u64) -> String {
        let error = SheafError::user("no")
            .with_position(Position { line, column })
            .with_hint("do otherwise");
        report(
            &error,
            Some(Source {
                name: None,
                text,
                line_first: 1,
            }),
            Paint::NONE,
        )
    }

    #[test]
    fn the_caret_stands_under_the_position() {
        assert_eq!(
            reported("SELECT\n  a FROM t", 2, 3),
            "error: no\nline 2:   a FROM t\n          ^\nhint: do otherwise\n"
        );
        // A wide character takes two columns, a tab is shown as one blank.
        assert_eq!(
            reported("\t'桃', x", 1, 7),
            "error: no\nline 1:  '桃', x\n               ^\nhint: do otherwise\n"
        );
    }

    #[test]
    fn positions_at_and_beyond_the_end_are_harmless() {
        assert_eq!(
            reported("SELECT", 1, 99),
            "error: no\nline 1: SELECT\n              ^\nhint: do otherwise\n"
        );
        assert_eq!(reported("SELECT", 9, 1), "error: no\nhint: do otherwise\n");
        assert_eq!(reported("", 1, 1), "error: no\nhint: do otherwise\n");
    }

    #[test]
    fn long_lines_are_cut_around_the_caret() {
        let text = format!(
            "SELECT {} + oops + {}",
            "1 + ".repeat(100),
            "1 + ".repeat(100)
        );
        let column = text.find("oops").unwrap() as u64 + 1;
        let report = reported(&text, 1, column);
        let lines: Vec<&str> = report.lines().collect();
        let caret = lines[2].chars().count() - 1;
        let under: String = lines[1].chars().skip(caret).take(4).collect();
        assert_eq!(under, "oops");
        assert!(lines[1].chars().count() < 120, "{}", lines[1]);
    }

    #[test]
    fn script_names_and_lines_are_the_users() {
        let error = SheafError::user("a\x1b[31mb").with_position(Position { line: 2, column: 1 });
        let source = Source {
            name: Some("x.sql"),
            text: "a\nb\n",
            line_first: 10,
        };
        let report = report(&error, Some(source), Paint::NONE);
        assert_eq!(report, "error: a\\x1b[31mb\nx.sql:11: b\n          ^\n");
    }
}
