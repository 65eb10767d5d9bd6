//! SET, RESET, SHOW and DISCARD, and what a transaction's end makes of them.

use std::sync::Arc;

use sheaf::arrow::array::{RecordBatch, StringArray};
use sheaf::{Result, SheafError, SqlState};

use super::answer::Answer;
use super::command::text_column;
use super::{Client, engine_name, time_zone};
use crate::errors::Flow;
use crate::parameters::{DEFAULT_ISOLATION, Saved, TRANSACTION_ISOLATION};

/// What a parameter was, to be given back to it.
#[derive(Debug, Clone)]
pub(super) enum Before {
    Own(Saved),
    /// A setting of the engine: its name and value.
    Engine(String, String),
}

impl Client {
    /// Gives a parameter a value, or with `None` what the session began with, as part of the
    /// transaction; until its end alone if `is_local`.
    pub(super) async fn change(
        &mut self,
        name: &str,
        value: Option<&str>,
        is_local: bool,
    ) -> Flow<()> {
        self.change_one(name, value, is_local).await?;
        self.publish();
        Ok(())
    }

    /// The same, for one who publishes what has changed.
    pub(super) async fn change_one(
        &mut self,
        name: &str,
        value: Option<&str>,
        is_local: bool,
    ) -> Flow<()> {
        let before = self.value_now(name);
        self.undo.check()?;
        match value {
            Some(value) => self.set(name, value).await?,
            None => self.reset(name).await?,
        }
        if let Some(before) = before {
            let depth = self.transaction.depth();
            let name = engine_name(name).to_lowercase();
            self.undo.note(&name, depth, before, is_local);
        }
        Ok(())
    }

    fn value_now(&self, name: &str) -> Option<Before> {
        if let Some(saved) = self.parameters.save(name) {
            return Some(Before::Own(saved));
        }
        let name = engine_name(name);
        let settings = self.session.settings();
        let (value, _) = settings.get(name).ok()?;
        Some(Before::Engine(name.to_owned(), value.to_owned()))
    }

    /// Gives a parameter a value, whatever becomes of the transaction.
    pub(super) async fn set(&mut self, name: &str, value: &str) -> Flow<()> {
        if let Some(change) = self.parameters.set(name, value)? {
            self.tell_change(&change);
            return Ok(());
        }
        let name = engine_name(name);
        let quoted = format!(
            "SET {} = '{}'",
            quote_name(name)?,
            value.replace('\'', "''")
        );
        self.engine(&quoted).await?;
        if name == "time_zone" {
            self.tell_time_zone();
        }
        Ok(())
    }

    async fn reset(&mut self, name: &str) -> Flow<()> {
        if let Some(change) = self.parameters.reset(name) {
            self.tell_change(&change);
            return Ok(());
        }
        let name = engine_name(name);
        self.engine(&format!("RESET {}", quote_name(name)?)).await?;
        if name == "time_zone" {
            self.tell_time_zone();
        }
        Ok(())
    }

    /// RESET ALL.
    pub(super) async fn reset_all(&mut self) -> Flow<()> {
        let settings = self.session.settings();
        let of_engine = settings.iter().map(|(setting, ..)| setting.name.to_owned());
        let depth = self.transaction.depth();
        for name in self.parameters.changed().into_iter().chain(of_engine) {
            if let Some(before) = self.value_now(&name) {
                self.undo.note(&name.to_lowercase(), depth, before, false);
            }
        }
        self.engine("RESET ALL").await?;
        for change in self.parameters.reset_all() {
            self.tell_change(&change);
        }
        self.tell_time_zone();
        self.publish();
        Ok(())
    }

    /// SET TRANSACTION, which is of this one, or SET SESSION CHARACTERISTICS. All are read only, whatever
    /// is said.
    pub(super) async fn set_isolation(
        &mut self,
        level: Option<String>,
        is_session: bool,
    ) -> Flow<()> {
        if !is_session && !self.transaction.is_any() {
            self.warn_outside("SET TRANSACTION");
            return Ok(());
        }
        let Some(level) = level else {
            return Ok(());
        };
        match is_session {
            true => self.change(DEFAULT_ISOLATION, Some(&level), false).await,
            false => self.change(TRANSACTION_ISOLATION, Some(&level), true).await,
        }
    }

    /// Warns that a statement has no effect where there is no transaction.
    pub(super) fn warn_outside(&mut self, statement: &str) {
        let warning = SheafError::user(format!(
            "{statement} can only be used in transaction blocks"
        ));
        self.warn(&warning.with_state(SqlState::NO_ACTIVE_TRANSACTION));
    }

    /// A transaction ends: cursors, and what was set.
    pub(super) async fn end_transaction(&mut self, is_committed: bool) {
        self.prepared.end_transaction(is_committed);
        let given_back = self.undo.end(is_committed);
        self.give_back(given_back).await;
    }

    /// Gives parameters values back that they had.
    pub(super) async fn give_back(&mut self, values: Vec<Before>) {
        if values.is_empty() {
            return;
        }
        for value in values {
            match value {
                Before::Own(saved) => {
                    if let Some(change) = self.parameters.restore(saved) {
                        self.tell_change(&change);
                    }
                }
                // What it had it may have.
                Before::Engine(name, value) => {
                    let settings = self.session.settings();
                    if settings.get(&name).is_ok_and(|(now, _)| now != value) {
                        let _ = self.set(&name, &value).await;
                    }
                }
            }
        }
        self.publish();
    }

    /// SHOW of a parameter that is not the engine's, or that it calls otherwise.
    pub(super) fn show(&self, name: &str) -> Result<Answer> {
        let (name, value) = match self.parameters.get(name) {
            Some((name, value)) => (name, value.to_owned()),
            None => ("TimeZone", time_zone(&self.session)),
        };
        let values = Arc::new(StringArray::from(vec![value]));
        let batch = RecordBatch::try_new(text_column(name), vec![values])?;
        Ok(Answer::rows("SHOW", batch))
    }

    /// DISCARD ALL.
    pub(super) async fn discard_all(&mut self) -> Flow<Answer> {
        if self.transaction.is_any() {
            return Err(
                SheafError::user("DISCARD ALL cannot run inside a transaction block")
                    .with_state(SqlState::ACTIVE_TRANSACTION)
                    .into(),
            );
        }
        self.prepared.forget_statements();
        self.prepared.close_portals();
        self.engine("DEALLOCATE ALL").await?;
        self.reset_all().await?;
        Ok(Answer::done("DISCARD ALL"))
    }

    /// Runs a statement of our own making, which gives no rows.
    pub(super) async fn engine(&mut self, sql: &str) -> Result<()> {
        let result = self.session.sql(sql).await;
        result.map_err(SheafError::without_position)?.drain().await
    }
}

/// A setting's name: words with points between them.
fn quote_name(name: &str) -> Result<String> {
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    match is_name {
        true => Ok(name.to_lowercase()),
        false => Err(SheafError::user(format!("there is no setting \"{name}\""))
            .with_state(SqlState::UNDEFINED_OBJECT)),
    }
}
