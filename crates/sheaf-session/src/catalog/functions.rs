//! Functions whose bodies are SQL: what CREATE FUNCTION keeps for a session.
//!
//! A name stands for a list of functions with different parameters. They are kept as syntax trees in
//! which the binder has settled what each name means (`binder::functions`), and put in the place of
//! their calls there. Knows nothing of planning.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::Expr;
use parking_lot::Mutex;
use sheaf_base::{Result, SheafError};
use sheaf_sql::{FunctionBody, ParameterKind};

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

/// A function whose body is SQL.
#[derive(Debug)]
pub(crate) struct SqlFunction {
    pub(crate) name: String,
    pub(crate) parameters: Vec<Parameter>,
    /// The body, in which `$n` is the n-th parameter and a relation that is a parameter has the name
    /// of [`SqlFunction::relation_name`].
    pub(crate) body: FunctionBody,
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
    /// `scalar` or `table`.
    pub(crate) fn kind(&self) -> &'static str {
        match self.body {
            FunctionBody::Expr(_) => "scalar",
            FunctionBody::Table(_) => "table",
        }
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

    /// The name of the row of arguments beside which sub-queries of the body stand.
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
        ParameterKind::Relation => "TABLE".to_owned(),
    }
}

/// The text of a type by which signatures are compared.
pub(crate) fn kind_identity(kind: &ParameterKind) -> String {
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
