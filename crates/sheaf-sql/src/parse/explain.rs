//! `EXPLAIN [ANALYZE] [VERBOSE] [FORMAT name] [(option [value], …)] statement`.

use datafusion::sql::sqlparser::tokenizer::Token;
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;

use super::Reader;
use super::failure::Parse;
use crate::statement::{ExplainFormat, StatementKind};

/// PostgreSQL's options that say nothing about our plans; its tools send them.
const IGNORED: &[&str] = &[
    "BUFFERS",
    "COSTS",
    "GENERIC_PLAN",
    "MEMORY",
    "SERIALIZE",
    "SETTINGS",
    "SUMMARY",
    "TIMING",
    "WAL",
];

#[derive(Default)]
struct Options {
    analyze: bool,
    verbose: bool,
    format: ExplainFormat,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    reader.expect_word("EXPLAIN")?;
    let mut options = Options::default();
    loop {
        if reader.word("ANALYZE") {
            options.analyze = true;
        } else if reader.word("VERBOSE") {
            options.verbose = true;
        } else if reader.word("FORMAT") {
            options.format = format(reader)?;
        } else if reader.at(&Token::LParen) && at_options(reader) {
            parenthesized(reader, &mut options)?;
        } else {
            break;
        }
    }
    if reader.at_end() {
        return reader.expected("a statement to explain");
    }
    if reader.at_word("EXPLAIN") {
        return reader.expected("a statement other than EXPLAIN");
    }
    let Options {
        analyze,
        verbose,
        format,
    } = options;
    let statement = Box::new(reader.statement()?);
    Ok(StatementKind::Explain {
        analyze,
        verbose,
        format,
        statement,
    })
}

/// Whether a parenthesis opens a list of options and not a query.
fn at_options(reader: &Reader<'_>) -> bool {
    let after = &reader.parser.peek_nth_token_ref(1).token;
    let known = ["ANALYZE", "VERBOSE", "FORMAT"];
    known
        .iter()
        .chain(IGNORED)
        .any(|word| super::is_word(after, word))
}

fn parenthesized(reader: &mut Reader<'_>, options: &mut Options) -> Parse<()> {
    reader.expect(&Token::LParen)?;
    loop {
        if reader.word("ANALYZE") {
            options.analyze = switch(reader)?;
        } else if reader.word("VERBOSE") {
            options.verbose = switch(reader)?;
        } else if reader.word("FORMAT") {
            options.format = format(reader)?;
        } else if let Some(word) = IGNORED.iter().find(|word| reader.at_word(word)) {
            reader.word(word);
            if !reader.at(&Token::Comma) && !reader.at(&Token::RParen) {
                reader.parser.next_token();
            }
        } else {
            return reader.expected("an option of EXPLAIN: ANALYZE, VERBOSE or FORMAT");
        }
        if !reader.parser.consume_token(&Token::Comma) {
            break;
        }
    }
    reader.expect(&Token::RParen)
}

/// An option's value: on unless it says otherwise.
fn switch(reader: &mut Reader<'_>) -> Parse<bool> {
    if reader.at(&Token::Comma) || reader.at(&Token::RParen) {
        return Ok(true);
    }
    let token = reader.parser.peek_token();
    let text = match &token.token {
        Token::Word(word) => word.value.to_lowercase(),
        Token::SingleQuotedString(text) => text.to_lowercase(),
        Token::Number(text, _) => text.clone(),
        _ => String::new(),
    };
    let value = match text.as_str() {
        "true" | "on" | "yes" | "1" => true,
        "false" | "off" | "no" | "0" => false,
        _ => return reader.expected("true or false"),
    };
    reader.parser.next_token();
    Ok(value)
}

fn format(reader: &mut Reader<'_>) -> Parse<ExplainFormat> {
    let token = reader.parser.peek_token();
    let name = match &token.token {
        Token::Word(word) => word.value.to_lowercase(),
        Token::SingleQuotedString(text) => text.to_lowercase(),
        _ => return reader.expected("a format: tree, text, json or dot"),
    };
    let formats = ExplainFormat::NAMES;
    if let Some((format, _)) = formats
        .iter()
        .find(|(_, names)| names.contains(&name.as_str()))
    {
        reader.parser.next_token();
        return Ok(*format);
    }
    let error = SheafError::user(format!("EXPLAIN has no format \"{name}\""))
        .with_state(SqlState::INVALID_PARAMETER_VALUE);
    let known = formats.iter().flat_map(|(_, names)| names.iter().copied());
    let hint = match nearest(&name, known) {
        Some(known) => format!("did you mean {known}?"),
        None => "the formats are tree, text, json and dot".to_owned(),
    };
    reader.refuse(error.with_hint(hint))
}
