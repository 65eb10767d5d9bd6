//! What a statement takes and gives, found without running it: for clients that ask before they
//! bind values.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Cast, Expr, LogicalPlan, TryCast};
use datafusion::scalar::ScalarValue;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_runtime::Query;
use sheaf_sql::{Statement, StatementKind};

use super::{Running, plan_with_parameters};
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
pub(crate) async fn describe(
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
    let columns = match &statement.kind {
        StatementKind::Query(ast) | StatementKind::DeclareCursor { query: ast, .. } => {
            let state = session.state_for(query);
            let plan = running.binder(&state).plan_query((**ast).clone()).await?;
            let parameters = parameter_types(&plan, types)?;
            let nulls = parameters.iter();
            let nulls = nulls.map(|field| ScalarValue::try_from(field.data_type()));
            let nulls = nulls.collect::<Result<Vec<_>, _>>()?;
            let plan = plan_with_parameters(plan, nulls)?;
            let physical = physical_plan(plan, &state, query).await?;
            return Ok(Description {
                parameters,
                columns: matches!(statement.kind, StatementKind::Query(_))
                    .then(|| physical.schema()),
            });
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
        StatementKind::Explain { .. } => Some(text_column("plan")),
        StatementKind::Execute { .. } | StatementKind::Summarize(_) => {
            return Err(SheafError::unsupported(
                "the columns of this statement are known only when it runs",
            )
            .with_hint("send it as a simple query"));
        }
        _ => None,
    };
    Ok(Description {
        parameters: types
            .iter()
            .map(|t| unnamed(t.clone().unwrap_or(DataType::Utf8)))
            .collect(),
        columns,
    })
}

fn text_column(name: &str) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(name, DataType::Utf8, false)]))
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
        node.apply_expressions(|expr| expr.apply(|expr| note_use(expr, &mut uses)))
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

/// Notes what `expr` says of a parameter: `$1 < a` has a type from `a`, `$1::date` is a date.
fn note_use(expr: &Expr, uses: &mut Uses) -> EngineResult<TreeNodeRecursion> {
    let (expr, cast_type) = match expr {
        Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
            (expr.as_ref(), Some(field))
        }
        other => (other, None),
    };
    if let Expr::Placeholder(Placeholder { id, field }) = expr {
        let known = uses.entry(number_of(id)?).or_default();
        if known.is_none() {
            *known = field.as_ref().or(cast_type).cloned();
        }
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
