//! Statements that are about the conversation rather than about data: transactions, parameters,
//! what is prepared.

use std::sync::Arc;

use sheaf::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sheaf::sql::ast::{self, DiscardObject};
use sheaf::{SheafError, Statement, StatementKind};

use super::answer::Answer;
use super::{Client, engine_name};
use crate::errors::Flow;
use crate::parameters::TRANSACTION_ISOLATION;
use crate::types::{WireColumn, columns_of};

/// A statement that is answered without the engine.
pub(super) enum Command {
    /// BEGIN, or START TRANSACTION.
    Begin {
        is_start: bool,
        level: Option<String>,
    },
    End {
        commits: bool,
        chains: bool,
    },
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    /// SET TRANSACTION, or SET SESSION CHARACTERISTICS: the level, if it is said.
    Isolation {
        level: Option<String>,
        is_session: bool,
    },
    Set {
        name: String,
        value: String,
        is_local: bool,
    },
    Reset(Option<String>),
    Show(String),
    Discard(DiscardObject),
    /// LISTEN and UNLISTEN: nobody notifies.
    Listen(&'static str),
    Notify,
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

pub(super) fn text_column(name: &str) -> SchemaRef {
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
        ast::Statement::StartTransaction { begin, modes, .. } => Command::Begin {
            is_start: !begin,
            level: level_of(modes),
        },
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
        ast::Statement::Discard { object_type } => Command::Discard(*object_type),
        ast::Statement::LISTEN { .. } => Command::Listen("LISTEN"),
        ast::Statement::UNLISTEN { .. } => Command::Listen("UNLISTEN"),
        ast::Statement::NOTIFY { .. } => Command::Notify,
        ast::Statement::Set(set) => return set_command(set),
        _ => return None,
    })
}

/// The forms of SET that the grammar has words for.
fn set_command(set: &ast::Set) -> Option<Command> {
    let is_local =
        |scope: Option<&ast::ContextModifier>| matches!(scope, Some(ast::ContextModifier::Local));
    Some(match set {
        ast::Set::SetTransaction {
            modes,
            session,
            snapshot: None,
        } => Command::Isolation {
            level: level_of(modes),
            is_session: *session,
        },
        ast::Set::SetNames { charset_name, .. } => Command::Set {
            name: "client_encoding".to_owned(),
            value: charset_name.value.clone(),
            is_local: false,
        },
        ast::Set::SetNamesDefault {} => Command::Reset(Some("client_encoding".to_owned())),
        ast::Set::SetRole {
            context_modifier,
            role_name,
        } => Command::Set {
            name: "role".to_owned(),
            value: role_name.as_ref().map_or("none".to_owned(), normal),
            is_local: is_local(context_modifier.as_ref()),
        },
        ast::Set::SetSessionAuthorization(authorization) => match &authorization.kind {
            ast::SetSessionAuthorizationParamKind::Default => {
                Command::Reset(Some("session_authorization".to_owned()))
            }
            ast::SetSessionAuthorizationParamKind::User(user) => Command::Set {
                name: "session_authorization".to_owned(),
                value: normal(user),
                is_local: is_local(Some(&authorization.scope)),
            },
        },
        _ => return None,
    })
}

/// The isolation level that a transaction is to have, as parameters have it.
fn level_of(modes: &[ast::TransactionMode]) -> Option<String> {
    modes.iter().rev().find_map(|mode| match mode {
        ast::TransactionMode::IsolationLevel(level) => Some(level.to_string().to_lowercase()),
        ast::TransactionMode::AccessMode(_) => None,
    })
}

impl Client {
    /// The command that a statement is, if it is one.
    pub(super) fn command_of(&self, statement: &Statement) -> Option<Command> {
        let is_ours = |name: &str| self.parameters.get(name).is_some();
        let is_renamed = |name: &str| engine_name(name) != name;
        Some(match &statement.kind {
            StatementKind::Native(native) => return native_command(native),
            StatementKind::Set {
                name,
                value,
                is_local,
            } => Command::Set {
                name: name.clone(),
                value: value.clone(),
                is_local: *is_local,
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
            StatementKind::CloseCursor { .. } | StatementKind::CopyIn { .. } => Some(None),
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
            Command::Begin { is_start, level } => self.begin(is_start, level).await?,
            Command::End { commits, chains } => self.end(commits, chains).await?,
            Command::Savepoint(name) => {
                self.transaction.savepoint(name)?;
                "SAVEPOINT"
            }
            Command::Release(name) => {
                let depth = self.transaction.release(&name)?;
                self.prepared.release_to(depth);
                self.undo.release_to(depth);
                "RELEASE"
            }
            Command::RollbackTo(name) => self.roll_back_to(&name).await?,
            Command::Isolation { level, is_session } => {
                self.set_isolation(level, is_session).await?;
                "SET"
            }
            Command::Set {
                name,
                value,
                is_local,
            } => {
                self.set_in_block(&name, &value, is_local).await?;
                "SET"
            }
            Command::Reset(Some(name)) => {
                self.change(&name, None, false).await?;
                "RESET"
            }
            Command::Reset(None) => {
                self.reset_all().await?;
                "RESET"
            }
            Command::Show(name) => return Ok(self.show(&name)?),
            Command::Discard(DiscardObject::ALL) => return self.discard_all().await,
            Command::Discard(DiscardObject::PLANS) => "DISCARD PLANS",
            Command::Discard(DiscardObject::SEQUENCES) => "DISCARD SEQUENCES",
            Command::Discard(DiscardObject::TEMP) => "DISCARD TEMP",
            Command::Listen(tag) => tag,
            Command::Notify => {
                return Err(SheafError::unsupported("NOTIFY is not supported").into());
            }
            Command::Deallocate(Some(name)) => {
                self.prepared.close(&name);
                self.session.forget_kept(&name);
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
    async fn begin(&mut self, is_start: bool, level: Option<String>) -> Flow<&'static str> {
        if let Some(warning) = self.transaction.begin() {
            self.warn(&warning);
        }
        if let Some(level) = level {
            self.change(TRANSACTION_ISOLATION, Some(&level), true)
                .await?;
        }
        Ok(match is_start {
            true => "START TRANSACTION",
            false => "BEGIN",
        })
    }

    async fn end(&mut self, commits: bool, chains: bool) -> Flow<&'static str> {
        if chains {
            self.transaction.check_chain(commits)?;
        }
        let (tag, warning) = self.transaction.end(commits, chains);
        if let Some(warning) = warning {
            self.warn(&warning);
        }
        // The next transaction is as this one was.
        let level = self.parameters.get(TRANSACTION_ISOLATION);
        let level = level.map(|(_, level)| level.to_owned());
        self.end_transaction(tag == "COMMIT").await;
        if let Some(level) = level.filter(|_| chains) {
            self.change(TRANSACTION_ISOLATION, Some(&level), true)
                .await?;
        }
        Ok(tag)
    }

    async fn roll_back_to(&mut self, savepoint: &str) -> Flow<&'static str> {
        let depth = self.transaction.rollback_to(savepoint)?;
        self.prepared.roll_back_to(depth);
        let undone = self.undo.roll_back_to(depth);
        self.give_back(undone).await;
        Ok("ROLLBACK")
    }

    async fn set_in_block(&mut self, name: &str, value: &str, is_local: bool) -> Flow<()> {
        if is_local && !self.transaction.is_any() {
            self.warn_outside("SET LOCAL");
            return Ok(());
        }
        self.change(name, Some(value), is_local).await
    }
}
