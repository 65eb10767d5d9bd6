//! The result of a statement: a stream of record batches, and what to say when it has ended.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef, UInt64Type};
use arrow::util::pretty::pretty_format_batches_with_schema;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::stream::{Stream, StreamExt};
use sheaf_base::{Result, SheafError};
use sheaf_runtime::{Outcome, Query};
use sheaf_sql::{Statement, placed_at_literal};

/// What a statement gives: rows that arrive while it runs, or only a tag (`CREATE VIEW`).
///
/// Rows are pulled: a result that is not read does not run ahead by more than a few batches.
/// Dropping it cancels the query.
pub struct QueryResult {
    schema: SchemaRef,
    stream: Option<SendableRecordBatchStream>,
    query: Arc<Query>,
    tag: Tag,
    rows: u64,
    /// What was asked, for the places of errors.
    statement: Option<Arc<Statement>>,
}

enum Tag {
    /// `SELECT n`: rows for the reader.
    Rows,
    /// `COPY n`: the stream's only value is the number of rows.
    Count(&'static str),
    /// Everything has happened already.
    Done(String),
}

impl std::fmt::Debug for QueryResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryResult")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl QueryResult {
    pub(crate) fn stream(stream: SendableRecordBatchStream, query: Arc<Query>) -> Self {
        Self {
            schema: stream.schema(),
            stream: Some(stream),
            query,
            tag: Tag::Rows,
            rows: 0,
            statement: None,
        }
    }

    /// Rows that are there already.
    pub(crate) fn batch(batch: RecordBatch, query: Arc<Query>) -> Self {
        let schema = batch.schema();
        let stream = futures::stream::once(async move { Ok(batch) });
        let ended = Arc::clone(&query);
        let end = futures::stream::once(async move { ended.finish(Outcome::Done) })
            .filter_map(|()| async { None });
        let stream = datafusion::physical_plan::stream::RecordBatchStreamAdapter::new(
            schema,
            stream.chain(end),
        );
        Self::stream(Box::pin(stream), query)
    }

    /// A statement that has happened.
    pub(crate) fn done(tag: impl Into<String>, query: Arc<Query>) -> Self {
        query.finish(Outcome::Done);
        let schema = Arc::new(Schema::empty());
        Self {
            schema,
            stream: None,
            query,
            tag: Tag::Done(tag.into()),
            rows: 0,
            statement: None,
        }
    }

    /// The same result, whose errors tell where in `statement` the literal is that they are about.
    pub(crate) fn of(mut self, statement: Arc<Statement>) -> Self {
        self.statement = Some(statement);
        self
    }

    fn error(&self, error: DataFusionError) -> SheafError {
        let error = SheafError::from(error);
        match &self.statement {
            Some(statement) => placed_at_literal(error, statement),
            None => error,
        }
    }

    /// Runs a stream whose only value is a count (COPY, INSERT) to its end.
    pub(crate) async fn count(self, verb: &'static str) -> Result<Self> {
        let mut result = self;
        result.tag = Tag::Count(verb);
        let mut total = 0;
        while let Some(batch) = result.next_batch().await {
            let batch = batch?;
            if let Some(counts) = batch
                .columns()
                .first()
                .and_then(|c| c.as_primitive_opt::<UInt64Type>())
            {
                total += counts.iter().flatten().sum::<u64>();
            }
        }
        result.rows = total;
        result.schema = Arc::new(Schema::empty());
        result.stream = None;
        Ok(result)
    }

    /// The columns; empty if the statement gives no rows.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Whether the statement gives rows (perhaps none), rather than only a tag.
    #[must_use]
    pub fn is_rows(&self) -> bool {
        matches!(self.tag, Tag::Rows)
    }

    /// What PostgreSQL would call the outcome: `SELECT 5`, `COPY 80000`, `CREATE VIEW`. The number
    /// of a SELECT is that of the rows read so far.
    #[must_use]
    pub fn tag(&self) -> String {
        match &self.tag {
            Tag::Rows => format!("SELECT {}", self.rows),
            Tag::Count(verb) => format!("{verb} {}", self.rows),
            Tag::Done(tag) => tag.clone(),
        }
    }

    /// The running query: its progress, and the means to cancel it.
    #[must_use]
    pub fn query(&self) -> &Arc<Query> {
        &self.query
    }

    /// The next batch, or `None` at the end.
    pub async fn next_batch(&mut self) -> Option<Result<RecordBatch>> {
        self.next().await
    }

    /// Reads all rows into memory.
    ///
    /// # Errors
    /// The first error of the stream.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>> {
        let mut batches = vec![];
        while let Some(batch) = self.next_batch().await {
            batches.push(batch?);
        }
        Ok(batches)
    }

    /// Reads all rows into memory, ready to be printed.
    ///
    /// # Errors
    /// The first error of the stream.
    pub async fn rows(self) -> Result<CollectedRows> {
        let schema = self.schema();
        let batches = self.collect().await?;
        let text = pretty_format_batches_with_schema(schema, &batches)?.to_string();
        Ok(CollectedRows { batches, text })
    }

    /// Reads all rows and forgets them.
    ///
    /// # Errors
    /// The first error of the stream.
    pub async fn drain(mut self) -> Result<()> {
        while let Some(batch) = self.next_batch().await {
            batch?;
        }
        Ok(())
    }
}

/// All rows of a result; `Display` prints them as a plain table.
#[derive(Debug)]
pub struct CollectedRows {
    /// The rows.
    pub batches: Vec<RecordBatch>,
    text: String,
}

impl std::fmt::Display for CollectedRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Stream for QueryResult {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(stream) = self.stream.as_mut() else {
            return Poll::Ready(None);
        };
        let polled = stream.poll_next_unpin(cx);
        if let Poll::Ready(Some(Ok(batch))) = &polled
            && matches!(self.tag, Tag::Rows)
        {
            self.rows += batch.num_rows() as u64;
        }
        if let Poll::Ready(None | Some(Err(_))) = &polled {
            self.stream = None;
        }
        polled.map(|item| item.map(|batch| batch.map_err(|error| self.error(error))))
    }
}
