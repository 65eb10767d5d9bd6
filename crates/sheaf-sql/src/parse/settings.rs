//! `SET`, `RESET`, `SHOW` and `CANCEL QUERY`.

use datafusion::sql::sqlparser::tokenizer::Token;
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use super::failure::Parse;
use super::relations::relation;
use super::{Reader, function};
use crate::statement::StatementKind;

/// `SET [SESSION|LOCAL|GLOBAL] name =|TO value`; `SET TIME ZONE value`.
pub(super) fn read_set(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    let after = |reader: &Reader<'_>, word| {
        super::is_word(&reader.parser.peek_nth_token_ref(1).token, word)
    };
    let second = |reader: &Reader<'_>, word| {
        super::is_word(&reader.parser.peek_nth_token_ref(2).token, word)
    };
    let is_scoped = ["SESSION", "LOCAL"].iter().any(|word| after(reader, word));
    let is_native = |word| after(reader, word) || (is_scoped && second(reader, word));
    if [
        "TRANSACTION",
        "NAMES",
        "ROLE",
        "CHARACTERISTICS",
        "AUTHORIZATION",
    ]
    .into_iter()
    .any(is_native)
    {
        return reader.native();
    }
    reader.expect_word("SET")?;
    // A setting may be called `session.x`, and `SET local = 1` names one too.
    let is_scope = ["SESSION", "LOCAL", "GLOBAL"]
        .iter()
        .any(|word| reader.at_word(word))
        && matches!(reader.parser.peek_nth_token_ref(1).token, Token::Word(_))
        && !after(reader, "TO");
    let is_local = is_scope && reader.at_word("LOCAL");
    if is_scope {
        reader.parser.next_token();
    }
    let name = if reader.at_word("TIME") && after(reader, "ZONE") {
        reader.parser.next_token();
        reader.parser.next_token();
        "timezone".to_owned()
    } else {
        let name = setting_name(reader)?;
        if !reader.parser.consume_token(&Token::Eq)
            && !reader.parser.consume_token(&Token::Assignment)
            && !reader.word("TO")
        {
            return reader.expected("= or TO");
        }
        name
    };
    if reader.at_end() {
        return reader.expected("a value");
    }
    let is_last = matches!(reader.parser.peek_nth_token_ref(1).token, Token::EOF);
    if is_last && (reader.word("DEFAULT") || (name == "timezone" && reader.word("LOCAL"))) {
        return Ok(StatementKind::Reset { name: Some(name) });
    }
    Ok(StatementKind::Set {
        name,
        value: rest_of_statement(reader)?,
        is_local,
    })
}

/// `RESET name|ALL`.
pub(super) fn read_reset(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    reader.expect_word("RESET")?;
    let is_last = matches!(reader.parser.peek_nth_token_ref(1).token, Token::EOF);
    if is_last && reader.word("ALL") {
        return Ok(StatementKind::Reset { name: None });
    }
    Ok(StatementKind::Reset {
        name: Some(setting_or_time_zone(reader)?),
    })
}

/// `SHOW CREATE FUNCTION f`, `SHOW ALL`, `SHOW TABLES`, `SHOW COLUMNS FROM x`, `SHOW PARTITIONS FROM x`, `SHOW name`.
pub(super) fn read_show(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    let second = reader.parser.peek_nth_token_ref(1).token.clone();
    let third = reader.parser.peek_nth_token_ref(2).token.clone();
    let is_function = ["FUNCTION", "MACRO"]
        .iter()
        .any(|word| super::is_word(&third, word));
    if super::is_word(&second, "CREATE") && is_function {
        for _ in 0..3 {
            reader.parser.next_token();
        }
        let function = function::signature(reader)?;
        return Ok(StatementKind::ShowCreateFunction { function });
    }
    let natives = ["CREATE", "DATABASES", "SCHEMAS", "VIEWS"];
    if natives.iter().any(|word| super::is_word(&second, word)) {
        return reader.native();
    }
    reader.expect_word("SHOW")?;
    if reader.at_end() {
        return reader.expected("ALL, TABLES, COLUMNS, PARTITIONS, FUNCTIONS or a setting");
    }
    let is_last = matches!(reader.parser.peek_nth_token_ref(1).token, Token::EOF);
    if is_last && reader.word("ALL") {
        return Ok(StatementKind::ShowAll);
    }
    if reader.word("TABLES") {
        return Ok(StatementKind::ShowTables {
            pattern: pattern(reader)?,
        });
    }
    if reader.word("FUNCTIONS") {
        return Ok(StatementKind::ShowFunctions {
            pattern: pattern(reader)?,
        });
    }
    if reader.word("COLUMNS") || reader.word("FIELDS") {
        from_or_in(reader)?;
        return Ok(StatementKind::ShowColumns {
            relation: relation(reader)?,
        });
    }
    if reader.word("PARTITIONS") {
        from_or_in(reader)?;
        return Ok(StatementKind::ShowPartitions {
            relation: relation(reader)?,
        });
    }
    if reader.word("TRANSACTION") {
        reader.expect_word("ISOLATION")?;
        reader.expect_word("LEVEL")?;
        return Ok(StatementKind::Show {
            name: "transaction_isolation".to_owned(),
        });
    }
    Ok(StatementKind::Show {
        name: setting_or_time_zone(reader)?,
    })
}

/// `CANCEL QUERY id`.
pub(super) fn read_cancel(reader: &mut Reader<'_>) -> Parse<StatementKind> {
    reader.expect_word("CANCEL")?;
    reader.expect_word("QUERY")?;
    let Token::Number(text, _) = reader.parser.peek_token().token else {
        return reader.expected("the number of a query (see sheaf.queries)");
    };
    let Ok(id) = text.parse::<u64>() else {
        let error = SheafError::user(format!("\"{text}\" is no number of a query"))
            .with_state(SqlState::INVALID_PARAMETER_VALUE)
            .with_hint("SELECT id FROM sheaf.queries shows those that run");
        return reader.refuse(error);
    };
    reader.parser.next_token();
    Ok(StatementKind::CancelQuery { id })
}

fn from_or_in(reader: &mut Reader<'_>) -> Parse<()> {
    if reader.word("FROM") || reader.word("IN") {
        Ok(())
    } else {
        reader.expected("FROM")
    }
}

fn pattern(reader: &mut Reader<'_>) -> Parse<Option<String>> {
    if !reader.word("LIKE") && !reader.word("ILIKE") {
        return Ok(None);
    }
    Ok(Some(reader.string("a pattern in quotes")?))
}

fn setting_or_time_zone(reader: &mut Reader<'_>) -> Parse<String> {
    let next = &reader.parser.peek_nth_token_ref(1).token;
    if reader.at_word("TIME") && super::is_word(next, "ZONE") {
        reader.parser.next_token();
        reader.parser.next_token();
        return Ok("timezone".to_owned());
    }
    if reader.at_word("SESSION") && super::is_word(next, "AUTHORIZATION") {
        reader.parser.next_token();
        reader.parser.next_token();
        return Ok("session_authorization".to_owned());
    }
    setting_name(reader)
}

/// A dotted name in lower case; its parts may be quoted.
fn setting_name(reader: &mut Reader<'_>) -> Parse<String> {
    let mut name = String::new();
    loop {
        match reader.parser.peek_token().token {
            Token::Word(word) => name.push_str(&word.value.to_lowercase()),
            Token::SingleQuotedString(text) => name.push_str(&text.to_lowercase()),
            _ => return reader.expected("the name of a setting"),
        }
        reader.parser.next_token();
        if !reader.parser.consume_token(&Token::Period) {
            return Ok(name);
        }
        name.push('.');
    }
}

/// Everything up to the end of the statement: one literal's text, or the source text of more.
fn rest_of_statement(reader: &mut Reader<'_>) -> Parse<String> {
    let first = reader.parser.next_token();
    if reader.at_end() {
        return Ok(
            super::source::literal_text(&first.token).unwrap_or_else(|| {
                reader
                    .source
                    .slice(first.span.start, first.span.end)
                    .to_owned()
            }),
        );
    }
    let mut end = first.span.end;
    while !reader.at_end() {
        end = reader.parser.next_token().span.end;
    }
    Ok(reader.source.slice(first.span.start, end).to_owned())
}
