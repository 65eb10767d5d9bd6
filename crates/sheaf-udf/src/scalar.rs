//! Scalar functions: a value for each row.

use std::fmt::Debug;

use arrow::array::ArrayRef;
use sheaf_base::Result;

use crate::CallContext;

/// A function that gives a value for each row.
pub trait ScalarFunction: Debug + Send + Sync {
    /// The values for `rows` rows.
    ///
    /// # Shapes
    /// `arguments`: one array of `rows` values for each parameter, in the declared types; the result:
    /// `rows` values of the declared type. The caller checks that.
    /// # Memory
    /// What it holds beside arguments and result it reserves in `context`.
    /// # Errors
    /// Any; the caller adds the function's name.
    fn call(&self, arguments: &[ArrayRef], rows: usize, context: &CallContext) -> Result<ArrayRef>;
}
