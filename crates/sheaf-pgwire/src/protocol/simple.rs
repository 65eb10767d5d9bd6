//! The simple protocol: a script, statement by statement; the first error ends it.

use sheaf::Statement;

use super::Client;
use crate::errors::{Failure, Flow};
use crate::message::backend::{self, Plain};

impl Client {
    /// Runs a script.
    pub(super) async fn simple_query(&mut self, sql: &str) -> Flow<()> {
        self.prepared.forget_unnamed();
        match self.session.parse(sql) {
            Err(error) => {
                // Before any of it runs, as PostgreSQL does.
                let error = match self.transaction.check() {
                    Ok(()) => error,
                    Err(aborted) => aborted,
                };
                self.report(&error, Some(sql));
            }
            Ok(statements) if statements.is_empty() => self.plain(Plain::EmptyQuery),
            Ok(statements) => {
                for statement in &statements {
                    match Box::pin(self.run_simple(statement)).await {
                        Ok(()) => {}
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

    async fn run_simple(&mut self, statement: &Statement) -> Flow<()> {
        let stop = self.key.running.begin();
        let outcome = async {
            let mut answer = self.start(statement, vec![], &stop).await?;
            if let Some(columns) = &answer.columns {
                backend::row_description(&mut self.connection.output, columns, &[]);
            }
            self.send(&mut answer, &[], None, &stop).await
        };
        let outcome = outcome.await;
        self.key.running.end();
        outcome
    }
}
