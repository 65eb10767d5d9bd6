//! Cursors: DECLARE starts a query and keeps it as a portal, FETCH and MOVE read on in it, CLOSE ends
//! it. A cursor holds its running query, not its rows, and so is read forwards only; one that is
//! declared with SCROLL keeps the rows that were read, and is read wherever somebody asks.

use std::sync::Arc;

use sheaf::sql::{FetchRows, ast};
use sheaf::{
    PreparedStatement, Result, ScalarValue, SheafError, SqlState, Statement, StatementKind,
};
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::command::normal;
use super::prepared::{Kept, Life, Portal};
use super::rows::{Direction, Steps};
use super::{Client, SharedStatement, guard, within};
use crate::errors::Flow;
use crate::message::frontend::{Format, NAME_BYTES_MAX};
use crate::types::{WireColumn, columns_of};

/// What a cursor is called in messages.
const CURSOR: &str = "cursor";

impl Client {
    /// DECLARE: the query begins, so that what is wrong with it is said now.
    pub(super) async fn declare(
        &mut self,
        statement: &SharedStatement,
        parameters: Vec<ScalarValue>,
        stop: &CancellationToken,
    ) -> Flow<Answer> {
        let StatementKind::DeclareCursor {
            name,
            query,
            is_binary,
            is_held,
            is_scrolled,
        } = &statement.kind
        else {
            return Err(SheafError::internal("not a DECLARE").into());
        };
        if !is_held {
            self.transaction.check_block("DECLARE CURSOR")?;
        }
        let name = normal(name);
        check_name(&name)?;
        let parameter_bytes = parameters.iter().map(ScalarValue::size).sum();
        self.prepared.check_place(&name, parameter_bytes, CURSOR)?;
        let rows = Arc::new(PreparedStatement::new(Statement {
            kind: StatementKind::Query(query.clone()),
            text: statement.text.clone(),
            start: statement.start,
        }));
        let result = self.run_engine(&rows, parameters, stop).await?;
        let mut answer = match is_scrolled {
            true => {
                let columns = columns_of(&result.schema());
                Answer::scrolled(self.session.scroll(result), columns)
            }
            false => Answer::of_engine(result, &rows.kind),
        };
        answer.is_binary = *is_binary;
        answer.pace().await;
        let portal = Portal {
            statement: None,
            kept: Kept {
                sql: Some("".into()),
                statement: Some(rows),
                declared: [].into(),
                described: None,
                is_told: false,
                _place: self.session.keep(statement.text.len())?,
            },
            parameters: vec![],
            parameter_bytes,
            formats: match is_binary {
                true => vec![Format::Binary],
                false => vec![],
            },
            answer: Some(answer),
            life: match is_held {
                true => Life::Hold,
                false => Life::Transaction,
            },
            depth: self.transaction.depth(),
        };
        self.prepared.insert_portal(name, portal);
        Ok(Answer::done("DECLARE CURSOR"))
    }

    /// FETCH and MOVE. Rows that FETCH shows are read when the answer is sent.
    pub(super) async fn fetch(
        &mut self,
        name: &ast::Ident,
        rows: FetchRows,
        is_move: bool,
        stop: &CancellationToken,
    ) -> Flow<Answer> {
        let name = normal(name);
        self.start_portal(&name, stop).await?;
        let answer = self.portal_answer(&name)?;
        let Some(source) = answer.source().cloned() else {
            // Read to its end by the protocol's own means.
            return Ok(match is_move {
                true => Answer::done("MOVE 0"),
                false => answer.fetch(0, Direction::Forward),
            });
        };
        let nothing = answer.fetch(0, Direction::Forward);
        let aim = within(self.deadline(), async {
            source.lock().await.steps(rows, is_move).await
        });
        let aimed = guard(&mut self.connection, &self.shared, stop, aim).await;
        let (skipped, fetched) = match aimed? {
            Steps::Walk {
                skipped,
                shown,
                direction,
            } => (skipped, nothing.fetch(shown, direction)),
            Steps::Here { is_on_row } if is_move => {
                return Ok(Answer::done(format!("MOVE {}", u8::from(is_on_row))));
            }
            Steps::Here { .. } => (0, nothing),
        };
        let walk = within(self.deadline(), fetched.walk(&source, skipped, is_move));
        let moved = guard(&mut self.connection, &self.shared, stop, walk).await;
        let moved = moved.inspect_err(|_| drop(self.prepared.take_portal(&name, CURSOR)))?;
        Ok(match is_move {
            true => Answer::done(format!("MOVE {moved}")),
            false => fetched,
        })
    }

    /// A portal of the protocol begins when it is executed, or fetched from.
    async fn start_portal(&mut self, name: &str, stop: &CancellationToken) -> Flow<()> {
        let mut portal = self.prepared.take_portal(name, CURSOR)?;
        let waiting = portal.kept.statement.clone().filter(|statement| {
            portal.answer.is_none() && matches!(statement.kind, StatementKind::Query(_))
        });
        if let Some(statement) = waiting {
            let parameters = std::mem::take(&mut portal.parameters);
            let answer = self.start_engine(&statement, parameters, stop).await?;
            answer.check_formats(&portal.formats)?;
            portal.answer = Some(answer);
        }
        if let Some(answer) = &mut portal.answer {
            answer.pace().await;
        }
        self.prepared.insert_portal(name.to_owned(), portal);
        Ok(())
    }

    fn portal_answer(&self, name: &str) -> Result<&Answer> {
        let portal = self.prepared.portal(name);
        let answer = portal.and_then(|portal| portal.answer.as_ref());
        answer
            .filter(|answer| answer.columns.is_some())
            .ok_or_else(|| {
                SheafError::user(format!("{CURSOR} \"{name}\" has no rows to fetch"))
                    .with_state(SqlState::WRONG_OBJECT_TYPE)
            })
    }

    /// The columns that FETCH from `name` gives, if that is known.
    pub(super) fn fetched_columns(&self, name: &ast::Ident) -> Option<Vec<WireColumn>> {
        let portal = self.prepared.portal(&normal(name))?;
        portal.answer.as_ref()?.columns.clone()
    }

    /// CLOSE.
    pub(super) fn close_cursor(&mut self, name: Option<&ast::Ident>) -> Result<Answer> {
        let Some(name) = name else {
            self.prepared.close_portals();
            return Ok(Answer::done("CLOSE CURSOR ALL"));
        };
        self.prepared.take_portal(&normal(name), CURSOR)?;
        Ok(Answer::done("CLOSE CURSOR"))
    }
}

fn check_name(name: &str) -> Result<()> {
    match name {
        "" => Err(SheafError::user("invalid cursor name: must not be empty")
            .with_state(SqlState::INVALID_CURSOR_NAME)),
        name if name.len() > NAME_BYTES_MAX => {
            let message = format!("a name is longer than {NAME_BYTES_MAX} bytes");
            Err(SheafError::user(message).with_state(SqlState::PROGRAM_LIMIT))
        }
        _ => Ok(()),
    }
}
