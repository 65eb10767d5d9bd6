//! What a statement takes and gives, found without running it: for clients that ask before they
//! bind values.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, TryCast};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast;
use futures::future::{BoxFuture, FutureExt};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_runtime::Query;
use sheaf_sql::{Statement, StatementKind};

use super::{Running, explain, plan_with_parameters, prepare, summarize};
use crate::planner::physical_plan;
use crate::session::Session;

/// The most parameters a statement may have, as PostgreSQL's messages can count them.
const PARAMETERS_MAX: usize = 65_535;

/// What a statement takes and gives.
#[derive(Debug, Clone)]
pub struct Description {
    /// `$1`, `$2`, …: their types, and PostgreSQL's where those say more.
    pub parameters: Vec<FieldRef>,
    /// Its columns; none if it gives no rows.
    pub columns: Option<SchemaRef>,
}

/// Describes `statement`; see [`Session::describe`].
pub(crate) fn describe<'a>(
    session: &'a Session,
    statement: &'a Statement,
    types: &'a [Option<DataType>],
    query: &'a Arc<Query>,
) -> BoxFuture<'a, Result<Description>> {
    // Boxed, for statements describe those within them.
    describe_one(session, statement, types, query).boxed()
}

async fn describe_one(
    session: &Session,
    statement: &Statement,
    types: &[Option<DataType>],
    query: &Arc<Query>,
) -> Result<Description> {
    session.inner.access.check_statement(statement)?;
    let running = Running {
        session,
        parameters: vec![],
        query,
    };
    let parameters = match &statement.kind {
        StatementKind::Query(ast) => return describe_query(&running, ast, types).await,
        StatementKind::DeclareCursor { query: ast, .. }
        | StatementKind::CreateTableAs { query: ast, .. } => plan_of(&running, ast, types).await?.1,
        StatementKind::Native(native) if is_dml(native) => {
            let state = session.state_for(query);
            let plan = running.binder(&state).plan((**native).clone()).await?;
            parameter_types(&plan, types)?
        }
        StatementKind::Explain { statement, .. } => {
            describe(session, statement, types, query).await?.parameters
        }
        _ => {
            let declared = types.iter().cloned();
            declared
                .map(|t| unnamed(t.unwrap_or(DataType::Utf8)))
                .collect()
        }
    };
    let columns = match &statement.kind {
        StatementKind::Explain { format, .. } => Some(explain::columns(*format)),
        StatementKind::Execute { .. } => columns_of_call(&running, &statement.kind).await?,
        // What its rows have to be.
        StatementKind::CopyIn { like, .. } => {
            let state = session.state_for(query);
            let plan = running.binder(&state).plan_query((**like).clone()).await?;
            Some(Arc::clone(plan.schema().inner()))
        }
        StatementKind::Summarize(described) => {
            summarize::input(&running, described).await?;
            Some(summarize::schema())
        }
        // These run nothing but a look at the catalogue.
        StatementKind::Show { .. }
        | StatementKind::ShowAll
        | StatementKind::ShowTables { .. }
        | StatementKind::ShowFunctions { .. }
        | StatementKind::ShowCreateFunction { .. }
        | StatementKind::ShowColumns { .. }
        | StatementKind::ShowPartitions { .. }
        | StatementKind::Describe(_) => Some(
            super::run(session, statement, vec![], query)
                .await?
                .schema(),
        ),
        _ => None,
    };
    Ok(Description {
        parameters,
        columns,
    })
}

async fn describe_query(
    running: &Running<'_>,
    ast: &ast::Query,
    types: &[Option<DataType>],
) -> Result<Description> {
    let (plan, parameters) = plan_of(running, ast, types).await?;
    let nulls = parameters.iter();
    let nulls = nulls.map(|field| ScalarValue::try_from(field.data_type()));
    let nulls = nulls.collect::<Result<Vec<_>, _>>()?;
    Ok(Description {
        parameters,
        columns: Some(columns_of(running, plan, nulls).await?),
    })
}

/// The columns of an EXECUTE, which may be what rows say that it chooses by its values (PIVOT).
async fn columns_of_call(running: &Running<'_>, call: &StatementKind) -> Result<Option<SchemaRef>> {
    let (prepared, values) = prepare::called(running, call)?;
    let types: Vec<_> = values.iter().map(|v| Some(v.data_type())).collect();
    let (session, query) = (running.session, running.query);
    let StatementKind::Query(ast) = &prepared.kind else {
        return Ok(describe(session, &prepared, &types, query).await?.columns);
    };
    let running = Running {
        session,
        parameters: values.clone(),
        query,
    };
    let (plan, _) = plan_of(&running, ast, &types).await?;
    Ok(Some(columns_of(&running, plan, values).await?))
}

/// The columns of `plan`, whose parameters have these values.
async fn columns_of(
    running: &Running<'_>,
    plan: LogicalPlan,
    values: Vec<ScalarValue>,
) -> Result<SchemaRef> {
    let plan = plan_with_parameters(plan, values)?;
    let state = running.session.state_for(running.query);
    let physical = physical_plan(plan, &state, running.query).await?;
    Ok(physical.schema())
}

/// The plan of a query, and the types of its parameters.
async fn plan_of(
    running: &Running<'_>,
    query: &ast::Query,
    types: &[Option<DataType>],
) -> Result<(LogicalPlan, Vec<FieldRef>)> {
    let state = running.session.state_for(running.query);
    let binder = running.binder(&state).with_parameter_types(types);
    let plan = binder.plan_query(query.clone()).await?;
    let parameters = parameter_types(&plan, types)?;
    Ok((plan, parameters))
}

/// Whether a statement changes rows, with values that may be parameters.
fn is_dml(statement: &ast::Statement) -> bool {
    matches!(
        statement,
        ast::Statement::Insert(_) | ast::Statement::Update(_) | ast::Statement::Delete(_)
    )
}

fn unnamed(data_type: DataType) -> FieldRef {
    Arc::new(Field::new("", data_type, true))
}

/// Types that parameters are used as, by their numbers; `None` as long as no use says.
type Uses = BTreeMap<usize, Option<FieldRef>>;

/// The types of `$1` … `$n`: as declared, else as the plan first asks, else text.
fn parameter_types(plan: &LogicalPlan, declared: &[Option<DataType>]) -> Result<Vec<FieldRef>> {
    let mut uses = Uses::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| expr.apply(|expr| note_use(expr, node, &mut uses)))
    })?;
    let count = uses.keys().next_back().map_or(0, |last| *last);
    let count = count.max(declared.len());
    let types = (1..=count).map(|number| {
        let declared = declared.get(number - 1).cloned().flatten();
        let used = || uses.get(&number).cloned().flatten();
        let known = declared.map(unnamed).or_else(used);
        known
            .filter(|known| *known.data_type() != DataType::Null)
            .unwrap_or_else(|| unnamed(DataType::Utf8))
    });
    Ok(types.collect())
}

/// Notes what `expr`, of `node`, says of a parameter: `$1 < a` has a type from `a`, `$1::date` is a
/// date, `LIMIT $1` counts, `a = ANY ($1)` is a list of what `a` is.
fn note_use(expr: &Expr, node: &LogicalPlan, uses: &mut Uses) -> EngineResult<TreeNodeRecursion> {
    let mut note = |expr: &Expr, known: Option<FieldRef>| -> Result<()> {
        if let Expr::Placeholder(Placeholder { id, field }) = expr {
            let noted = uses.entry(number_of(id)?).or_default();
            if noted.is_none() {
                *noted = field.clone().or(known);
            }
        }
        Ok(())
    };
    match expr {
        Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
            note(expr, Some(Arc::clone(field)))?;
        }
        Expr::ScalarFunction(call) => match (call.name(), call.args.as_slice()) {
            // `::bytea` is a function.
            ("bytea", [bytes]) => note(bytes, Some(unnamed(DataType::Binary)))?,
            // `= ANY` and `<> ALL` are, too.
            ("array_has", [list, item]) => {
                let of_item = node.inputs().into_iter();
                let of_item = of_item.filter_map(|input| item.get_type(input.schema()).ok());
                let item = of_item.into_iter().find(|item| *item != DataType::Null);
                let list_of = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
                note(list, item.map(list_of).map(unnamed))?;
            }
            _ => {}
        },
        other if matches!(node, LogicalPlan::Limit(_)) => {
            note(other, Some(unnamed(DataType::Int64)))?
        }
        other => note(other, None)?,
    }
    Ok(TreeNodeRecursion::Continue)
}

/// The number of `$n`.
fn number_of(id: &str) -> Result<usize> {
    let number = id.strip_prefix('$').and_then(|n| n.parse::<usize>().ok());
    number
        .filter(|number| (1..=PARAMETERS_MAX).contains(number))
        .ok_or_else(|| {
            SheafError::user(format!("there is no parameter {id}"))
                .with_state(SqlState::UNDEFINED_PARAMETER)
                .with_hint("parameters are called $1, $2 and so on")
        })
}
