//! `PREPARE`, `EXECUTE`, `DEALLOCATE`.

use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::Reader;
use super::failure::Parse;
use crate::rewrite;
use crate::statement::StatementKind;

/// `PREPARE name [(type, …)] AS statement`.
pub(super) fn read_prepare(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    reader.expect_word("PREPARE")?;
    let name = reader.parser.parse_identifier()?;
    let mut types = Vec::new();
    if reader.parser.consume_token(&Token::LParen) {
        types = reader
            .parser
            .parse_comma_separated(Parser::parse_data_type)?;
        reader.expect(&Token::RParen)?;
    }
    reader.expect_word("AS")?;
    if reader.at_word("PREPARE") || reader.at_end() {
        return reader.expected("a statement to prepare");
    }
    let statement = Box::new(reader.statement()?);
    Ok(StatementKind::Prepare {
        name,
        types,
        statement,
    })
}

/// `EXECUTE name [(value, …)]`.
pub(super) fn read_execute(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    reader.expect_word("EXECUTE")?;
    let name = reader.parser.parse_identifier()?;
    let mut parameters = Vec::new();
    if reader.parser.consume_token(&Token::LParen) && !reader.parser.consume_token(&Token::RParen) {
        parameters = reader.parser.parse_comma_separated(Parser::parse_expr)?;
        reader.expect(&Token::RParen)?;
    }
    parameters.iter_mut().for_each(rewrite::tree);
    Ok(StatementKind::Execute { name, parameters })
}

/// `DEALLOCATE [PREPARE] name|ALL`.
pub(super) fn read_deallocate(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    reader.expect_word("DEALLOCATE")?;
    reader.word("PREPARE");
    if reader.word("ALL") {
        return Ok(StatementKind::Deallocate { name: None });
    }
    Ok(StatementKind::Deallocate {
        name: Some(reader.parser.parse_identifier()?),
    })
}
