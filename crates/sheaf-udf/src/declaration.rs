//! What a function is called with, as its user declared it.

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Volatility;

/// A function's name and what it is called with; what it returns is in its kind's trait or beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// The name, as statements call it.
    pub name: String,
    /// In the order in which calls without names give them.
    pub parameters: Vec<Parameter>,
    /// Whether the same arguments always give the same result.
    pub volatility: Volatility,
    /// Whether the result is NULL as soon as an argument is; then it is not called with NULLs.
    pub is_strict: bool,
}

/// A parameter of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The name, for calls that give it (`name => value`) and for errors.
    pub name: String,
    /// What an argument may be.
    pub kind: ParameterKind,
    /// What it is if a call does not say; of none, each call must.
    pub default: Option<ScalarValue>,
}

/// What an argument may be.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterKind {
    /// A value of this type.
    Value(DataType),
    /// A relation, for table functions: with these columns, which are checked and cast, or with any.
    Relation(Option<SchemaRef>),
}

impl Declaration {
    /// The types of the arguments that are values, in their order.
    pub fn value_types(&self) -> impl Iterator<Item = &DataType> {
        self.parameters
            .iter()
            .filter_map(|parameter| match &parameter.kind {
                ParameterKind::Value(data_type) => Some(data_type),
                ParameterKind::Relation(_) => None,
            })
    }

    /// Whether one of its arguments is a relation.
    #[must_use]
    pub fn reads_relation(&self) -> bool {
        let is_relation = |kind: &ParameterKind| matches!(kind, ParameterKind::Relation(_));
        self.parameters
            .iter()
            .any(|parameter| is_relation(&parameter.kind))
    }
}
