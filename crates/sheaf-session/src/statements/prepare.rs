//! PREPARE, EXECUTE, DEALLOCATE.

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast;
use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;
use sheaf_base::{Result, SheafError};
use sheaf_optimizer::with_lists_read;
use sheaf_sql::{Statement, StatementKind};

use super::Running;
use crate::binder::normalize;
use crate::result::QueryResult;

pub(super) fn prepare(running: &Running<'_>, kind: &StatementKind) -> Result<QueryResult> {
    let StatementKind::Prepare {
        name, statement, ..
    } = kind
    else {
        return Err(SheafError::internal("not a PREPARE"));
    };
    let place = running.session.keep(running.query.text().len())?;
    let statement = Arc::from(statement.clone());
    running
        .session
        .name_kept(&normalize(name), &statement, &place)?;
    Ok(running.done("PREPARE"))
}

pub(super) async fn execute(running: Running<'_>, kind: &StatementKind) -> Result<QueryResult> {
    let (statement, values) = called(&running, kind)?;
    super::run(running.session, &statement, values, running.query)
        .await
        .map_err(SheafError::without_position)
}

/// The statement that an EXECUTE runs, and the values that it gives it.
///
/// # Errors
/// `UserInput` if there is no such statement, or a value is no constant; `Unsupported` if it runs another.
pub(super) fn called(
    running: &Running<'_>,
    kind: &StatementKind,
) -> Result<(Arc<Statement>, Vec<ScalarValue>)> {
    let StatementKind::Execute { name, parameters } = kind else {
        return Err(SheafError::internal("not an EXECUTE"));
    };
    let name = normalize(name);
    let prepared = {
        let prepared = running.session.inner.prepared.lock();
        prepared
            .get(&name)
            .cloned()
            .ok_or_else(|| unknown(&name, prepared.keys()))?
    };
    // It could be itself.
    if calls_another(&prepared.statement.kind) {
        return Err(SheafError::unsupported(format!(
            "EXECUTE does not run \"{name}\", which is an EXECUTE itself"
        )));
    }
    let state = running.session.state_for(running.query);
    let context = SimplifyContext::builder()
        .with_config_options(Arc::clone(state.config_options()))
        .build();
    let simplifier = ExprSimplifier::new(context);
    let binder = running.binder(&state);
    let values = parameters
        .iter()
        .map(|parameter| {
            let expr = with_lists_read(binder.plan_expression(parameter.clone())?)?;
            let expr = simplifier.coerce(expr, &DFSchema::empty())?;
            constant(parameter, simplifier.simplify(expr)?)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok((prepared.statement, values))
}

pub(super) fn deallocate(running: &Running<'_>, name: Option<&ast::Ident>) -> Result<QueryResult> {
    let mut prepared = running.session.inner.prepared.lock();
    match name {
        None => prepared.clear(),
        Some(name) => {
            let name = normalize(name);
            if prepared.remove(&name).is_none() {
                return Err(unknown(&name, prepared.keys()));
            }
        }
    }
    Ok(running.done("DEALLOCATE"))
}

fn calls_another(kind: &StatementKind) -> bool {
    match kind {
        StatementKind::Execute { .. } => true,
        StatementKind::Explain { statement, .. } => calls_another(&statement.kind),
        _ => false,
    }
}

fn constant(written: &ast::Expr, expr: Expr) -> Result<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Ok(value),
        _ => Err(SheafError::user(format!("{written} is not a constant"))
            .with_hint("parameters of EXECUTE are constants")),
    }
}

fn unknown<'n>(name: &str, names: impl Iterator<Item = &'n String>) -> SheafError {
    let error = SheafError::user(format!("prepared statement \"{name}\" does not exist"))
        .with_state(SqlState::UNDEFINED_PREPARED_STATEMENT);
    match nearest(name, names.map(String::as_str)) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error,
    }
}
