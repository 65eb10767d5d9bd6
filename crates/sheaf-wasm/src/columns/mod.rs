//! Columns as a guest sees them: descriptors of 32 bytes that point to plain buffers ([ABI.md](../../ABI.md)).
//!
//! Arrow's own form stays outside: bits are bytes here, views are offsets, so that a guest in any language
//! reads a column with a loop. `write` puts arrays into an instance's memory and prepares what results
//! go into; `read` makes arrays of what the guest left there, and believes none of it.

mod read;
mod region;
mod write;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef, Fields, IntervalUnit, TimeUnit};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

pub(crate) use read::Reader;
pub(crate) use region::Region;
pub(crate) use write::{write_columns, write_numbers, write_slots};

/// Bytes of a descriptor.
pub(crate) const DESCRIPTOR_BYTES: usize = 32;
/// What a text, a list or a region may take in a guest's memory.
pub(crate) const REGION_BYTES_MAX: usize = 1 << 30;

/// A descriptor: eight numbers of 32 bits, in this order.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Descriptor {
    /// What the values are: [`Form::code`].
    pub(crate) code: u32,
    /// More of the type: the scale of a DECIMAL, the digits of a second, the fields of a structure.
    pub(crate) parameter: u32,
    /// How many values there are.
    pub(crate) rows: u32,
    /// Where a byte a row says whether it is a value (1) or NULL (0); of 0, none is NULL.
    pub(crate) validity: u32,
    /// Where the values are: side by side, or the bytes of texts one after the other.
    pub(crate) values: u32,
    /// How many bytes there are.
    pub(crate) bytes: u32,
    /// Of texts and lists: where one more than `rows` numbers of 32 bits say where each begins.
    pub(crate) offsets: u32,
    /// Of lists and structures: where the descriptors of what is in them are.
    pub(crate) children: u32,
}

/// How values of a type lie in a guest's memory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Form {
    /// The type's number in the ABI.
    pub(crate) code: u32,
    /// See [`Descriptor::parameter`].
    pub(crate) parameter: u32,
    pub(crate) shape: Shape,
}

/// What buffers a column has.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// A byte a value, 0 or 1.
    Booleans,
    /// So many bytes a value.
    Fixed(usize),
    /// Offsets into UTF-8.
    Texts,
    /// Offsets into bytes.
    Bytes,
    /// Offsets into a column.
    List(FieldRef),
    /// Columns side by side.
    Structure(Fields),
}

impl Form {
    /// The form of values of `data_type`.
    ///
    /// # Errors
    /// `Unsupported` if guests cannot be given such values.
    pub(crate) fn of(data_type: &DataType) -> Result<Self> {
        let fixed = |code, bytes| (code, 0, Shape::Fixed(bytes));
        let (code, parameter, shape) = match data_type {
            DataType::Boolean => (1, 0, Shape::Booleans),
            DataType::Int8 => fixed(2, 1),
            DataType::Int16 => fixed(3, 2),
            DataType::Int32 => fixed(4, 4),
            DataType::Int64 => fixed(5, 8),
            DataType::UInt8 => fixed(6, 1),
            DataType::UInt16 => fixed(7, 2),
            DataType::UInt32 => fixed(8, 4),
            DataType::UInt64 => fixed(9, 8),
            DataType::Float32 => fixed(10, 4),
            DataType::Float64 => fixed(11, 8),
            DataType::Date32 => fixed(12, 4),
            DataType::Time64(unit) => (13, digits(*unit), Shape::Fixed(8)),
            DataType::Timestamp(unit, None) => (14, digits(*unit), Shape::Fixed(8)),
            DataType::Timestamp(unit, Some(_)) => (15, digits(*unit), Shape::Fixed(8)),
            DataType::Interval(IntervalUnit::MonthDayNano) => fixed(16, 16),
            DataType::Decimal128(_, scale) if *scale >= 0 => {
                (17, u32::from(scale.unsigned_abs()), Shape::Fixed(16))
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => (18, 0, Shape::Texts),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                (19, 0, Shape::Bytes)
            }
            DataType::List(field) => {
                Self::of(field.data_type())?;
                (20, 1, Shape::List(FieldRef::clone(field)))
            }
            DataType::Struct(fields) => {
                let mut forms = fields.iter().map(|field| Self::of(field.data_type()));
                forms.try_for_each(|form| form.map(drop))?;
                let count = u32::try_from(fields.len()).unwrap_or(u32::MAX);
                (21, count, Shape::Structure(fields.clone()))
            }
            other => {
                return Err(SheafError::unsupported(format!(
                    "functions in WebAssembly cannot have values of type {}",
                    sheaf_base::sql_type_name(other)
                ))
                .with_state(SqlState::INVALID_FUNCTION_DEFINITION)
                .with_hint("cast it to a type that ABI.md lists, TEXT say"));
            }
        };
        Ok(Self {
            code,
            parameter,
            shape,
        })
    }
}

/// Digits of a second that a time in `unit` has.
fn digits(unit: TimeUnit) -> u32 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

impl Descriptor {
    fn to_bytes(self) -> [u8; DESCRIPTOR_BYTES] {
        let mut bytes = [0; DESCRIPTOR_BYTES];
        let numbers = [
            self.code,
            self.parameter,
            self.rows,
            self.validity,
            self.values,
            self.bytes,
            self.offsets,
            self.children,
        ];
        for (to, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; DESCRIPTOR_BYTES]) -> Self {
        let mut numbers = [0; DESCRIPTOR_BYTES / 4];
        for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(4)) {
            *number = bytes.try_into().map_or(0, u32::from_le_bytes);
        }
        let [
            code,
            parameter,
            rows,
            validity,
            values,
            bytes,
            offsets,
            children,
        ] = numbers;
        Self {
            code,
            parameter,
            rows,
            validity,
            values,
            bytes,
            offsets,
            children,
        }
    }
}

/// The error of a guest that left something impossible: `what`, of the column at `place`.
pub(crate) fn lie(what: impl std::fmt::Display) -> SheafError {
    SheafError::data(format!("gave a wrong result: {what}"))
        .with_state(SqlState::EXTERNAL_ROUTINE_PROTOCOL)
}

/// The rows of `arrays` for which none is NULL; `None` if those are all.
pub(crate) fn without_nulls(arrays: &[ArrayRef]) -> Option<arrow::array::BooleanArray> {
    use arrow::buffer::NullBuffer;
    let nulls = arrays.iter().fold(None, |all, array| {
        NullBuffer::union(all.as_ref(), array.logical_nulls().as_ref())
    });
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0)?;
    Some(arrow::array::BooleanArray::new(nulls.into_inner(), None))
}
