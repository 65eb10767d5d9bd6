//! A run of a template.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::Result as EngineResult;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::scalar::ScalarValue;
use futures::{Stream, StreamExt};
use sheaf_base::{Result, SheafError};
use sheaf_runtime::{Outcome, Query};

use super::PreparedStatement;
use super::template::Template;
use crate::result::QueryResult;
use crate::session::Session;

/// Runs `template`, which `prepared` has lent, with `parameters`.
///
/// # Errors
/// As a plan may raise them before its first row.
pub(super) fn run(
    session: &Session,
    prepared: &Arc<PreparedStatement>,
    template: Box<Template>,
    parameters: Vec<ScalarValue>,
) -> Result<QueryResult> {
    let query = session.begin(&prepared.text);
    let plan = template.plan(parameters);
    let started = plan.and_then(|plan| start(session, &template, plan, &query));
    // Until here nobody has to give it back.
    let lent = Lent {
        home: Arc::clone(prepared),
        template: Some(template),
    };
    let rows = started.map_err(|error| {
        let error = session.concealer().error(error);
        query.fail(&error);
        error
    })?;
    let stream = Box::pin(Run { rows, lent });
    let stream = session.concealer().stream(stream);
    Ok(QueryResult::stream(stream, query).of(Arc::clone(&prepared.statement)))
}

fn start(
    session: &Session,
    template: &Template,
    plan: Arc<dyn ExecutionPlan>,
    query: &Arc<Query>,
) -> Result<SendableRecordBatchStream> {
    let engine = session.engine();
    if !template.is_quick() {
        return engine.execute(plan, template.task(engine.runtime_env()), Arc::clone(query));
    }
    query.set_plan(&plan);
    let env = RuntimeEnv {
        memory_pool: Arc::clone(query.pool()) as _,
        ..engine.runtime_env().as_ref().clone()
    };
    let rows = plan.execute(0, template.task(Arc::new(env)))?;
    let query = Arc::clone(query);
    Ok(Box::pin(QuickRows {
        rows: Some(rows),
        query,
    }))
}

/// A template that is to be given back: as it was if its run came to an end.
struct Lent {
    home: Arc<PreparedStatement>,
    template: Option<Box<Template>>,
}

impl Lent {
    fn is_quick(&self) -> bool {
        self.template
            .as_ref()
            .is_some_and(|template| template.is_quick())
    }

    fn give_back(&mut self) {
        let template = self.template.take().and_then(Template::reset);
        self.home.give_back(template);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.template.take().is_some() {
            // Parts of it may run yet.
            self.home.give_back(None);
        }
    }
}

/// The rows of a template.
struct Run {
    rows: SendableRecordBatchStream,
    lent: Lent,
}

impl Stream for Run {
    type Item = EngineResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.rows.poll_next_unpin(cx));
        // Nothing of a quick run goes on behind an error.
        if next
            .as_ref()
            .is_none_or(|batch| batch.is_err() && self.lent.is_quick())
        {
            self.lent.give_back();
        }
        Poll::Ready(next)
    }
}

impl RecordBatchStream for Run {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}

/// Rows that are computed where they are asked for.
struct QuickRows {
    /// `None` after the end.
    rows: Option<SendableRecordBatchStream>,
    query: Arc<Query>,
}

impl QuickRows {
    fn poll_rows(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
        let Some(rows) = &mut self.rows else {
            return Poll::Ready(None);
        };
        if let Err(error) = self.query.check() {
            return Poll::Ready(Some(Err(error)));
        }
        match catch_unwind(AssertUnwindSafe(|| rows.poll_next_unpin(cx))) {
            Ok(next) => next.map(|next| next.map(|batch| batch.map_err(SheafError::from))),
            Err(_) => Poll::Ready(Some(Err(SheafError::internal("a plan panicked")
                .with_hint("this is a fault in Sheaf; please report it")))),
        }
    }
}

impl Stream for QuickRows {
    type Item = EngineResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.poll_rows(cx));
        match &next {
            Some(Ok(batch)) => self.query.add_rows_out(batch.num_rows()),
            Some(Err(error)) => {
                self.query.fail(error);
                self.rows = None;
            }
            None => {
                self.query.finish(Outcome::Done);
                self.rows = None;
            }
        }
        Poll::Ready(next.map(|batch| batch.map_err(Into::into)))
    }
}

impl RecordBatchStream for QuickRows {
    fn schema(&self) -> SchemaRef {
        match &self.rows {
            Some(rows) => rows.schema(),
            None => SchemaRef::new(arrow::datatypes::Schema::empty()),
        }
    }
}
