//! The answer to a statement: rows that are sent while they come, then what has happened.
//!
//! One batch is held at a time. What has been written is sent whenever it is much, and the statement
//! waits for that: back-pressure goes from the client's socket down to the scan.

use std::sync::Arc;

use sheaf::arrow::array::RecordBatch;
use sheaf::{QueryResult, Result, ScrolledRows, SheafError, SqlState, StatementKind};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::rows::{Direction, RowSource, SharedSource};
use super::{Client, SharedStatement, cancelled, guard, shutdown, timed_out, within};
use crate::encode::{CopyStyle, Rows, Style};
use crate::errors::{Failure, Flow, protocol_error};
use crate::message::backend;
use crate::message::frontend::Format;
use crate::types::{WireColumn, columns_of};

/// A statement that runs or has run.
pub(super) struct Answer {
    /// What it gives; none if it gives no rows.
    pub(super) columns: Option<Vec<WireColumn>>,
    /// Its rows are sent in binary form where nobody says otherwise.
    pub(super) is_binary: bool,
    /// Its rows are sent as the data of a COPY.
    pub(super) copy: Option<CopyStyle>,
    source: Option<SharedSource>,
    /// What runs for it.
    query: Option<Arc<sheaf::Query>>,
    /// Rows that it may still send.
    left: u64,
    direction: Direction,
    verb: Verb,
    /// Its rows are asked for in portions, each of which has the time of a statement.
    is_paced: bool,
    /// When the time of this portion is over.
    deadline: Option<Instant>,
}

/// What is said when it has ended.
enum Verb {
    /// `SELECT n`, with the rows sent last.
    Counted(&'static str),
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
    /// The rows of a query, which may be read again.
    pub(super) fn scrolled(rows: ScrolledRows, columns: Vec<WireColumn>) -> Self {
        let query = rows.coming().map(|result| Arc::clone(result.query()));
        Self {
            columns: Some(columns),
            query,
            source: Some(RowSource::scrolled(rows).shared()),
            ..Self::done("")
        }
    }

    /// The answer of the engine to a statement of this kind.
    pub(super) fn of_engine(result: QueryResult, kind: &StatementKind) -> Self {
        let columns = result.is_rows().then(|| columns_of(&result.schema()));
        let verb = match (kind, &columns) {
            (StatementKind::Explain { .. }, _) => Verb::Other("EXPLAIN".to_owned()),
            (StatementKind::Show { .. } | StatementKind::ShowAll, _) => {
                Verb::Other("SHOW".to_owned())
            }
            (_, Some(_)) => Verb::Counted("SELECT"),
            (_, None) => Verb::Other(result.tag()),
        };
        let query = Arc::clone(result.query());
        let source = RowSource::of_engine(result).shared();
        Self {
            source: columns.is_some().then_some(source),
            query: Some(query),
            columns,
            verb,
            ..Self::done("")
        }
    }

    /// Something that has happened.
    pub(super) fn done(tag: impl Into<String>) -> Self {
        Self {
            columns: None,
            is_binary: false,
            copy: None,
            source: None,
            query: None,
            left: u64::MAX,
            direction: Direction::Forward,
            verb: Verb::Other(tag.into()),
            is_paced: false,
            deadline: None,
        }
    }

    /// Rows that are there already.
    pub(super) fn rows(tag: impl Into<String>, batch: RecordBatch) -> Self {
        Self {
            columns: Some(columns_of(&batch.schema())),
            source: Some(RowSource::of_batch(batch).shared()),
            ..Self::done(tag)
        }
    }

    /// At most `rows_max` of the rows that this one has yet to give, or of those before: it goes on
    /// behind them.
    pub(super) fn fetch(&self, rows_max: u64, direction: Direction) -> Self {
        Self {
            columns: self.columns.clone(),
            is_binary: self.is_binary,
            source: self.source.clone(),
            query: self.query.clone(),
            left: rows_max,
            direction,
            is_paced: self.is_paced,
            verb: Verb::Counted("FETCH"),
            ..Self::done("")
        }
    }

    /// From now on each portion of its rows has the time of a statement for itself.
    pub(super) async fn pace(&mut self) {
        if let Some(source) = self.source.as_ref().filter(|_| !self.is_paced) {
            source.lock().await.lift_time_limit();
            self.is_paced = true;
        }
    }

    /// The same rows, as the data of a COPY.
    pub(super) fn into_copy(self, style: CopyStyle) -> Self {
        Self {
            columns: None,
            copy: Some(style),
            verb: Verb::Counted("COPY"),
            ..self
        }
    }

    /// Its rows, if it gives any.
    pub(super) fn source(&self) -> Option<&SharedSource> {
        self.source.as_ref()
    }

    /// The formats of its rows for a client that has named none.
    pub(super) fn own_formats(&self) -> &'static [Format] {
        match self.is_binary {
            true => &[Format::Binary],
            false => &[],
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

    /// The next rows, at most `rows_max`; `None` at the end.
    pub(super) async fn next_batch(&mut self, rows_max: u64) -> Result<Option<RecordBatch>> {
        let Some(source) = self.source.as_ref().filter(|_| self.left > 0) else {
            return Ok(None);
        };
        let rows_max = rows_max.min(self.left);
        let next = source.lock().await.next(rows_max, self.direction).await;
        let batch = next.transpose()?;
        if let Some(batch) = &batch {
            self.left -= batch.num_rows() as u64;
        }
        Ok(batch)
    }

    /// Goes over the first rows of `source`, and over its own where they are not to be shown; how many
    /// of these there were.
    pub(super) async fn walk(
        &self,
        source: &SharedSource,
        skipped: u64,
        is_move: bool,
    ) -> Result<u64> {
        let mut source = source.lock().await;
        source.skip(skipped, self.direction).await?;
        match is_move {
            true => source.skip(self.left, self.direction).await,
            false => Ok(0),
        }
    }

    fn end(&mut self) {
        self.source = None;
    }

    fn tag(&self, rows: u64) -> String {
        match &self.verb {
            Verb::Counted(verb) => format!("{verb} {rows}"),
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
        match &statement.kind {
            StatementKind::CopyOut { .. } => self.copy_out(statement, stop).await,
            StatementKind::CopyIn { .. } => self.copy_in(statement, stop).await,
            StatementKind::DeclareCursor { .. } => self.declare(statement, parameters, stop).await,
            StatementKind::FetchCursor {
                name,
                rows,
                is_move,
            } => self.fetch(name, *rows, *is_move, stop).await,
            StatementKind::CloseCursor { name } => Ok(self.close_cursor(name.as_ref())?),
            _ => self.start_engine(statement, parameters, stop).await,
        }
    }

    /// Starts a statement of the engine's.
    pub(super) async fn start_engine(
        &mut self,
        statement: &SharedStatement,
        parameters: Vec<sheaf::ScalarValue>,
        stop: &CancellationToken,
    ) -> Flow<Answer> {
        let result = self.run_engine(statement, parameters, stop).await?;
        Ok(Answer::of_engine(result, &statement.kind))
    }

    pub(super) async fn run_engine(
        &mut self,
        statement: &SharedStatement,
        parameters: Vec<sheaf::ScalarValue>,
        stop: &CancellationToken,
    ) -> Flow<QueryResult> {
        let session = self.session.clone();
        let run = session.run_prepared(statement, parameters);
        self.guard(stop, run).await
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
        answer.deadline = self.deadline().filter(|_| answer.is_paced);
        let sent = match answer.copy.take() {
            Some(copy) => self.send_copy(answer, &copy, style, stop).await,
            None => self.send_rows(answer, formats, style, rows_max, stop).await,
        };
        if let (Err(_), Some(source)) = (&sent, answer.source()) {
            source.lock().await.fail();
        }
        let sent = sent?;
        self.do_asked().await?;
        match sent {
            Sent::All(rows) => {
                answer.end();
                backend::command_complete(&mut self.connection.output, &answer.tag(rows));
            }
            Sent::Suspended => {
                answer.pace().await;
                self.plain(backend::Plain::PortalSuspended);
            }
        }
        Ok(())
    }

    /// Sends what was written, unless the statement is stopped first: its client may not read.
    pub(super) async fn flush_rows(
        &mut self,
        answer: &Answer,
        stop: &CancellationToken,
    ) -> Flow<()> {
        let stopped = async {
            match &answer.query {
                Some(query) => {
                    query.cancelled().await;
                    query.cancel_error()
                }
                None => std::future::pending().await,
            }
        };
        let late = async {
            match answer.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(cancelled().into()),
            () = self.shared.stopped.cancelled() => Err(Failure::Fatal(shutdown())),
            error = stopped => Err(error.into()),
            () = late => Err(timed_out().into()),
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
        let most = rows_max.unwrap_or(u64::MAX);
        let mut sent = 0;
        while sent < most {
            let Some(batch) = self.next_batch(answer, most - sent, stop).await? else {
                return Ok(Sent::All(sent));
            };
            let rows = Rows::new(&batch, formats, style)?;
            for row in 0..batch.num_rows() {
                rows.write(row, &mut self.connection.output)?;
                if self.connection.is_full() {
                    self.flush_rows(answer, stop).await?;
                }
            }
            sent += batch.num_rows() as u64;
        }
        // Whether more would come is not known, and not waited for.
        Ok(Sent::Suspended)
    }

    /// The next rows of an answer, unless somebody cancels it.
    pub(super) async fn next_batch(
        &mut self,
        answer: &mut Answer,
        rows_max: u64,
        stop: &CancellationToken,
    ) -> Flow<Option<RecordBatch>> {
        let deadline = answer.deadline;
        let next = within(deadline, answer.next_batch(rows_max));
        guard(&mut self.connection, &self.shared, stop, next).await
    }
}
