//! `LANGUAGE test`: functions for tests of functions in other languages than SQL, written here.
//!
//! The code of a function is its name in the lists of [`scalar`], [`aggregate`] and [`table`].

mod aggregate;
mod scalar;
mod table;

use std::sync::Arc;

use sheaf::arrow::datatypes::{DataType, SchemaRef};
use sheaf::udf::{AggregateFunction, Code, Declaration, Language, ScalarFunction, TableFunction};
use sheaf::{Result, SheafError};

/// The name by which statements call it.
pub(crate) const NAME: &str = "test";

/// The language.
#[derive(Debug)]
pub(crate) struct TestLanguage;

impl Language for TestLanguage {
    fn scalar(
        &self,
        code: &Code,
        _declaration: &Declaration,
        _returns: &DataType,
    ) -> Result<Arc<dyn ScalarFunction>> {
        named(code, scalar::FUNCTIONS).map(|make| make())
    }

    fn aggregate(
        &self,
        code: &Code,
        _declaration: &Declaration,
        _returns: &DataType,
    ) -> Result<Arc<dyn AggregateFunction>> {
        named(code, aggregate::FUNCTIONS).map(|make| make())
    }

    fn table(
        &self,
        code: &Code,
        _declaration: &Declaration,
        returns: &SchemaRef,
    ) -> Result<Arc<dyn TableFunction>> {
        let make = named(code, table::FUNCTIONS)?;
        Ok(make(Arc::clone(returns)))
    }
}

/// What stands beside the name that `code` is; of a file, its first line or what is said behind `#`.
fn named<T: Copy>(code: &Code, functions: &[(&str, T)]) -> Result<T> {
    let text = String::from_utf8_lossy(&code.bytes);
    let name = code.entry.as_deref().unwrap_or_else(|| text.trim());
    let found = functions.iter().find(|(known, _)| *known == name);
    found.map(|(_, make)| *make).ok_or_else(|| {
        let place = code.file.as_ref();
        let place = place.map_or(String::new(), |file| format!(" in '{file}'"));
        SheafError::user(format!("there is no code \"{name}\"{place}"))
    })
}
