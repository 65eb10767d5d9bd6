//! Functions that the caller gives: over Arrow arrays, as lambdas in SQL are evaluated.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use sheaf_base::{Result, SheafError};

use super::{Pointwise, pointwise};
use crate::context::Context;
use crate::dtype::{DType, Scalar};
use crate::store::Array;
use crate::tensor::Tensor;

/// A function of columns, all of the same length, that gives a column of as many values.
pub trait Kernel: fmt::Debug + Send + Sync {
    /// The values, of the type that [`map`] was told.
    ///
    /// # Errors
    /// Any; the caller adds which array it was.
    fn evaluate(&self, arguments: &[ArrayRef]) -> Result<ArrayRef>;
}

#[derive(Debug)]
struct Lambda {
    dtype: DType,
    kernel: Arc<dyn Kernel>,
}

/// The values of `kernel` for the elements of `sources`, one argument an array. NULL becomes zero, or
/// NaN where the type has it.
///
/// # Errors
/// `UserInput` if the shapes do not go together.
pub fn map(sources: &[Array], dtype: DType, kernel: Arc<dyn Kernel>) -> Result<Array> {
    pointwise("array_map", sources, dtype, Lambda { dtype, kernel })
}

impl Pointwise for Lambda {
    fn apply(&self, blocks: Vec<Tensor>, shape: &[usize], context: &Context) -> Result<Tensor> {
        // The columns of the arguments, once more for those that are repeated or packed.
        let hold = context.hold_chunk(shape, self.dtype)?;
        let arguments: Result<Vec<ArrayRef>> = blocks
            .into_iter()
            .map(|block| {
                let ones = vec![1; shape.len()];
                let block = match block.elements() {
                    1 => block.reshape(&ones, context)?,
                    _ => block,
                };
                block.broadcast(shape, context)?.into_arrow(context)
            })
            .collect();
        let values = self.kernel.evaluate(&arguments?)?;
        let is_float = matches!(self.dtype, DType::Float32 | DType::Float64);
        let fill = if is_float {
            Scalar::Float(f64::NAN)
        } else {
            Scalar::ZERO
        };
        let block = Tensor::from_arrow(values, shape, fill)?;
        match block.dtype() == self.dtype {
            true => Ok(block.held(hold)),
            false => Err(SheafError::internal(format!(
                "a function gave {} instead of {}",
                block.dtype(),
                self.dtype
            ))),
        }
    }
}
