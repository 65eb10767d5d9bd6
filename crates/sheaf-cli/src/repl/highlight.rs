//! Colours for the SQL at the prompt: one list from token class to colour.

use sheaf::sql::lexer::{self, TokenClass};

use crate::terminal::Paint;

/// The code of each class; classes without one stay plain.
fn code(class: TokenClass) -> Option<&'static str> {
    match class {
        TokenClass::Keyword => Some("1;34"),
        TokenClass::Function => Some("36"),
        TokenClass::String => Some("32"),
        TokenClass::Number => Some("35"),
        TokenClass::Parameter => Some("33"),
        TokenClass::Comment => Some("2"),
        TokenClass::Name | TokenClass::Operator | TokenClass::Punctuation => None,
    }
}

/// `sql` with colours; without them it is unchanged.
pub(super) fn highlight(sql: &str, paint: Paint) -> String {
    let mut out = String::with_capacity(sql.len() * 2);
    let mut at = 0;
    for (range, class) in lexer::highlight(sql) {
        // The lexer's ranges follow each other; what is between them is blank.
        let (Some(before), Some(token)) = (sql.get(at..range.start), sql.get(range.clone())) else {
            continue;
        };
        out.push_str(before);
        match code(class) {
            Some(code) => out.push_str(&paint.with(code, token)),
            None => out.push_str(token),
        }
        at = range.end;
    }
    out.push_str(sql.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_or_added() {
        for sql in [
            "SELECT  'a' || b -- c\n, f(1);",
            "",
            "  ",
            "'open",
            "'ä' /* open",
        ] {
            assert_eq!(highlight(sql, Paint::NONE), sql);
        }
    }
}
