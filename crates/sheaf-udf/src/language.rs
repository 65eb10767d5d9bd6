//! A language in which functions can be written: from code to the traits of each kind.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use sheaf_base::Result;
use sheaf_base::settings::Settings;

use crate::{AggregateFunction, Declaration, ScalarFunction, TableFunction};

/// What `AS '…'` of CREATE FUNCTION stands for, read: the language opens no files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// The code: the bytes of the file that was named, or the text itself.
    pub bytes: Arc<[u8]>,
    /// The function's name in the code (`score.wasm#score`); of none, the declared one.
    pub entry: Option<String>,
    /// Where the code is, for errors: the file as the user named it, or `None` for a text.
    pub file: Option<String>,
}

/// A language. CREATE FUNCTION asks it once; what it gives is called by many queries at once.
pub trait Language: Debug + Send + Sync {
    /// Takes what settings say of the language, when a session starts and when they change. By default
    /// nothing does.
    fn apply(&self, settings: &Settings) {
        let _ = settings;
    }

    /// A scalar function that returns `returns`.
    ///
    /// # Errors
    /// `UserInput` or `Data` if the code has no such function; `Unsupported` if the language has no
    /// such functions or not these types.
    fn scalar(
        &self,
        code: &Code,
        declaration: &Declaration,
        returns: &DataType,
    ) -> Result<Arc<dyn ScalarFunction>>;

    /// An aggregate function that returns `returns`.
    ///
    /// # Errors
    /// As [`Language::scalar`].
    fn aggregate(
        &self,
        code: &Code,
        declaration: &Declaration,
        returns: &DataType,
    ) -> Result<Arc<dyn AggregateFunction>>;

    /// A table function that returns the columns `returns`.
    ///
    /// # Errors
    /// As [`Language::scalar`].
    fn table(
        &self,
        code: &Code,
        declaration: &Declaration,
        returns: &SchemaRef,
    ) -> Result<Arc<dyn TableFunction>>;
}
