//! Functions that a program registers: what implements the traits of `sheaf-udf` becomes a function of the
//! session, which statements call as any other.

use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use datafusion::common::ScalarValue;
use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{self, Expr, Value};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError, sql_type_name};
use sheaf_functions::user::{AggregateDefinition, ScalarDefinition};
use sheaf_sql::{FunctionBody, ParameterKind, parse_expression};
use sheaf_udf::{AggregateFunction, Declaration, ScalarFunction, TableFunction};

use crate::catalog::{Checked, Parameter, RUST, SqlFunction, TableDefinition, UserFunction};
use crate::session::Session;
use crate::statements::other_kind;

impl Session {
    /// Adds a scalar function, which returns `returns`; one of the same name and parameters is replaced.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use arrow::array::{ArrayRef, AsArray, Float64Array};
    /// # use arrow::datatypes::{DataType, Float64Type};
    /// # use sheaf_udf::{CallContext, Declaration, ScalarFunction, Volatility};
    /// # async fn example(session: sheaf_session::Session) -> sheaf_base::Result<()> {
    /// #[derive(Debug)]
    /// struct Fahrenheit;
    ///
    /// impl ScalarFunction for Fahrenheit {
    ///     fn call(&self, arguments: &[ArrayRef], _: usize, _: &CallContext) -> sheaf_base::Result<ArrayRef> {
    ///         let celsius = arguments[0].as_primitive::<Float64Type>();
    ///         let converted: Float64Array = celsius.unary(|c| c * 9.0 / 5.0 + 32.0);
    ///         Ok(Arc::new(converted))
    ///     }
    /// }
    ///
    /// let declared = Declaration::new("fahrenheit").value("celsius", DataType::Float64);
    /// let declared = declared.volatility(Volatility::Immutable).strict();
    /// session.add_scalar_function(declared, DataType::Float64, Arc::new(Fahrenheit))?;
    /// session.sql("SELECT fahrenheit(celsius) FROM 'readings.csv'").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `UserInput` if the name is another kind of function's, or the function cannot be so.
    pub fn add_scalar_function(
        &self,
        declaration: Declaration,
        returns: DataType,
        function: Arc<dyn ScalarFunction>,
    ) -> Result<()> {
        refuse_relations(&declaration)?;
        let definition = ScalarDefinition {
            declaration: declaration.clone(),
            returns,
            function,
        };
        self.add(&declaration, UserFunction::Scalar(Arc::new(definition)))
    }

    /// Adds an aggregate function, which returns `returns`; one of the same name and parameters is
    /// replaced.
    ///
    /// # Errors
    /// As [`Session::add_scalar_function`].
    pub fn add_aggregate_function(
        &self,
        declaration: Declaration,
        returns: DataType,
        function: Arc<dyn AggregateFunction>,
    ) -> Result<()> {
        refuse_relations(&declaration)?;
        if declaration.parameters.is_empty() {
            return Err(wrong(&declaration.name, "an aggregate has a parameter"));
        }
        let definition = AggregateDefinition {
            declaration: declaration.clone(),
            returns,
            function,
        };
        self.add(&declaration, UserFunction::Aggregate(Arc::new(definition)))
    }

    /// Adds a table function, which says of each call which columns it gives; one of the same name and
    /// parameters is replaced.
    ///
    /// # Errors
    /// As [`Session::add_scalar_function`].
    pub fn add_table_function(
        &self,
        declaration: Declaration,
        function: Arc<dyn TableFunction>,
    ) -> Result<()> {
        let definition = TableDefinition {
            declaration: declaration.clone(),
            function,
        };
        self.add(&declaration, UserFunction::Table(Arc::new(definition)))
    }

    fn add(&self, declaration: &Declaration, user: UserFunction) -> Result<()> {
        let name = declaration.name.as_str();
        let state = Arc::clone(self.inner.state.read().functions());
        if let Some(kind) = other_kind(name, &state) {
            return Err(SheafError::user(format!("\"{name}\" is {kind} already"))
                .with_state(SqlState::DUPLICATE_FUNCTION));
        }
        let function = Arc::new(SqlFunction {
            name: name.to_owned(),
            parameters: self.parameters(declaration, &state)?,
            body: FunctionBody::Expr(Box::new(Expr::Value(Value::Null.with_empty_span()))),
            user: Some(user),
            cast_to: None,
            language: RUST.to_owned(),
            body_text: String::new(),
            create_text: String::new(),
            checked: Checked::default(),
        });
        let is_aggregate = function.is_aggregate();
        self.inner.catalog.functions.change(|functions| {
            let others = functions.entry(name.to_owned()).or_default();
            others.retain(|other| other.identity() != function.identity());
            if others
                .iter()
                .any(|other| other.is_aggregate() != is_aggregate)
            {
                let message = "others of the name are of another kind";
                return Err(wrong(name, message).with_state(SqlState::DUPLICATE_FUNCTION));
            }
            others.push(function);
            Ok(())
        })
    }

    fn parameters(
        &self,
        declaration: &Declaration,
        state: &SessionState,
    ) -> Result<Vec<Parameter>> {
        let mut parameters: Vec<Parameter> = Vec::with_capacity(declaration.parameters.len());
        let mut relations = 0;
        for parameter in &declaration.parameters {
            let name = &parameter.name;
            if parameters.iter().any(|other| other.name == *name) {
                return Err(wrong(
                    &declaration.name,
                    &format!("\"{name}\" is declared twice"),
                ));
            }
            let kind = match &parameter.kind {
                sheaf_udf::ParameterKind::Value(data_type) => {
                    match self.written_type(data_type, state) {
                        Some(data_type) => ParameterKind::Typed(data_type),
                        None => ParameterKind::Generic,
                    }
                }
                sheaf_udf::ParameterKind::Relation(_) => {
                    relations += 1;
                    ParameterKind::Relation(vec![])
                }
            };
            let default = parameter.default.as_ref();
            let default = default.map(|value| written_value(&declaration.name, value));
            parameters.push(Parameter {
                name: name.clone(),
                kind,
                default: default.transpose()?,
            });
        }
        match relations {
            0 | 1 => Ok(parameters),
            _ => Err(wrong(&declaration.name, "a function reads one relation")),
        }
    }

    /// The type as SQL says it, if it can.
    fn written_type(&self, data_type: &DataType, state: &SessionState) -> Option<ast::DataType> {
        let text = format!("CAST(NULL AS {})", sql_type_name(data_type));
        let Ok(Expr::Cast {
            data_type: written, ..
        }) = parse_expression(&text)
        else {
            return None;
        };
        let column = ast::ColumnDef {
            name: ast::Ident::new("value"),
            data_type: written.clone(),
            options: vec![],
        };
        let schema = self.binder(state).declared_columns(&[column]).ok()??;
        let meant = schema.field(0).data_type();
        let is_same = meant == data_type || meant.is_string() && data_type.is_string();
        is_same.then_some(written)
    }
}

/// A default as SQL says it.
fn written_value(function: &str, value: &ScalarValue) -> Result<Expr> {
    if value.is_null() {
        return Ok(Expr::Value(Value::Null.with_empty_span()));
    }
    let text = array_value_to_string(&value.to_array()?, 0)?;
    let data_type = value.data_type();
    if data_type.is_numeric() || data_type == DataType::Boolean {
        let literal = parse_expression(&text);
        return literal.map_err(|_| wrong(function, &format!("{text} is no default")));
    }
    if data_type.is_string() || data_type.is_temporal() {
        return Ok(Expr::Value(
            Value::SingleQuotedString(text).with_empty_span(),
        ));
    }
    let type_name = sql_type_name(&data_type);
    Err(wrong(
        function,
        &format!("there are no defaults of type {type_name}"),
    ))
}

fn refuse_relations(declaration: &Declaration) -> Result<()> {
    match declaration.reads_relation() {
        true => Err(wrong(
            &declaration.name,
            "what reads a relation is a table function",
        )),
        false => Ok(()),
    }
}

fn wrong(function: &str, message: &str) -> SheafError {
    SheafError::user(format!("function \"{function}\": {message}"))
        .with_state(SqlState::INVALID_FUNCTION_DEFINITION)
}
