//! The simple protocol: a script, statement by statement; the first error ends it.

use std::sync::Arc;

use sheaf::{PreparedStatement, Result, SheafError, SqlState, Statement};

use super::{Client, SharedStatement};
use crate::errors::{Failure, Flow};
use crate::message::backend::{self, Plain};

/// Statements of a script, all of which are parsed before the first one runs.
const SCRIPT_STATEMENTS_MAX: usize = 10_000;

/// Refuses a script that would take much memory to parse: no statement is without a semicolon.
fn check_length(sql: &str) -> Result<()> {
    let semicolons = sql.bytes().filter(|byte| *byte == b';').count();
    if semicolons <= SCRIPT_STATEMENTS_MAX {
        return Ok(());
    }
    let message = format!("a script has more than {SCRIPT_STATEMENTS_MAX} statements");
    Err(SheafError::user(message)
        .with_state(SqlState::PROGRAM_LIMIT)
        .with_hint("send them in parts"))
}

impl Client {
    /// Runs a script.
    pub(super) async fn simple_query(&mut self, sql: &str) -> Flow<()> {
        self.prepared.forget_unnamed();
        match self.parse_script(sql).await {
            Err(Failure::Error(error)) => {
                // Before any of it runs, as PostgreSQL does.
                let error = match self.transaction.check() {
                    Ok(()) => error,
                    Err(aborted) => aborted,
                };
                self.report(&error, Some(sql));
            }
            Err(failure) => return Err(failure),
            Ok(statements) if statements.is_empty() => self.plain(Plain::EmptyQuery),
            Ok(statements) => {
                self.transaction.begin_script(statements.len());
                for statement in statements {
                    let statement = Arc::new(PreparedStatement::new(statement));
                    match Box::pin(self.run_simple(&statement)).await {
                        Ok(()) => self.connection.flush_if_full().await?,
                        Err(Failure::Error(error)) => {
                            self.report(&error, Some(sql));
                            break;
                        }
                        Err(failure) => return Err(failure),
                    }
                }
            }
        }
        self.end_of_script().await
    }

    async fn parse_script(&mut self, sql: &str) -> Flow<Vec<Statement>> {
        check_length(sql)?;
        self.parse_apart(sql).await
    }

    async fn run_simple(&mut self, statement: &SharedStatement) -> Flow<()> {
        let stop = self.key.running.begin();
        let outcome = async {
            let mut answer = self.start(statement, vec![], &stop).await?;
            let formats = answer.own_formats();
            if let Some(columns) = &answer.columns {
                backend::row_description(&mut self.connection.output, columns, formats);
            }
            self.send(&mut answer, formats, None, &stop).await
        };
        let outcome = outcome.await;
        self.key.running.end();
        outcome
    }
}
