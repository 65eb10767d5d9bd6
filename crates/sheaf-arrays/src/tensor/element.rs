//! The Rust types of elements, and how each becomes one of the four that kernels compute in.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "conversions between types of elements wrap and round as NumPy's do"
)]

use std::fmt::Debug;

use ndarray::{ArcArray, IxDyn};
use num_complex::Complex;

use super::{Data, Tensor};
use crate::dtype::{DType, Scalar};

/// A block of elements of one type.
pub(crate) type Block<T> = ArcArray<T, IxDyn>;

/// A type of elements.
pub trait Element: Copy + Default + PartialEq + Debug + Send + Sync + 'static {
    /// Its name at run time.
    const DTYPE: DType;

    /// The value as a signed whole number; floats are cut.
    fn to_i64(self) -> i64;
    /// The value as an unsigned whole number; floats are cut.
    fn to_u64(self) -> u64;
    /// The value as a float; of a complex number the real part.
    fn to_f64(self) -> f64;
    /// The value as a complex number.
    fn to_complex(self) -> Complex<f64>;
    /// The value of a signed whole number, which wraps.
    fn from_i64(value: i64) -> Self;
    /// The value of an unsigned whole number, which wraps.
    fn from_u64(value: u64) -> Self;
    /// The value of a float, which is cut or rounded.
    fn from_f64(value: f64) -> Self;
    /// The value of a complex number, of which all but complex types keep the real part.
    fn from_complex(value: Complex<f64>) -> Self;

    /// The elements of a tensor of this type.
    #[doc(hidden)]
    fn block(data: &Data) -> Option<&Block<Self>>;
    /// The elements of a tensor of this type, to be changed.
    #[doc(hidden)]
    fn block_mut(data: &mut Data) -> Option<&mut Block<Self>>;
    /// A tensor's content of this type.
    #[doc(hidden)]
    fn wrap(block: Block<Self>) -> Data;

    /// The value of a scalar.
    fn from_scalar(value: Scalar) -> Self {
        match value {
            Scalar::Bool(value) => Self::from_u64(u64::from(value)),
            Scalar::Int(value) => Self::from_i64(value),
            Scalar::UInt(value) => Self::from_u64(value),
            Scalar::Float(value) => Self::from_f64(value),
            Scalar::Complex(value) => Self::from_complex(value),
        }
    }

    /// The value as a scalar.
    fn to_scalar(self) -> Scalar {
        use crate::dtype::Class;
        match Self::DTYPE.class() {
            Class::Bool => Scalar::Bool(self.to_u64() != 0),
            Class::Int => Scalar::Int(self.to_i64()),
            Class::UInt => Scalar::UInt(self.to_u64()),
            Class::Float => Scalar::Float(self.to_f64()),
            Class::Complex => Scalar::Complex(self.to_complex()),
        }
    }
}

/// A type that kernels compute in: `i64`, `u64`, `f64`, `Complex<f64>`. Elements of the other types are
/// widened a few thousand at a time.
pub trait Wide: Element {
    /// One.
    const ONE: Self;
    /// The value of an element of any type.
    fn widen<T: Element>(value: T) -> Self;
    /// The nearest element of any type.
    fn narrow<T: Element>(self) -> T;
}

macro_rules! numbers {
    ($($rust:ty, $variant:ident;)*) => {$(
        impl Element for $rust {
            const DTYPE: DType = DType::$variant;
            fn to_i64(self) -> i64 {
                self as i64
            }
            fn to_u64(self) -> u64 {
                self as u64
            }
            fn to_f64(self) -> f64 {
                self as f64
            }
            fn to_complex(self) -> Complex<f64> {
                Complex::new(self as f64, 0.0)
            }
            fn from_i64(value: i64) -> Self {
                value as $rust
            }
            fn from_u64(value: u64) -> Self {
                value as $rust
            }
            fn from_f64(value: f64) -> Self {
                value as $rust
            }
            fn from_complex(value: Complex<f64>) -> Self {
                value.re as $rust
            }
            fn block(data: &Data) -> Option<&Block<Self>> {
                match data {
                    Data::$variant(block) => Some(block),
                    _ => None,
                }
            }
            fn block_mut(data: &mut Data) -> Option<&mut Block<Self>> {
                match data {
                    Data::$variant(block) => Some(block),
                    _ => None,
                }
            }
            fn wrap(block: Block<Self>) -> Data {
                Data::$variant(block)
            }
        }
    )*};
}

numbers! {
    i8, Int8;
    i16, Int16;
    i32, Int32;
    i64, Int64;
    u8, UInt8;
    u16, UInt16;
    u32, UInt32;
    u64, UInt64;
    f32, Float32;
    f64, Float64;
}

impl Element for bool {
    const DTYPE: DType = DType::Bool;
    fn to_i64(self) -> i64 {
        i64::from(self)
    }
    fn to_u64(self) -> u64 {
        u64::from(self)
    }
    fn to_f64(self) -> f64 {
        f64::from(u8::from(self))
    }
    fn to_complex(self) -> Complex<f64> {
        Complex::new(self.to_f64(), 0.0)
    }
    fn from_i64(value: i64) -> Self {
        value != 0
    }
    fn from_u64(value: u64) -> Self {
        value != 0
    }
    fn from_f64(value: f64) -> Self {
        value != 0.0
    }
    fn from_complex(value: Complex<f64>) -> Self {
        value.re != 0.0 || value.im != 0.0
    }
    fn block(data: &Data) -> Option<&Block<Self>> {
        match data {
            Data::Bool(block) => Some(block),
            _ => None,
        }
    }
    fn block_mut(data: &mut Data) -> Option<&mut Block<Self>> {
        match data {
            Data::Bool(block) => Some(block),
            _ => None,
        }
    }
    fn wrap(block: Block<Self>) -> Data {
        Data::Bool(block)
    }
}

macro_rules! complex_numbers {
    ($($part:ty, $variant:ident;)*) => {$(
        impl Element for Complex<$part> {
            const DTYPE: DType = DType::$variant;
            fn to_i64(self) -> i64 {
                self.re as i64
            }
            fn to_u64(self) -> u64 {
                self.re as u64
            }
            fn to_f64(self) -> f64 {
                f64::from(self.re)
            }
            fn to_complex(self) -> Complex<f64> {
                Complex::new(f64::from(self.re), f64::from(self.im))
            }
            fn from_i64(value: i64) -> Self {
                Complex::new(value as $part, 0.0)
            }
            fn from_u64(value: u64) -> Self {
                Complex::new(value as $part, 0.0)
            }
            fn from_f64(value: f64) -> Self {
                Complex::new(value as $part, 0.0)
            }
            fn from_complex(value: Complex<f64>) -> Self {
                Complex::new(value.re as $part, value.im as $part)
            }
            fn block(data: &Data) -> Option<&Block<Self>> {
                match data {
                    Data::$variant(block) => Some(block),
                    _ => None,
                }
            }
            fn block_mut(data: &mut Data) -> Option<&mut Block<Self>> {
                match data {
                    Data::$variant(block) => Some(block),
                    _ => None,
                }
            }
            fn wrap(block: Block<Self>) -> Data {
                Data::$variant(block)
            }
        }
    )*};
}

complex_numbers! {
    f32, Complex64;
    f64, Complex128;
}

macro_rules! wide {
    ($($rust:ty, $one:expr, $to:ident, $from:ident;)*) => {$(
        impl Wide for $rust {
            const ONE: Self = $one;
            fn widen<T: Element>(value: T) -> Self {
                value.$to()
            }
            fn narrow<T: Element>(self) -> T {
                T::$from(self)
            }
        }
    )*};
}

wide! {
    i64, 1, to_i64, from_i64;
    u64, 1, to_u64, from_u64;
    f64, 1.0, to_f64, from_f64;
    Complex<f64>, Complex::new(1.0, 0.0), to_complex, from_complex;
}

impl Tensor {
    /// The elements from number `first` on, in row-major order, as values to compute with. `self` must be
    /// contiguous; what lies behind its end is left as it is in `into`.
    pub(crate) fn load<W: Wide>(&self, first: usize, into: &mut [W]) {
        super::each!(&self.data, block => {
            let elements = block.as_slice().unwrap_or(&[]);
            for (value, element) in into.iter_mut().zip(&elements[first.min(elements.len())..]) {
                *value = W::widen(*element);
            }
        });
    }
}

/// Elements of type `dtype` from values, in row-major order.
pub(crate) struct Store {
    data: Flat,
}

macro_rules! flat {
    ($($variant:ident, $rust:ty;)*) => {
        enum Flat {
            $($variant(Vec<$rust>),)*
        }

        impl Store {
            /// Room for `capacity` elements.
            pub(crate) fn new(dtype: DType, capacity: usize) -> Self {
                let data = match dtype {
                    $(DType::$variant => Flat::$variant(Vec::with_capacity(capacity)),)*
                };
                Self { data }
            }

            /// Adds values.
            pub(crate) fn push<W: Wide>(&mut self, values: &[W]) {
                match &mut self.data {
                    $(Flat::$variant(elements) => {
                        elements.extend(values.iter().map(|value| value.narrow::<$rust>()));
                    })*
                }
            }

            /// The elements as a tensor, or `None` if they are not as many as `shape` has.
            pub(crate) fn finish(self, shape: &[usize]) -> Option<Data> {
                match self.data {
                    $(Flat::$variant(elements) => {
                        let block = Block::from_shape_vec(IxDyn(shape), elements).ok()?;
                        Some(Data::$variant(block))
                    })*
                }
            }
        }
    };
}

flat! {
    Bool, bool;
    Int8, i8;
    Int16, i16;
    Int32, i32;
    Int64, i64;
    UInt8, u8;
    UInt16, u16;
    UInt32, u32;
    UInt64, u64;
    Float32, f32;
    Float64, f64;
    Complex64, Complex<f32>;
    Complex128, Complex<f64>;
}
