//! Rows as messages: one writer for each column, made once a batch, appends values straight from
//! Arrow's arrays to the output.
//!
//! [`text`] and [`binary`] write scalars in the two formats, [`array`] lists, [`json`] records, [`copy`]
//! rows of COPY;
//! [`temporal`] and [`number`] hold what both formats need. Values that PostgreSQL cannot have (a
//! date in the year 6,000,000) are errors, never other values.

mod array;
mod binary;
mod copy;
mod digits;
mod json;
mod number;
pub(crate) mod temporal;
#[cfg(test)]
mod tests;
mod text;

use bytes::{BufMut, BytesMut};
use sheaf::arrow::array::timezone::Tz;
use sheaf::arrow::array::{Array, ArrayRef, RecordBatch};
use sheaf::arrow::buffer::NullBuffer;
use sheaf::arrow::compute::cast;
use sheaf::arrow::datatypes::{DataType, Field};
use sheaf::{Result, SheafError};

pub(crate) use self::copy::{CopyFormat, CopyRows, CopyStyle};
use crate::message::backend;
use crate::message::frontend::Format;
use crate::types::{Scalar, WireType, wire_type};

/// Appends the value of a row, which is not NULL.
type Write = Box<dyn Fn(usize, &mut BytesMut) -> Result<()> + Send + Sync>;

/// What a session says about how values are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// The zone in which timestamps with time zone are shown.
    pub(crate) zone: Tz,
}

/// A batch of rows, ready to be written.
pub(crate) struct Rows {
    columns: Vec<Column>,
    count: i16,
}

/// The values of one column.
struct Column {
    nulls: Option<NullBuffer>,
    write: Write,
}

impl Rows {
    /// Prepares `batch`; `formats` are those of Bind, one for each column or fewer.
    ///
    /// # Errors
    /// `Internal` if a column is of a type that no writer knows.
    pub(crate) fn new(batch: &RecordBatch, formats: &[Format], style: Style) -> Result<Self> {
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns()).enumerate();
        let columns = columns
            .map(|(index, (field, array))| {
                let format = Format::of(formats, index).unwrap_or(Format::Text);
                Column::new(field, array, format, style)
            })
            .collect::<Result<Vec<_>>>()?;
        let count = i16::try_from(columns.len())
            .map_err(|_| SheafError::unsupported("a row has at most 32,767 columns"))?;
        Ok(Self { columns, count })
    }

    /// Appends the message of one row; nothing if a value cannot be sent.
    ///
    /// # Errors
    /// `Data` if PostgreSQL has no such value.
    pub(crate) fn write(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        let before = out.len();
        let start = backend::begin(out, b'D');
        match self.write_values(row, out) {
            Ok(()) => backend::finish(out, start),
            Err(error) => {
                out.truncate(before);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Appends the number of values and each behind its length.
    fn write_values(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        out.put_i16(self.count);
        let mut columns = self.columns.iter();
        columns.try_for_each(|column| column.write_sized(row, out))
    }
}

impl Column {
    fn new(field: &Field, array: &ArrayRef, format: Format, style: Style) -> Result<Self> {
        let (field, array) = plain(field, array)?;
        let write = match (wire_type(&field), format) {
            (WireType::Array(element), Format::Text) => {
                array::text(&array, &field, element, style)?
            }
            (WireType::Array(element), Format::Binary) => {
                array::binary(&array, &field, element, style)?
            }
            (WireType::Scalar(Scalar::Json), _) => json::writer(&field, &array, style)?,
            (WireType::Scalar(scalar), Format::Text) => text::writer(&array, scalar, style)?,
            (WireType::Scalar(scalar), Format::Binary) => binary::writer(&array, scalar)?,
        };
        Ok(Self {
            nulls: array.logical_nulls(),
            write,
        })
    }

    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends the value behind its length in bytes; NULL has the length -1.
    fn write_sized(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        if self.is_null(row) {
            out.put_i32(-1);
            return Ok(());
        }
        let start = out.len();
        out.put_i32(0);
        (self.write)(row, out)?;
        let length = i32::try_from(out.len() - start - 4)
            .map_err(|_| SheafError::data("a value has more than 2 GiB"))?;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

/// The array without dictionaries and runs, and its field.
fn plain(field: &Field, array: &ArrayRef) -> Result<(Field, ArrayRef)> {
    let values = match array.data_type() {
        DataType::Dictionary(_, values) => (**values).clone(),
        DataType::RunEndEncoded(_, values) => values.data_type().clone(),
        DataType::Null => {
            let array = cast(array, &DataType::Utf8)?;
            return Ok((field.clone().with_data_type(DataType::Utf8), array));
        }
        _ => return Ok((field.clone(), ArrayRef::clone(array))),
    };
    let array = cast(array, &values)?;
    plain(&field.clone().with_data_type(values), &array)
}

/// The error of a type that has no writer.
fn unknown_type(data_type: &DataType) -> SheafError {
    SheafError::internal(format!("no writer for {data_type}"))
}
