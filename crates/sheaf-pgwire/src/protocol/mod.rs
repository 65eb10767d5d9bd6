//! Serving the statements of one client.
//!
//! [`simple`] runs scripts, [`extended`] the steps of a prepared statement; both come to [`answer`],
//! which sends the [`rows`] of a running statement while they come, or their [`copy`], and takes others in by
//! [`copy_in`]; [`prepared`]
//! keeps statements, portals and what [`cursor`] declares. What clients say to PostgreSQL itself
//! (transactions, parameters) is answered in [`command`] and [`settings`], with the states of
//! [`transaction`], whose end [`undo`]es what was set; all other statements are the session's, with the
//! names and types in [`outermost`] that PostgreSQL gives.

mod answer;
mod command;
mod copy;
mod copy_in;
mod cursor;
mod extended;
mod functions;
mod outermost;
mod postgres_names;
mod prepared;
mod rows;
mod settings;
mod simple;
mod transaction;
mod undo;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sheaf::postgres::Identity;
use sheaf::{Result, Session, SheafError, SqlState};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

pub(crate) use self::functions::register as register_functions;
use self::functions::{Asked, Seen, SharedView, View};
pub(crate) use self::outermost::sent_name;
use self::prepared::Prepared;
use self::settings::Before;
use self::transaction::Transaction;
use self::undo::Undo;
use crate::auth::Role;
use crate::cancel::CancelKey;
use crate::clients::ClientEntry;
use crate::connection::Connection;
use crate::encode::Style;
use crate::errors::{Failure, Flow, Severity};
use crate::listen::Shared;
use crate::message::backend::{self, Plain};
use crate::message::frontend::{self, Frontend};
use crate::parameters::{APPLICATION_NAME, Change, ENGINE_NAMES, Parameters, TIME_ZONE};
use crate::startup::{Login, tell};

/// One client, its session, and where the conversation stands.
pub(crate) struct Client {
    shared: Arc<Shared>,
    connection: Connection,
    session: Session,
    parameters: Parameters,
    transaction: Transaction,
    prepared: Prepared,
    undo: Undo<Before>,
    view: SharedView,
    key: CancelKey,
    entry: ClientEntry,
    /// After an error in the extended protocol, everything up to Sync is skipped.
    skips_to_sync: bool,
}

/// Serves a client until it leaves, breaks the protocol, or the server stops.
pub(crate) async fn serve(mut connection: Connection, login: Login, shared: Arc<Shared>) {
    let begun = parts_of(&login, &shared);
    let (session, parameters, view, key) = match begun {
        Ok(parts) => parts,
        Err(error) => return tell(&mut connection, &Failure::Fatal(error)).await,
    };
    let entry = shared.clients.enter(&login, key.process);
    let mut client = Client {
        shared,
        connection,
        session,
        parameters,
        transaction: Transaction::default(),
        prepared: Prepared::default(),
        undo: Undo::default(),
        view,
        entry,
        key,
        skips_to_sync: false,
    };
    if let Err(failure) = client.converse(login.settings).await {
        tell(&mut client.connection, &failure.fatal()).await;
    }
}

/// A session of a client's own, its parameters, and what cancels its statements.
fn parts_of(
    login: &Login,
    shared: &Shared,
) -> Result<(Session, Parameters, SharedView, CancelKey)> {
    let session = shared.session.sibling(login.role.access(&shared.roots));
    let key = shared.cancels.register()?;
    let parameters = Parameters::new(&login.user, login.role == Role::Admin);
    let view = SharedView::new(View::new(parameters.clone(), session.settings()).into());
    session.identify(Identity {
        user: login.user.clone(),
        is_superuser: login.role == Role::Admin,
        process: key.process,
        server: Arc::clone(&shared.clients) as _,
        parameters: Arc::new(Seen(Arc::clone(&view))),
    });
    Ok((session, parameters, view, key))
}

impl Client {
    async fn converse(&mut self, settings: Vec<(String, String)>) -> Flow<()> {
        for (name, value) in settings {
            self.set(&name, &value).await?;
        }
        self.connection
            .output_parameters(&self.parameters, &self.session);
        self.parameters.begin();
        self.publish();
        let (process, secret) = (self.key.process, self.key.secret);
        backend::key_data(&mut self.connection.output, process, secret);
        self.ready().await?;
        loop {
            let Some((tag, message)) = self.next_message().await? else {
                return Ok(());
            };
            match message {
                Ok(Frontend::Terminate) => return Ok(()),
                Ok(message) => self.handle(message).await?,
                // What cannot be read is answered as the statement that it would have been.
                Err(_) if self.skips_to_sync => {}
                Err(error) if tag == b'Q' => {
                    self.report(&error, None);
                    self.end_of_script().await?;
                }
                Err(error) => {
                    self.fail_extended(&error, None);
                    self.connection.flush().await?;
                }
            }
        }
    }

    async fn handle(&mut self, message: Frontend) -> Flow<()> {
        match message {
            Frontend::Sync => {
                self.skips_to_sync = false;
                self.end_of_script().await
            }
            _ if self.skips_to_sync => Ok(()),
            Frontend::Query(sql) => self.simple_query(&sql).await,
            Frontend::Flush => Ok(self.connection.flush().await?),
            Frontend::Copy | Frontend::Terminate => Ok(()),
            other => {
                match Box::pin(self.extended(other)).await {
                    Err(Failure::Error(error)) => self.fail_extended(&error, None),
                    outcome => outcome?,
                }
                // A client that has sent Flush rather than Sync waits for the error.
                match self.skips_to_sync {
                    true => Ok(self.connection.flush().await?),
                    // Nor may answers pile up that nobody waits for.
                    false => Ok(self.connection.flush_if_full().await?),
                }
            }
        }
    }

    /// Waits for the next message, not for ever.
    async fn next_message(&mut self) -> Flow<Option<(u8, Result<Frontend>)>> {
        let limits = self.shared.limits;
        let is_in_block = self.transaction.is_in_block();
        let limit = match is_in_block {
            true => limits.idle_in_transaction_timeout.or(limits.idle_timeout),
            false => limits.idle_timeout,
        };
        tokio::select! {
            biased;
            () = self.shared.stopping.cancelled() => Err(Failure::Fatal(shutdown())),
            () = self.key.running.ended.cancelled() => Err(Failure::Fatal(shutdown())),
            message = self.connection.read_message(frontend::is_known) => {
                let message = message?;
                Ok(message.map(|(tag, body)| (tag, frontend::decode(tag, body))))
            }
            () = wait(limit) => Err(Failure::Fatal(idle_too_long(is_in_block))),
        }
    }

    /// Does `work`, unless somebody cancels it, the server stops, or the client goes.
    async fn guard<T>(
        &mut self,
        stop: &CancellationToken,
        work: impl Future<Output = Result<T>>,
    ) -> Flow<T> {
        guard(&mut self.connection, &self.shared, stop, work).await
    }

    /// Parses a script, unless somebody cancels that.
    async fn parse_apart(&mut self, sql: &str) -> Flow<Vec<sheaf::Statement>> {
        let session = self.session.clone();
        let stop = self.key.running.begin();
        let parsed = self.guard(&stop, session.parse_apart(sql)).await;
        self.key.running.end();
        let mut parsed = parsed?;
        parsed.iter_mut().for_each(outermost::prepare);
        Ok(parsed)
    }

    /// A transaction that nobody has begun ends, and the client may send the next script.
    async fn end_of_script(&mut self) -> Flow<()> {
        if let Some(is_committed) = self.transaction.end_script() {
            self.end_transaction(is_committed).await;
        }
        self.ready().await
    }

    async fn ready(&mut self) -> Flow<()> {
        self.entry.rests(self.transaction.is_in_block());
        backend::ready(&mut self.connection.output, self.transaction.status());
        Ok(self.connection.flush().await?)
    }

    /// Tells of an error, which also ends what a transaction block may do.
    fn report(&mut self, error: &SheafError, sql: Option<&str>) {
        self.transaction.fail();
        // What a failed statement has asked for does not happen.
        if !self.view.lock().take_asked().is_empty() {
            self.publish();
        }
        backend::error(&mut self.connection.output, error, Severity::Error, sql);
    }

    fn fail_extended(&mut self, error: &SheafError, sql: Option<&str>) {
        self.report(error, sql);
        self.skips_to_sync = true;
    }

    fn warn(&mut self, warning: &SheafError) {
        backend::error(
            &mut self.connection.output,
            warning,
            Severity::Warning,
            None,
        );
    }

    fn plain(&mut self, kind: Plain) {
        backend::plain(&mut self.connection.output, kind);
    }

    /// Tells of a parameter's new value, if it is one that clients are told of.
    fn tell_change(&mut self, change: &Change) {
        if change.is_reported {
            backend::parameter_status(&mut self.connection.output, &change.name, &change.value);
        }
    }

    fn tell_time_zone(&mut self) {
        let zone = time_zone(&self.session);
        backend::parameter_status(&mut self.connection.output, TIME_ZONE, &zone);
    }

    /// SQL functions see the parameters as they are now.
    fn publish(&self) {
        let mut view = self.view.lock();
        view.update(self.parameters.clone(), self.session.settings());
        if let Some((_, name)) = self.parameters.get(APPLICATION_NAME) {
            self.entry.calls_itself(name);
        }
    }

    /// Does what a statement's `set_config` has asked for.
    async fn do_asked(&mut self) -> Flow<()> {
        let asked = self.view.lock().take_asked();
        if asked.is_empty() {
            return Ok(());
        }
        let done = self.do_each(asked).await;
        self.publish();
        done
    }

    async fn do_each(&mut self, asked: Vec<Asked>) -> Flow<()> {
        for Asked {
            name,
            value,
            is_local,
        } in asked
        {
            // Local to a transaction that ends with the statement.
            if !is_local || self.transaction.is_any() {
                self.change_one(&name, value.as_deref(), is_local).await?;
            }
        }
        Ok(())
    }

    /// When a statement that begins now has no more time.
    fn deadline(&self) -> Option<Instant> {
        let limit = self.session.settings().duration("statement_timeout")?;
        Instant::now().checked_add(limit)
    }

    /// How values are shown now.
    fn style(&self) -> Result<Style> {
        let zone = time_zone(&self.session);
        Ok(Style {
            zone: zone.parse()?,
        })
    }
}

impl Connection {
    fn output_parameters(&mut self, parameters: &Parameters, session: &Session) {
        for change in parameters.reported() {
            backend::parameter_status(&mut self.output, &change.name, &change.value);
        }
        backend::parameter_status(&mut self.output, TIME_ZONE, &time_zone(session));
    }
}

/// See [`Client::guard`].
async fn guard<T>(
    connection: &mut Connection,
    shared: &Shared,
    stop: &CancellationToken,
    work: impl Future<Output = Result<T>>,
) -> Flow<T> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(cancelled().into()),
        () = shared.stopped.cancelled() => Err(Failure::Fatal(shutdown())),
        () = connection.gone() => Err(Failure::Gone),
        outcome = work => Ok(outcome?),
    }
}

/// Does `work`, unless its time is over first.
async fn within<T>(deadline: Option<Instant>, work: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(deadline) = deadline else {
        return work.await;
    };
    let outcome = timeout_at(deadline, work).await;
    outcome.unwrap_or_else(|_| Err(timed_out()))
}

fn timed_out() -> SheafError {
    SheafError::cancelled("canceling statement due to statement timeout")
}

fn time_zone(session: &Session) -> String {
    let settings = session.settings();
    settings.string("time_zone").unwrap_or("UTC").to_owned()
}

/// The engine's name of a setting that PostgreSQL calls otherwise.
fn engine_name(name: &str) -> &str {
    let known = ENGINE_NAMES
        .iter()
        .find(|(theirs, _)| theirs.eq_ignore_ascii_case(name));
    known.map_or(name, |(_, ours)| ours)
}

async fn wait(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => std::future::pending().await,
    }
}

fn cancelled() -> SheafError {
    SheafError::cancelled("canceling statement due to user request")
}

fn shutdown() -> SheafError {
    SheafError::cancelled("terminating connection due to administrator command")
        .with_state(SqlState::ADMIN_SHUTDOWN)
}

fn idle_too_long(is_in_block: bool) -> SheafError {
    match is_in_block {
        true => SheafError::cancelled("terminating connection due to idle-in-transaction timeout")
            .with_state(SqlState::IDLE_IN_TRANSACTION_TIMEOUT),
        false => SheafError::cancelled("terminating connection due to idle-session timeout")
            .with_state(SqlState::IDLE_SESSION_TIMEOUT),
    }
}

/// Statements are shared between what is prepared and what runs.
type SharedStatement = Arc<sheaf::PreparedStatement>;
