//! A session behind the Postgres wire as the sqllogictest runner sees it.
//!
//! Each file has a server of its own in this process, because settings such as `memory_limit` are a
//! server's; each `connection` of the file is a client of it, whose role is `admin`. What a value
//! looks like is worked out from what the wire carries alone: the type's number in the row
//! description and the bytes. A wrong number or encoding therefore fails the test.
//!
//! `client` speaks the protocol, `login` proves who it is, `binary` reads PostgreSQL's binary
//! forms, `notation` turns PostgreSQL's text into the one of the tests, `rows` compares rows.

mod binary;
mod client;
mod json;
mod login;
mod notation;
mod rows;
mod server;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType};

pub use self::rows::rows_agree;
pub use self::server::Served;

use self::client::{Answer, Client, Column, Formats};
use crate::connection::{Failure, is_explain, split_lines, written_rows};
use crate::modes::{Door, Mode};

/// Every so many statements of the extended protocol, columns are sent as text and binary in turn,
/// after the statement was described without running.
const MIXED_EVERY: usize = 4;

/// One client of a file's server.
pub struct Connection {
    client: Client,
    mode: Mode,
    statements: usize,
    /// The server ends with its last client.
    _server: Arc<Served>,
}

impl Connection {
    /// Connects to `server`.
    ///
    /// # Errors
    /// A server that does not answer, or does not let the client in.
    pub fn open(server: &Arc<Served>, mode: Mode) -> Result<Self, Failure> {
        Ok(Self {
            client: Client::connect(server.address())?,
            mode,
            statements: 0,
            _server: Arc::clone(server),
        })
    }

    fn answer(&mut self, sql: &str) -> Result<Answer, Failure> {
        if self.mode.door == Door::Simple {
            return self.client.simple(sql);
        }
        self.statements += 1;
        let formats = match self.statements.is_multiple_of(MIXED_EVERY) {
            true => Formats::Mixed,
            false => Formats::Binary,
        };
        self.client.extended(sql, formats)
    }
}

#[async_trait]
impl AsyncDB for Connection {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failure> {
        let answer = self.answer(sql)?;
        let Some(columns) = answer.columns else {
            return Ok(DBOutput::StatementComplete(written_rows(&answer.tag)));
        };
        let mut rows = answer
            .rows
            .iter()
            .map(|values| rows::shown(&columns, values))
            .collect::<Result<Vec<_>, _>>()?;
        if is_explain(sql) {
            rows = split_lines(rows);
        }
        let types = columns.iter().map(Column::test_type).collect();
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        self.mode.name
    }

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn error_sql_state(error: &Failure) -> Option<String> {
        Some(error.state().to_owned())
    }
}
