//! `LANGUAGE name AS '…'`: functions in other languages than SQL, whose code is not read here.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::failure::Parse;
use super::{Reader, source};
use crate::statement::{FunctionCode, FunctionSource, FunctionVolatility};

/// The language whose bodies are read here.
pub(super) const SQL: &str = "sql";

/// Tokens behind a body among which LANGUAGE is looked for: the clauses of one function.
const AHEAD_MAX: usize = 64;

/// `LANGUAGE name`, also in quotes: the name in lower case.
pub(super) fn language(reader: &mut Reader<'_>) -> Parse<String> {
    reader.expect_word("LANGUAGE")?;
    let token = &reader.parser.peek_token_ref().token;
    let Some(name) = source::literal_text(token) else {
        return reader.expected("the name of a language");
    };
    reader.parser.next_token();
    Ok(name.to_lowercase())
}

/// The language that is said behind the body in quotes which stands next; `None` if nothing is, or the
/// body is not in quotes.
pub(super) fn ahead(reader: &Reader<'_>) -> Option<String> {
    let token = |at: usize| &reader.parser.peek_nth_token_ref(at).token;
    if !is_quoted(token(0)) {
        return None;
    }
    let ends = |at: &usize| matches!(token(*at), Token::EOF | Token::SemiColon | Token::Comma);
    let clauses = (1..AHEAD_MAX).take_while(|at| !ends(at));
    let found = clauses
        .into_iter()
        .find(|at| super::is_word(token(*at), "LANGUAGE"))?;
    source::literal_text(token(found + 1)).map(|name| name.to_lowercase())
}

/// The code of a function: the place of a file in single quotes, or the code in dollars.
pub(super) fn read(reader: &mut Reader<'_>, language: String) -> Parse<FunctionSource> {
    let token = reader.parser.peek_token();
    let (true, Some(text)) = (is_quoted(&token.token), source::literal_text(&token.token)) else {
        return reader.expected("'file' or $$code$$");
    };
    reader.parser.next_token();
    Ok(FunctionSource::Code(FunctionCode {
        language,
        text,
        is_file: !matches!(token.token, Token::DollarQuotedString(_)),
        position: source::position(token.span.start),
        volatility: FunctionVolatility::default(),
        is_strict: false,
    }))
}

fn is_quoted(token: &Token) -> bool {
    matches!(
        token,
        Token::DollarQuotedString(_)
            | Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
    )
}
