//! Arrays in FROM: calls of the functions in [`sheaf_array_relations::FUNCTIONS`], names of views that are
//! no more than such a call, and files of arrays.
//!
//! An argument that is an array is a name, a call, a path or a number, which takes the type of the array beside
//! it. The same name or call is the same array wherever it stands in a statement. Nothing is read here but what
//! files say of themselves.

mod files;
mod lambda;
mod numbers;
mod planned;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, FunctionArguments, SetExpr, TableFactor,
};
use futures::future::{BoxFuture, FutureExt};
use sheaf_array_relations::{
    Argument, Arguments, ArrayArgument, ArrayTable, Kind, Parameter, function,
};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use self::lambda::Body;
use self::numbers::{constant, settled};
use super::references::call_key;
use super::{Binder, VIEW_DEPTH_MAX, is_path, simplifier, table_reference};
use crate::catalog::{Relation, View};

pub(super) use self::files::reader_of;

/// What has been made for a statement, by the texts of names and calls.
#[derive(Default)]
pub(super) struct Arrays(HashMap<String, Arc<ArrayTable>>);

/// Whether `name`, in lower case, makes an array, or rows of one.
pub(super) fn is_array_function(name: &str) -> bool {
    function(name).is_some()
}

/// The one relation that a query is no more than: `SELECT * FROM relation`.
pub(super) fn only_relation(query: &ast::Query) -> Option<TableFactor> {
    let ast::Query {
        with: None,
        body,
        order_by: None,
        limit_clause: None,
        fetch: None,
        ..
    } = query
    else {
        return None;
    };
    match body.as_ref() {
        SetExpr::Query(inner) => only_relation(inner),
        SetExpr::Select(select) => {
            let [ast::SelectItem::Wildcard(_)] = select.projection.as_slice() else {
                return None;
            };
            let [from] = select.from.as_slice() else {
                return None;
            };
            let plain = super::build::select_all(from.relation.clone());
            let is_plain = from.joins.is_empty()
                && matches!(plain.body.as_ref(), SetExpr::Select(other)
                    if other.selection == select.selection
                        && other.group_by == select.group_by
                        && other.having == select.having
                        && other.distinct == select.distinct
                        && other.top == select.top
                        && other.qualify == select.qualify);
            is_plain.then(|| from.relation.clone())
        }
        _ => None,
    }
}

/// Whether an argument without a name can be an array.
fn may_be_array(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_) | ast::Expr::Subquery(_) => {
            true
        }
        ast::Expr::Function(call) => is_array_function(&call.name.to_string().to_lowercase()),
        ast::Expr::Nested(inner) => may_be_array(inner),
        _ => false,
    }
}

impl<'a> Binder<'a> {
    /// The rows that the call `name(arguments)` gives.
    ///
    /// # Errors
    /// `UserInput` if the arguments do not fit; those of opening files and of planning relations.
    pub(super) fn array_call<'b>(
        self,
        name: &'b str,
        given: &'b [FunctionArg],
        arrays: &'b mut Arrays,
    ) -> BoxFuture<'b, Result<Arc<ArrayTable>>>
    where
        'a: 'b,
    {
        async move {
            let key = format!("{name}{}", call_key(&ast::ObjectName(vec![]), given));
            if let Some(made) = arrays.0.get(&key) {
                return Ok(Arc::clone(made));
            }
            let function = function(name)
                .ok_or_else(|| SheafError::internal(format!("{name} makes no array")))?;
            let mut arguments = Arguments::new(function.name, function.parameters);
            let mut file = None;
            for argument in given {
                let (parameter, value) = parameter_of(&arguments, argument)?;
                if parameter.kind == Kind::File {
                    file = Some(parameter);
                }
                let argument = self
                    .argument(function.name, parameter, value, arrays)
                    .await?;
                arguments.give(parameter, argument);
            }
            // Once all is known that tells how to open it.
            if let Some(parameter) = file {
                let array = self.open_array(function.name, &arguments).await?;
                let opened = ArrayArgument {
                    array,
                    cells: vec![],
                    number: None,
                };
                arguments.give(parameter, Argument::Array(opened));
            }
            let rows = function.make(&mut arguments)?;
            let made = Arc::new(ArrayTable::new(rows, arguments.cells().to_vec()));
            arrays.0.insert(key, Arc::clone(&made));
            Ok(made)
        }
        .boxed()
    }

    async fn argument(
        self,
        function: &'static str,
        parameter: &'static Parameter,
        value: &ast::Expr,
        arrays: &mut Arrays,
    ) -> Result<Argument<'a>> {
        Ok(match parameter.kind {
            Kind::Array | Kind::Arrays => {
                Argument::Array(self.array_argument(function, value, arrays, 0).await?)
            }
            Kind::Value | Kind::File => {
                Argument::Value(self.array_constant(function, parameter, value)?)
            }
            Kind::Lambda => Argument::Lambda(Body::lambda(self, function, value)?),
            Kind::Relation => Argument::Relation(match value {
                ast::Expr::Subquery(query) => self.plan_query((**query).clone()).await?,
                named => {
                    let factor = named_relation(named).ok_or_else(|| {
                        SheafError::user(format!("{function}: {named} is no relation"))
                            .with_state(SqlState::DATATYPE_MISMATCH)
                            .with_hint("write a name, or a query in parentheses")
                    })?;
                    self.plan_relation(factor).await?
                }
            }),
        })
    }

    /// The array that an argument is.
    fn array_argument<'b>(
        self,
        function: &'static str,
        value: &'b ast::Expr,
        arrays: &'b mut Arrays,
        depth: usize,
    ) -> BoxFuture<'b, Result<ArrayArgument>>
    where
        'a: 'b,
    {
        async move {
            let none = || {
                SheafError::user(format!("{function}: {value} is no array"))
                    .with_state(SqlState::DATATYPE_MISMATCH)
                    .with_hint(
                        "write a name from CREATE ARRAY, a call such as array_random(…), a path, or a number",
                    )
            };
            match value {
                ast::Expr::Nested(inner) => self.array_argument(function, inner, arrays, depth).await,
                ast::Expr::Subquery(query) => match only_relation(query) {
                    Some(relation) => self.array_relation(function, &relation, arrays, depth).await,
                    None => Err(none().with_detail("a query gives rows; cells_to_array makes an array of them")),
                },
                ast::Expr::Function(_) | ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_) => {
                    let relation = named_relation(value).ok_or_else(none)?;
                    self.array_relation(function, &relation, arrays, depth).await
                }
                ast::Expr::Value(literal)
                    if matches!(literal.value, ast::Value::SingleQuotedString(_)) =>
                {
                    let relation = named_relation(value).ok_or_else(none)?;
                    self.array_relation(function, &relation, arrays, depth).await
                }
                other => constant(other)?.ok_or_else(none),
            }
        }
        .boxed()
    }

    /// The array whose chunks a relation has.
    fn array_relation<'b>(
        self,
        function: &'static str,
        relation: &'b TableFactor,
        arrays: &'b mut Arrays,
        depth: usize,
    ) -> BoxFuture<'b, Result<ArrayArgument>>
    where
        'a: 'b,
    {
        async move {
            if depth > VIEW_DEPTH_MAX {
                return Err(SheafError::user(format!(
                    "{function}: arrays are nested over {VIEW_DEPTH_MAX} deep"
                ))
                .with_state(SqlState::STATEMENT_TOO_COMPLEX));
            }
            let TableFactor::Table { name, args, .. } = relation else {
                return Err(no_array(function, &relation.to_string()));
            };
            if let Some(args) = args {
                let called = name.to_string().to_lowercase();
                if !is_array_function(&called) {
                    return Err(no_array(function, &format!("{called}(…)")));
                }
                let made = self.array_call(&called, &args.args, arrays).await?;
                return made
                    .array()
                    .ok_or_else(|| no_array(function, &format!("{called}(…)")));
            }
            if let Some(path) = is_path(name) {
                let made = self.array_path(path, arrays).await?;
                return made.and_then(|made| made.array()).ok_or_else(|| {
                    no_array(function, path).with_hint(
                        "read_zarr, read_npy, read_npz and read_hdf5 read files of any name",
                    )
                });
            }
            let reference = table_reference(name)?;
            let Some(found) = self.catalog.named(&reference) else {
                let whole = reference.to_string();
                return Err(match self.open_system(reference).await? {
                    Some(_) => no_array(function, &whole),
                    None => self.catalog.not_found(&whole),
                });
            };
            let Relation::View(view) = found else {
                return Err(no_array(function, reference.table()));
            };
            let inner =
                only_relation(&view.query).ok_or_else(|| no_array(function, reference.table()))?;
            let array = self
                .array_relation(function, &inner, arrays, depth + 1)
                .await;
            array.map_err(|error| error.without_position())
        }
        .boxed()
    }

    /// The array whose chunks a query gives.
    ///
    /// # Errors
    /// `UserInput` if it is more than the name of an array, or a call that makes one.
    pub(crate) async fn array_of_query(self, query: &ast::Query) -> Result<ArrayArgument> {
        let relation = only_relation(query).ok_or_else(|| {
            SheafError::user("the query gives rows, not an array")
                .with_state(SqlState::WRONG_OBJECT_TYPE)
                .with_hint("array_slice takes a part of an array; cells_to_array makes one of rows")
        })?;
        self.array_named(&relation).await
    }

    /// The array whose chunks a relation has.
    ///
    /// # Errors
    /// `UserInput` if it is none.
    pub(crate) async fn array_named(self, relation: &TableFactor) -> Result<ArrayArgument> {
        self.array_relation("an array is needed", relation, &mut Arrays::default(), 0)
            .await
    }

    /// The array that a relation is, if its name says so: one from CREATE ARRAY, a call of a function that
    /// makes arrays, or the path of a file of arrays.
    ///
    /// # Errors
    /// `UserInput` if it is none after all; those of opening files.
    pub(crate) async fn array_if_any(
        self,
        relation: &TableFactor,
    ) -> Result<Option<ArrayArgument>> {
        match self.names_array(relation)? {
            true => self.array_named(relation).await.map(Some),
            false => Ok(None),
        }
    }

    /// Whether the name of a relation says that it is an array, as for [`Self::array_if_any`].
    fn names_array(self, relation: &TableFactor) -> Result<bool> {
        let TableFactor::Table { name, args, .. } = relation else {
            return Ok(false);
        };
        Ok(match (args, is_path(name)) {
            (Some(_), _) => is_array_function(&name.to_string().to_lowercase()),
            (None, Some(path)) => reader_of(path).is_some(),
            (None, None) => {
                let found = self.catalog.named(&table_reference(name)?);
                matches!(found, Some(Relation::View(View { is_array: true, .. })))
            }
        })
    }

    /// What stands in the files at `path`, if its name says that this is an array.
    ///
    /// # Errors
    /// Those of opening it.
    pub(super) async fn array_path(
        self,
        path: &str,
        arrays: &mut Arrays,
    ) -> Result<Option<Arc<ArrayTable>>> {
        let Some(reader) = reader_of(path) else {
            return Ok(None);
        };
        let text = ast::Value::SingleQuotedString(path.to_owned());
        let argument = FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::value(text)));
        self.array_call(reader, &[argument], arrays).await.map(Some)
    }

    fn array_constant(
        self,
        function: &str,
        parameter: &Parameter,
        value: &ast::Expr,
    ) -> Result<datafusion::common::ScalarValue> {
        let named =
            |error: SheafError| error.with_context(format!("{function}: \"{}\"", parameter.name));
        let planned = self.plan_expression(value.clone()).map_err(named)?;
        let schema = Arc::new(DFSchema::empty());
        let simplifier = simplifier(self.state, &schema);
        let settled = settled(planned, &schema, self.state.config_options()).map_err(named)?;
        let coerced = simplifier.coerce(settled, &schema)?;
        match simplifier.simplify(coerced)? {
            Expr::Literal(value, _) => Ok(value),
            _ => Err(SheafError::user(format!(
                "{function}: \"{}\" is a constant, not {value}",
                parameter.name
            ))
            .with_state(SqlState::INVALID_PARAMETER_VALUE)),
        }
    }
}

fn no_array(function: &str, what: &str) -> SheafError {
    SheafError::user(format!("{function}: \"{what}\" is no array"))
        .with_state(SqlState::WRONG_OBJECT_TYPE)
        .with_hint("CREATE ARRAY names one; cells_to_array makes one of the rows of a table")
}

fn parameter_of<'e>(
    arguments: &Arguments<'_>,
    argument: &'e FunctionArg,
) -> Result<(&'static Parameter, &'e ast::Expr)> {
    let (name, value) = match argument {
        FunctionArg::Unnamed(value) => (None, value),
        FunctionArg::Named { name, arg, .. } => (Some(name.value.clone()), arg),
        FunctionArg::ExprNamed { name, arg, .. } => (Some(name.to_string()), arg),
    };
    let FunctionArgExpr::Expr(value) = value else {
        return Err(SheafError::user(format!("{value} is no argument")));
    };
    let parameter = match name {
        Some(name) => arguments.parameter(&name)?,
        None => arguments.next_parameter(may_be_array(value))?,
    };
    Ok((parameter, value))
}

/// The relation that a name, a path or a call is.
fn named_relation(value: &ast::Expr) -> Option<TableFactor> {
    let (name, args) = match value {
        ast::Expr::Identifier(name) => (ast::ObjectName::from(vec![name.clone()]), None),
        ast::Expr::CompoundIdentifier(parts) => (ast::ObjectName::from(parts.clone()), None),
        ast::Expr::Value(literal) => {
            let ast::Value::SingleQuotedString(path) = &literal.value else {
                return None;
            };
            let name = ast::Ident::with_quote('\'', path.clone());
            (ast::ObjectName::from(vec![name]), None)
        }
        ast::Expr::Function(call) => {
            let FunctionArguments::List(list) = &call.args else {
                return None;
            };
            let args = ast::TableFunctionArgs {
                args: list.args.clone(),
                settings: None,
            };
            (call.name.clone(), Some(args))
        }
        ast::Expr::Nested(inner) => return named_relation(inner),
        _ => return None,
    };
    let mut factor = super::build::table_factor(name);
    if let TableFactor::Table { args: own, .. } = &mut factor {
        *own = args;
    }
    Some(factor)
}
