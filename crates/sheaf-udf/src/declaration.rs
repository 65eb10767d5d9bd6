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
    /// Whether the result is NULL as soon as an argument is; then it is not called with NULLs. An
    /// aggregate does not see such rows, a table function gives no rows for them.
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
    /// A function without parameters, called with NULLs, whose results may differ each time.
    ///
    /// ```
    /// use arrow::datatypes::DataType;
    /// use datafusion::common::ScalarValue;
    /// use sheaf_udf::{Declaration, Volatility};
    ///
    /// let scaled = Declaration::new("scaled")
    ///     .value("x", DataType::Float64)
    ///     .value_or("by", ScalarValue::Float64(Some(2.0)))
    ///     .volatility(Volatility::Immutable)
    ///     .strict();
    /// assert_eq!(scaled.value_types().count(), 2);
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            parameters: Vec::new(),
            volatility: Volatility::Volatile,
            is_strict: false,
        }
    }

    /// With one parameter more, a value.
    #[must_use]
    pub fn value(self, name: impl Into<String>, data_type: DataType) -> Self {
        self.parameter(name, ParameterKind::Value(data_type), None)
    }

    /// With one parameter more, a value which is `default` in calls that do not say it.
    #[must_use]
    pub fn value_or(self, name: impl Into<String>, default: ScalarValue) -> Self {
        let kind = ParameterKind::Value(default.data_type());
        self.parameter(name, kind, Some(default))
    }

    /// With one parameter more, a relation with these columns, or with any.
    #[must_use]
    pub fn relation(self, name: impl Into<String>, columns: Option<SchemaRef>) -> Self {
        self.parameter(name, ParameterKind::Relation(columns), None)
    }

    /// When the same arguments give the same result: what may be computed once, and moved.
    #[must_use]
    pub fn volatility(mut self, volatility: Volatility) -> Self {
        self.volatility = volatility;
        self
    }

    /// Without calls for NULLs: the result is NULL then; of table functions there is none.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.is_strict = true;
        self
    }

    fn parameter(
        mut self,
        name: impl Into<String>,
        kind: ParameterKind,
        default: Option<ScalarValue>,
    ) -> Self {
        self.parameters.push(Parameter {
            name: name.into(),
            kind,
            default,
        });
        self
    }

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
