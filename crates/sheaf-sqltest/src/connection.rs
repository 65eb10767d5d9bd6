//! A session as the sqllogictest runner sees it: text in; rows of text, a count or an error out.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use sheaf::{Session, SheafError};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType};

use crate::modes::Mode;
use crate::values;

/// One session of a test file.
pub struct Connection {
    session: Session,
    mode: Mode,
}

impl Connection {
    /// Opens a fresh session in `mode`.
    ///
    /// # Errors
    /// Whatever the session's builder refuses.
    pub fn open(mode: Mode) -> Result<Self, Failure> {
        Ok(Self {
            session: mode.session()?,
            mode,
        })
    }
}

/// An error as tests match it: `SQLSTATE message | detail: … | hint: …` on one line.
#[derive(Debug, Clone)]
pub struct Failure {
    state: String,
    text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.state, self.text)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// An error with this SQLSTATE and what is behind it.
    pub(crate) fn new(state: &str, text: &str) -> Self {
        Self {
            state: state.to_owned(),
            text: text.replace('\n', " "),
        }
    }

    /// The SQLSTATE.
    pub(crate) fn state(&self) -> &str {
        &self.state
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        SheafError::from(error).into()
    }
}

impl From<SheafError> for Failure {
    fn from(error: SheafError) -> Self {
        let mut text = error.message().to_owned();
        for (label, part) in [("detail", error.detail()), ("hint", error.hint())] {
            if let Some(part) = part {
                text.push_str(&format!(" | {label}: {part}"));
            }
        }
        Self::new(&error.state().to_string(), &text)
    }
}

#[async_trait]
impl AsyncDB for Connection {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failure> {
        let mut result = self.session.sql(sql).await?;
        let mut rows = Vec::new();
        while let Some(batch) = result.next_batch().await {
            values::append_rows(&batch?, &mut rows)?;
        }
        if !result.is_rows() {
            return Ok(DBOutput::StatementComplete(written_rows(&result.tag())));
        }
        if is_explain(sql) {
            rows = split_lines(rows);
        }
        let schema = result.schema();
        let types = schema
            .fields()
            .iter()
            .map(|f| values::column_type(f.data_type()));
        Ok(DBOutput::Rows {
            types: types.collect(),
            rows,
        })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        self.mode.name
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn error_sql_state(error: &Failure) -> Option<String> {
        Some(error.state.clone())
    }
}

/// The count at the end of a command's tag: 3 of `COPY 3`; 0 if there is none.
pub(crate) fn written_rows(tag: &str) -> u64 {
    tag.rsplit(' ')
        .next()
        .and_then(|count| count.parse().ok())
        .unwrap_or(0)
}

pub(crate) fn is_explain(sql: &str) -> bool {
    sql.split_whitespace()
        .next()
        .is_some_and(|word| word.eq_ignore_ascii_case("explain"))
}

/// A plan is one value of many lines; tests expect one line a row.
pub(crate) fn split_lines(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    rows.into_iter()
        .flat_map(|row| {
            let text = row.join(" ");
            text.split("\\n")
                .map(|line| vec![line.to_owned()])
                .collect::<Vec<_>>()
        })
        .collect()
}
