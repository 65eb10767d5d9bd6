//! Statements that are run again and again: after the first runs, without planning.
//!
//! ```text
//! run 1, 2 … [`PLANNED_RUNS`]  planned with the values of their parameters, as any statement
//! then                         a [`Template`](template::Template): a plan that reads its parameters when it runs
//! its files or the session change   planned again, as in the beginning
//! ```
//!
//! PostgreSQL does the same with its generic plans. A plan that knows the values can be better (it leaves
//! out files, its sizes are known), so templates are for what is done sooner than it is planned: queries
//! over small files, whose rows the template holds. What may have one is said in [`template`].

mod parameters;
mod resident;
mod run;
mod template;

use std::ops::Deref;
use std::sync::Arc;

use datafusion::scalar::ScalarValue;
use futures::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;
use sheaf_base::Result;
use sheaf_sql::{Statement, StatementKind};

use self::template::Template;
use crate::result::QueryResult;
use crate::session::Session;

pub(crate) use self::parameters::ParameterPlanner;
pub(crate) use self::resident::TemplateMemory;

/// Runs of a statement that are planned with their values before it gets a template.
const PLANNED_RUNS: u32 = 2;

/// A statement that its owner may run again and again, in one session.
#[derive(Debug)]
pub struct PreparedStatement {
    statement: Arc<Statement>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// So many runs were planned.
    Planned(u32),
    Ready(Box<Template>),
    /// A run has the template; others are planned meanwhile.
    Lent,
    /// It can have none.
    Never,
}

impl PreparedStatement {
    /// Nothing is planned yet.
    #[must_use]
    pub fn new(statement: impl Into<Arc<Statement>>) -> Self {
        let statement: Arc<Statement> = statement.into();
        let may_repeat = matches!(statement.kind, StatementKind::Query(_));
        Self {
            statement,
            state: Mutex::new(match may_repeat {
                true => State::Planned(0),
                false => State::Never,
            }),
        }
    }

    /// The statement itself.
    #[must_use]
    pub fn statement(&self) -> &Arc<Statement> {
        &self.statement
    }

    /// The template, if there is one that may be used; it is to be given back.
    fn lend(&self, session: &Session, parameters: &[ScalarValue]) -> Option<Box<Template>> {
        let mut state = self.state.lock();
        let State::Ready(template) = &*state else {
            return None;
        };
        if !template.takes(parameters) {
            return None;
        }
        if !template.is_current(session) {
            *state = State::Planned(0);
            return None;
        }
        match std::mem::replace(&mut *state, State::Lent) {
            State::Ready(template) => Some(template),
            _ => None,
        }
    }

    /// A run is over: the template serves the next one, if it can.
    fn give_back(&self, template: Option<Box<Template>>) {
        let mut state = self.state.lock();
        if matches!(*state, State::Lent) {
            *state = match template {
                Some(template) => State::Ready(template),
                None => State::Planned(0),
            };
        }
    }

    /// Counts a run that is planned; says whether a template is to be made now.
    fn count(&self) -> bool {
        match &mut *self.state.lock() {
            State::Planned(runs) => {
                *runs += 1;
                *runs > PLANNED_RUNS
            }
            State::Ready(_) | State::Lent | State::Never => false,
        }
    }

    /// Whether the next run need not be planned.
    #[cfg(test)]
    pub(crate) fn has_template(&self) -> bool {
        matches!(&*self.state.lock(), State::Ready(_))
    }

    fn set_template(&self, template: Option<Template>) {
        *self.state.lock() = match template {
            Some(template) => State::Ready(Box::new(template)),
            None => State::Never,
        };
    }
}

impl Deref for PreparedStatement {
    type Target = Statement;

    fn deref(&self) -> &Statement {
        &self.statement
    }
}

impl Session {
    /// Like [`Session::run_with`] for a statement that is run more than once.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run_prepared(
        &self,
        prepared: &Arc<PreparedStatement>,
        parameters: Vec<ScalarValue>,
    ) -> BoxFuture<'_, Result<QueryResult>> {
        let prepared = Arc::clone(prepared);
        async move {
            if let Some(template) = prepared.lend(self, &parameters) {
                return run::run(self, &prepared, template, parameters);
            }
            let template = prepared.count().then(|| parameters.clone());
            let result = self
                .run_shared(Arc::clone(&prepared.statement), parameters)
                .await?;
            if let Some(parameters) = template {
                let schema = result.schema();
                prepared.set_template(self.template(&prepared, &parameters, &schema).await);
            }
            Ok(result)
        }
        .boxed()
    }
}
