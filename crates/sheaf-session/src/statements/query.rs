//! SELECT and its relatives.

use datafusion::common::ParamValues;
use datafusion::logical_expr::LogicalPlan;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast;
use sheaf_base::Result;

use super::Running;
use crate::result::QueryResult;

pub(super) async fn run(running: Running<'_>, query: ast::Query) -> Result<QueryResult> {
    let state = running.session.state_for(running.query);
    let types = running
        .parameters
        .iter()
        .map(|value| Some(value.data_type()));
    let types: Vec<_> = types.collect();
    let binder = running.binder(&state).with_parameter_types(&types);
    let plan = binder.plan_query(query).await?;
    let plan = plan_with_parameters(plan, running.parameters)?;
    running.session.execute(plan, &state, running.query).await
}

/// Puts values in the place of `$1`, `$2`, ….
///
/// # Errors
/// `UserInput` if a parameter has no value.
pub(crate) fn plan_with_parameters(
    plan: LogicalPlan,
    parameters: Vec<ScalarValue>,
) -> Result<LogicalPlan> {
    if parameters.is_empty() {
        let wanted = plan.get_parameter_names()?;
        return match wanted.iter().min() {
            None => Ok(plan),
            Some(name) => Err(missing_parameter(name)),
        };
    }
    Ok(plan.with_param_values(ParamValues::from(parameters))?)
}

fn missing_parameter(name: &str) -> sheaf_base::SheafError {
    sheaf_base::SheafError::user(format!("parameter {name} has no value"))
        .with_state(sheaf_base::error::SqlState::UNDEFINED_PARAMETER)
        .with_hint("EXECUTE name(value, …), or Session::sql_with in Rust")
}
