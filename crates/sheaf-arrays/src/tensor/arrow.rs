//! Tensors from and to Arrow arrays and bytes.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, FixedSizeListArray, PrimitiveArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowNativeType, DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    ToByteSlice, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use bytes::Bytes;
use ndarray::{ArrayD, IxDyn};
use num_complex::Complex;
use sheaf_base::{Result, SheafError};

use super::{Block, Data, Element, Tensor, misfit, packed};
use crate::context::{Context, Hold};
use crate::dtype::{DType, Scalar};

impl Tensor {
    /// The elements in row-major order as an Arrow array: without a copy if they are contiguous, except
    /// for booleans, which Arrow packs, and complex numbers.
    ///
    /// # Errors
    /// `Resource` if there is no memory for a copy that is needed.
    pub fn into_arrow(self, context: &Context) -> Result<ArrayRef> {
        Ok(self.into_arrow_held(context)?.0)
    }

    /// The same, with what is held for the elements as long as somebody has the array.
    ///
    /// # Errors
    /// As [`Tensor::into_arrow`].
    pub fn into_arrow_held(self, context: &Context) -> Result<(ArrayRef, Option<Arc<Hold>>)> {
        let own = self.contiguous(context)?;
        let hold = own.hold.clone();
        Ok((own.elements_in_arrow()?, hold))
    }

    fn elements_in_arrow(self) -> Result<ArrayRef> {
        let own = self;
        Ok(match own.data {
            Data::Bool(block) => Arc::new(BooleanArray::new(
                BooleanBuffer::from_iter(block.iter().copied()),
                None,
            )),
            Data::Int8(block) => primitive::<Int8Type>(block),
            Data::Int16(block) => primitive::<Int16Type>(block),
            Data::Int32(block) => primitive::<Int32Type>(block),
            Data::Int64(block) => primitive::<Int64Type>(block),
            Data::UInt8(block) => primitive::<UInt8Type>(block),
            Data::UInt16(block) => primitive::<UInt16Type>(block),
            Data::UInt32(block) => primitive::<UInt32Type>(block),
            Data::UInt64(block) => primitive::<UInt64Type>(block),
            Data::Float32(block) => primitive::<Float32Type>(block),
            Data::Float64(block) => primitive::<Float64Type>(block),
            Data::Complex64(block) => pairs::<Float32Type>(parts(&block), DType::Complex64)?,
            Data::Complex128(block) => pairs::<Float64Type>(parts(&block), DType::Complex128)?,
        })
    }

    /// The values of an Arrow array in a shape: without a copy if nobody else has them. NULL becomes
    /// `fill`.
    ///
    /// # Errors
    /// `UserInput` for types that are not among [`DType`]'s; `Data` if there are not as many values as
    /// `shape` has elements.
    pub fn from_arrow(array: ArrayRef, shape: &[usize], fill: Scalar) -> Result<Self> {
        let dtype = DType::of_arrow(array.data_type())?;
        if array.len() != shape.iter().product::<usize>() {
            return Err(SheafError::data(format!(
                "{} values do not make a chunk of shape {}",
                array.len(),
                crate::grid::tuple(shape)
            )));
        }
        match dtype {
            DType::Bool => {
                let values = array.as_boolean();
                let fill = bool::from_scalar(fill);
                let values = values.iter().map(|value| value.unwrap_or(fill));
                Self::from_vec(shape, values.collect())
            }
            DType::Int8 => of_primitive::<Int8Type>(array, shape, fill),
            DType::Int16 => of_primitive::<Int16Type>(array, shape, fill),
            DType::Int32 => of_primitive::<Int32Type>(array, shape, fill),
            DType::Int64 => of_primitive::<Int64Type>(array, shape, fill),
            DType::UInt8 => of_primitive::<UInt8Type>(array, shape, fill),
            DType::UInt16 => of_primitive::<UInt16Type>(array, shape, fill),
            DType::UInt32 => of_primitive::<UInt32Type>(array, shape, fill),
            DType::UInt64 => of_primitive::<UInt64Type>(array, shape, fill),
            DType::Float32 => of_primitive::<Float32Type>(array, shape, fill),
            DType::Float64 => of_primitive::<Float64Type>(array, shape, fill),
            DType::Complex64 => of_pairs::<Float32Type>(&array, shape, fill),
            DType::Complex128 => of_pairs::<Float64Type>(&array, shape, fill),
        }
    }

    /// Calls `use_them` with the bytes of the elements in row-major order, as they are in memory.
    pub(crate) fn with_bytes<R>(&self, use_them: impl FnOnce(&[u8]) -> R) -> R {
        fn bytes<T: Element + bytemuck::NoUninit, R>(
            block: &Block<T>,
            use_them: impl FnOnce(&[u8]) -> R,
        ) -> R {
            match block.as_slice() {
                Some(elements) => use_them(bytemuck::cast_slice(elements)),
                None => use_them(bytemuck::cast_slice(&packed(block))),
            }
        }
        match &self.data {
            Data::Bool(block) => bytes(block, use_them),
            Data::Int8(block) => bytes(block, use_them),
            Data::Int16(block) => bytes(block, use_them),
            Data::Int32(block) => bytes(block, use_them),
            Data::Int64(block) => bytes(block, use_them),
            Data::UInt8(block) => bytes(block, use_them),
            Data::UInt16(block) => bytes(block, use_them),
            Data::UInt32(block) => bytes(block, use_them),
            Data::UInt64(block) => bytes(block, use_them),
            Data::Float32(block) => bytes(block, use_them),
            Data::Float64(block) => bytes(block, use_them),
            Data::Complex64(block) => use_them(bytemuck::cast_slice(&parts(block))),
            Data::Complex128(block) => use_them(bytemuck::cast_slice(&parts(block))),
        }
    }

    /// Elements of type `dtype` whose bytes, as they are in memory, `fill` writes.
    pub(crate) fn filled_by(
        shape: &[usize],
        dtype: DType,
        fill: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<Self> {
        fn filled<T: Element + bytemuck::Pod>(
            shape: &[usize],
            fill: impl FnOnce(&mut [u8]) -> Result<()>,
        ) -> Result<Tensor> {
            let mut elements = vec![T::default(); shape.iter().product()];
            fill(bytemuck::cast_slice_mut(&mut elements))?;
            Tensor::from_vec(shape, elements)
        }
        fn paired<P: Copy + Default + bytemuck::Pod>(
            shape: &[usize],
            fill: impl FnOnce(&mut [u8]) -> Result<()>,
        ) -> Result<Tensor>
        where
            Complex<P>: Element,
        {
            let mut parts = vec![P::default(); 2 * shape.iter().product::<usize>()];
            fill(bytemuck::cast_slice_mut(&mut parts))?;
            let pairs = parts.chunks_exact(2).map(|pair| Complex {
                re: pair[0],
                im: pair[1],
            });
            Tensor::from_vec(shape, pairs.collect())
        }
        match dtype {
            DType::Bool => {
                let mut bytes = vec![0u8; shape.iter().product()];
                fill(&mut bytes)?;
                Self::from_vec(shape, bytes.into_iter().map(|byte| byte != 0).collect())
            }
            DType::Int8 => filled::<i8>(shape, fill),
            DType::Int16 => filled::<i16>(shape, fill),
            DType::Int32 => filled::<i32>(shape, fill),
            DType::Int64 => filled::<i64>(shape, fill),
            DType::UInt8 => filled::<u8>(shape, fill),
            DType::UInt16 => filled::<u16>(shape, fill),
            DType::UInt32 => filled::<u32>(shape, fill),
            DType::UInt64 => filled::<u64>(shape, fill),
            DType::Float32 => filled::<f32>(shape, fill),
            DType::Float64 => filled::<f64>(shape, fill),
            DType::Complex64 => paired::<f32>(shape, fill),
            DType::Complex128 => paired::<f64>(shape, fill),
        }
    }
}

/// Real and imaginary parts in turn.
fn parts<P: Copy>(block: &Block<Complex<P>>) -> Vec<P> {
    block
        .iter()
        .flat_map(|value| [value.re, value.im])
        .collect()
}

/// A contiguous block that others have, too.
struct SharedBlock<T>(Block<T>);

impl<T: ArrowNativeType> AsRef<[u8]> for SharedBlock<T> {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice().unwrap_or(&[]).to_byte_slice()
    }
}

/// The elements of a contiguous block.
fn primitive<P: ArrowPrimitiveType>(block: Block<P::Native>) -> ArrayRef
where
    P::Native: Element,
{
    let count = block.len();
    let values = match block.try_into_owned_nocopy() {
        Ok(own) => {
            let (mut elements, offset) = own.into_raw_vec_and_offset();
            elements.drain(..offset.unwrap_or(0));
            elements.truncate(count);
            ScalarBuffer::from(elements)
        }
        Err(shared) => {
            let bytes = Bytes::from_owner(SharedBlock(shared));
            ScalarBuffer::new(Buffer::from(bytes), 0, count)
        }
    };
    Arc::new(PrimitiveArray::<P>::new(values, None))
}

fn pairs<P: ArrowPrimitiveType>(parts: Vec<P::Native>, dtype: DType) -> Result<ArrayRef> {
    let DataType::FixedSizeList(field, size) = dtype.arrow_type() else {
        return Err(SheafError::internal("complex numbers are pairs"));
    };
    let parts = PrimitiveArray::<P>::new(ScalarBuffer::from(parts), None);
    Ok(Arc::new(FixedSizeListArray::try_new(
        field,
        size,
        Arc::new(parts),
        None,
    )?))
}

fn of_primitive<P: ArrowPrimitiveType>(
    array: ArrayRef,
    shape: &[usize],
    fill: Scalar,
) -> Result<Tensor>
where
    P::Native: Element + ArrowNativeType,
{
    let values = array.as_primitive::<P>().clone();
    drop(array);
    let elements = if values.null_count() > 0 {
        let fill = P::Native::from_scalar(fill);
        values.iter().map(|value| value.unwrap_or(fill)).collect()
    } else {
        let (_, values, _) = values.into_parts();
        match values.into_inner().into_vec::<P::Native>() {
            Ok(elements) => elements,
            Err(shared) => ScalarBuffer::<P::Native>::from(shared).to_vec(),
        }
    };
    Tensor::from_vec(shape, elements)
}

fn of_pairs<P: ArrowPrimitiveType>(
    array: &ArrayRef,
    shape: &[usize],
    fill: Scalar,
) -> Result<Tensor>
where
    P::Native: Element + num_complex::ComplexFloat<Real = P::Native>,
    Complex<P::Native>: Element,
{
    let list = array.as_fixed_size_list();
    let parts = list.values().as_primitive::<P>();
    let fill = Complex::<P::Native>::from_scalar(fill);
    let first = usize::try_from(list.value_offset(0)).unwrap_or(0);
    let values: Vec<Complex<P::Native>> = (0..list.len())
        .map(|row| match list.is_null(row) {
            true => fill,
            false => Complex {
                re: parts.value(first + 2 * row),
                im: parts.value(first + 2 * row + 1),
            },
        })
        .collect();
    Ok(Tensor::from_array(
        ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|_| misfit(list.len(), shape))?,
    ))
}
