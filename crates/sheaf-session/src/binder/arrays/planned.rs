//! Whether what has been planned is an array: so that it need not be bound again, which would open its files
//! a second time.

use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast::{self, TableFactor};
use sheaf_array_relations::ArrayTable;
use sheaf_base::Result;

use super::{is_array_function, only_relation};
use crate::binder::{Binder, is_path, table_reference};
use crate::catalog::{Relation, View};

impl Binder<'_> {
    /// Sees that `query`, which has been planned as `plan`, gives the chunks of an array.
    ///
    /// # Errors
    /// `UserInput` if it does not.
    pub(crate) async fn check_array(self, query: &ast::Query, plan: &LogicalPlan) -> Result<()> {
        if self.names_array(query)? && is_array(plan) {
            return Ok(());
        }
        // It is none, or not to be seen from the plan.
        self.array_of_query(query).await.map(drop)
    }

    /// Whether `query` is no more than a call that makes an array, a path, or a name from CREATE ARRAY.
    fn names_array(self, query: &ast::Query) -> Result<bool> {
        let Some(TableFactor::Table { name, args, .. }) = only_relation(query) else {
            return Ok(false);
        };
        if args.is_some() {
            return Ok(is_array_function(&name.to_string().to_lowercase()));
        }
        if is_path(&name).is_some() {
            return Ok(true);
        }
        let found = self.catalog.get(table_reference(&name)?.table());
        Ok(matches!(
            found,
            Some(Relation::View(View { is_array: true, .. }))
        ))
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
