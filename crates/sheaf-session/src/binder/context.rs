//! What the engine's SQL planner asks the session: tables, functions, options.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableFunctionArgs;
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::{DFSchema, ScalarValue, TableReference, config::ConfigOptions};
use datafusion::datasource::provider_as_source;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::SessionState;
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, PlannedRelation, RelationPlanner, RelationPlannerContext,
    RelationPlanning, TypePlanner,
};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, LogicalPlanBuilder, ScalarUDF, TableSource, WindowUDF, lit,
};
use datafusion::sql::sqlparser::ast::TableFactor;
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;

use super::Bound;
use super::references::call_key;
use super::simplifier::simplifier;
use super::types::SqlTypes;
use super::user_calls::UserCallPlanner;
use crate::access::Access;
use crate::catalog::{Catalog, PUBLIC_SCHEMA};

/// The planner's view of a session in which every name of one statement has been opened.
pub(super) struct BoundContext<'a> {
    access: &'a Access,
    state: &'a SessionState,
    catalog: &'a Catalog,
    options: Arc<ConfigOptions>,
    tables: &'a HashMap<String, Arc<dyn TableSource>>,
    relation_planners: Vec<Arc<dyn RelationPlanner>>,
}

/// One key for every way to write a table's name.
pub(super) fn table_key(reference: &TableReference) -> String {
    let schema = reference.schema().unwrap_or(PUBLIC_SCHEMA);
    format!("{schema}\u{0}{}", reference.table())
}

impl<'a> BoundContext<'a> {
    pub(super) fn new(
        access: &'a Access,
        state: &'a SessionState,
        catalog: &'a Catalog,
        bound: &'a Bound,
    ) -> Self {
        let calls = Arc::clone(&bound.calls);
        let mut relation_planners: Vec<Arc<dyn RelationPlanner>> =
            vec![Arc::new(CallPlanner { calls })];
        let functions = catalog.functions.all();
        if !functions.is_empty() {
            relation_planners.push(Arc::new(UserCallPlanner::new(functions, state)));
        }
        relation_planners.extend(state.relation_planners().iter().cloned());
        let mut options = Arc::clone(state.config_options());
        if bound.keeps_order {
            Arc::make_mut(&mut options)
                .sql_parser
                .enable_subquery_sort_elimination = false;
        }
        Self {
            access,
            state,
            catalog,
            options,
            tables: &bound.tables,
            relation_planners,
        }
    }
}

/// Plans `read_*` calls from what the binder has opened.
struct CallPlanner {
    calls: Arc<HashMap<String, Arc<dyn TableSource>>>,
}

impl std::fmt::Debug for CallPlanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CallPlanner")
    }
}

impl RelationPlanner for CallPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        _context: &mut dyn RelationPlannerContext,
    ) -> EngineResult<RelationPlanning> {
        if let TableFactor::Table {
            name,
            args: Some(args),
            alias,
            sample: None,
            with_ordinality,
            ..
        } = &relation
            && let Some(source) = self.calls.get(&call_key(name, &args.args))
        {
            if *with_ordinality {
                return Err(SheafError::unsupported(format!(
                    "WITH ORDINALITY does not count the rows of \"{name}\": files are read side by side"
                ))
                .with_hint("row_number() OVER (ORDER BY …) counts in an order")
                .into());
            }
            let name = TableReference::bare(name.to_string().to_lowercase());
            let plan = LogicalPlanBuilder::scan(name, Arc::clone(source), None)?.build()?;
            return Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
                plan,
                alias.clone(),
            ))));
        }
        Ok(RelationPlanning::Original(Box::new(relation)))
    }
}

impl ContextProvider for BoundContext<'_> {
    fn get_table_source(&self, name: TableReference) -> EngineResult<Arc<dyn TableSource>> {
        self.tables.get(&table_key(&name)).cloned().ok_or_else(|| {
            let error = match name.schema() {
                Some(schema) if schema != PUBLIC_SCHEMA => {
                    SheafError::user(format!("table \"{name}\" does not exist"))
                        .with_state(SqlState::UNDEFINED_TABLE)
                        .with_hint("system tables: SELECT * FROM information_schema.tables")
                }
                _ => self.catalog.not_found(name.table()),
            };
            error.into()
        })
    }

    fn get_table_function_source(
        &self,
        name: &str,
        args: Vec<Expr>,
    ) -> EngineResult<Arc<dyn TableSource>> {
        let functions = self.state.table_functions();
        let function = functions
            .get(&name.to_lowercase())
            .cloned()
            .ok_or_else(|| unknown_table_function(name, functions.keys().map(String::as_str)))?;
        self.access.check_table_function(&name.to_lowercase())?;
        let schema = Arc::new(DFSchema::empty());
        let simplifier = simplifier(self.state, &schema);
        let args = args
            .into_iter()
            .map(|arg| {
                let arg = simplifier.simplify(simplifier.coerce(arg, &schema)?)?;
                Ok(untyped(arg))
            })
            .collect::<EngineResult<Vec<_>>>()?;
        let arguments = TableFunctionArgs::new(&args, self.state);
        Ok(provider_as_source(
            function.create_table_provider_with_args(arguments)?,
        ))
    }

    fn create_cte_work_table(
        &self,
        name: &str,
        schema: SchemaRef,
    ) -> EngineResult<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(
            name, schema,
        ))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        let zone = self.options.execution.time_zone.clone();
        Some(Arc::new(SqlTypes { zone }))
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relation_planners
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        let own = self.catalog.functions.all();
        let functions = self.state.scalar_functions().keys();
        // Not the names by which only the engine knows them.
        let functions = functions.filter(|name| !name.contains('('));
        functions.chain(own.keys()).cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state
            .higher_order_functions()
            .keys()
            .cloned()
            .collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        let names = self.state.aggregate_functions().keys();
        names.filter(|name| !name.contains('(')).cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}

/// NULL of any type as the only one that table functions know, and timestamps in nanoseconds, likewise.
fn untyped(argument: Expr) -> Expr {
    match argument {
        Expr::Literal(value, _) if value.is_null() => lit(ScalarValue::Null),
        Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), zone), metadata) => {
            let value = match micros.checked_mul(1_000) {
                Some(nanos) => ScalarValue::TimestampNanosecond(Some(nanos), zone),
                None => ScalarValue::TimestampMicrosecond(Some(micros), zone),
            };
            Expr::Literal(value, metadata)
        }
        other => other,
    }
}

fn unknown_table_function<'n>(
    name: &str,
    engine: impl Iterator<Item = &'n str>,
) -> DataFusionError {
    let error = SheafError::user(format!("there is no table function \"{name}\""))
        .with_state(SqlState::UNDEFINED_FUNCTION);
    let names = engine.chain(sheaf_files::FORMATS.iter().map(|format| format.function));
    match nearest(name, names) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error.with_hint("\\df lists the functions"),
    }
    .into()
}
