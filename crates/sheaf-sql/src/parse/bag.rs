//! `CREATE BAG`: a name for records, read anew by every query.

use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Reader;
use super::failure::Parse;
use crate::statement::StatementKind;

/// The table function that a path after AS is read by.
const READ_BAG: &str = "read_bag";

/// What it gives, all of which the bag has.
const COLUMNS: [&str; 4] = ["rec", "_path", "_offset", "_line"];

/// Whether `CREATE [OR REPLACE] [TEMP|TEMPORARY] BAG` comes next; takes it, then.
pub(super) fn begin(reader: &mut Reader<'_>) -> Option<BagWords> {
    let is_word = |at: usize, word: &str| {
        let next = reader.parser.peek_nth_token_ref(at);
        super::is_word(&next.token, word)
    };
    let or_replace = is_word(1, "OR") && is_word(2, "REPLACE");
    let mut at = if or_replace { 3 } else { 1 };
    let temporary = is_word(at, "TEMP") || is_word(at, "TEMPORARY");
    at += usize::from(temporary);
    if !is_word(at, "BAG") {
        return None;
    }
    for _ in 0..=at {
        reader.parser.next_token();
    }
    Some(BagWords {
        or_replace,
        temporary,
    })
}

/// What stood before BAG.
pub(super) struct BagWords {
    or_replace: bool,
    temporary: bool,
}

/// The rest: `[IF NOT EXISTS] name AS query|read_bag(…)|'path'`. A bag is a view of records.
pub(super) fn read(reader: &mut Reader<'_>, words: BagWords) -> Parse<StatementKind> {
    let exists = [Keyword::IF, Keyword::NOT, Keyword::EXISTS];
    let if_not_exists = reader.parser.parse_keywords(&exists);
    let name = reader.parser.parse_object_name(false)?;
    reader.expect_word("AS")?;
    let query = match reader.at_query() {
        true => reader.query()?,
        false if reader.at_end() => return reader.expected("read_bag(…), a path or a query"),
        false => relation(reader)?,
    };
    Ok(StatementKind::CreateView {
        name,
        columns: Vec::new(),
        query,
        or_replace: words.or_replace,
        if_not_exists,
        temporary: words.temporary,
    })
}

/// `read_bag(…)`, `'path'` and other relations as queries; their tokens keep their places.
fn relation(reader: &mut Reader<'_>) -> Parse<Box<Query>> {
    let next = reader.parser.peek_token();
    let here = |token| TokenWithSpan {
        token,
        span: next.span,
    };
    let is_path = matches!(next.token, Token::SingleQuotedString(_));
    let mut tokens = vec![here(Token::make_keyword("SELECT"))];
    if is_path || super::is_word(&next.token, READ_BAG) {
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
