//! A block of elements of one type in memory: what a chunk is once it is read.
//!
//! A tensor shares its elements: cutting, transposing and turning it copies nothing. What it takes of
//! the memory limit is held as long as any tensor with these elements is there.

mod arrow;
mod element;

use std::sync::Arc;

use ndarray::{ArrayD, Axis, IxDyn, Slice};
use num_complex::Complex;
use sheaf_base::{Result, SheafError};

use crate::context::{Context, Hold};
use crate::dtype::{Class, DType, Scalar};
use crate::grid::tuple;

pub(crate) use element::{Block, Store};
pub use element::{Element, Wide};

/// Values that are converted at a time.
pub(crate) const PIECE: usize = 4096;

/// A block of elements.
#[derive(Debug, Clone)]
pub struct Tensor {
    pub(crate) data: Data,
    hold: Option<Arc<Hold>>,
}

/// The elements.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub enum Data {
    Bool(Block<bool>),
    Int8(Block<i8>),
    Int16(Block<i16>),
    Int32(Block<i32>),
    Int64(Block<i64>),
    UInt8(Block<u8>),
    UInt16(Block<u16>),
    UInt32(Block<u32>),
    UInt64(Block<u64>),
    Float32(Block<f32>),
    Float64(Block<f64>),
    Complex64(Block<Complex<f32>>),
    Complex128(Block<Complex<f64>>),
}

/// Evaluates an expression with the block of whichever type.
macro_rules! each {
    ($data:expr, $block:ident => $body:expr) => {
        match $data {
            $crate::tensor::Data::Bool($block) => $body,
            $crate::tensor::Data::Int8($block) => $body,
            $crate::tensor::Data::Int16($block) => $body,
            $crate::tensor::Data::Int32($block) => $body,
            $crate::tensor::Data::Int64($block) => $body,
            $crate::tensor::Data::UInt8($block) => $body,
            $crate::tensor::Data::UInt16($block) => $body,
            $crate::tensor::Data::UInt32($block) => $body,
            $crate::tensor::Data::UInt64($block) => $body,
            $crate::tensor::Data::Float32($block) => $body,
            $crate::tensor::Data::Float64($block) => $body,
            $crate::tensor::Data::Complex64($block) => $body,
            $crate::tensor::Data::Complex128($block) => $body,
        }
    };
}
pub(crate) use each;

/// A part of an axis: from `start` on, `length` elements, each `step` behind the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stride {
    pub(crate) start: usize,
    pub(crate) length: usize,
    pub(crate) step: isize,
}

impl Tensor {
    /// A tensor of elements that nobody has reserved memory for: small ones, or such as others account.
    #[must_use]
    pub fn from_array<T: Element>(array: ArrayD<T>) -> Self {
        Self {
            data: T::wrap(array.into_shared()),
            hold: None,
        }
    }

    /// A tensor of elements in row-major order.
    ///
    /// # Errors
    /// `Internal` if there are not as many as `shape` has.
    pub fn from_vec<T: Element>(shape: &[usize], elements: Vec<T>) -> Result<Self> {
        let count = elements.len();
        ArrayD::from_shape_vec(IxDyn(shape), elements)
            .map(Self::from_array)
            .map_err(|_| misfit(count, shape))
    }

    /// What `store` has gathered.
    pub(crate) fn from_store(store: Store, shape: &[usize]) -> Result<Self> {
        let data = store.finish(shape).ok_or_else(|| misfit(0, shape))?;
        Ok(Self { data, hold: None })
    }

    /// The tensor, whose memory is reserved by `hold`.
    #[must_use]
    pub fn held(mut self, hold: Hold) -> Self {
        self.hold = Some(Arc::new(hold));
        self
    }

    /// A tensor whose elements all are `value`.
    ///
    /// # Errors
    /// `Resource` if there is no memory for it.
    pub fn full(shape: &[usize], dtype: DType, value: Scalar, context: &Context) -> Result<Self> {
        let hold = context.hold_chunk(shape, dtype)?;
        macro_rules! filled {
            ($($variant:ident $rust:ty),*) => {
                match dtype {
                    $(DType::$variant => Data::$variant(
                        ArrayD::from_elem(IxDyn(shape), <$rust>::from_scalar(value)).into_shared(),
                    ),)*
                }
            };
        }
        let data = filled!(
            Bool bool, Int8 i8, Int16 i16, Int32 i32, Int64 i64, UInt8 u8, UInt16 u16, UInt32 u32,
            UInt64 u64, Float32 f32, Float64 f64, Complex64 Complex<f32>, Complex128 Complex<f64>
        );
        Ok(Self { data, hold: None }.held(hold))
    }

    /// The type of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        fn dtype<T: Element>(_: &Block<T>) -> DType {
            T::DTYPE
        }
        each!(&self.data, block => dtype(block))
    }

    /// Elements along each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        each!(&self.data, block => block.shape())
    }

    /// Elements in all.
    #[must_use]
    pub fn elements(&self) -> usize {
        each!(&self.data, block => block.len())
    }

    /// Bytes of the elements.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.elements() * self.dtype().bytes()
    }

    /// The elements as `T`, if that is their type.
    #[must_use]
    pub fn view<T: Element>(&self) -> Option<ndarray::ArrayViewD<'_, T>> {
        T::block(&self.data).map(|block| block.view())
    }

    /// The element at `position`, or `None` beyond the end.
    #[must_use]
    pub fn get(&self, position: &[usize]) -> Option<Scalar> {
        each!(&self.data, block => block.get(IxDyn(position)).map(|element| element.to_scalar()))
    }

    /// The same elements, contiguous and in row-major order: copied unless they are already.
    ///
    /// # Errors
    /// `Resource` if there is no memory for the copy.
    pub fn contiguous(self, context: &Context) -> Result<Self> {
        let is_contiguous = each!(&self.data, block => block.is_standard_layout());
        if is_contiguous {
            return Ok(self);
        }
        let hold = context.hold_chunk(self.shape(), self.dtype())?;
        let data = each!(&self.data, block => {
            let copy = ArrayD::from_shape_vec(block.raw_dim(), packed(block));
            Element::wrap(copy.map_err(|_| misfit(block.len(), block.shape()))?.into_shared())
        });
        Ok(Self { data, hold: None }.held(hold))
    }

    /// The same elements as values of another type: floats cut, whole numbers wrap.
    ///
    /// # Errors
    /// `Resource` if there is no memory for them.
    pub fn cast(self, dtype: DType, context: &Context) -> Result<Self> {
        if self.dtype() == dtype {
            return Ok(self);
        }
        match cast_class(self.dtype(), dtype) {
            Class::Int => self.convert::<i64>(dtype, context),
            Class::UInt | Class::Bool => self.convert::<u64>(dtype, context),
            Class::Float => self.convert::<f64>(dtype, context),
            Class::Complex => self.convert::<Complex<f64>>(dtype, context),
        }
    }

    fn convert<W: Wide>(self, dtype: DType, context: &Context) -> Result<Self> {
        let own = self.contiguous(context)?;
        let hold = context.hold_chunk(own.shape(), dtype)?;
        let mut store = Store::new(dtype, own.elements());
        let mut values = [W::default(); PIECE];
        for first in (0..own.elements()).step_by(PIECE) {
            let piece = &mut values[..PIECE.min(own.elements() - first)];
            own.load(first, piece);
            store.push(piece);
        }
        Ok(Self::from_store(store, own.shape())?.held(hold))
    }

    /// The elements as a block of `W`: shared if that is their type, else converted.
    pub(crate) fn widened<W: Wide>(self, context: &Context) -> Result<(Block<W>, Self)> {
        let wide = self.cast(W::DTYPE, context)?;
        match W::block(&wide.data) {
            Some(block) => Ok((block.clone(), wide)),
            None => Err(SheafError::internal(
                "a cast gave another type than asked for",
            )),
        }
    }

    /// The part of each axis that `strides` tells, without a copy.
    #[must_use]
    pub(crate) fn slice(mut self, strides: &[Stride]) -> Self {
        for (axis, stride) in strides.iter().enumerate() {
            let step = stride.step.unsigned_abs().max(1);
            let span = stride.length.saturating_sub(1) * step;
            let (first, is_reversed) = match stride.step < 0 {
                true => (stride.start.saturating_sub(span), true),
                false => (stride.start, false),
            };
            let end = match stride.length {
                0 => first,
                _ => first + span + 1,
            };
            let step = isize::try_from(step).unwrap_or(isize::MAX);
            let slice = Slice {
                start: isize::try_from(first).unwrap_or(isize::MAX),
                end: Some(isize::try_from(end).unwrap_or(isize::MAX)),
                step,
            };
            each!(&mut self.data, block => {
                block.slice_axis_inplace(Axis(axis), slice);
                if is_reversed {
                    block.invert_axis(Axis(axis));
                }
            });
        }
        self
    }

    /// The axes in another order, without a copy: axis `i` of the result is axis `axes[i]`.
    #[must_use]
    pub(crate) fn transpose(self, axes: &[usize]) -> Self {
        let Self { data, hold } = self;
        let data = each!(data, block => Element::wrap(block.permuted_axes(IxDyn(axes))));
        Self { data, hold }
    }

    /// The same elements, contiguous and without others around them that would be kept in memory, too.
    pub(crate) fn apart(self, context: &Context) -> Result<Self> {
        let is_whole = |hold: &Arc<Hold>| hold.bytes() == self.bytes();
        if self.hold.as_ref().is_some_and(is_whole) {
            return self.contiguous(context);
        }
        self.copied(context)
    }

    /// The same elements, contiguous and shared with nobody.
    pub(crate) fn copied(self, context: &Context) -> Result<Self> {
        let hold = context.hold_chunk(self.shape(), self.dtype())?;
        let data = each!(&self.data, block => {
            let copy = ArrayD::from_shape_vec(block.raw_dim(), packed(block));
            Element::wrap(copy.map_err(|_| misfit(block.len(), block.shape()))?.into_shared())
        });
        Ok(Self { data, hold: None }.held(hold))
    }

    /// The first axes of the tensor, of which those behind have the length 1, in the order in which
    /// `from` has something; where it has nothing, an axis of length 1.
    #[must_use]
    pub(crate) fn relabel(self, from: &[Option<usize>]) -> Self {
        let Self { data, hold } = self;
        let kept = from.iter().flatten().count();
        let data = each!(data, block => {
            let mut block = block;
            while block.ndim() > kept {
                let last = Axis(block.ndim() - 1);
                block = block.index_axis_move(last, 0);
            }
            for (axis, from) in from.iter().enumerate() {
                if from.is_none() {
                    block = block.insert_axis(Axis(axis));
                }
            }
            Element::wrap(block)
        });
        Self { data, hold }
    }

    /// The elements in row-major order in another shape of as many.
    pub(crate) fn reshape(self, shape: &[usize], context: &Context) -> Result<Self> {
        let Self { data, hold } = self.contiguous(context)?;
        let data = each!(data, block => {
            let count = block.len();
            let block = block.into_shape_with_order(IxDyn(shape));
            Element::wrap(block.map_err(|_| misfit(count, shape))?)
        });
        Ok(Self { data, hold })
    }

    /// Axes of length 1 repeated to `shape`.
    pub(crate) fn broadcast(self, shape: &[usize], context: &Context) -> Result<Self> {
        if self.shape() == shape {
            return Ok(self);
        }
        let hold = context.hold_chunk(shape, self.dtype())?;
        let data = each!(&self.data, block => {
            let wide = block.broadcast(IxDyn(shape)).ok_or_else(|| misfit(block.len(), shape))?;
            Element::wrap(wide.to_owned().into_shared())
        });
        Ok(Self { data, hold: None }.held(hold))
    }

    /// Writes `part`, of the same type, where it begins at `offset`.
    pub(crate) fn assign(&mut self, offset: &[usize], part: &Tensor) -> Result<()> {
        fn assign<T: Element>(into: &mut Block<T>, offset: &[usize], part: &Tensor) -> Result<()> {
            let part = part.view::<T>().ok_or_else(|| {
                SheafError::internal(format!("{} elements written as {}", part.dtype(), T::DTYPE))
            })?;
            let mut target = into.view_mut();
            for (axis, (&start, &length)) in offset.iter().zip(part.shape()).enumerate() {
                target.slice_axis_inplace(Axis(axis), Slice::from(start..start + length));
            }
            target.assign(&part);
            Ok(())
        }
        each!(&mut self.data, block => assign(block, offset, part))
    }
}

/// Copies of the elements in row-major order. What lies together is copied together: an iterator over all
/// elements takes ten times as long.
fn packed<T: Element>(block: &Block<T>) -> Vec<T> {
    if let Some(elements) = block.as_slice() {
        return elements.to_vec();
    }
    let mut elements = Vec::with_capacity(block.len());
    for row in block.rows() {
        match row.to_slice() {
            Some(row) => elements.extend_from_slice(row),
            None => elements.extend(row.iter().copied()),
        }
    }
    elements
}

/// The class of values through which elements go from one type to another.
fn cast_class(from: DType, to: DType) -> Class {
    match (from.class(), to.class()) {
        (Class::Complex, _) | (_, Class::Complex) => Class::Complex,
        (Class::Float, Class::UInt) if to.bytes() == 8 => Class::UInt,
        (Class::Float, Class::Int | Class::UInt) => Class::Int,
        (Class::Float, _) | (_, Class::Float) => Class::Float,
        (Class::Bool, _) => Class::UInt,
        (class, _) => class,
    }
}

fn misfit(elements: usize, shape: &[usize]) -> SheafError {
    SheafError::internal(format!("{elements} elements in the shape {}", tuple(shape)))
}
