//! Statements that are about the conversation rather than about data: transactions, parameters,
//! what is prepared.

use std::sync::Arc;

use sheaf::arrow::array::{RecordBatch, StringArray};
use sheaf::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sheaf::sql::ast::{self, DiscardObject};
use sheaf::{Result, SheafError, SqlState, Statement, StatementKind};

use super::answer::Answer;
use super::{Client, engine_name, time_zone};
use crate::errors::Flow;
use crate::types::{WireColumn, columns_of};

/// A statement that is answered without the engine.
pub(super) enum Command {
    /// BEGIN, or START TRANSACTION.
    Begin {
        is_start: bool,
    },
    End {
        commits: bool,
        chains: bool,
    },
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    /// SET TRANSACTION: all of them are read committed and read only.
    Transaction,
    Set {
        name: String,
        value: String,
    },
    Reset(Option<String>),
    Show(String),
    Discard {
        is_all: bool,
    },
    /// All prepared statements if there is no name.
    Deallocate(Option<String>),
}

impl Command {
    /// Whether it may run in a transaction block that has failed.
    fn ends_failure(&self) -> bool {
        matches!(self, Self::End { .. } | Self::RollbackTo(_))
    }

    /// The columns of what it shows.
    fn columns(&self) -> Option<SchemaRef> {
        match self {
            Self::Show(name) => Some(text_column(name)),
            _ => None,
        }
    }
}

fn text_column(name: &str) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(name, DataType::Utf8, false)]))
}

/// A name as PostgreSQL reads it.
pub(super) fn normal(ident: &ast::Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

fn native_command(statement: &ast::Statement) -> Option<Command> {
    Some(match statement {
        ast::Statement::StartTransaction { begin, .. } => Command::Begin { is_start: !begin },
        ast::Statement::Commit { chain, .. } => Command::End {
            commits: true,
            chains: *chain,
        },
        ast::Statement::Rollback {
            savepoint: Some(name),
            ..
        } => Command::RollbackTo(normal(name)),
        ast::Statement::Rollback { chain, .. } => Command::End {
            commits: false,
            chains: *chain,
        },
        ast::Statement::Savepoint { name } => Command::Savepoint(normal(name)),
        ast::Statement::ReleaseSavepoint { name } => Command::Release(normal(name)),
        ast::Statement::Discard { object_type } => Command::Discard {
            is_all: matches!(object_type, DiscardObject::ALL),
        },
        ast::Statement::Set(ast::Set::SetTransaction { .. }) => Command::Transaction,
        ast::Statement::Set(ast::Set::SetNames { charset_name, .. }) => Command::Set {
            name: "client_encoding".to_owned(),
            value: charset_name.value.clone(),
        },
        _ => return None,
    })
}

impl Client {
    /// The command that a statement is, if it is one.
    pub(super) fn command_of(&self, statement: &Statement) -> Option<Command> {
        let is_ours = |name: &str| self.parameters.get(name).is_some();
        let is_renamed = |name: &str| engine_name(name) != name;
        Some(match &statement.kind {
            StatementKind::Native(native) => return native_command(native),
            StatementKind::Set { name, value, .. } => Command::Set {
                name: name.clone(),
                value: value.clone(),
            },
            StatementKind::Reset { name } => Command::Reset(name.clone()),
            StatementKind::Show { name } if is_ours(name) || is_renamed(name) => {
                Command::Show(name.clone())
            }
            StatementKind::Deallocate { name } => {
                let name = name.as_ref().map(normal);
                match &name {
                    Some(name) if !self.prepared.has(name) => return None,
                    _ => Command::Deallocate(name),
                }
            }
            _ => return None,
        })
    }

    /// The columns of a statement that is answered without the engine; `None` inside if it shows
    /// nothing.
    pub(super) fn own_columns(&self, statement: &Statement) -> Option<Option<Vec<WireColumn>>> {
        match &statement.kind {
            StatementKind::FetchCursor { name, is_move, .. } => Some(match is_move {
                true => None,
                false => self.fetched_columns(name),
            }),
            StatementKind::CloseCursor { .. } => Some(None),
            _ => {
                let command = self.command_of(statement)?;
                Some(command.columns().as_ref().map(columns_of))
            }
        }
    }

    /// Whether a statement may be prepared or run in a transaction block that has failed.
    pub(super) fn ends_failure(&self, statement: &Statement) -> bool {
        self.command_of(statement)
            .is_some_and(|command| command.ends_failure())
    }

    /// Runs a command.
    pub(super) async fn command(&mut self, command: Command) -> Flow<Answer> {
        if !command.ends_failure() {
            self.transaction.check()?;
        }
        let tag = match command {
            Command::Begin { is_start } => {
                if let Some(warning) = self.transaction.begin() {
                    self.warn(&warning);
                }
                match is_start {
                    true => "START TRANSACTION",
                    false => "BEGIN",
                }
            }
            Command::End { commits, chains } => {
                if chains {
                    self.transaction.check_chain(commits)?;
                }
                let (tag, warning) = self.transaction.end(commits, chains);
                if let Some(warning) = warning {
                    self.warn(&warning);
                }
                self.prepared.end_transaction(tag == "COMMIT");
                tag
            }
            Command::Savepoint(name) => {
                self.transaction.savepoint(name)?;
                "SAVEPOINT"
            }
            Command::Release(name) => {
                let depth = self.transaction.release(&name)?;
                self.prepared.release_to(depth);
                "RELEASE"
            }
            Command::RollbackTo(name) => {
                let depth = self.transaction.rollback_to(&name)?;
                self.prepared.roll_back_to(depth);
                "ROLLBACK"
            }
            Command::Transaction => "SET",
            Command::Set { name, value } => {
                self.set(&name, &value).await?;
                "SET"
            }
            Command::Reset(name) => {
                self.reset(name.as_deref()).await?;
                "RESET"
            }
            Command::Show(name) => return Ok(self.show(&name)?),
            Command::Discard { is_all } => {
                if is_all {
                    return self.discard_all().await;
                }
                "DISCARD"
            }
            Command::Deallocate(Some(name)) => {
                self.prepared.close(&name);
                "DEALLOCATE"
            }
            Command::Deallocate(None) => {
                self.prepared.forget_statements();
                self.engine("DEALLOCATE ALL").await?;
                "DEALLOCATE ALL"
            }
        };
        Ok(Answer::done(tag))
    }

    /// Gives a parameter of PostgreSQL's or a setting of the engine a value.
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

    async fn reset(&mut self, name: Option<&str>) -> Flow<()> {
        let Some(name) = name else {
            self.engine("RESET ALL").await?;
            for change in self.parameters.reset_all() {
                self.tell_change(&change);
            }
            self.tell_time_zone();
            return Ok(());
        };
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

    fn show(&self, name: &str) -> Result<Answer> {
        let (name, value) = match self.parameters.get(name) {
            Some((name, value)) => (name, value.to_owned()),
            None => ("TimeZone", time_zone(&self.session)),
        };
        let values = Arc::new(StringArray::from(vec![value]));
        let batch = RecordBatch::try_new(text_column(name), vec![values])?;
        Ok(Answer::rows("SHOW", batch))
    }

    async fn discard_all(&mut self) -> Flow<Answer> {
        if self.transaction.is_in_block() {
            return Err(
                SheafError::user("DISCARD ALL cannot run inside a transaction block")
                    .with_state(SqlState::ACTIVE_TRANSACTION)
                    .into(),
            );
        }
        self.prepared.forget_statements();
        self.prepared.close_portals();
        self.engine("DEALLOCATE ALL").await?;
        self.reset(None).await?;
        Ok(Answer::done("DISCARD ALL"))
    }

    /// Runs a statement of our own making, which gives no rows.
    async fn engine(&mut self, sql: &str) -> Result<()> {
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
