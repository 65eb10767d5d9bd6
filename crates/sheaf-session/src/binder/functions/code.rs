//! CREATE FUNCTION … LANGUAGE: what a language makes of code becomes a function of the session.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast::{self, ColumnDef, Ident, Value};
use sheaf_base::error::SqlState;
use sheaf_base::type_names::is_variant;
use sheaf_base::{Result, SheafError};
use sheaf_functions::user::{AggregateDefinition, ScalarDefinition};
use sheaf_sql::{
    FunctionBody, FunctionCode, FunctionOverload, FunctionReturns, FunctionVolatility,
    ParameterKind,
};
use sheaf_udf::{Code, Declaration, Language, guarded};

use super::super::Binder;
use super::define::parameters;
use crate::catalog::{Checked, Parameter, SqlFunction, TableDefinition, UserFunction};

/// A function in another language, as it is written.
pub(crate) struct WrittenCode<'a> {
    pub(crate) name: &'a str,
    pub(crate) overload: &'a FunctionOverload,
    pub(crate) code: &'a FunctionCode,
    pub(crate) is_aggregate: bool,
    /// The statement.
    pub(crate) create_text: &'a str,
}

impl Binder<'_> {
    /// The function that `language` makes of `code`.
    ///
    /// # Errors
    /// `UserInput` (42P13) if a function cannot be declared so; those of the language.
    pub(crate) fn define_code(
        self,
        written: &WrittenCode<'_>,
        language: &dyn Language,
        code: &Code,
    ) -> Result<SqlFunction> {
        let parameters = parameters(written.name, written.overload)?;
        let declaration = self.declaration(written, &parameters)?;
        let made = guarded(written.name, || {
            self.made(written, declaration, language, code)
        })?;
        Ok(SqlFunction {
            name: written.name.to_owned(),
            parameters,
            body: FunctionBody::Expr(Box::new(ast::Expr::Value(Value::Null.with_empty_span()))),
            user: Some(made),
            cast_to: match &written.overload.returns {
                FunctionReturns::Scalar(data_type) if self.is_variant_type(data_type)? => {
                    Some(data_type.clone())
                }
                _ => None,
            },
            language: written.code.language.clone(),
            body_text: written.overload.body_text.clone(),
            create_text: written.create_text.to_owned(),
            checked: Checked::default(),
        })
    }

    fn made(
        self,
        written: &WrittenCode<'_>,
        declaration: Declaration,
        language: &dyn Language,
        code: &Code,
    ) -> Result<UserFunction> {
        match (&written.overload.returns, written.is_aggregate) {
            (FunctionReturns::Scalar(data_type), is_aggregate) => {
                let returns = self.declared_type(data_type)?;
                if declaration.reads_relation() {
                    return Err(wrong("what reads a relation RETURNS TABLE (name type, …)"));
                }
                if !is_aggregate {
                    let function = language.scalar(code, &declaration, &returns)?;
                    return Ok(UserFunction::Scalar(Arc::new(ScalarDefinition {
                        declaration,
                        returns,
                        function,
                    })));
                }
                if declaration.parameters.is_empty() {
                    return Err(wrong("an aggregate has a parameter"));
                }
                let function = language.aggregate(code, &declaration, &returns)?;
                Ok(UserFunction::Aggregate(Arc::new(AggregateDefinition {
                    declaration,
                    returns,
                    function,
                })))
            }
            (FunctionReturns::Table(columns), false) if !columns.is_empty() => {
                let columns = self.declared_fields(columns)?;
                let function = language.table(code, &declaration, &columns)?;
                Ok(UserFunction::Table(Arc::new(TableDefinition {
                    declaration,
                    function,
                })))
            }
            (FunctionReturns::Table(_), false) => Err(wrong(
                "code does not say which columns it gives: RETURNS TABLE (name type, …) does",
            )),
            (FunctionReturns::Table(_), true) => Err(wrong("an aggregate gives one value")),
            (FunctionReturns::Any, _) => Err(wrong(
                "code does not say what it gives: RETURNS type or RETURNS TABLE (name type, …) does",
            )),
        }
    }

    fn declaration(
        self,
        written: &WrittenCode<'_>,
        parameters: &[Parameter],
    ) -> Result<Declaration> {
        let relations = parameters.iter();
        let relations = relations.filter(|p| matches!(p.kind, ParameterKind::Relation(_)));
        if relations.count() > 1 {
            return Err(SheafError::unsupported(format!(
                "function \"{}\": a function reads one relation",
                written.name
            ))
            .with_hint("a join, or UNION ALL, makes one of two"));
        }
        let parameters = parameters.iter().map(|parameter| {
            let kind = match &parameter.kind {
                ParameterKind::Typed(data_type) => {
                    sheaf_udf::ParameterKind::Value(self.declared_type(data_type)?)
                }
                ParameterKind::Relation(columns) if columns.is_empty() => {
                    sheaf_udf::ParameterKind::Relation(None)
                }
                ParameterKind::Relation(columns) => {
                    sheaf_udf::ParameterKind::Relation(Some(self.declared_fields(columns)?))
                }
                ParameterKind::Generic => {
                    return Err(wrong(&format!("\"{}\" needs a type", parameter.name)));
                }
            };
            let default = match (&parameter.default, &kind) {
                (Some(default), sheaf_udf::ParameterKind::Value(data_type)) => {
                    self.constant(default, data_type)?
                }
                _ => None,
            };
            Ok(sheaf_udf::Parameter {
                name: parameter.name.clone(),
                kind,
                default,
            })
        });
        Ok(Declaration {
            name: written.name.to_owned(),
            parameters: parameters.collect::<Result<_>>()?,
            volatility: match written.code.volatility {
                FunctionVolatility::Immutable => Volatility::Immutable,
                FunctionVolatility::Stable => Volatility::Stable,
                FunctionVolatility::Volatile => Volatility::Volatile,
            },
            is_strict: written.code.is_strict,
        })
    }

    /// The value of a default; `None` if it is computed for each call.
    fn constant(self, default: &ast::Expr, data_type: &DataType) -> Result<Option<ScalarValue>> {
        let planned = self.plan_expression(default.clone())?;
        let simplified = self.simplified(planned)?;
        let Expr::Literal(value, _) = simplified else {
            return Ok(None);
        };
        Ok(Some(value.cast_to(data_type)?))
    }

    /// `expr`, which names no columns, as far as it can be computed now.
    pub(super) fn simplified(self, expr: Expr) -> Result<Expr> {
        let context = SimplifyContext::builder()
            .with_config_options(Arc::clone(self.state.config_options()))
            .with_query_execution_start_time(
                self.state.execution_props().query_execution_start_time,
            )
            .build();
        let simplifier = ExprSimplifier::new(context);
        let coerced = simplifier.coerce(expr, &DFSchema::empty())?;
        Ok(simplifier.simplify(coerced)?)
    }

    fn declared_type(self, data_type: &ast::DataType) -> Result<DataType> {
        let column = ColumnDef {
            name: Ident::new("value"),
            data_type: data_type.clone(),
            options: vec![],
        };
        let fields = self.declared_fields(&[column])?;
        Ok(fields.field(0).data_type().clone())
    }

    fn is_variant_type(self, data_type: &ast::DataType) -> Result<bool> {
        let column = ColumnDef {
            name: Ident::new("value"),
            data_type: data_type.clone(),
            options: vec![],
        };
        let schema = self.declared_columns(&[column])?;
        Ok(schema.is_some_and(|schema| is_variant(schema.field(0))))
    }

    fn declared_fields(self, columns: &[ColumnDef]) -> Result<SchemaRef> {
        let schema = self.declared_columns(columns)?;
        let schema = schema.unwrap_or_else(|| Arc::new(Schema::empty()));
        // Between functions and the engine a VARIANT is the text that it is.
        let plain = schema.fields().iter().map(|field| {
            let plain = Field::new(field.name(), field.data_type().clone(), true);
            match is_variant(field) {
                true => plain,
                false => field.as_ref().clone().with_nullable(true),
            }
        });
        Ok(Arc::new(Schema::new(plain.collect::<Vec<_>>())))
    }
}

fn wrong(message: &str) -> SheafError {
    SheafError::user(message).with_state(SqlState::INVALID_FUNCTION_DEFINITION)
}
