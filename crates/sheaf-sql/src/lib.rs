//! From text to statement: Sheaf's SQL dialect.
//!
//! # The life of a text
//!
//! 1. [`lexer`] cuts a script at its semicolons (and colours and completes it for the REPL; it
//!    accepts any input, finished or not);
//! 2. each piece is tokenised by the engine's tokenizer, its places shifted so that they count
//!    from the start of the script, and checked against the [`limits`];
//! 3. `rewrite::tokens` turns forms which the engine's grammar lacks into ones it has (`FROM t`
//!    alone, `USING SAMPLE`, DuckDB's `ASOF JOIN`, `EXCLUDE` in window frames);
//! 4. `parse` reads Sheaf's own statements and hands expressions and queries to the engine's
//!    parser with [`SheafDialect`];
//! 5. `rewrite::tree` puts the result in the shape the session plans from.
//!
//! What comes out is a [`Statement`]: what to do, its own source text, and where that stood.
//!
//! This crate must not know which tables, files, functions or settings exist.

mod dialect;
pub mod lexer;
pub mod limits;
mod literals;
mod parse;
mod relation;
mod rewrite;
mod statement;
pub mod walk;

pub use datafusion::sql::sqlparser::ast;
pub use dialect::SheafDialect;
pub use literals::placed_at_literal;
pub use parse::{parse, parse_expression};
pub use relation::{AsofJoin, AsofKeys, RelationArgument, asof_join, path_of};
pub use rewrite::{
    ASOF_INNER, ASOF_LEFT, FRAME_EXCLUSION, PIVOT_KEYS, POSITIONAL, WITH_REPLACEMENT,
};
pub use statement::{
    AggregateDefinition, ClauseExpr, CopyOption, CopySource, Described, DropKind, ExplainFormat,
    ExternalTable, FetchRows, FunctionBody, FunctionCode, FunctionDefinition, FunctionOverload,
    FunctionParameter, FunctionReturns, FunctionSignature, FunctionSource, FunctionVolatility,
    ParameterKind, PartitionColumn, Statement, StatementKind,
};
