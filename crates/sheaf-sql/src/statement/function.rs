//! What CREATE FUNCTION asks for.

use datafusion::sql::sqlparser::ast::{ColumnDef, DataType, Expr, Ident, ObjectName, Query};
use sheaf_base::error::Position;

/// `CREATE FUNCTION`, and `CREATE AGGREGATE` of a function in another language than SQL.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionDefinition {
    /// The function's name.
    pub name: ObjectName,
    /// Where the name stands.
    pub position: Position,
    /// One function for each list of parameters; at least one.
    pub overloads: Vec<FunctionOverload>,
    /// Replace a function of that name and these parameters; of MACRO, all of that name.
    pub or_replace: bool,
    /// Do nothing when there is one.
    pub if_not_exists: bool,
    /// Written as MACRO: the name is one function's, whatever its parameters.
    pub is_macro: bool,
    /// Written as AGGREGATE: a value for each group of rows.
    pub is_aggregate: bool,
}

/// Parameters and body of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionOverload {
    /// What it takes, in order.
    pub parameters: Vec<FunctionParameter>,
    /// What it says that it gives.
    pub returns: FunctionReturns,
    /// What it does.
    pub source: FunctionSource,
    /// The body as it is written.
    pub body_text: String,
}

/// What says what a function does.
#[derive(Debug, Clone, PartialEq)]
pub enum FunctionSource {
    /// SQL, which stands in the place of calls.
    Sql(FunctionBody),
    /// Code in another language, which is called.
    Code(FunctionCode),
}

/// `LANGUAGE … AS …` in another language than SQL, and what was said of the function.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionCode {
    /// The language's name, in lower case.
    pub language: String,
    /// What stands in the quotes behind AS.
    pub text: String,
    /// Whether that is the place of a file (in single quotes), else it is the code (in dollars).
    pub is_file: bool,
    /// Where it stands.
    pub position: Position,
    /// Whether the same arguments always give the same result.
    pub volatility: FunctionVolatility,
    /// Whether it gives NULL as soon as an argument is NULL.
    pub is_strict: bool,
}

/// When the same arguments give the same result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FunctionVolatility {
    /// Always.
    Immutable,
    /// Within one statement.
    Stable,
    /// Never for sure, as in PostgreSQL if nothing is said.
    #[default]
    Volatile,
}

/// A parameter of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionParameter {
    /// Its name.
    pub name: Ident,
    /// What it takes.
    pub kind: ParameterKind,
    /// Its value where a call gives none.
    pub default: Option<Expr>,
}

/// What a parameter takes.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterKind {
    /// A value of any type.
    Generic,
    /// A value of this type, or one that can be cast to it.
    Typed(DataType),
    /// A relation (`TABLE`): with these columns (`TABLE (name type, …)`), or with any if there are none.
    Relation(Vec<ColumnDef>),
}

/// What RETURNS says.
#[derive(Debug, Clone, PartialEq)]
pub enum FunctionReturns {
    /// Nothing: what the body gives.
    Any,
    /// A value of this type.
    Scalar(DataType),
    /// Rows; of these columns, if there are any.
    Table(Vec<ColumnDef>),
}

/// What a function stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum FunctionBody {
    /// A value.
    Expr(Box<Expr>),
    /// Rows.
    Table(Box<Query>),
}

/// A function's name, and the types of its parameters if they are given.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionSignature {
    /// Its name.
    pub name: ObjectName,
    /// Its parameters.
    pub types: Option<Vec<ParameterKind>>,
}
