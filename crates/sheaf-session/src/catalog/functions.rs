//! What CREATE FUNCTION, and programs that register functions, keep for a session.
//!
//! A name stands for a list of functions with different parameters. Those whose bodies are SQL are kept
//! as syntax trees in which the binder has settled what each name means (`binder::functions`), and put
//! in the place of their calls there. Others are called: each statement binds them to itself
//! ([`bind_user_functions`]), under names that nobody writes. Knows nothing of planning.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::execution::SessionState;
use datafusion::execution::registry::FunctionRegistry;
use datafusion::sql::sqlparser::ast::{DataType, Expr};
use parking_lot::Mutex;
use sheaf_base::{Result, SheafError};
use sheaf_functions::user::{self, AggregateDefinition, ScalarDefinition};
use sheaf_sql::{FunctionBody, ParameterKind};
use sheaf_udf::{CallContext, Declaration, TableFunction};

use super::Version;
use crate::versioned::Versioned;

/// Functions that one session may hold.
const FUNCTIONS_MAX: usize = 10_000;

/// A parameter.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) kind: ParameterKind,
    pub(crate) default: Option<Expr>,
}

/// A function in another language than SQL.
#[derive(Debug, Clone)]
pub(crate) enum UserFunction {
    Scalar(Arc<ScalarDefinition>),
    Aggregate(Arc<AggregateDefinition>),
    Table(Arc<TableDefinition>),
}

/// A table function and what was declared of it.
#[derive(Debug)]
pub(crate) struct TableDefinition {
    pub(crate) declaration: Declaration,
    pub(crate) function: Arc<dyn TableFunction>,
}

/// The language of functions that a program has registered.
pub(crate) const RUST: &str = "rust";

/// A function of the session.
#[derive(Debug)]
pub(crate) struct SqlFunction {
    pub(crate) name: String,
    pub(crate) parameters: Vec<Parameter>,
    /// The body, in which `$n` is the n-th parameter and a relation that is a parameter has the name
    /// of [`SqlFunction::relation_name`]; NULL if it is not in SQL.
    pub(crate) body: FunctionBody,
    /// What is called, if it is not in SQL.
    pub(crate) user: Option<UserFunction>,
    /// What the result of a call is cast to, since code gives a VARIANT as its text.
    pub(crate) cast_to: Option<DataType>,
    /// The name of its language.
    pub(crate) language: String,
    /// The body as it was written.
    pub(crate) body_text: String,
    /// The statement that created it.
    pub(crate) create_text: String,
    /// When its body was planned by itself.
    pub(crate) checked: Checked,
}

/// The last version of a catalogue for which something was found to be right.
#[derive(Debug, Default)]
pub(crate) struct Checked(Mutex<Option<Version>>);

impl Checked {
    pub(crate) fn is_at(&self, version: Version) -> bool {
        *self.0.lock() == Some(version)
    }

    pub(crate) fn set(&self, version: Version) {
        *self.0.lock() = Some(version);
    }
}

impl SqlFunction {
    /// `scalar`, `aggregate` or `table`.
    pub(crate) fn kind(&self) -> &'static str {
        match (&self.user, &self.body) {
            (Some(UserFunction::Scalar(_)), _) | (None, FunctionBody::Expr(_)) => "scalar",
            (Some(UserFunction::Aggregate(_)), _) => "aggregate",
            (Some(UserFunction::Table(_)), _) | (None, FunctionBody::Table(_)) => "table",
        }
    }

    /// Whether it gives a value for each group of rows.
    pub(crate) fn is_aggregate(&self) -> bool {
        matches!(self.user, Some(UserFunction::Aggregate(_)))
    }

    /// `a, b INTEGER, c := 3`
    pub(crate) fn parameter_text(&self) -> String {
        let texts = self.parameters.iter().map(|parameter| {
            let mut text = parameter.name.clone();
            let kind = kind_text(&parameter.kind);
            if !kind.is_empty() {
                text.push(' ');
                text.push_str(&kind);
            }
            if let Some(default) = &parameter.default {
                text.push_str(&format!(" := {default}"));
            }
            text
        });
        texts.collect::<Vec<_>>().join(", ")
    }

    /// `f(a, b INTEGER, c := 3)`
    pub(crate) fn signature(&self) -> String {
        format!("{}({})", self.name, self.parameter_text())
    }

    /// What tells it from others of its name: the types of its parameters.
    pub(crate) fn identity(&self) -> Vec<String> {
        let kinds = self.parameters.iter();
        kinds
            .map(|parameter| kind_identity(&parameter.kind))
            .collect()
    }

    /// The name in the body of the relation that stands behind `parameter`: none that somebody
    /// writes, and another in each function.
    pub(crate) fn relation_name(&self, parameter: &str) -> String {
        format!("{}.{parameter}", self.scope_name())
    }

    /// The name of the row of arguments beside which sub-queries of the body stand; of a function that
    /// is called, the name by which the engine knows it.
    pub(crate) fn scope_name(&self) -> String {
        scope_name(&self.name, &self.parameters)
    }
}

/// See [`SqlFunction::scope_name`].
pub(crate) fn scope_name(function: &str, parameters: &[Parameter]) -> String {
    let kinds = parameters
        .iter()
        .map(|parameter| kind_identity(&parameter.kind));
    format!("{function}({})", kinds.collect::<Vec<_>>().join(","))
}

fn kind_text(kind: &ParameterKind) -> String {
    match kind {
        ParameterKind::Generic => String::new(),
        ParameterKind::Typed(data_type) => data_type.to_string(),
        ParameterKind::Relation(columns) if columns.is_empty() => "TABLE".to_owned(),
        ParameterKind::Relation(columns) => {
            let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
            format!("TABLE ({})", columns.join(", "))
        }
    }
}

/// The text of a type by which signatures are compared.
pub(crate) fn kind_identity(kind: &ParameterKind) -> String {
    if let ParameterKind::Relation(_) = kind {
        return "TABLE".to_owned();
    }
    let text = kind_text(kind).to_uppercase();
    match text.as_str() {
        "" => "ANY".to_owned(),
        "INT" | "INT4" => "INTEGER".to_owned(),
        "INT8" => "BIGINT".to_owned(),
        "INT2" => "SMALLINT".to_owned(),
        "TEXT" | "STRING" => "VARCHAR".to_owned(),
        "DOUBLE PRECISION" | "FLOAT8" => "DOUBLE".to_owned(),
        "FLOAT4" => "REAL".to_owned(),
        "BOOL" => "BOOLEAN".to_owned(),
        _ => text,
    }
}

/// Functions by name; those of one name in the order in which they were created.
pub(crate) type FunctionMap = BTreeMap<String, Vec<Arc<SqlFunction>>>;

/// The functions of a session.
#[derive(Default)]
pub(crate) struct Functions {
    by_name: Versioned<Arc<FunctionMap>>,
}

impl Functions {
    /// Them as they are now.
    pub(crate) fn all(&self) -> Arc<FunctionMap> {
        Arc::clone(&self.by_name.read())
    }

    /// Another number after each change.
    pub(crate) fn version(&self) -> u64 {
        self.by_name.version()
    }

    /// The same functions, apart from now on.
    pub(crate) fn snapshot(&self) -> Self {
        Self {
            by_name: self.by_name.snapshot(),
        }
    }

    /// Changes them all at once.
    ///
    /// # Errors
    /// Those of `change`, which then has changed nothing; `Resource` if there are too many.
    pub(crate) fn change(&self, change: impl FnOnce(&mut FunctionMap) -> Result<()>) -> Result<()> {
        let mut by_name = self.by_name.write();
        let mut changed = FunctionMap::clone(&by_name);
        change(&mut changed)?;
        changed.retain(|_, functions| !functions.is_empty());
        if changed.values().map(Vec::len).sum::<usize>() > FUNCTIONS_MAX {
            return Err(SheafError::resource(format!(
                "a session holds at most {FUNCTIONS_MAX} functions"
            )));
        }
        *by_name = Arc::new(changed);
        Ok(())
    }
}

/// Gives the engine the functions that are called, for one statement: calls take their memory of
/// `context`, and stop with it.
///
/// # Errors
/// `Internal` if the engine refuses one.
pub(crate) fn bind_user_functions(
    functions: &FunctionMap,
    context: &CallContext,
    state: &mut SessionState,
) -> Result<()> {
    for function in functions.values().flatten() {
        match &function.user {
            Some(UserFunction::Scalar(definition)) => {
                let bound = user::scalar(&function.scope_name(), definition, context);
                state.register_udf(Arc::new(bound))?;
            }
            Some(UserFunction::Aggregate(definition)) => {
                let bound = user::aggregate(&function.scope_name(), definition, context);
                state.register_udaf(Arc::new(bound))?;
            }
            // The binder plans its calls.
            Some(UserFunction::Table(_)) | None => {}
        }
    }
    Ok(())
}
