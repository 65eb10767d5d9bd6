//! Whether what has been planned is an array: so that it need not be bound again, which would open its files
//! a second time.

use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast;
use sheaf_array_relations::ArrayTable;
use sheaf_base::Result;

use super::only_relation;
use crate::binder::Binder;

impl Binder<'_> {
    /// Sees that `query`, which has been planned as `plan`, gives the chunks of an array.
    ///
    /// # Errors
    /// `UserInput` if it does not.
    pub(crate) async fn check_array(self, query: &ast::Query, plan: &LogicalPlan) -> Result<()> {
        if let Some(relation) = only_relation(query)
            && self.names_array(&relation)?
            && is_array(plan)
        {
            return Ok(());
        }
        // It is none, or not to be seen from the plan.
        self.array_of_query(query).await.map(drop)
    }
}

/// Whether `plan` gives the chunks of an array, all of them with all columns.
fn is_array(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => is_array(&alias.input),
        LogicalPlan::Projection(projection) => {
            let columns = projection.input.schema().columns();
            let all = columns.into_iter().map(Expr::Column);
            projection.expr.iter().cloned().eq(all) && is_array(&projection.input)
        }
        LogicalPlan::TableScan(scan) => {
            let is_whole =
                scan.projection.is_none() && scan.filters.is_empty() && scan.fetch.is_none();
            let is_of_chunks = source_as_provider(&scan.source).is_ok_and(|table| {
                let table = table.downcast_ref::<ArrayTable>();
                table.is_some_and(|table| table.array().is_some())
            });
            is_whole && is_of_chunks
        }
        _ => false,
    }
}
