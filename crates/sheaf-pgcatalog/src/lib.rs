//! PostgreSQL's catalogue: `pg_catalog` and `information_schema` as psql, drivers and BI tools ask
//! about them, in the version that the server says it is.
//!
//! The session collects [`Facts`] of itself; `tables` makes rows of them in the columns of PostgreSQL
//! 18 (`data/`, from its own `pg_class`, `pg_attribute`, `pg_type` and `pg_proc`). A statement that
//! reads nothing else ([`concerns`]) is bound by `bind` with PostgreSQL's types and overloads, becomes
//! one node of a plan ([`CatalogNode`]) and is evaluated by `run`, row by row: such statements are many
//! and small, full of queries that name columns outside, functions of sets and numbers of objects,
//! which the engine has no form of. One that also reads tables is the engine's, for which every table
//! here is a table of its own ([`table`]). Knows no statement but queries, and no file.

mod arrow;
mod bind;
mod cast;
mod concerns;
mod database;
mod decimal;
mod external;
mod facts;
mod functions;
mod made;
mod names;
mod node;
mod parameters;
mod plan;
mod provider;
mod run;
mod scalar;
mod tables;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod types;
mod value;

pub use bind::may_be_engines;
pub use concerns::{Concern, concerns};
pub use external::EngineFunctions;
pub use facts::{
    ClientParameters, Connection, Facts, Function, Identity, Late, Relation, RelationKind, Role,
    Server, Setting,
};
pub use node::{CatalogNode, CatalogPlanner, Stop, plan};
pub use parameters::{
    APPLICATION_NAME, DEFAULT_ISOLATION, ENGINE_NAMES, PARAMETERS, Parameter, SERVER_VERSION,
    TIME_ZONE, TRANSACTION_ISOLATION, Takes,
};
pub use provider::{has_table, is_secret, table};
pub use scalar::{FactsSource, is_ours, scalar_functions};
pub use types::{Oid, TYPE_KEY, column_type};
