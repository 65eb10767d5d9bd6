//! `DECLARE`, `FETCH`, `MOVE` and `CLOSE`.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::Reader;
use super::failure::Parse;
use crate::statement::{FetchRows, StatementKind};

/// `DECLARE name [BINARY] [INSENSITIVE|ASENSITIVE] [[NO] SCROLL] CURSOR [WITH|WITHOUT HOLD] FOR query`;
/// the words before CURSOR in any order.
pub(super) fn read_declare(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    reader.expect_word("DECLARE")?;
    let name = reader.parser.parse_identifier()?;
    let (mut is_binary, mut is_scrolled) = (false, false);
    loop {
        if reader.word("BINARY") {
            is_binary = true;
        } else if reader.word("NO") {
            reader.expect_word("SCROLL")?;
        } else if reader.word("SCROLL") {
            is_scrolled = true;
        } else if !reader.word("INSENSITIVE") && !reader.word("ASENSITIVE") {
            break;
        }
    }
    reader.expect_word("CURSOR")?;
    let is_held = reader.word("WITH");
    if is_held || reader.word("WITHOUT") {
        reader.expect_word("HOLD")?;
    }
    reader.expect_word("FOR")?;
    Ok(StatementKind::DeclareCursor {
        name,
        query: reader.query()?,
        is_binary,
        is_held,
        is_scrolled,
    })
}

/// `FETCH|MOVE [direction] [FROM|IN] name`.
pub(super) fn read_fetch(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    let is_move = reader.word("MOVE");
    if !is_move {
        reader.expect_word("FETCH")?;
    }
    let rows = match is_alone(reader) {
        // A cursor may have the name of a direction.
        true => FetchRows::Count(1),
        false => direction(reader)?,
    };
    let _ = reader.word("FROM") || reader.word("IN");
    Ok(StatementKind::FetchCursor {
        name: reader.parser.parse_identifier()?,
        rows,
        is_move,
    })
}

/// Whether a name is all that follows.
fn is_alone(reader: &Reader<'_>) -> bool {
    matches!(reader.parser.peek_token_ref().token, Token::Word(_))
        && matches!(
            reader.parser.peek_nth_token_ref(1).token,
            Token::EOF | Token::SemiColon
        )
}

fn direction(reader: &mut Reader<'_>) -> Parse<FetchRows> {
    let words = [
        ("NEXT", FetchRows::Count(1)),
        ("PRIOR", FetchRows::Count(-1)),
        ("FIRST", FetchRows::Absolute(1)),
        ("LAST", FetchRows::Absolute(-1)),
        ("ALL", FetchRows::All),
    ];
    for (word, rows) in words {
        if reader.word(word) {
            return Ok(rows);
        }
    }
    if reader.word("ABSOLUTE") {
        return Ok(FetchRows::Absolute(expect_count(reader)?));
    }
    if reader.word("RELATIVE") {
        return Ok(FetchRows::Relative(expect_count(reader)?));
    }
    let (is_forward, is_backward) = (reader.word("FORWARD"), reader.word("BACKWARD"));
    if is_forward && reader.word("ALL") {
        return Ok(FetchRows::All);
    }
    if is_backward && reader.word("ALL") {
        return Ok(FetchRows::BackwardAll);
    }
    let count = count(reader)?.unwrap_or(1);
    Ok(FetchRows::Count(match is_backward {
        true => count.saturating_neg(),
        false => count,
    }))
}

fn expect_count(reader: &mut Reader<'_>) -> Parse<i64> {
    match count(reader)? {
        Some(count) => Ok(count),
        None => reader.expected("a number of rows"),
    }
}

/// An integer, if one follows.
fn count(reader: &mut Reader<'_>) -> Parse<Option<i64>> {
    let sign = match reader.parser.peek_token_ref().token {
        Token::Minus => "-",
        Token::Plus => "+",
        _ => "",
    };
    let number = reader
        .parser
        .peek_nth_token_ref(usize::from(!sign.is_empty()));
    let Token::Number(digits, _) = &number.token else {
        return match sign {
            "" => Ok(None),
            _ => reader.expected("a number of rows"),
        };
    };
    let Ok(count) = format!("{sign}{digits}").parse() else {
        return reader.expected("a number of rows");
    };
    if !sign.is_empty() {
        reader.parser.next_token();
    }
    reader.parser.next_token();
    Ok(Some(count))
}

/// `CLOSE name|ALL`.
pub(super) fn read_close(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    reader.expect_word("CLOSE")?;
    let name = match reader.word("ALL") {
        true => None,
        false => Some(reader.parser.parse_identifier()?),
    };
    Ok(StatementKind::CloseCursor { name })
}
