//! Scalar functions: a value for each row.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::ArrayRef;
use sheaf_base::Result;

use crate::CallContext;

/// A function that gives a value for each row.
pub trait ScalarFunction: Any + Debug + Send + Sync {
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

    /// How many rows a call had better have, if that is more than the engine's batches have: each call of a
    /// function in another process costs as much as thousands of rows. Calls may have fewer or more all
    /// the same.
    ///
    /// `None`, as by default, if it does not matter.
    fn rows_wanted(&self) -> Option<usize> {
        None
    }

    /// This function called with what other functions give, as one function: `f(g(x), y)` as one of
    /// `(x, y)`. `inner` has the function of each parameter, `None` where the argument is a value; the
    /// parameters of what is returned are those of `inner`, in that order. It keeps to what all of them
    /// are declared as: a strict one is not called with NULLs.
    ///
    /// `None`, as by default, if it gains nothing.
    fn over(&self, inner: &[Option<Arc<dyn ScalarFunction>>]) -> Option<Arc<dyn ScalarFunction>> {
        let _ = inner;
        None
    }
}
