//! Functions of the user's own in other languages than SQL, as the engine calls them.
//!
//! `sheaf-udf` says what such a function is; here one becomes what the engine plans: [`scalar`] and
//! [`aggregate`]. A session has the definitions; each statement gets functions that are bound to it,
//! so that calls take their memory from its query and stop with it. The binder has settled which
//! function a call means, and what each parameter gets, before the engine sees it.
//!
//! What comes back is checked: as many values as there are rows, of the declared type. A panic fails
//! the query alone.

mod accumulators;
mod aggregate;
mod nested;
mod scalar;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use sheaf_udf::{AggregateFunction, Declaration, ScalarFunction};

pub(crate) use aggregate::over_lists;
pub use aggregate::{aggregate, is_aggregate};
pub use scalar::{is_scalar, rows_wanted, scalar};

/// A scalar function and what was declared of it.
#[derive(Debug)]
pub struct ScalarDefinition {
    /// Its name, its parameters and what else is known of it.
    pub declaration: Declaration,
    /// The type of its result.
    pub returns: DataType,
    /// The function.
    pub function: Arc<dyn ScalarFunction>,
}

/// An aggregate function and what was declared of it.
#[derive(Debug)]
pub struct AggregateDefinition {
    /// Its name, its parameters and what else is known of it.
    pub declaration: Declaration,
    /// The type of its result.
    pub returns: DataType,
    /// The function.
    pub function: Arc<dyn AggregateFunction>,
}

/// The declared types of the arguments of a call with arguments of `types`.
fn declared_types(declaration: &Declaration, types: &[DataType]) -> Result<Vec<DataType>> {
    let declared: Vec<DataType> = declaration.value_types().cloned().collect();
    if declared.len() != types.len() {
        return plan_err!(
            "function \"{}\" takes {} arguments, not {}",
            declaration.name,
            declared.len(),
            types.len()
        );
    }
    Ok(declared)
}
