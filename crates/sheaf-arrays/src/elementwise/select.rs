//! One of two elements, as a third says.

use num_complex::Complex;
use sheaf_base::{Result, SheafError};

use super::binary::Argument;
use super::{Pointwise, pointwise};
use crate::context::Context;
use crate::dtype::{Class, DType};
use crate::store::Array;
use crate::tensor::{PIECE, Store, Tensor, Wide};

#[derive(Debug)]
struct Select(DType);

/// The element of `yes` where that of `condition` is true (not 0), else that of `no`: NumPy's `where`.
///
/// # Errors
/// `UserInput` if the shapes do not go together.
pub fn select(condition: &Array, yes: &Array, no: &Array) -> Result<Array> {
    let dtype = yes.dtype().promote(no.dtype());
    let sources = [condition.clone(), yes.clone(), no.clone()];
    pointwise("array_where", &sources, dtype, Select(dtype))
}

impl Pointwise for Select {
    fn apply(&self, blocks: Vec<Tensor>, shape: &[usize], context: &Context) -> Result<Tensor> {
        match self.0.class() {
            Class::Int => self.pieces::<i64>(blocks, shape, context),
            Class::UInt | Class::Bool => self.pieces::<u64>(blocks, shape, context),
            Class::Float => self.pieces::<f64>(blocks, shape, context),
            Class::Complex => self.pieces::<Complex<f64>>(blocks, shape, context),
        }
    }
}

impl Select {
    fn pieces<W: Wide>(
        &self,
        blocks: Vec<Tensor>,
        shape: &[usize],
        context: &Context,
    ) -> Result<Tensor> {
        let [condition, yes, no]: [Tensor; 3] = blocks
            .try_into()
            .map_err(|_| SheafError::internal("a choice needs three arrays"))?;
        let condition = condition.cast(DType::Bool, context)?;
        let hold = context.hold_chunk(shape, self.0)?;
        let count: usize = shape.iter().product();
        let mut store = Store::new(self.0, count);
        let mut condition = Argument::<u64>::new(&condition);
        let (mut yes, mut no) = (Argument::<W>::new(&yes), Argument::<W>::new(&no));
        for first in (0..count).step_by(PIECE) {
            let length = PIECE.min(count - first);
            let is_yes = condition.values(first, length);
            let (yes, no) = (yes.values(first, length), no.values(first, length));
            for ((is_yes, yes), no) in is_yes.iter().zip(yes.iter_mut()).zip(no.iter()) {
                if *is_yes == 0 {
                    *yes = *no;
                }
            }
            store.push(yes);
        }
        Ok(Tensor::from_store(store, shape)?.held(hold))
    }
}
