//! Expressions become as simple as can be before anything is planned of them.

use std::sync::Arc;

use datafusion::common::DFSchemaRef;
use datafusion::execution::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

/// What simplifies expressions over columns of `schema` in a statement.
pub(super) fn simplifier(state: &SessionState, schema: &DFSchemaRef) -> ExprSimplifier {
    let context = SimplifyContext::builder()
        .with_config_options(Arc::clone(state.config_options()))
        .with_query_execution_start_time(state.execution_props().query_execution_start_time)
        .with_schema(Arc::clone(schema))
        .build();
    ExprSimplifier::new(context)
}
