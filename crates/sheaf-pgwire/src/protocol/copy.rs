//! COPY's options, and the rows of `COPY … TO STDOUT` as they come.

use sheaf::sql::CopyOption;
use sheaf::{PreparedStatement, Result, SheafError, SqlState, Statement, StatementKind};
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, Sent};
use super::{Client, SharedStatement};
use crate::decode::copy::{CopyInput, CopyShape, Header};
use crate::encode::{CopyFormat, CopyRows, CopyStyle, Style};
use crate::errors::Flow;
use crate::message::backend::{self, Plain};
use crate::types::WireColumn;

impl Client {
    /// Starts a `COPY … TO STDOUT`.
    pub(super) async fn copy_out(
        &mut self,
        statement: &SharedStatement,
        stop: &CancellationToken,
    ) -> Flow<Answer> {
        let StatementKind::CopyOut {
            query,
            format,
            options,
        } = &statement.kind
        else {
            return Err(SheafError::internal("not a COPY … TO STDOUT").into());
        };
        let options = CopyOptions::read(format.as_deref(), options, false)?;
        let rows = Statement {
            kind: StatementKind::Query(query.clone()),
            text: statement.text.clone(),
            start: statement.start,
        };
        let rows = PreparedStatement::new(rows).into();
        let answer = self.start_engine(&rows, vec![], stop).await?;
        let style = options.into_style(answer.columns.as_deref().unwrap_or_default())?;
        Ok(answer.into_copy(style))
    }

    /// Sends all rows of a COPY.
    pub(super) async fn send_copy(
        &mut self,
        answer: &mut Answer,
        copy: &CopyStyle,
        style: Style,
        stop: &CancellationToken,
    ) -> Flow<Sent> {
        let out = &mut self.connection.output;
        backend::copy_out(out, copy.value_format(), copy.column_count);
        copy.begin(out);
        let mut sent = 0;
        while let Some(batch) = self.next_batch(answer, u64::MAX, stop).await? {
            let rows = CopyRows::new(&batch, copy, style)?;
            for row in 0..batch.num_rows() {
                rows.write(row, sent == 0, &mut self.connection.output)?;
                if self.connection.is_full() {
                    self.flush_rows(answer, stop).await?;
                }
                sent += 1;
            }
        }
        copy.end(sent == 0, &mut self.connection.output);
        self.plain(Plain::CopyDone);
        Ok(Sent::All(sent))
    }
}

/// The options of a COPY, before the columns are known.
pub(super) struct CopyOptions {
    format: CopyFormat,
    delimiter: u8,
    null: String,
    header: Header,
    /// Columns to be quoted; `None` is all of them.
    forced: Option<Vec<String>>,
    /// Columns in which a quoted NULL is NULL, and those in which nothing is.
    force_null: Option<Vec<String>>,
    force_not_null: Option<Vec<String>>,
}

impl CopyOptions {
    /// Reads and checks the options of `COPY … TO STDOUT`, or if `is_from` of `COPY … FROM STDIN`.
    ///
    /// # Errors
    /// `UserInput` or `Unsupported`, with PostgreSQL's messages and codes.
    pub(super) fn read(
        format: Option<&str>,
        options: &[CopyOption],
        is_from: bool,
    ) -> Result<Self> {
        let find = |name: &str| options.iter().find(|option| option.name == name);
        let text = |name: &str| find(name).map(|option| option.value.as_str());
        check_names(options, is_from)?;
        let is_csv = match format {
            None | Some("text") => false,
            Some("csv") => true,
            Some("binary") => return Self::binary(options, is_from),
            Some(other) => {
                return Err(invalid(format!("COPY format \"{other}\" not recognized"))
                    .with_hint("the formats are text, csv and binary"));
            }
        };
        if !is_csv && let Some(name) = CSV_OPTIONS.iter().find(|name| find(name).is_some()) {
            let name = name.to_uppercase();
            return Err(unsupported(format!("COPY {name} requires CSV mode")));
        }
        let delimiter = text("delimiter").unwrap_or(if is_csv { "," } else { "\t" });
        let delimiter = check_delimiter(delimiter, is_csv)?;
        let quote = one_byte("quote", text("quote").unwrap_or("\""))?;
        let escape = text("escape").map(|text| one_byte("escape", text));
        let null = text("null").unwrap_or(if is_csv { "" } else { "\\N" });
        check_null(null, delimiter, is_csv.then_some(quote))?;
        if is_csv && delimiter == quote {
            return Err(invalid("COPY delimiter and quote must be different"));
        }
        Ok(Self {
            format: match is_csv {
                true => CopyFormat::Csv {
                    quote,
                    escape: escape.transpose()?.unwrap_or(quote),
                    forced: vec![],
                },
                false => CopyFormat::Text,
            },
            delimiter,
            null: null.to_owned(),
            header: find("header").map_or(Ok(Header::Row), |option| header(option, is_from))?,
            forced: columns_named(find("force_quote"))?,
            force_null: columns_named(find("force_null"))?,
            force_not_null: columns_named(find("force_not_null"))?,
        })
    }

    fn binary(options: &[CopyOption], is_from: bool) -> Result<Self> {
        for option in options {
            let name = option.name.to_uppercase();
            match option.name.as_str() {
                "delimiter" | "null" => {
                    return Err(syntax(format!("cannot specify {name} in BINARY mode")));
                }
                "header" if header(option, is_from)? != Header::Row => {
                    return Err(unsupported(format!("cannot specify {name} in BINARY mode")));
                }
                other if CSV_OPTIONS.contains(&other) => {
                    return Err(unsupported(format!("COPY {name} requires CSV mode")));
                }
                _ => {}
            }
        }
        Ok(Self {
            format: CopyFormat::Binary,
            delimiter: 0,
            null: String::new(),
            header: Header::Row,
            forced: Some(vec![]),
            force_null: Some(vec![]),
            force_not_null: Some(vec![]),
        })
    }

    /// How rows of these columns are read.
    ///
    /// # Errors
    /// `UserInput` (42703) if a column that an option names is not there.
    pub(super) fn into_shape(self, columns: &[WireColumn]) -> Result<CopyShape> {
        let (delimiter, null) = (self.delimiter, self.null.into_bytes());
        let format = match self.format {
            CopyFormat::Text => CopyInput::Text { delimiter, null },
            CopyFormat::Csv { quote, escape, .. } => CopyInput::Csv {
                delimiter,
                null,
                quote,
                escape,
                force_null: marked(self.force_null, columns)?,
                force_not_null: marked(self.force_not_null, columns)?,
            },
            CopyFormat::Binary => CopyInput::Binary,
        };
        Ok(CopyShape {
            format,
            header: self.header,
            columns: columns.iter().map(|column| column.name.clone()).collect(),
        })
    }

    /// How rows of these columns are written.
    ///
    /// # Errors
    /// `UserInput` (42703) if a column that is to be quoted is not there.
    pub(super) fn into_style(self, columns: &[WireColumn]) -> Result<CopyStyle> {
        let mut format = self.format;
        if let CopyFormat::Csv { forced, .. } = &mut format {
            *forced = marked(self.forced, columns)?;
        }
        let names = columns.iter().map(|column| column.name.clone());
        Ok(CopyStyle {
            format,
            delimiter: self.delimiter,
            null: self.null,
            header: (self.header != Header::Row).then(|| names.collect()),
            column_count: columns.len(),
        })
    }
}

/// Which columns are named; `None` is all of them.
fn marked(names: Option<Vec<String>>, columns: &[WireColumn]) -> Result<Vec<bool>> {
    let mut marked = vec![names.is_none(); columns.len()];
    for name in names.into_iter().flatten() {
        let index = columns.iter().position(|column| column.name == name);
        let place = index.and_then(|index| marked.get_mut(index));
        *place.ok_or_else(|| {
            SheafError::user(format!("column \"{name}\" does not exist"))
                .with_state(SqlState::UNDEFINED_COLUMN)
        })? = true;
    }
    Ok(marked)
}

/// Options that only the CSV format has.
const CSV_OPTIONS: &[&str] = &[
    "quote",
    "escape",
    "force_quote",
    "force_null",
    "force_not_null",
];
/// Options that only COPY to the client has.
const TO_OPTIONS: &[&str] = &["force_quote"];
/// Options that only COPY from the client has.
const FROM_OPTIONS: &[&str] = &["force_not_null", "force_null"];
/// Further ones, which there are not here.
const FROM_OPTIONS_MISSING: &[&str] = &[
    "default",
    "freeze",
    "log_verbosity",
    "on_error",
    "reject_limit",
];

/// Refuses options that there are not, or not here.
fn check_names(options: &[CopyOption], is_from: bool) -> Result<()> {
    for option in options {
        let name = option.name.as_str();
        let shown = name.to_uppercase();
        let is_of_from = FROM_OPTIONS.contains(&name) || FROM_OPTIONS_MISSING.contains(&name);
        if is_of_from && !is_from {
            return Err(invalid(format!("COPY {shown} cannot be used with COPY TO")));
        }
        if TO_OPTIONS.contains(&name) && is_from {
            return Err(invalid(format!(
                "COPY {shown} cannot be used with COPY FROM"
            )));
        }
        match name {
            "delimiter" | "null" | "header" => {}
            "encoding" => check_encoding(&option.value)?,
            name if CSV_OPTIONS.contains(&name) => {}
            name if FROM_OPTIONS_MISSING.contains(&name) => {
                return Err(unsupported(format!("COPY {shown} is not supported")));
            }
            name => return Err(syntax(format!("option \"{name}\" not recognized"))),
        }
    }
    Ok(())
}

fn check_encoding(name: &str) -> Result<()> {
    const UTF8: &[&str] = &["utf8", "utf-8", "unicode", "sql_ascii"];
    match UTF8.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        true => Ok(()),
        false => Err(unsupported(format!("encoding \"{name}\" is not supported"))
            .with_hint("the encoding is UTF8")),
    }
}

fn check_delimiter(delimiter: &str, is_csv: bool) -> Result<u8> {
    const PART_OF_ESCAPES: &[u8] = b"\\.abcdefghijklmnopqrstuvwxyz0123456789";
    let byte = one_byte("delimiter", delimiter)?;
    if matches!(byte, b'\n' | b'\r') {
        return Err(invalid(
            "COPY delimiter cannot be newline or carriage return",
        ));
    }
    if !is_csv && PART_OF_ESCAPES.contains(&byte) {
        return Err(invalid(format!("COPY delimiter cannot be \"{delimiter}\"")));
    }
    Ok(byte)
}

fn check_null(null: &str, delimiter: u8, quote: Option<u8>) -> Result<()> {
    if null.contains(['\n', '\r']) {
        return Err(invalid(
            "COPY null representation cannot use newline or carriage return",
        ));
    }
    if null.as_bytes().contains(&delimiter) {
        return Err(invalid(
            "COPY delimiter character must not appear in the NULL specification",
        ));
    }
    match quote {
        Some(quote) if null.as_bytes().contains(&quote) => Err(invalid(
            "CSV quote character must not appear in the NULL specification",
        )),
        _ => Ok(()),
    }
}

fn one_byte(name: &str, text: &str) -> Result<u8> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(unsupported(format!(
            "COPY {name} must be a single one-byte character"
        ))),
    }
}

fn header(option: &CopyOption, is_from: bool) -> Result<Header> {
    match option.value.to_lowercase().as_str() {
        "true" | "on" | "1" => Ok(Header::Names),
        "false" | "off" | "0" => Ok(Header::Row),
        "match" if is_from => Ok(Header::CheckedNames),
        "match" => Err(unsupported("cannot use \"match\" with HEADER in COPY TO")),
        _ => Err(syntax("header requires a Boolean value or \"match\"")),
    }
}

/// The columns that an option lists, none if it is not given; `None` is all of them.
fn columns_named(option: Option<&CopyOption>) -> Result<Option<Vec<String>>> {
    let Some(option) = option else {
        return Ok(Some(vec![]));
    };
    match (option.value.as_str(), option.items.as_slice()) {
        ("*", []) => Ok(None),
        (_, []) => Err(invalid(format!(
            "argument to option \"{}\" must be a list of column names",
            option.name
        ))),
        (_, items) => Ok(Some(items.to_vec())),
    }
}

fn syntax(message: impl Into<String>) -> SheafError {
    SheafError::user(message).with_state(SqlState::SYNTAX_ERROR)
}

fn invalid(message: impl Into<String>) -> SheafError {
    SheafError::user(message).with_state(SqlState::INVALID_PARAMETER_VALUE)
}

fn unsupported(message: impl Into<String>) -> SheafError {
    SheafError::unsupported(message).with_state(SqlState::FEATURE_NOT_SUPPORTED)
}
