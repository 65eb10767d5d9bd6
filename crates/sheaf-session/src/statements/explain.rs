//! EXPLAIN: the plan of a statement; with ANALYZE, the plan as it ran.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use sheaf_base::type_names::variant_field;
use sheaf_base::units::format_duration;
use sheaf_base::{ByteCount, Result, RowCount, SheafError};
use sheaf_sql::{ExplainFormat, Statement, StatementKind};

use super::settings::rows;
use super::{Running, plan_with_parameters, prepare};
use crate::explain::{PlanNode, to_dot, to_json, to_lines};
use crate::planner::optimize;
use crate::result::QueryResult;

pub(super) async fn run(running: Running<'_>, kind: &StatementKind) -> Result<QueryResult> {
    let StatementKind::Explain {
        analyze,
        verbose,
        format,
        statement,
    } = kind
    else {
        return Err(SheafError::internal("not an EXPLAIN"));
    };
    let called;
    let (statement, running) = match &statement.kind {
        StatementKind::Execute { .. } => {
            let (prepared, parameters) = prepare::called(&running, &statement.kind)?;
            called = prepared;
            let running = Running {
                parameters,
                ..running
            };
            (&*called, running)
        }
        _ => (&**statement, running),
    };
    running.session.inner.access.check_statement(statement)?;
    let state = running.session.state_for(running.query);
    let logical = logical_plan(&running, statement, &state).await?;
    let logical = plan_with_parameters(logical, running.parameters.clone())?;
    let optimized = optimize(logical.clone(), &state, running.query)?;
    let physical = state
        .query_planner()
        .create_physical_plan(&optimized, &state)
        .await?;
    let mut footer = vec![];
    if *analyze {
        let result =
            running
                .session
                .execute_physical(Arc::clone(&physical), &state, running.query)?;
        result.drain().await?;
        let progress = running.query.progress();
        footer.push(String::new());
        footer.push(format!(
            "{} rows in {}, peak memory {}, spilled {}",
            RowCount(progress.rows_out),
            format_duration(progress.elapsed),
            ByteCount(progress.memory_peak_bytes),
            ByteCount(progress.spilled_bytes),
        ));
    }
    let mut lines = draw(*format, *analyze, &logical, &optimized, &physical, *verbose);
    if matches!(format, ExplainFormat::Tree) {
        lines.append(&mut footer);
    }
    let concealer = running.session.concealer();
    let lines = lines.iter().map(|line| concealer.text(line));
    if matches!(format, ExplainFormat::Json) {
        let document = Arc::new(StringViewArray::from_iter_values(lines));
        let batch = RecordBatch::try_new(columns(*format), vec![document])?;
        return Ok(QueryResult::batch(batch, Arc::clone(running.query)));
    }
    rows(&running, &["plan"], lines.map(|line| vec![line]).collect())
}

/// The column of an EXPLAIN: JSON is a VARIANT, anything else text.
pub(super) fn columns(format: ExplainFormat) -> SchemaRef {
    let column = match format {
        ExplainFormat::Json => variant_field("plan", false),
        _ => Field::new("plan", DataType::Utf8, false),
    };
    Arc::new(Schema::new(vec![column]))
}

async fn logical_plan(
    running: &Running<'_>,
    statement: &Statement,
    state: &SessionState,
) -> Result<LogicalPlan> {
    let types = running.parameters.iter();
    let types: Vec<_> = types.map(|value| Some(value.data_type())).collect();
    let binder = running.binder(state).with_parameter_types(&types);
    match &statement.kind {
        StatementKind::Query(query) => binder.plan_query((**query).clone()).await,
        StatementKind::Native(native) => binder.plan((**native).clone()).await,
        StatementKind::CreateTableAs { query, .. } | StatementKind::CreateView { query, .. } => {
            binder.plan_query((**query).clone()).await
        }
        StatementKind::Copy {
            source: sheaf_sql::CopySource::Query(query),
            ..
        } => binder.plan_query((**query).clone()).await,
        _ => Err(
            SheafError::unsupported("EXPLAIN of this statement is not supported")
                .with_hint("EXPLAIN takes a query"),
        ),
    }
}

fn draw(
    format: ExplainFormat,
    analyze: bool,
    logical: &LogicalPlan,
    optimized: &LogicalPlan,
    physical: &Arc<dyn ExecutionPlan>,
    verbose: bool,
) -> Vec<String> {
    let mut lines = vec![];
    let mut section = |title: &str, text: String| {
        lines.push(format!("-- {title}"));
        lines.extend(text.lines().map(str::to_owned));
    };
    if verbose && !matches!(format, ExplainFormat::Json) {
        section("logical plan", logical.display_indent().to_string());
        section(
            "optimized logical plan",
            optimized.display_indent().to_string(),
        );
        section(
            "physical plan",
            displayable(physical.as_ref()).indent(true).to_string(),
        );
    }
    let tree = PlanNode::of(physical.as_ref(), analyze);
    match format {
        ExplainFormat::Tree => lines.extend(to_lines(&tree)),
        ExplainFormat::Dot => lines.extend(to_dot(&tree)),
        ExplainFormat::Json => lines.push(to_json(&tree, verbose)),
        ExplainFormat::Text => {
            section("logical plan", optimized.display_indent().to_string());
            section(
                "physical plan",
                displayable(physical.as_ref()).indent(false).to_string(),
            );
        }
    }
    lines
}
