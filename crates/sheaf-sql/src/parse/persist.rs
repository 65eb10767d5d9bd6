//! `PERSIST` and `UNPERSIST`: views whose rows are kept.

use datafusion::sql::sqlparser::ast::ObjectName;
use datafusion::sql::sqlparser::tokenizer::Token;
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::Reader;
use super::failure::Parse;
use crate::statement::StatementKind;

/// `PERSIST view` or `PERSIST name AS query`.
pub(super) fn read_persist(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    reader.expect_word("PERSIST")?;
    let name = view_name(reader)?;
    let query = match reader.word("AS") {
        true => Some(reader.query()?),
        false if reader.at_end() => None,
        false => return reader.expected("AS or the end of the statement"),
    };
    Ok(StatementKind::Persist { name, query })
}

/// `UNPERSIST view`.
pub(super) fn read_unpersist(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    reader.expect_word("UNPERSIST")?;
    let name = view_name(reader)?;
    Ok(StatementKind::Unpersist { name })
}

/// A name; of a path, a call or a query the error says how to give it one.
fn view_name(reader: &mut Reader<'_>) -> Parse<ObjectName> {
    let is_call = reader.parser.peek_nth_token_ref(1).token == Token::LParen;
    let is_path = matches!(
        reader.parser.peek_token_ref().token,
        Token::SingleQuotedString(_)
    );
    if is_path || is_call || reader.at_query() {
        let error = SheafError::user("PERSIST needs a name for what it keeps")
            .with_state(SqlState::SYNTAX_ERROR)
            .with_hint("PERSIST name AS FROM 'path', or any other query");
        return reader.refuse(error);
    }
    Ok(reader.parser.parse_object_name(false)?)
}
