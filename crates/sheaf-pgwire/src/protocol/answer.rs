//! The answer to a statement: rows that are sent while they come, then what has happened.
//!
//! One batch is held at a time. What has been written is sent whenever it is much, and the statement
//! waits for that: back-pressure goes from the client's socket down to the scan.

use std::sync::Arc;

use sheaf::arrow::array::RecordBatch;
use sheaf::{QueryResult, Result, SheafError, SqlState, Statement, StatementKind};
use tokio_util::sync::CancellationToken;

use super::{Client, SharedStatement, cancelled, guard, shutdown};
use crate::encode::{Rows, Style};
use crate::errors::{Failure, Flow, protocol_error};
use crate::message::backend;
use crate::message::frontend::Format;
use crate::types::{WireColumn, columns_of};

/// A statement that runs or has run.
pub(super) struct Answer {
    /// What it gives; none if it gives no rows.
    pub(super) columns: Option<Vec<WireColumn>>,
    source: Source,
    verb: Verb,
    /// A batch that was begun, and the row it goes on with.
    pending: Option<(RecordBatch, usize)>,
}

enum Source {
    Engine(QueryResult),
    Rows(Option<RecordBatch>),
    Ended,
}

/// What is said when it has ended.
enum Verb {
    /// `SELECT n`.
    Select,
    Other(String),
}

/// How far an answer was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// To its end, with so many rows this time.
    All(u64),
    /// As many rows as were asked for.
    Suspended,
}

impl Answer {
    /// The answer of the engine to `statement`.
    pub(super) fn of_engine(result: QueryResult, statement: &Statement) -> Self {
        let columns = result.is_rows().then(|| columns_of(&result.schema()));
        let verb = match (&statement.kind, &columns) {
            (StatementKind::Explain { .. }, _) => Verb::Other("EXPLAIN".to_owned()),
            (StatementKind::Show { .. } | StatementKind::ShowAll, _) => {
                Verb::Other("SHOW".to_owned())
            }
            (_, Some(_)) => Verb::Select,
            (_, None) => Verb::Other(result.tag()),
        };
        let source = Source::Engine(result);
        Self {
            columns,
            source,
            verb,
            pending: None,
        }
    }

    /// Something that has happened.
    pub(super) fn done(tag: impl Into<String>) -> Self {
        Self {
            columns: None,
            source: Source::Ended,
            verb: Verb::Other(tag.into()),
            pending: None,
        }
    }

    /// Rows that are there already.
    pub(super) fn rows(tag: impl Into<String>, batch: RecordBatch) -> Self {
        Self {
            columns: Some(columns_of(&batch.schema())),
            source: Source::Rows(Some(batch)),
            verb: Verb::Other(tag.into()),
            pending: None,
        }
    }

    /// Checks that there are as many formats as columns, or one, or none.
    ///
    /// # Errors
    /// `UserInput` (08P01) otherwise.
    pub(super) fn check_formats(&self, formats: &[Format]) -> Result<()> {
        let columns = self.columns.as_ref().map_or(0, Vec::len);
        match formats.len() {
            0 | 1 => Ok(()),
            count if count == columns => Ok(()),
            count => Err(protocol_error(format!(
                "bind message has {count} result formats but query has {columns} columns"
            ))),
        }
    }

    /// Checks that what is sent is what the client was told to expect.
    ///
    /// # Errors
    /// `Unsupported` (0A000) otherwise, in PostgreSQL's words.
    pub(super) fn check_columns(&self, told: &[WireColumn]) -> Result<()> {
        let types = |columns: &[WireColumn]| -> Vec<u32> {
            columns
                .iter()
                .map(|column| column.wire_type.oid())
                .collect()
        };
        match types(self.columns.as_deref().unwrap_or_default()) == types(told) {
            true => Ok(()),
            false => Err(
                SheafError::unsupported("cached plan must not change result type")
                    .with_state(SqlState::FEATURE_NOT_SUPPORTED),
            ),
        }
    }

    async fn next_batch(&mut self) -> Option<Result<RecordBatch>> {
        match &mut self.source {
            Source::Engine(result) => result.next_batch().await,
            Source::Rows(batch) => batch.take().map(Ok),
            Source::Ended => None,
        }
    }

    fn query(&self) -> Option<Arc<sheaf::Query>> {
        match &self.source {
            Source::Engine(result) => Some(Arc::clone(result.query())),
            Source::Rows(_) | Source::Ended => None,
        }
    }

    fn tag(&self, rows: u64) -> String {
        match &self.verb {
            Verb::Select => format!("SELECT {rows}"),
            Verb::Other(tag) => tag.clone(),
        }
    }
}

impl Client {
    /// Starts a statement with parameters. What PostgreSQL itself would answer is answered here.
    pub(super) async fn start(
        &mut self,
        statement: &SharedStatement,
        parameters: Vec<sheaf::ScalarValue>,
        stop: &CancellationToken,
    ) -> Flow<Answer> {
        self.entry.runs(&statement.text);
        if let Some(command) = self.command_of(statement) {
            return self.command(command).await;
        }
        self.transaction.check()?;
        let session = self.session.clone();
        let run = session.run_shared(Arc::clone(statement), parameters);
        let result = self.guard(stop, run).await?;
        Ok(Answer::of_engine(result, statement))
    }

    /// Sends rows, at most `rows_max`, and at the end what has happened.
    pub(super) async fn send(
        &mut self,
        answer: &mut Answer,
        formats: &[Format],
        rows_max: Option<u64>,
        stop: &CancellationToken,
    ) -> Flow<()> {
        let style = self.style()?;
        match self
            .send_rows(answer, formats, style, rows_max, stop)
            .await?
        {
            Sent::All(rows) => {
                answer.source = Source::Ended;
                backend::command_complete(&mut self.connection.output, &answer.tag(rows));
            }
            Sent::Suspended => self.plain(backend::Plain::PortalSuspended),
        }
        Ok(())
    }

    /// Sends what was written, unless the statement is stopped first: its client may not read.
    async fn flush_rows(
        &mut self,
        query: Option<Arc<sheaf::Query>>,
        stop: &CancellationToken,
    ) -> Flow<()> {
        let stopped = async {
            match query {
                Some(query) => {
                    query.cancelled().await;
                    query.cancel_error()
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(cancelled().into()),
            () = self.shared.stopped.cancelled() => Err(Failure::Fatal(shutdown())),
            error = stopped => Err(error.into()),
            sent = self.connection.flush() => Ok(sent?),
        }
    }

    async fn send_rows(
        &mut self,
        answer: &mut Answer,
        formats: &[Format],
        style: Style,
        rows_max: Option<u64>,
        stop: &CancellationToken,
    ) -> Flow<Sent> {
        let mut sent = 0;
        if answer.columns.is_none() {
            return Ok(Sent::All(sent));
        }
        loop {
            let (batch, mut row) = match answer.pending.take() {
                Some(pending) => pending,
                None => {
                    let next = async { answer.next_batch().await.transpose() };
                    match guard(&mut self.connection, &self.shared, stop, next).await? {
                        Some(batch) => (batch, 0),
                        None => return Ok(Sent::All(sent)),
                    }
                }
            };
            let rows = Rows::new(&batch, formats, style)?;
            while row < batch.num_rows() {
                if rows_max.is_some_and(|most| sent >= most) {
                    answer.pending = Some((batch, row));
                    return Ok(Sent::Suspended);
                }
                rows.write(row, &mut self.connection.output)?;
                if self.connection.is_full() {
                    self.flush_rows(answer.query(), stop).await?;
                }
                row += 1;
                sent += 1;
            }
            // Whether more would come is not known, and not waited for.
            if rows_max.is_some_and(|most| sent >= most) {
                return Ok(Sent::Suspended);
            }
        }
    }
}
