//! Statements that the engine below runs as they are: INSERT, transactions.

use datafusion::logical_expr::{LogicalPlan, WriteOp};
use datafusion::sql::sqlparser::ast;
use sheaf_base::{Result, SheafError};

use super::{Running, create, plan_with_parameters};
use crate::result::QueryResult;

pub(super) async fn run(running: Running<'_>, statement: ast::Statement) -> Result<QueryResult> {
    match &statement {
        // Every statement is its own transaction; the words are accepted for the sake of clients.
        ast::Statement::StartTransaction { .. } => return Ok(running.done("BEGIN")),
        ast::Statement::Commit { .. } => return Ok(running.done("COMMIT")),
        ast::Statement::Rollback { .. } => return Ok(running.done("ROLLBACK")),
        ast::Statement::CreateTable(table) => return create::empty_table(&running, table),
        _ => {}
    }
    let text = statement.to_string();
    let state = running.session.state_for(running.query);
    let plan = running.binder(&state).plan(statement).await?;
    let plan = plan_with_parameters(plan, running.parameters)?;
    let verb = match &plan {
        LogicalPlan::Dml(dml) => match dml.op {
            WriteOp::Insert(_) => "INSERT 0",
            WriteOp::Delete => "DELETE",
            WriteOp::Update => "UPDATE",
            _ => return Err(unsupported(&text)),
        },
        _ => return Err(unsupported(&text)),
    };
    running
        .session
        .execute(plan, &state, running.query)
        .await?
        .count(verb)
        .await
}

fn unsupported(statement: &str) -> SheafError {
    let first: String = statement.chars().take(60).collect();
    SheafError::unsupported(format!("not supported: {first}"))
        .with_hint("\\h lists the statements that Sheaf knows")
}
