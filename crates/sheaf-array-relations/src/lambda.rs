//! `lambda x: …`: expressions of SQL over the elements of arrays.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;
use sheaf_arrays::{DType, Kernel};
use sheaf_base::{Result, SheafError, sql_type_name};

/// Makes a lambda's body an expression over columns, which are its parameters.
pub trait LambdaCompiler: Send + Sync {
    /// The expression for parameters of these types, in a schema of them.
    ///
    /// # Errors
    /// Those of planning it.
    fn compile(&self, schema: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>>;
}

/// A lambda that is an argument.
pub struct Lambda<'a> {
    /// The names of its parameters.
    pub parameters: Vec<String>,
    /// Neighbours of its first parameter that its body names, as columns, and how far away they are along
    /// each axis.
    pub neighbours: Vec<(String, Vec<i64>)>,
    /// Its body.
    pub body: Box<dyn LambdaCompiler + 'a>,
}

/// A lambda over parameters of known types.
pub(crate) struct Compiled {
    schema: SchemaRef,
    expression: Arc<dyn PhysicalExpr>,
    /// The type of its values.
    pub(crate) data_type: DataType,
}

impl Lambda<'_> {
    /// The lambda for parameters of these types.
    ///
    /// # Errors
    /// `UserInput` if it has other parameters; those of planning its body.
    pub(crate) fn compile(&self, function: &str, types: Vec<DataType>) -> Result<Compiled> {
        let names = self.neighbours.iter().map(|(name, _)| name);
        let names: Vec<&String> = self.parameters.iter().chain(names).collect();
        if names.len() != types.len() {
            return Err(SheafError::user(format!(
                "{function}: the function has {} parameters, and gets {} values",
                self.parameters.len(),
                types.len().saturating_sub(self.neighbours.len())
            )));
        }
        let fields = names.into_iter().zip(types);
        let fields = fields.map(|(name, data_type)| Field::new(name, data_type, false));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let expression = self
            .body
            .compile(&schema)
            .map_err(|error| error.with_context(function))?;
        let data_type = expression.data_type(&schema)?;
        Ok(Compiled {
            schema,
            expression,
            data_type,
        })
    }

    /// The lambda over elements of these types, and the type of what it gives.
    ///
    /// # Errors
    /// As [`Lambda::compile`]; `UserInput` if it gives what arrays cannot hold.
    pub(crate) fn over_elements(
        &self,
        function: &str,
        types: &[DType],
    ) -> Result<(DType, Arc<dyn Kernel>)> {
        let types = types.iter().map(|dtype| dtype.arrow_type()).collect();
        let compiled = self.compile(function, types)?;
        let dtype = element_type(function, &compiled.data_type)?;
        Ok((dtype, Arc::new(ElementKernel { compiled, dtype })))
    }
}

/// The type of elements for values of `data_type`: exact numbers become floats.
pub(crate) fn element_type(function: &str, data_type: &DataType) -> Result<DType> {
    match data_type {
        data_type if data_type.is_decimal() => Ok(DType::Float64),
        other => DType::of_arrow(other).map_err(|_| {
            SheafError::user(format!(
                "{function}: the function gives {}, which no array holds",
                sql_type_name(other)
            ))
            .with_hint("cast its value, as in lambda x: length(x)::BIGINT")
        }),
    }
}

impl Compiled {
    /// The values for columns of the same length.
    pub(crate) fn evaluate(&self, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        let batch = RecordBatch::try_new_with_options(schema, columns.to_vec(), &options)?;
        Ok(self.expression.evaluate(&batch)?.into_array(rows)?)
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.expression)
    }
}

#[derive(Debug)]
struct ElementKernel {
    compiled: Compiled,
    dtype: DType,
}

impl Kernel for ElementKernel {
    fn evaluate(&self, arguments: &[ArrayRef]) -> Result<ArrayRef> {
        let rows = arguments.first().map_or(0, |column| column.len());
        let values = self.compiled.evaluate(arguments, rows)?;
        let wanted = self.dtype.arrow_type();
        match *values.data_type() == wanted {
            true => Ok(values),
            false => Ok(cast(&values, &wanted)?),
        }
    }
}
