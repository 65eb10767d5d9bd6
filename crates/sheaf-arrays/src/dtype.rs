//! The types that elements can have, and single values of them.

use std::fmt;
use std::str::FromStr;

use arrow::datatypes::DataType;
use num_complex::Complex;
use sheaf_base::{Result, SheafError};

/// The type of an array's elements. Its names are NumPy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// True or false, a byte each.
    Bool,
    /// Signed, 8 bits.
    Int8,
    /// Signed, 16 bits.
    Int16,
    /// Signed, 32 bits.
    Int32,
    /// Signed, 64 bits.
    Int64,
    /// Unsigned, 8 bits.
    UInt8,
    /// Unsigned, 16 bits.
    UInt16,
    /// Unsigned, 32 bits.
    UInt32,
    /// Unsigned, 64 bits.
    UInt64,
    /// Floating point, 32 bits.
    Float32,
    /// Floating point, 64 bits.
    Float64,
    /// Two floats of 32 bits: the real part, then the imaginary one.
    Complex64,
    /// Two floats of 64 bits.
    Complex128,
}

/// What can be said of a type for all its widths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// True or false.
    Bool,
    /// Signed whole numbers.
    Int,
    /// Unsigned whole numbers.
    UInt,
    /// Floating point numbers.
    Float,
    /// Complex numbers.
    Complex,
}

/// Type, NumPy's name, SQL's name or another that is understood, bytes of an element, class.
static TYPES: &[(DType, &str, &str, usize, Class)] = &[
    (DType::Bool, "bool", "boolean", 1, Class::Bool),
    (DType::Int8, "int8", "tinyint", 1, Class::Int),
    (DType::Int16, "int16", "smallint", 2, Class::Int),
    (DType::Int32, "int32", "integer", 4, Class::Int),
    (DType::Int64, "int64", "bigint", 8, Class::Int),
    (DType::UInt8, "uint8", "utinyint", 1, Class::UInt),
    (DType::UInt16, "uint16", "usmallint", 2, Class::UInt),
    (DType::UInt32, "uint32", "uinteger", 4, Class::UInt),
    (DType::UInt64, "uint64", "ubigint", 8, Class::UInt),
    (DType::Float32, "float32", "real", 4, Class::Float),
    (DType::Float64, "float64", "double", 8, Class::Float),
    (
        DType::Complex64,
        "complex64",
        "complex64",
        8,
        Class::Complex,
    ),
    (
        DType::Complex128,
        "complex128",
        "complex",
        16,
        Class::Complex,
    ),
];

impl DType {
    /// All types.
    pub fn all() -> impl Iterator<Item = DType> {
        TYPES.iter().map(|entry| entry.0)
    }

    fn entry(self) -> &'static (DType, &'static str, &'static str, usize, Class) {
        let found = TYPES.iter().find(|entry| entry.0 == self);
        found.unwrap_or(&TYPES[0])
    }

    /// NumPy's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// Bytes of an element.
    #[must_use]
    pub fn bytes(self) -> usize {
        self.entry().3
    }

    /// NumPy's code of the type, lowest byte first: `<f8`, or `|b1` of a single byte.
    #[must_use]
    pub fn code(self) -> String {
        let order = if self.bytes() == 1 { "|" } else { "<" };
        format!("{order}{}{}", self.kind(), self.bytes())
    }

    /// The type of NumPy's code, and whether the highest byte is first; `None` if there is none.
    #[must_use]
    pub fn of_code(code: &str) -> Option<(Self, bool)> {
        let (order, kind) = code.split_at_checked(1)?;
        if !matches!(order, "<" | ">" | "|" | "=") {
            return None;
        }
        let found = DType::all().find(|dtype| kind == format!("{}{}", dtype.kind(), dtype.bytes()));
        found.map(|dtype| (dtype, order == ">"))
    }

    /// The letter of its class in NumPy's codes; bytes of an element follow.
    fn kind(self) -> char {
        match self.class() {
            Class::Bool => 'b',
            Class::Int => 'i',
            Class::UInt => 'u',
            Class::Float => 'f',
            Class::Complex => 'c',
        }
    }

    /// What holds for the type in all its widths.
    #[must_use]
    pub fn class(self) -> Class {
        self.entry().4
    }

    /// The Arrow type of its elements in a column: complex numbers are fixed-size lists of two floats.
    #[must_use]
    pub fn arrow_type(self) -> DataType {
        match self {
            DType::Bool => DataType::Boolean,
            DType::Int8 => DataType::Int8,
            DType::Int16 => DataType::Int16,
            DType::Int32 => DataType::Int32,
            DType::Int64 => DataType::Int64,
            DType::UInt8 => DataType::UInt8,
            DType::UInt16 => DataType::UInt16,
            DType::UInt32 => DataType::UInt32,
            DType::UInt64 => DataType::UInt64,
            DType::Float32 => DataType::Float32,
            DType::Float64 => DataType::Float64,
            DType::Complex64 => pair_of(DataType::Float32),
            DType::Complex128 => pair_of(DataType::Float64),
        }
    }

    /// The type whose column has the Arrow type `data_type`.
    ///
    /// # Errors
    /// `UserInput` if there is none.
    pub fn of_arrow(data_type: &DataType) -> Result<Self> {
        let found = DType::all().find(|dtype| match (dtype.arrow_type(), data_type) {
            (DataType::FixedSizeList(own, 2), DataType::FixedSizeList(other, 2)) => {
                own.data_type() == other.data_type()
            }
            (own, other) => own == *other,
        });
        found.ok_or_else(|| {
            SheafError::user(format!("an array cannot have elements of type {data_type}"))
                .with_hint("elements are booleans, whole numbers, floats or complex numbers")
        })
    }

    /// The smallest type that holds the values of both, as NumPy promotes them.
    #[must_use]
    pub fn promote(self, other: DType) -> DType {
        use Class::{Bool, Complex, Float, Int, UInt};
        let (a, b) = if rank(self) <= rank(other) {
            (self, other)
        } else {
            (other, self)
        };
        match (a.class(), b.class()) {
            (left, right) if left == right => {
                if a.bytes() >= b.bytes() {
                    a
                } else {
                    b
                }
            }
            (Bool, _) => b,
            (UInt, Int) if a.bytes() < b.bytes() => b,
            (UInt, Int) => match a.bytes() {
                1 => DType::Int16,
                2 => DType::Int32,
                4 => DType::Int64,
                _ => DType::Float64,
            },
            (_, Float) if a.bytes() < b.bytes() => b,
            (_, Float) => match a.bytes() {
                1 | 2 => b,
                _ => DType::Float64,
            },
            (Float, Complex) if a.bytes() * 2 <= b.bytes() => b,
            (_, Complex) if a.class() != Float && a.bytes() <= 2 => b,
            (_, _) => DType::Complex128,
        }
    }

    /// The type of division, means and other results that are not whole: of floats and complex numbers
    /// the same, else `float64`.
    #[must_use]
    pub fn to_inexact(self) -> DType {
        match self.class() {
            Class::Float | Class::Complex => self,
            _ => DType::Float64,
        }
    }

    /// The type of roots, angles and other functions of elements: as [`Self::to_inexact`], but `float32` of what
    /// has 16 bits at most. NumPy gives `float16` of 8 bits, which arrays do not have.
    #[must_use]
    pub fn to_narrow_inexact(self) -> DType {
        match self.class() {
            Class::Bool | Class::Int | Class::UInt if self.bytes() <= 2 => DType::Float32,
            _ => self.to_inexact(),
        }
    }

    /// The type of parts and magnitudes: of complex numbers that of their parts, else the same.
    #[must_use]
    pub fn to_real(self) -> DType {
        match self {
            DType::Complex64 => DType::Float32,
            DType::Complex128 => DType::Float64,
            other => other,
        }
    }

    /// The complex type whose parts have this type's precision.
    #[must_use]
    pub fn to_complex(self) -> DType {
        match self {
            DType::Float32 | DType::Complex64 => DType::Complex64,
            _ => DType::Complex128,
        }
    }
}

/// Classes from the narrowest to the widest.
fn rank(dtype: DType) -> usize {
    match dtype.class() {
        Class::Bool => 0,
        Class::UInt => 1,
        Class::Int => 2,
        Class::Float => 3,
        Class::Complex => 4,
    }
}

fn pair_of(part: DataType) -> DataType {
    DataType::FixedSizeList(
        std::sync::Arc::new(arrow::datatypes::Field::new("item", part, false)),
        2,
    )
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DType {
    type Err = SheafError;

    /// Reads NumPy's names and SQL's, in any case.
    fn from_str(text: &str) -> Result<Self> {
        let wanted = text.to_ascii_lowercase();
        let found = TYPES
            .iter()
            .find(|entry| entry.1 == wanted || entry.2 == wanted);
        found.map(|entry| entry.0).ok_or_else(|| {
            let names: Vec<&str> = TYPES.iter().map(|entry| entry.1).collect();
            SheafError::user(format!("\"{text}\" is no type of array elements"))
                .with_hint(format!("the types are {}", names.join(", ")))
        })
    }
}

/// One value, of whichever class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar {
    /// True or false.
    Bool(bool),
    /// A signed whole number.
    Int(i64),
    /// An unsigned whole number.
    UInt(u64),
    /// A floating point number.
    Float(f64),
    /// A complex number.
    Complex(Complex<f64>),
}

impl Scalar {
    /// Zero, or false.
    pub const ZERO: Scalar = Scalar::UInt(0);

    /// The value as a float; of a complex number the real part.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        match self {
            Scalar::Bool(value) => f64::from(u8::from(value)),
            Scalar::Int(value) => value as f64,
            Scalar::UInt(value) => value as f64,
            Scalar::Float(value) => value,
            Scalar::Complex(value) => value.re,
        }
    }

    /// The type that NumPy gives such a value.
    #[must_use]
    pub fn dtype(self) -> DType {
        match self {
            Scalar::Bool(_) => DType::Bool,
            Scalar::Int(_) => DType::Int64,
            Scalar::UInt(_) => DType::UInt64,
            Scalar::Float(_) => DType::Float64,
            Scalar::Complex(_) => DType::Complex128,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `numpy.dtype(name).str` gives them.
    #[test]
    fn codes_are_numpys() {
        for (dtype, code) in [
            (DType::Bool, "|b1"),
            (DType::Int8, "|i1"),
            (DType::Int16, "<i2"),
            (DType::Int32, "<i4"),
            (DType::Int64, "<i8"),
            (DType::UInt8, "|u1"),
            (DType::UInt16, "<u2"),
            (DType::UInt32, "<u4"),
            (DType::UInt64, "<u8"),
            (DType::Float32, "<f4"),
            (DType::Float64, "<f8"),
            (DType::Complex64, "<c8"),
            (DType::Complex128, "<c16"),
        ] {
            assert_eq!(dtype.code(), code);
            assert_eq!(DType::of_code(code), Some((dtype, false)));
        }
        assert_eq!(DType::of_code(">f8"), Some((DType::Float64, true)));
        assert_eq!(DType::of_code("=i4"), Some((DType::Int32, false)));
        for wrong in ["", "f8", "<", "<f2", "<U5", "|O", "é8", "<i08", "<M8[ns]"] {
            assert_eq!(DType::of_code(wrong), None, "{wrong}");
        }
    }
}
