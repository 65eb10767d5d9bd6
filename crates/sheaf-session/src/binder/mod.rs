//! Binding: a parsed query becomes a logical plan whose names stand for real tables.
//!
//! Opening files is asynchronous, planning is not, so binding has two passes. [`references`]
//! collects what the FROM clauses name; [`Binder`] opens each once (paths and `read_*` calls
//! through `sheaf-files`, views by binding their text, the rest from the catalogue);
//! [`context::BoundContext`] then answers the engine's SQL planner from what was opened. Must not
//! know of execution.

mod arguments;
mod arrays;
mod build;
mod catalog;
mod column_names;
mod columns;
mod context;
mod declared;
mod fold;
mod functions;
mod gapfill;
mod idents;
mod literals;
mod merged_columns;
mod misplaced;
mod open;
mod outer_aggregates;
mod pivots;
mod plan_size;
mod references;
mod renaming;
mod scope;
mod simplifier;
mod system_tables;
mod times;
mod types;
mod user_calls;
mod virtual_columns;
mod with_names;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchemaRef, TableReference};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, TableSource};
use datafusion::optimizer::AnalyzerRule;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast;
use futures::future::{BoxFuture, FutureExt};
use sheaf_base::{ByteCount, Result, SheafError};
use sheaf_optimizer::{Lists, Numbers, Uuids, Variants};
use tokio::runtime::Handle;

use self::build::select_all;
use self::context::BoundContext;
use self::references::call_key;
use self::renaming::rename_columns;
use self::simplifier::simplifier;
use crate::access::Access;
use crate::catalog::{Catalog, FunctionMap, View};
use crate::session::SessionInner;

pub(crate) use self::build::table_factor;
pub(crate) use self::declared::without_partition_columns;
pub(crate) use self::functions::{
    Used, WrittenCode, body_names_files, function_name, recursion, used, used_by,
};
use self::idents::normalize_part;
pub(crate) use self::idents::{normalize, table_reference};
pub(crate) use self::pivots::refuse_unlisted as refuse_unlisted_pivots;
pub(crate) use self::references::{is_path, names_files};

/// Views within views: deeper ones are refused, which also ends a view that reads itself.
const VIEW_DEPTH_MAX: usize = 32;

/// Binds the statements of one session against one state of it.
#[derive(Clone, Copy)]
pub(crate) struct Binder<'a> {
    session: &'a SessionInner,
    access: &'a Access,
    catalog: &'a Catalog,
    state: &'a SessionState,
    partition_size: Option<ByteCount>,
    environment: &'a [(String, String)],
    io: &'a Handle,
    reader: Option<&'a dyn ReadRows>,
    view_depth: usize,
    /// The types of `$1`, `$2` …, as far as somebody knows them.
    parameter_types: &'a [Option<DataType>],
    /// Functions that are being created, and those that there are.
    new_functions: Option<&'a Arc<FunctionMap>>,
    /// Whether bodies are planned by themselves, too, and errors tell from which they come.
    looks_into_functions: bool,
}

/// Runs plans while a statement is bound: a PIVOT has to know its values.
pub(crate) trait ReadRows: Send + Sync {
    /// The rows of `plan`.
    ///
    /// # Errors
    /// Those of running it.
    fn read(&self, plan: LogicalPlan) -> BoxFuture<'_, Result<Vec<RecordBatch>>>;
}

/// What the names of one statement stand for.
#[derive(Default)]
pub(crate) struct Bound {
    /// Columns that `*` does not show, by the keys of the maps below.
    hidden: HashMap<String, Vec<&'static str>>,
    /// By resolved table reference.
    tables: HashMap<String, Arc<dyn TableSource>>,
    /// Whether the order of rows in sub-queries says what a positional join gives.
    keeps_order: bool,
    /// By the text of the call.
    calls: Arc<HashMap<String, Arc<dyn TableSource>>>,
}

impl<'a> Binder<'a> {
    pub(crate) fn new(
        session: &'a SessionInner,
        state: &'a SessionState,
        partition_size: Option<ByteCount>,
        environment: &'a [(String, String)],
        io: &'a Handle,
    ) -> Self {
        Self {
            session,
            access: &session.access,
            catalog: &session.catalog,
            state,
            partition_size,
            environment,
            io,
            reader: None,
            view_depth: 0,
            parameter_types: &[],
            new_functions: None,
            looks_into_functions: true,
        }
    }

    /// The binder of a statement that may read rows before it runs.
    pub(crate) fn with_reader(self, reader: &'a dyn ReadRows) -> Self {
        Self {
            reader: Some(reader),
            ..self
        }
    }

    /// The binder of a statement whose parameters have these types, which count where their use tells
    /// none: `$1 || $2`.
    pub(crate) fn with_parameter_types(self, parameter_types: &'a [Option<DataType>]) -> Self {
        Self {
            parameter_types,
            ..self
        }
    }

    /// Plans a statement by the engine's planner.
    fn engine_plan(self, statement: ast::Statement) -> BoxFuture<'a, Result<LogicalPlan>> {
        functions::plan(statement, self).boxed()
    }

    /// Plans a statement without calls of functions whose bodies are SQL.
    fn plan_expanded(self, mut statement: ast::Statement) -> BoxFuture<'a, Result<LogicalPlan>> {
        async move {
            with_names::set_apart(&mut statement);
            pivots::list_values(&mut statement, self).await?;
            column_names::name_computed(&mut statement);
            outer_aggregates::lift(&mut statement, self.state)?;
            misplaced::check(&statement, self.state)?;
            gapfill::rewrite(&mut statement, self.state)?;
            literals::mark_approximate(&mut statement);
            times::complete(&mut statement);
            sheaf_operators::rewrite(&mut statement)?;
            let wanted = virtual_columns::mentioned(&statement);
            let bound = self.open_all(&statement, wanted).await?;
            columns::expand(&mut statement, self, &bound)?;
            let plan = self.plan_bound(statement, &bound)?;
            // Here already, so that whoever asks for the types of a plan gets the right ones; but
            // the types of parameters are those of their values.
            match plan.get_parameter_names()?.is_empty() {
                true => {
                    let options = self.state.config_options();
                    let plan = Variants.analyze(plan, options)?;
                    let plan = Numbers.analyze(plan, options)?;
                    let plan = Uuids.analyze(plan, options)?;
                    Ok(Lists.analyze(plan, options)?)
                }
                false => Ok(plan),
            }
        }
        .boxed()
    }

    /// Plans a statement whose tables are open and whose COLUMNS are expanded.
    fn plan_bound(self, mut statement: ast::Statement, bound: &Bound) -> Result<LogicalPlan> {
        if bound.hidden.values().any(|hidden| !hidden.is_empty()) {
            virtual_columns::hide_from_wildcards(&mut statement, &|factor| {
                self.hidden_columns(factor, bound)
            });
        }
        merged_columns::merge(&mut statement, &|factor| self.columns_of(factor, bound))?;
        let context = BoundContext::new(self.access, self.state, self.catalog, bound);
        let options = ParserOptions::from(&self.state.config_options().sql_parser);
        let planner = SqlToRel::new_with_options(&context, options);
        let has_types = self.parameter_types.iter().any(Option::is_some);
        let again = has_types.then(|| statement.clone());
        let plan = match (planner.sql_statement_to_plan(statement), again) {
            (Err(error), Some(statement)) => {
                let types = self.parameter_types.iter();
                let types = types.map(|t| t.clone().map(parameter_field));
                let mut context =
                    PlannerContext::new().with_prepare_param_data_types(types.collect());
                let plan = planner.sql_statement_to_plan_with_context(statement, &mut context);
                plan.map_err(|_| error)?
            }
            (plan, _) => plan?,
        };
        plan_size::check(&plan)?;
        self.access.check_plan(&plan)?;
        Ok(plan)
    }

    /// The columns of a part of a statement whose tables are open.
    fn schema_of(self, query: ast::Query, bound: &Bound) -> Result<DFSchemaRef> {
        let statement = ast::Statement::Query(Box::new(query));
        Ok(Arc::clone(self.plan_bound(statement, bound)?.schema()))
    }

    /// Reads what a plan gives before the statement runs.
    async fn read(self, plan: LogicalPlan) -> Result<Vec<RecordBatch>> {
        match self.reader {
            Some(reader) => reader.read(plan).await,
            None => Err(SheafError::unsupported(
                "PIVOT needs its values listed where nothing may be read",
            )),
        }
    }

    /// Plans a query.
    pub(crate) fn plan_query(self, query: ast::Query) -> BoxFuture<'a, Result<LogicalPlan>> {
        self.plan(ast::Statement::Query(Box::new(query)))
    }

    /// Plans `SELECT * FROM relation`.
    pub(crate) fn plan_relation(
        self,
        relation: ast::TableFactor,
    ) -> BoxFuture<'a, Result<LogicalPlan>> {
        self.plan_query(select_all(relation))
    }

    /// Turns a bare expression (a parameter of EXECUTE, an option) into an engine expression.
    pub(crate) fn plan_expression(self, mut expression: ast::Expr) -> Result<Expr> {
        functions::expand_expression(&mut expression, self)?;
        literals::mark_approximate(&mut expression);
        times::complete(&mut expression);
        let nothing = Bound::default();
        let context = BoundContext::new(self.access, self.state, self.catalog, &nothing);
        let options = ParserOptions::from(&self.state.config_options().sql_parser);
        let planner = SqlToRel::new_with_options(&context, options);
        let schema = datafusion::common::DFSchema::empty();
        Ok(planner.sql_to_expr(expression, &schema, &mut PlannerContext::new())?)
    }

    /// Plans what a view stands for, whether or not its rows are kept.
    pub(crate) async fn plan_existing_view(self, name: &str, view: &View) -> Result<LogicalPlan> {
        let query = ast::Query::clone(&view.query);
        self.plan_view(query, &view.columns).await.map_err(|e| {
            e.with_context(format!("view \"{name}\""))
                .without_position()
        })
    }

    /// Plans the query of a view, with its columns renamed.
    pub(crate) async fn plan_view(
        self,
        query: ast::Query,
        columns: &[String],
    ) -> Result<LogicalPlan> {
        rename_columns(self.plan_query(query).await?, columns)
    }

    /// The columns of a relation that `*` does not show.
    fn hidden_columns(self, relation: &ast::TableFactor, bound: &Bound) -> Vec<&'static str> {
        let ast::TableFactor::Table { name, args, .. } = relation else {
            return vec![];
        };
        let key = match args {
            Some(arguments) => Ok(call_key(name, &arguments.args)),
            None => self.key_of(name),
        };
        let hidden = key.ok().and_then(|key| bound.hidden.get(&key));
        hidden.cloned().unwrap_or_default()
    }

    /// The columns of a table that has been opened, as `*` shows them.
    fn columns_of(self, factor: &ast::TableFactor, bound: &Bound) -> Option<Vec<String>> {
        let ast::TableFactor::Table { name, args, .. } = factor else {
            return None;
        };
        let source = match args {
            Some(args) => bound.calls.get(&references::call_key(name, &args.args))?,
            None => bound.tables.get(&self.key_of(name).ok()?)?,
        };
        let hidden = self.hidden_columns(factor, bound);
        let schema = source.schema();
        let names = schema.fields().iter().map(|field| field.name());
        let shown = names.filter(|name| !hidden.contains(&name.as_str()));
        Some(shown.cloned().collect())
    }

    fn key_of(self, name: &ast::ObjectName) -> Result<String> {
        Ok(match is_path(name) {
            Some(path) => context::table_key(&TableReference::bare(path)),
            None => context::table_key(&table_reference(name)?),
        })
    }
}

fn parameter_field(data_type: DataType) -> FieldRef {
    Arc::new(Field::new("", data_type, true))
}
