//! `COPY (query) TO 'target'`.

use datafusion::logical_expr::LogicalPlan;
use sheaf_base::{Result, SheafError};
use sheaf_files::copy::CopyRequest;
use sheaf_sql::{CopySource, StatementKind};

use super::{Running, copy_array, plan_with_parameters};
use crate::binder::table_factor;
use crate::planner::physical_plan;
use crate::result::QueryResult;

pub(super) async fn run(running: Running<'_>, kind: &StatementKind) -> Result<QueryResult> {
    let StatementKind::Copy {
        source,
        target,
        format,
        partitioned_by,
        options,
    } = kind
    else {
        return Err(SheafError::internal("not a COPY"));
    };
    if copy_array::is_array_copy(format.as_deref(), target) {
        return copy_array::run(running, source, target, format.as_deref(), options).await;
    }
    let state = running.session.state_for(running.query);
    let binder = running.binder(&state);
    let plan: LogicalPlan = match source {
        CopySource::Query(query) => binder.plan_query((**query).clone()).await?,
        CopySource::Table(name) => binder.plan_relation(table_factor(name.clone())).await?,
    };
    let plan = plan_with_parameters(plan, running.parameters)?;
    let location = running.session.locate_target(target)?;
    let input = physical_plan(plan, &state, running.query).await?;
    let request = CopyRequest {
        location,
        format: format.clone(),
        partitioned_by: partitioned_by.clone(),
        options: options.clone(),
        sort: sheaf_operators::sort::sort_rows,
    };
    let sink = sheaf_files::copy::plan_copy(&request, input, &state).await?;
    running
        .session
        .execute_physical(sink, &state, running.query)?
        .count("COPY")
        .await
}
