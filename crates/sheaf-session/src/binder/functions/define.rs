//! CREATE FUNCTION: from what is written to a function whose body can stand anywhere.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    self, CastKind, ColumnDef, Expr, Ident, Query, SelectItem, SetExpr, TableAliasColumnDef,
    TableFactor, TableWithJoins, Value, Visitor, VisitorMut,
};
use sheaf_base::error::{ErrorKind, Position, SqlState};
use sheaf_base::{Result, SheafError};
use sheaf_sql::walk::{Walk, WalkMut};
use sheaf_sql::{FunctionBody, FunctionOverload, FunctionReturns, FunctionSource, ParameterKind};

use super::super::build::{query_of, select_from};
use super::super::references::names_files;
use super::super::{Binder, column_names, normalize};
use super::inline::{alias, cast, parameter_of, quoted};
use super::measure::is_closed;
use super::names::Declared;
use super::{calls, resolve};
use crate::catalog::{Checked, FunctionMap, Parameter, SqlFunction};

impl<'a> Binder<'a> {
    /// The binder that knows `functions` in the place of the session's.
    pub(crate) fn with_functions(self, functions: &'a Arc<FunctionMap>) -> Self {
        Self {
            new_functions: Some(functions),
            ..self
        }
    }

    /// The functions of the session, or those that are being created with them.
    pub(super) fn functions(self) -> Arc<FunctionMap> {
        match self.new_functions {
            Some(functions) => Arc::clone(functions),
            None => self.catalog.functions.all(),
        }
    }

    /// The function that a definition makes. Its body is not looked at closer than its names need.
    ///
    /// # Errors
    /// `UserInput` (42P13) if the parameters cannot be as they are declared, (42P02) if the body
    /// names one that is not there.
    pub(crate) async fn define_function(
        self,
        name: &str,
        written: &FunctionOverload,
        create_text: &str,
    ) -> Result<SqlFunction> {
        let parameters = parameters(name, written)?;
        let body = match &written.source {
            FunctionSource::Sql(body) => body,
            FunctionSource::Code(code) => {
                return Err(SheafError::internal(format!(
                    "a function in {} has no body",
                    code.language
                )));
            }
        };
        let mut query = match body {
            FunctionBody::Expr(expr) => value_query(Expr::clone(expr)),
            FunctionBody::Table(query) => Query::clone(query),
        };
        let mut statement = ast::Statement::Query(Box::new(query));
        column_names::name_computed(&mut statement);
        query = match statement {
            ast::Statement::Query(query) => *query,
            _ => return Err(SheafError::internal("a query has become something else")),
        };
        let declared = Declared {
            function: name,
            parameters: &parameters,
            catalog: self.catalog,
        };
        let mut columns = Vec::new();
        for request in resolve::requests(&query, &declared) {
            // What cannot be planned is an error of the whole body, or takes its files from a call.
            let plan = self.plan_query(request).await.ok();
            let schema = plan.as_ref().map(|plan| plan.schema());
            let fields = schema.iter().flat_map(|schema| schema.fields().iter());
            columns.push(fields.map(|field| field.name().clone()).collect());
        }
        resolve::settle(&mut query, &declared, &columns);
        refuse_unknown_parameters(&query, parameters.len())?;
        let body = match (body, &written.returns) {
            (FunctionBody::Expr(_), returns) => {
                let value = only_value(query)?;
                FunctionBody::Expr(Box::new(match returns {
                    FunctionReturns::Scalar(data_type) => cast(value, data_type),
                    _ => value,
                }))
            }
            (FunctionBody::Table(_), FunctionReturns::Table(columns)) if !columns.is_empty() => {
                self.check_count(&query, &parameters, columns.len()).await?;
                FunctionBody::Table(Box::new(with_columns(query, columns)))
            }
            (FunctionBody::Table(_), _) => FunctionBody::Table(Box::new(query)),
        };
        Ok(SqlFunction {
            name: name.to_owned(),
            parameters,
            body,
            user: None,
            cast_to: None,
            language: "sql".to_owned(),
            body_text: written.body_text.clone(),
            create_text: create_text.to_owned(),
            checked: Checked::default(),
        })
    }

    /// Checks that `query` gives as many columns as RETURNS TABLE says, as far as it can be planned.
    async fn check_count(
        self,
        query: &Query,
        parameters: &[Parameter],
        declared: usize,
    ) -> Result<()> {
        let mut query = query.clone();
        let _ = query.walk_mut(&mut Nulls(parameters));
        let plan = self.plan_query(query).await.ok();
        let found = plan.map(|plan| plan.schema().fields().len());
        match found {
            Some(found) if found != declared => Err(SheafError::user(format!(
                "RETURNS TABLE says {declared} columns, and the query gives {found}"
            ))
            .with_state(SqlState::INVALID_FUNCTION_DEFINITION)),
            _ => Ok(()),
        }
    }

    /// Plans the body of `function` by itself, NULL for its parameters: what it names must be
    /// there. Types of parameters that are not declared are those of a call, so that nothing is said
    /// of types then.
    ///
    /// # Errors
    /// Those of planning.
    pub(crate) async fn check_function(self, function: &SqlFunction) -> Result<()> {
        let mut query = body_query(function);
        let is_relation = |p: &Parameter| matches!(p.kind, ParameterKind::Relation(_));
        if function.parameters.iter().any(is_relation) || reads_parameters(&query) {
            return Ok(());
        }
        let _ = query.walk_mut(&mut Nulls(&function.parameters));
        let binder = Binder {
            looks_into_functions: false,
            ..self
        };
        let is_generic = |p: &Parameter| matches!(p.kind, ParameterKind::Generic);
        let is_generic = function.parameters.iter().any(is_generic);
        match binder.plan_query(query).await {
            Err(error) if !is_generic || is_certain(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Whether the body of `function` names files: by their paths, or by a call that reads them. Code in
/// another language may.
pub(crate) fn body_names_files(function: &SqlFunction) -> bool {
    function.user.is_some() || names_files(&body_query(function))
}

/// The body of `function` as a query.
fn body_query(function: &SqlFunction) -> Query {
    match &function.body {
        FunctionBody::Expr(expr) => value_query(Expr::clone(expr)),
        FunctionBody::Table(query) => Query::clone(query),
    }
}

/// NULL of the type of a parameter.
pub(super) fn null_of(kind: &ParameterKind) -> Expr {
    let null = Expr::Value(Value::Null.with_empty_span());
    match kind {
        ParameterKind::Typed(data_type) => Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(null),
            data_type: data_type.clone(),
            array: false,
            format: None,
        },
        _ => null,
    }
}

struct Nulls<'a>(&'a [Parameter]);

impl VisitorMut for Nulls<'_> {
    type Break = ();
    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        drop_limits(query);
        ControlFlow::Continue(())
    }
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(parameter) = parameter_of(expr).and_then(|at| self.0.get(at)) {
            *expr = null_of(&parameter.kind);
        }
        ControlFlow::Continue(())
    }
}

/// Whether an error does not come from NULLs in the place of values of other types.
fn is_certain(error: &SheafError) -> bool {
    let state = error.state();
    error.kind() == ErrorKind::UserInput
        && (state == SqlState::UNDEFINED_COLUMN
            || state == SqlState::AMBIGUOUS_COLUMN
            || state == SqlState::UNDEFINED_TABLE
            || state == SqlState::UNDEFINED_FILE
            || state == SqlState::WRONG_OBJECT_TYPE
            || state == SqlState::PROGRAM_LIMIT
            || state == SqlState::INSUFFICIENT_PRIVILEGE
            || state == SqlState::UNDEFINED_FUNCTION && names_no_types(error.message()))
}

/// `function "f" does not exist`, or one of ours; not `sum(Utf8)`.
fn names_no_types(message: &str) -> bool {
    (message.contains("function \"") && !message.contains('('))
        || message.contains("no table function")
}

pub(super) fn parameters(function: &str, written: &FunctionOverload) -> Result<Vec<Parameter>> {
    let mut parameters: Vec<Parameter> = Vec::with_capacity(written.parameters.len());
    for parameter in &written.parameters {
        let name = normalize(&parameter.name);
        let start = parameter.name.span.start;
        let refuse = |message: String| {
            let error = SheafError::user(format!("function \"{function}\": {message}"))
                .with_state(SqlState::INVALID_FUNCTION_DEFINITION);
            Err(error.with_position(Position {
                line: start.line,
                column: start.column,
            }))
        };
        if parameters.iter().any(|other| other.name == name) {
            return refuse(format!("\"{name}\" is declared twice"));
        }
        let is_relation = matches!(parameter.kind, ParameterKind::Relation(_));
        match &parameter.default {
            Some(_) if is_relation => {
                return refuse(format!("the relation \"{name}\" cannot have a default"));
            }
            Some(default) if !is_closed(default) || has_parameter(default) => {
                return refuse(format!(
                    "the default of \"{name}\" names something; it must be a constant expression"
                ));
            }
            None if parameters.iter().any(|other| other.default.is_some()) => {
                return refuse(format!(
                    "\"{name}\" needs a default, since it stands behind a parameter that has one"
                ));
            }
            _ => {}
        }
        parameters.push(Parameter {
            name,
            kind: parameter.kind.clone(),
            default: parameter.default.clone(),
        });
    }
    Ok(parameters)
}

fn has_parameter(tree: &impl Walk) -> bool {
    greatest_parameter(tree).is_some()
}

/// Takes LIMIT, OFFSET and FETCH away, if they are no constants: NULL, which stands for a parameter
/// where a body is planned by itself, is no number of rows.
pub(super) fn drop_limits(query: &mut Query) {
    let is_constant = |count: &Expr| is_closed(count) && !has_parameter(count);
    let limit = match &query.limit_clause {
        Some(ast::LimitClause::LimitOffset { limit, offset, .. }) => {
            let offset = offset.as_ref().map(|offset| &offset.value);
            limit.iter().chain(offset).all(is_constant)
        }
        Some(ast::LimitClause::OffsetCommaLimit { offset, limit }) => {
            is_constant(offset) && is_constant(limit)
        }
        None => true,
    };
    if !limit {
        query.limit_clause = None;
    }
    let fetch = query
        .fetch
        .as_ref()
        .and_then(|fetch| fetch.quantity.as_ref());
    if !fetch.is_none_or(is_constant) {
        query.fetch = None;
    }
}

fn greatest_parameter(tree: &impl Walk) -> Option<usize> {
    struct Finder(Option<usize>);
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            self.0 = self.0.max(parameter_of(expr));
            ControlFlow::Continue(())
        }
    }
    let mut finder = Finder(None);
    let _ = tree.walk(&mut finder);
    finder.0
}

fn refuse_unknown_parameters(body: &Query, count: usize) -> Result<()> {
    match greatest_parameter(body) {
        Some(at) if at >= count => Err(SheafError::user(format!(
            "there is no parameter ${}",
            at + 1
        ))
        .with_state(SqlState::UNDEFINED_PARAMETER)),
        _ => Ok(()),
    }
}

/// Whether a `read_…` call takes something of a parameter: its files are known in a call only.
fn reads_parameters(body: &Query) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            if let Some((name, arguments)) = calls::called_relation(factor)
                && sheaf_files::format_by_function(&name.to_string().to_lowercase()).is_some()
            {
                let has_parameter = arguments.iter().any(|argument| match argument {
                    ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value))
                    | ast::FunctionArg::Named {
                        arg: ast::FunctionArgExpr::Expr(value),
                        ..
                    } => has_parameter(value),
                    _ => false,
                });
                if has_parameter {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        }
    }
    body.walk(&mut Finder).is_break()
}

/// `SELECT value`
fn value_query(value: Expr) -> Query {
    let item = SelectItem::ExprWithAlias {
        expr: value,
        alias: Ident::new("value"),
    };
    query_of(SetExpr::Select(Box::new(select_from(vec![item], vec![]))))
}

/// The value of a [`value_query`].
fn only_value(query: Query) -> Result<Expr> {
    if let SetExpr::Select(select) = *query.body
        && let Some(SelectItem::ExprWithAlias { expr, .. }) = select.projection.into_iter().next()
    {
        return Ok(expr);
    }
    Err(SheafError::internal("the body of a function has no value"))
}

/// `query` with the names and types that RETURNS TABLE says.
fn with_columns(query: Query, columns: &[ColumnDef]) -> Query {
    let rows = "rows of the body";
    let items = columns.iter().map(|column| {
        let value = Expr::CompoundIdentifier(vec![quoted(rows.to_owned()), column.name.clone()]);
        SelectItem::ExprWithAlias {
            expr: cast(value, &column.data_type),
            alias: column.name.clone(),
        }
    });
    let mut named = alias(rows);
    named.columns = columns
        .iter()
        .map(|column| TableAliasColumnDef {
            name: column.name.clone(),
            data_type: None,
        })
        .collect();
    let from = TableWithJoins {
        relation: TableFactor::Derived {
            lateral: false,
            subquery: Box::new(query),
            alias: Some(named),
            sample: None,
        },
        joins: vec![],
    };
    let select = select_from(items.collect(), vec![from]);
    query_of(SetExpr::Select(Box::new(select)))
}
