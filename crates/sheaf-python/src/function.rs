//! A function's code and declaration, as a worker is told of them.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::buffer::Buffer;
use arrow::datatypes::{Field, Schema, SchemaRef};
use serde_json::{Value, json};
use sheaf_base::error::SqlState;
use sheaf_base::{ErrorKind, Result, SheafError};
use sheaf_udf::{Code, Declaration, ParameterKind};

use crate::wire::{self, Sender};

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A value a row.
    Scalar,
    /// A value a group.
    Aggregate,
    /// Rows.
    Table,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Aggregate => "aggregate",
            Self::Table => "table",
        }
    }
}

/// A function that workers can load.
#[derive(Debug)]
pub(crate) struct Function {
    /// Its number, by which workers know it; no other function of this process has or had it.
    id: u64,
    kind: Kind,
    name: String,
    entry: String,
    file: Option<String>,
    code: String,
    /// The parameters that are values.
    arguments: SchemaRef,
    /// The place of the parameter that is a relation.
    relation: Option<usize>,
    result: SchemaRef,
    is_strict: bool,
}

/// What a worker can load and then be asked for by number.
pub(crate) trait Loadable {
    /// Its number, by which workers know it; nothing else of this process has or had it.
    fn id(&self) -> u64;

    /// The columns of what it is called with.
    fn arguments(&self) -> &SchemaRef;

    /// The columns of what it gives.
    fn result(&self) -> &SchemaRef;

    /// What is to be loaded before it.
    fn needed(&self) -> Vec<&Function>;

    /// The request to load it, without its schemas.
    fn load_header(&self) -> Value;

    /// The request to load it.
    ///
    /// # Errors
    /// `Unsupported` if its types cannot be sent.
    fn load_request(&self) -> Result<(Value, Vec<Buffer>)> {
        let arguments = Sender::new(self.arguments())?.start();
        let result = Sender::new(self.result())?.start();
        let mut header = self.load_header();
        header["schemas"] = json!([
            (0, wire::length(&arguments)),
            (wire::length(&arguments), wire::length(&result)),
        ]);
        Ok((header, [arguments, result].concat()))
    }
}

/// A number that nothing has had.
pub(crate) fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Function {
    /// # Errors
    /// `UserInput` if the code is no text, or more than one parameter is a relation; `Unsupported` for
    /// types that pyarrow has not.
    pub(crate) fn new(
        kind: Kind,
        code: &Code,
        declaration: &Declaration,
        result: &SchemaRef,
    ) -> Result<Self> {
        let text = std::str::from_utf8(&code.bytes).map_err(|error| {
            let place = code.file.as_deref().unwrap_or("the code");
            invalid(format!("{place} is no text in UTF-8: {error}"))
        })?;
        let mut arguments = Vec::new();
        let mut relation = None;
        for (place, parameter) in declaration.parameters.iter().enumerate() {
            match &parameter.kind {
                ParameterKind::Value(data_type) => {
                    wire::check_type(data_type, &format!("parameter {}", parameter.name))?;
                    arguments.push(Field::new(&parameter.name, data_type.clone(), true));
                }
                ParameterKind::Relation(_) if relation.is_some() => {
                    let message = "functions in Python can take one relation, not several";
                    return Err(SheafError::unsupported(message));
                }
                ParameterKind::Relation(_) => relation = Some(place),
            }
        }
        for field in result.fields() {
            wire::check_type(field.data_type(), &format!("column {}", field.name()))?;
        }
        Ok(Self {
            id: next_id(),
            kind,
            name: declaration.name.clone(),
            entry: code
                .entry
                .clone()
                .unwrap_or_else(|| declaration.name.clone()),
            file: code.file.clone(),
            code: unindented(text),
            arguments: Arc::new(Schema::new(arguments)),
            relation,
            result: Arc::clone(result),
            is_strict: declaration.is_strict,
        })
    }

    /// The name, as statements call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is not called with NULLs.
    pub(crate) fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// The place of the parameter that is a relation.
    pub(crate) fn relation(&self) -> Option<usize> {
        self.relation
    }

    /// Names the module that its code becomes in workers: functions of equal code share one.
    fn hash(&self) -> String {
        let mut hasher = DefaultHasher::new();
        (&self.code, &self.file).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

impl Loadable for Function {
    fn id(&self) -> u64 {
        self.id
    }

    fn arguments(&self) -> &SchemaRef {
        &self.arguments
    }

    fn result(&self) -> &SchemaRef {
        &self.result
    }

    fn needed(&self) -> Vec<&Function> {
        Vec::new()
    }

    fn load_header(&self) -> Value {
        json!({
            "do": "load",
            "function": self.id,
            "kind": self.kind.word(),
            "name": self.name,
            "entry": self.entry,
            "file": self.file,
            "code": self.code,
            "hash": self.hash(),
            "relation": self.relation,
        })
    }
}

/// An error of loading a function, as one of its definition.
pub(crate) fn definition_error(error: SheafError) -> SheafError {
    if error.kind() != ErrorKind::Data {
        return error;
    }
    let mut made = invalid(error.message().to_owned());
    if let Some(detail) = error.detail() {
        made = made.with_detail(detail);
    }
    match error.hint() {
        Some(hint) => made.with_hint(hint),
        None => made,
    }
}

fn invalid(message: String) -> SheafError {
    SheafError::user(message).with_state(SqlState::INVALID_FUNCTION_DEFINITION)
}

/// `code` without what all of its lines are indented by, as code within a statement often is.
fn unindented(code: &str) -> String {
    let is_blank = |line: &str| line.trim().is_empty();
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let lines = || code.lines().filter(|line| !is_blank(line));
    let Some(first) = lines().next() else {
        return code.to_owned();
    };
    let shared = &first[..indent(first)];
    if shared.is_empty() || !lines().all(|line| line.starts_with(shared)) {
        return code.to_owned();
    }
    let stripped = code
        .lines()
        .map(|line| line.strip_prefix(shared).unwrap_or(line.trim_start()));
    stripped.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::unindented;

    #[test]
    fn shared_indentation_is_no_part_of_the_code() {
        assert_eq!(
            unindented("\n    def f(x):\n        return x\n\n    y = 1\n"),
            "\ndef f(x):\n    return x\n\ny = 1"
        );
        assert_eq!(
            unindented("def f(x):\n  return x\n"),
            "def f(x):\n  return x\n"
        );
        assert_eq!(unindented("  a = 1\nb = 2"), "  a = 1\nb = 2");
        assert_eq!(unindented(""), "");
    }
}
