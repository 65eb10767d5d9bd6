//! Where in a statement the literal stands that an error is about.
//!
//! A literal is read when a plan is simplified or runs, where nobody knows its place any more; the
//! error has its text, in quotes.

use sheaf_base::SheafError;
use sheaf_base::error::Position;

use crate::lexer::string_ranges;
use crate::statement::Statement;

/// The first characters of codes that say that a value is wrong.
const DATA_CLASS: &str = "22";

/// `error`, placed at the first string of `statement` that it quotes, if it is about a value.
#[must_use]
pub fn placed_at_literal(error: SheafError, statement: &Statement) -> SheafError {
    let is_placed = error.position().is_some() || !error.state().code().starts_with(DATA_CLASS);
    let place = match is_placed {
        true => None,
        false => place_of(&statement.text, error.message()),
    };
    match place {
        Some(place) => error.with_position(place.offset_by(statement.start)),
        None => error,
    }
}

fn place_of(text: &str, message: &str) -> Option<Position> {
    let is_quoted = |literal: &str| {
        let literal = literal.trim_matches('\'');
        !literal.is_empty()
            && ['\'', '"']
                .iter()
                .any(|quote| message.contains(&format!("{quote}{literal}{quote}")))
    };
    let range = string_ranges(text)
        .into_iter()
        .find(|range| text.get(range.clone()).is_some_and(is_quoted))?;
    let before = text.get(..range.start)?;
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    Some(Position {
        line: before.matches('\n').count() as u64 + 1,
        column: before[line_start..].chars().count() as u64 + 1,
    })
}

#[cfg(test)]
mod tests {
    use sheaf_base::error::SqlState;

    use super::*;

    fn place(sql: &str, message: &str, state: SqlState) -> Option<(u64, u64)> {
        let statement = crate::parse(sql).unwrap().pop().unwrap();
        let error = SheafError::data(message).with_state(state);
        let error = placed_at_literal(error, &statement);
        error.position().map(|place| (place.line, place.column))
    }

    #[test]
    fn errors_stand_where_their_literal_does() {
        let invalid = SqlState::INVALID_TEXT_REPRESENTATION;
        let message = "'x' is not a value of type INTEGER";
        assert_eq!(place("SELECT 'x'::int", message, invalid), Some((1, 8)));
        let second = "SELECT 1;\n SELECT 'é', -- 'x'\n  'x'::int";
        assert_eq!(place(second, message, invalid), Some((3, 3)));
        let double = "invalid input syntax for type uuid: \"x\"";
        assert_eq!(place("SELECT 'x'::uuid", double, invalid), Some((1, 8)));
        assert_eq!(place("SELECT 'y'::int", message, invalid), None);
        assert_eq!(place("SELECT 'x'::int", message, SqlState::IO_ERROR), None);
    }
}
