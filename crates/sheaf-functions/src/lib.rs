//! Functions which analysts expect and the engine below does not have.
//!
//! Seven kinds; those with names are in visible lists, which [`functions`] puts together:
//! - [`aggregate`] and [`scalar`]: functions of ours, one a file. Where an expression of existing
//!   functions does the same, the function only stands for it ([`shorthand`]), so that it is as
//!   fast, and all optimizer rules know it;
//! - those of VARIANTs, which `sheaf-bags` has;
//! - [`synonyms`]: other systems' names for functions which exist;
//! - [`fold`]: aggregates that a session makes of expressions (`CREATE AGGREGATE`);
//! - [`user`]: functions of the user's own in other languages than SQL;
//! - [`arithmetic`]: what `+`, `-`, `*` and `/` stand for, [`uuid`]: casts of UUIDs, and [`list_casts`]: casts
//!   from texts to lists, all without names.
//!
//! Functions whose results may outgrow memory, the engine's too, are [`bounded`].
//!
//! Operators that need types to be told apart are planned by [`expression_planners`].
//!
//! This crate must not know of sessions, catalogues or files.

pub mod aggregate;
pub mod arithmetic;
pub mod bounded;
mod digits;
pub mod fold;
mod gathered;
mod kernel;
pub mod lambda;
pub mod list_casts;
mod operators;
pub mod scalar;
pub mod shorthand;
pub mod synonyms;
#[cfg(test)]
mod tests;
pub mod user;
pub mod uuid;

use std::sync::Arc;

pub use operators::expression_planners;

use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF};

/// Every function of Sheaf's own.
pub struct Functions {
    /// From values of a row to a value.
    pub scalar: Vec<Arc<ScalarUDF>>,
    /// From values and a lambda to a value.
    pub lambda: Vec<Arc<HigherOrderUDF>>,
    /// From the rows of a group to a value.
    pub aggregate: Vec<Arc<AggregateUDF>>,
}

/// Every function of Sheaf's own, in the order of registration. Synonyms come under all their
/// names, so register these after the engine's functions.
#[must_use]
pub fn functions() -> Functions {
    let mut scalar = synonyms::scalar();
    scalar.extend(scalar::functions());
    scalar.extend(sheaf_bags::functions::functions());
    let mut aggregate = synonyms::aggregate();
    aggregate.extend(aggregate::functions());
    Functions {
        scalar,
        lambda: lambda::functions(),
        aggregate,
    }
}

/// Registers every function, those that have to be in bounds.
///
/// # Errors
/// If the registry refuses one.
pub fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    let Functions {
        scalar,
        lambda,
        aggregate,
    } = functions();
    for function in scalar {
        registry.register_udf(function)?;
    }
    for name in bounded::names() {
        if let Some(function) = registry.udf(name).ok().as_ref().and_then(bounded::bounded) {
            registry.register_udf(function)?;
        }
    }
    for function in lambda {
        registry.register_higher_order_function(function)?;
    }
    for function in aggregate {
        registry.register_udaf(function)?;
    }
    Ok(())
}
