//! Calls of table functions of the user's own in FROM become nodes of the plan.
//!
//! By then a call has one argument for each parameter, in order, under the name by which the engine
//! knows the function (`binder::functions`). Arguments that are constants are computed here: a function
//! may say of them which columns it gives. Those that refer to relations around the call are left as
//! they are; a rule of the analyzer lets the rows of these flow into the call.

use std::fmt;
use std::sync::Arc;

use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DFSchema, ExprSchema, Result as EngineResult};
use datafusion::execution::SessionState;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{
    Expr, ExprSchemable, Extension, LogicalPlan, LogicalPlanBuilder, SortExpr, cast,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, ObjectName, TableAlias, TableAliasColumnDef, TableFactor,
};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError, sql_type_name};
use sheaf_operators::table_function::{Shape, TableFunctionCall, TableFunctionNode};
use sheaf_sql::RelationArgument;
use sheaf_udf::{CallContext, Parameter, ParameterKind, TableCall, TableInput, guarded, named};

use super::functions::position;
use super::simplifier::simplifier;
use crate::catalog::{FunctionMap, TableDefinition, UserFunction};

/// Plans calls of table functions of the user's own.
pub(super) struct UserCallPlanner {
    functions: Arc<FunctionMap>,
    /// Of the statement; without one nothing is called.
    context: Option<Arc<CallContext>>,
    simplifier: ExprSimplifier,
}

impl fmt::Debug for UserCallPlanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCallPlanner")
    }
}

impl UserCallPlanner {
    pub(super) fn new(functions: Arc<FunctionMap>, state: &SessionState) -> Self {
        Self {
            functions,
            context: state.config().get_extension::<CallContext>(),
            simplifier: simplifier(state, &Arc::new(DFSchema::empty())),
        }
    }

    fn definition(&self, name: &ObjectName) -> Option<&Arc<TableDefinition>> {
        let [part] = name.0.as_slice() else {
            return None;
        };
        let key = part
            .as_ident()
            .filter(|ident| ident.quote_style.is_some())?;
        let (name, _) = key.value.split_once('(')?;
        let mut overloads = self.functions.get(name)?.iter();
        let found = overloads.find(|function| function.scope_name() == key.value)?;
        match &found.user {
            Some(UserFunction::Table(definition)) => Some(definition),
            _ => None,
        }
    }
}

impl RelationPlanner for UserCallPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> EngineResult<RelationPlanning> {
        if let TableFactor::Table {
            name,
            args: Some(args),
            alias,
            sample: None,
            with_ordinality,
            ..
        } = &relation
            && let (Some(definition), Some(calls)) = (self.definition(name), &self.context)
        {
            let mut call = Call {
                definition,
                calls,
                simplifier: &self.simplifier,
                planner: context,
                is_numbered: *with_ordinality,
            };
            let planned = call
                .plan(&args.args)
                .map_err(|error| named(&definition.declaration.name, error))
                .map_err(|error| match (error.position(), position(name)) {
                    (None, Some(position)) => error.with_position(position),
                    _ => error,
                });
            let plan = planned?;
            let mut alias = alias.clone();
            if *with_ordinality {
                name_numbers(&mut alias, plan.schema().fields().len());
            }
            let planned = PlannedRelation::new(plan, alias);
            return Ok(RelationPlanning::Planned(Box::new(planned)));
        }
        Ok(RelationPlanning::Original(Box::new(relation)))
    }
}

/// `AS t(x)` names all columns but the numbers; then they keep their own name.
fn name_numbers(alias: &mut Option<TableAlias>, width: usize) {
    if let Some(alias) = alias
        && !alias.columns.is_empty()
        && alias.columns.len() + 1 == width
    {
        alias.columns.push(TableAliasColumnDef {
            name: ast::Ident::with_quote('"', "ordinality"),
            data_type: None,
        });
    }
}

/// A call while it is planned.
struct Call<'a> {
    definition: &'a TableDefinition,
    calls: &'a CallContext,
    simplifier: &'a ExprSimplifier,
    planner: &'a mut dyn RelationPlannerContext,
    is_numbered: bool,
}

/// A relation that is an argument.
struct Input {
    plan: LogicalPlan,
    columns: Vec<Expr>,
    schema: SchemaRef,
    partition_by: Vec<Expr>,
    order_by: Vec<SortExpr>,
}

impl Call<'_> {
    fn plan(&mut self, arguments: &[FunctionArg]) -> Result<LogicalPlan> {
        let parameters = &self.definition.declaration.parameters;
        if parameters.len() != arguments.len() {
            return Err(SheafError::internal(
                "a call has other arguments than parameters",
            ));
        }
        let (mut values, mut fields, mut input) = (Vec::new(), Vec::new(), None);
        for (argument, parameter) in arguments.iter().zip(parameters) {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) = argument else {
                return Err(SheafError::internal("an argument is no value"));
            };
            match (&parameter.kind, argument) {
                (ParameterKind::Value(data_type), argument) => {
                    values.push(self.value(argument, parameter, data_type)?);
                    fields.push(Field::new(&parameter.name, data_type.clone(), true));
                }
                (ParameterKind::Relation(columns), ast::Expr::Subquery(query)) => {
                    input = Some(self.input(query, parameter, columns.as_ref())?);
                }
                (ParameterKind::Relation(_), _) => {
                    return Err(SheafError::internal("a relation is none"));
                }
            }
        }
        match input {
            None => self.for_rows(values, Schema::new(fields)),
            Some(input) => self.for_relation(values, input),
        }
    }

    /// A call for each row of what is around it.
    fn for_rows(&self, values: Vec<Expr>, schema: Schema) -> Result<LogicalPlan> {
        let bound = self.bound(&values, TableInput::Arguments(Arc::new(schema)))?;
        let row = LogicalPlanBuilder::empty(true).build()?;
        let shape = Shape::Rows { keeps_all: false };
        self.node(bound, row, values, shape)
    }

    fn for_relation(&self, values: Vec<Expr>, input: Input) -> Result<LogicalPlan> {
        if values.iter().any(Expr::contains_outer) {
            return Err(SheafError::unsupported(
                "what reads a relation takes constants beside it, not columns",
            ));
        }
        if self.is_numbered && !input.partition_by.is_empty() {
            return Err(SheafError::unsupported(
                "WITH ORDINALITY does not count the rows of partitions, which come side by side",
            )
            .with_hint("row_number() OVER (PARTITION BY … ORDER BY …)"));
        }
        let bound = self.bound(&values, TableInput::Relation(input.schema))?;
        let shape = Shape::Relation {
            values: values.len(),
            partition_by: input.partition_by,
            order_by: input.order_by,
        };
        let arguments = input.columns.into_iter().chain(values).collect();
        self.node(bound, input.plan, arguments, shape)
    }

    fn node(
        &self,
        call: TableFunctionCall,
        input: LogicalPlan,
        arguments: Vec<Expr>,
        shape: Shape,
    ) -> Result<LogicalPlan> {
        let call = Arc::new(call);
        let node = TableFunctionNode::try_new(call, input, arguments, shape, self.is_numbered)?;
        Ok(LogicalPlan::Extension(Extension {
            node: Arc::new(node),
        }))
    }

    /// The call with the columns that the function gives for it.
    fn bound(&self, values: &[Expr], input: TableInput) -> Result<TableFunctionCall> {
        let TableDefinition {
            declaration,
            function,
        } = self.definition;
        let constant = |value: &Expr| match value {
            Expr::Literal(value, _) => Some(value.clone()),
            _ => None,
        };
        let call = TableCall {
            values: values.iter().map(constant).collect(),
            input,
        };
        let columns = guarded(&declaration.name, || function.columns(&call))?;
        if columns.fields().is_empty() {
            return Err(SheafError::user("it gives no columns"));
        }
        Ok(TableFunctionCall {
            name: declaration.name.clone(),
            function: Arc::clone(function),
            call,
            columns,
            is_strict: declaration.is_strict,
            context: self.calls.clone(),
        })
    }

    /// An argument that is a value, in its declared type.
    fn value(
        &mut self,
        argument: &ast::Expr,
        parameter: &Parameter,
        wanted: &DataType,
    ) -> Result<Expr> {
        let nothing = DFSchema::empty();
        let planned = self.planner.sql_to_expr(argument.clone(), &nothing)?;
        let found = planned.get_type(&nothing)?;
        let value = cast_to(planned, &found, wanted, &parameter.name)?;
        if value.contains_outer() {
            return Ok(value);
        }
        let coerced = self.simplifier.coerce(value, &nothing)?;
        Ok(self.simplifier.simplify(coerced)?)
    }

    fn input(
        &mut self,
        query: &ast::Query,
        parameter: &Parameter,
        wanted: Option<&SchemaRef>,
    ) -> Result<Input> {
        let RelationArgument {
            query,
            partition_by,
            order_by,
        } = RelationArgument::of(query.clone());
        let plan = self.planner.plan(TableFactor::Derived {
            lateral: false,
            subquery: Box::new(query),
            alias: None,
            sample: None,
        })?;
        let found = plan.schema();
        let columns = match wanted {
            None => found.columns().into_iter().map(Expr::Column).collect(),
            Some(wanted) => these_columns(found, wanted, &parameter.name)?,
        };
        let schema = match wanted {
            None => Arc::new(found.as_arrow().clone()),
            Some(wanted) => Arc::clone(wanted),
        };
        let mut keys = |expr: ast::Expr| self.planner.sql_to_expr(expr, plan.schema());
        let partition_by = partition_by.into_iter().map(&mut keys);
        let partition_by = partition_by.collect::<EngineResult<Vec<_>>>()?;
        let order_by = order_by.into_iter().map(|key| {
            let is_ascending = key.options.asc.unwrap_or(true);
            let nulls_first = key.options.nulls_first.unwrap_or(!is_ascending);
            Ok(SortExpr::new(keys(key.expr)?, is_ascending, nulls_first))
        });
        let order_by = order_by.collect::<EngineResult<Vec<_>>>()?;
        Ok(Input {
            plan,
            columns,
            schema,
            partition_by,
            order_by,
        })
    }
}

/// The columns `wanted` among those `found`, by their names, in their declared types.
fn these_columns(found: &DFSchema, wanted: &Schema, relation: &str) -> Result<Vec<Expr>> {
    let columns = wanted.fields().iter().map(|field| {
        let mut named = found
            .columns()
            .into_iter()
            .filter(|c| c.name == *field.name());
        let (Some(column), None) = (named.next(), named.next()) else {
            let names: Vec<String> = found.columns().into_iter().map(|c| c.name).collect();
            return Err(SheafError::user(format!(
                "the relation \"{relation}\" needs one column \"{}\"",
                field.name()
            ))
            .with_state(SqlState::UNDEFINED_COLUMN)
            .with_hint(format!("the columns are {}", names.join(", "))));
        };
        let data_type = found.field_from_column(&column)?.data_type().clone();
        cast_to(
            Expr::Column(column),
            &data_type,
            field.data_type(),
            field.name(),
        )
    });
    columns.collect()
}

fn cast_to(value: Expr, found: &DataType, wanted: &DataType, name: &str) -> Result<Expr> {
    if found == wanted {
        return Ok(value);
    }
    if !can_cast_types(found, wanted) {
        let (found, wanted) = (sql_type_name(found), sql_type_name(wanted));
        return Err(
            SheafError::user(format!("\"{name}\" is {wanted}, and gets {found}"))
                .with_state(SqlState::DATATYPE_MISMATCH),
        );
    }
    Ok(cast(value, wanted.clone()))
}
