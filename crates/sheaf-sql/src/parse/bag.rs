//! `CREATE BAG` and `CREATE ARRAY`: names for records and for chunked arrays, read anew by every query.

use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Reader;
use super::failure::Parse;
use crate::statement::StatementKind;

/// The table function that a path after AS is read by.
const READ_BAG: &str = "read_bag";

/// What is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Bag,
    Array,
}

/// What it gives, all of which the bag has.
const COLUMNS: [&str; 4] = ["rec", "_path", "_offset", "_line"];

/// Whether `CREATE [OR REPLACE] [TEMP|TEMPORARY] BAG|ARRAY` comes next; takes it, then.
pub(super) fn begin(reader: &mut Reader<'_>) -> Option<Words> {
    let is_word = |at: usize, word: &str| {
        let next = reader.parser.peek_nth_token_ref(at);
        super::is_word(&next.token, word)
    };
    let or_replace = is_word(1, "OR") && is_word(2, "REPLACE");
    let mut at = if or_replace { 3 } else { 1 };
    let temporary = is_word(at, "TEMP") || is_word(at, "TEMPORARY");
    at += usize::from(temporary);
    let what = match () {
        () if is_word(at, "BAG") => What::Bag,
        () if is_word(at, "ARRAY") => What::Array,
        () => return None,
    };
    for _ in 0..=at {
        reader.parser.next_token();
    }
    Some(Words {
        what,
        or_replace,
        temporary,
    })
}

/// What stood up to BAG or ARRAY.
pub(super) struct Words {
    what: What,
    or_replace: bool,
    temporary: bool,
}

/// The rest: `[IF NOT EXISTS] name AS query|call|'path'`. A bag is a view of records, an array one of
/// chunks.
pub(super) fn read(reader: &mut Reader<'_>, words: Words) -> Parse<StatementKind> {
    let exists = [Keyword::IF, Keyword::NOT, Keyword::EXISTS];
    let if_not_exists = reader.parser.parse_keywords(&exists);
    let name = reader.parser.parse_object_name(false)?;
    reader.expect_word("AS")?;
    let query = match reader.at_query() {
        true => reader.query()?,
        false if reader.at_end() => {
            return reader.expected(match words.what {
                What::Bag => "read_bag(…), a path or a query",
                What::Array => "array_…(…), a name or a path",
            });
        }
        false => relation(reader, words.what)?,
    };
    Ok(StatementKind::CreateView {
        name,
        columns: Vec::new(),
        query,
        or_replace: words.or_replace,
        if_not_exists,
        temporary: words.temporary,
        is_array: words.what == What::Array,
    })
}

/// `read_bag(…)`, `'path'` and other relations as queries; their tokens keep their places.
fn relation(reader: &mut Reader<'_>, what: What) -> Parse<Box<Query>> {
    let next = reader.parser.peek_token();
    let here = |token| TokenWithSpan {
        token,
        span: next.span,
    };
    let is_bag = what == What::Bag;
    let is_path = is_bag && matches!(next.token, Token::SingleQuotedString(_));
    let mut tokens = vec![here(Token::make_keyword("SELECT"))];
    if is_path || is_bag && super::is_word(&next.token, READ_BAG) {
        for (at, column) in COLUMNS.iter().enumerate() {
            tokens.extend((at > 0).then(|| here(Token::Comma)));
            tokens.push(here(Token::make_word(column, None)));
        }
    } else {
        tokens.push(here(Token::Mul));
    }
    tokens.push(here(Token::make_keyword("FROM")));
    if is_path {
        tokens.push(here(Token::make_word(READ_BAG, None)));
        tokens.push(here(Token::LParen));
        tokens.push(reader.parser.next_token());
        tokens.push(here(Token::RParen));
    }
    while !reader.at_end() {
        tokens.push(reader.parser.next_token());
    }
    let mut relation = Reader::new(reader.source, tokens);
    let query = relation.query()?;
    relation.expect_end()?;
    Ok(query)
}
