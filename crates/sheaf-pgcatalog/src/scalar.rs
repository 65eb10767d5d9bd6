//! The functions of this crate for the engine, so that statements which also read tables can call them.

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use ::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions};
use datafusion::common::{Result as EngineResult, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use crate::arrow::column;
use crate::bind::function_for;
use crate::cast::cast;
use crate::database::Database;
use crate::external::value_of;
use crate::facts::Facts;
use crate::functions::{Call, FUNCTIONS, Function, Returns, VARIADIC, functions_named};
use crate::made::Allowance;
use crate::types::{Oid, TEXT, UNKNOWN, arrow_field, column_type};
use crate::value::Value;

/// Gives the facts of the session that a function is called in: an extension of a statement's options,
/// so that all sessions share the functions.
#[derive(Clone)]
pub struct FactsSource(Arc<dyn Fn() -> Result<Arc<Facts>> + Send + Sync>);

impl FactsSource {
    /// Facts that `source` gives whenever a function is called.
    #[must_use]
    pub fn new(source: impl Fn() -> Result<Arc<Facts>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// The facts of the session that a statement with `options` is of.
    ///
    /// # Errors
    /// `Internal` if there is none.
    pub fn of(options: &ConfigOptions) -> Result<Arc<Facts>> {
        let source = options.extensions.get::<FactsSource>();
        let source = source.ok_or_else(|| SheafError::internal("a statement without a session"))?;
        (source.0)()
    }
}

impl fmt::Debug for FactsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FactsSource")
    }
}

impl ConfigExtension for FactsSource {
    const PREFIX: &'static str = "sheaf_facts";
}

impl ExtensionOptions for FactsSource {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _value: &str) -> EngineResult<()> {
        Err(SheafError::user(format!("there is no setting \"{key}\"")).into())
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        vec![]
    }
}

/// One function for each name of this crate's that the engine lacks.
pub fn scalar_functions(has_function: &dyn Fn(&str) -> bool) -> Vec<ScalarUDF> {
    let mut names = HashSet::new();
    let missing = FUNCTIONS
        .iter()
        .filter(|f| !has_function(f.name) && names.insert(f.name));
    let functions = missing.map(|function| {
        // What does something is not done while a statement is planned.
        let volatility = match functions_named(function.name).any(|known| known.is_volatile) {
            true => Volatility::Volatile,
            false => Volatility::Stable,
        };
        ScalarUDF::from(CatalogFunction {
            name: function.name,
            signature: Signature::user_defined(volatility),
        })
    });
    functions.collect()
}

/// Whether a function of the engine is one of this crate's.
#[must_use]
pub fn is_ours(function: &ScalarUDF) -> bool {
    let inner: &dyn Any = function.inner().as_ref();
    inner.is::<CatalogFunction>()
}

struct CatalogFunction {
    name: &'static str,
    signature: Signature,
}

impl fmt::Debug for CatalogFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CatalogFunction({})", self.name)
    }
}

impl PartialEq for CatalogFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for CatalogFunction {}

impl Hash for CatalogFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl CatalogFunction {
    /// The overload for arguments of these types.
    fn overload(&self, types: &[Oid]) -> Result<&'static Function> {
        function_for(self.name, types).ok_or_else(|| {
            SheafError::user(format!(
                "function {} does not take such arguments",
                self.name
            ))
            .with_state(SqlState::UNDEFINED_FUNCTION)
        })
    }
}

/// The types of arguments; a text may stand for anything.
fn types_of(fields: &[FieldRef]) -> Vec<Oid> {
    let types = fields.iter().map(|field| match field.data_type() {
        DataType::Null => UNKNOWN,
        _ => column_type(field).0,
    });
    types
        .map(|oid| if oid == TEXT { UNKNOWN } else { oid })
        .collect()
}

fn returned(function: &Function, types: &[Oid]) -> Oid {
    match function.returns {
        Returns::Type(oid) => oid,
        Returns::Same => types
            .first()
            .copied()
            .filter(|oid| *oid != UNKNOWN)
            .unwrap_or(TEXT),
    }
}

impl ScalarUDFImpl for CatalogFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> EngineResult<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, _types: &[DataType]) -> EngineResult<DataType> {
        internal_err!("the type comes from the fields of the arguments")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> EngineResult<FieldRef> {
        let types = types_of(args.arg_fields);
        let function = self.overload(&types)?;
        let field: Field = arrow_field(self.name, returned(function, &types));
        Ok(Arc::new(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> EngineResult<ColumnarValue> {
        let types = types_of(&args.arg_fields);
        let function = self.overload(&types)?;
        let database = Database::new(FactsSource::of(&args.config_options)?);
        let is_constant = args
            .args
            .iter()
            .all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let is_once = is_constant && !function.is_volatile;
        let count = if is_once { 1 } else { args.number_rows };
        let columns = args.args.iter().map(|argument| argument.to_array(count));
        let columns = columns.collect::<EngineResult<Vec<_>>>()?;
        let takes = function
            .arguments
            .iter()
            .copied()
            .chain(std::iter::repeat(VARIADIC));
        let takes: Vec<Oid> = types
            .iter()
            .zip(takes)
            .map(|(given, takes)| taken(*given, takes))
            .collect();
        let memory = Allowance::default();
        let mut results = Vec::with_capacity(count);
        for row in 0..count {
            let values = columns.iter().zip(types.iter().zip(&takes));
            let values = values.map(|(column, (given, takes))| {
                let value = value_of(&ScalarValue::try_from_array(column, row)?)?;
                cast(value, *given, *takes, &database)
            });
            let values = values.collect::<Result<Vec<_>>>()?;
            results.push(
                match !function.takes_nulls && values.iter().any(Value::is_null) {
                    true => Value::Null,
                    false => (function.call)(&Call {
                        database: &database,
                        memory: &memory,
                        values: &values,
                        types: &takes,
                    })?,
                },
            );
        }
        let oid = returned(function, &types);
        let results = crate::arrow::shown_all(&results, oid, &database);
        let array = column(&args.return_field, oid, &results)?;
        Ok(match is_once {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
            false => ColumnarValue::Array(array),
        })
    }
}

/// The type that an argument is cast to.
fn taken(given: Oid, takes: Oid) -> Oid {
    use crate::functions::{ANY, ANYARRAY};
    match takes {
        ANY | ANYARRAY | VARIADIC if given == UNKNOWN => TEXT,
        ANY | ANYARRAY | VARIADIC => given,
        takes => takes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_something_is_not_done_while_planning() {
        let functions = scalar_functions(&|_| false);
        for (name, volatility) in [
            ("pg_cancel_backend", Volatility::Volatile),
            ("pg_terminate_backend", Volatility::Volatile),
            ("pg_get_userbyid", Volatility::Stable),
        ] {
            let found = functions.iter().find(|function| function.name() == name);
            assert_eq!(found.unwrap().signature().volatility, volatility, "{name}");
        }
    }
}
