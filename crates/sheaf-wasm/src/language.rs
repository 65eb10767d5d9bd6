//! `LANGUAGE wasm`.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use sheaf_base::Result;
use sheaf_udf::{AggregateFunction, Code, Declaration, Language, ScalarFunction, TableFunction};

use crate::aggregate::Aggregate;
use crate::scalar::Scalar;
use crate::table::Table;

/// WebAssembly as a language of functions. Whoever has one shares the process's one machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wasm;

impl Language for Wasm {
    fn scalar(
        &self,
        code: &Code,
        declaration: &Declaration,
        returns: &DataType,
    ) -> Result<Arc<dyn ScalarFunction>> {
        Ok(Arc::new(Scalar::new(code, declaration, returns)?))
    }

    fn aggregate(
        &self,
        code: &Code,
        declaration: &Declaration,
        returns: &DataType,
    ) -> Result<Arc<dyn AggregateFunction>> {
        Ok(Arc::new(Aggregate::new(code, declaration, returns)?))
    }

    fn table(
        &self,
        code: &Code,
        declaration: &Declaration,
        returns: &SchemaRef,
    ) -> Result<Arc<dyn TableFunction>> {
        Ok(Arc::new(Table::new(code, declaration, returns)?))
    }
}
