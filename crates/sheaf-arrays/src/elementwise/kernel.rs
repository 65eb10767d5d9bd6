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

/// Elements of which a kernel is asked at a time: what it makes on its way stays near the processor.
pub(crate) const STRIP_ELEMENTS: usize = 1 << 15;

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
        let arguments = arguments?;
        let count: usize = shape.iter().product();
        if count <= STRIP_ELEMENTS {
            let values = self.kernel.evaluate(&arguments)?;
            return Ok(tensor_of(values, shape, self.dtype)?.held(hold));
        }
        let mut results = Tensor::full(&[count], self.dtype, Scalar::ZERO, context)?;
        for first in (0..count).step_by(STRIP_ELEMENTS) {
            context.check()?;
            let length = STRIP_ELEMENTS.min(count - first);
            let strip: Vec<ArrayRef> = arguments
                .iter()
                .map(|argument| argument.slice(first, length))
                .collect();
            let values = self.kernel.evaluate(&strip)?;
            results.assign(&[first], &tensor_of(values, &[length], self.dtype)?)?;
        }
        results.reshape(shape, context)
    }
}

/// What a kernel gave, of the type that was announced; NULL becomes zero, or NaN where the type has it.
///
/// # Errors
/// `Internal` for another type.
pub(crate) fn tensor_of(values: ArrayRef, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let fill = match dtype {
        DType::Float32 | DType::Float64 => Scalar::Float(f64::NAN),
        _ => Scalar::ZERO,
    };
    let block = Tensor::from_arrow(values, shape, fill)?;
    match block.dtype() == dtype {
        true => Ok(block),
        false => Err(SheafError::internal(format!(
            "a function gave {} instead of {dtype}",
            block.dtype()
        ))),
    }
}
