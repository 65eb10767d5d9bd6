//! What a guest left in its memory, as arrays: everything is checked, nothing is believed.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Decimal128Array,
    LargeBinaryArray, LargeStringArray, ListArray, StringArray, StringViewArray, StructArray,
    make_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef, Fields};
use sheaf_base::Result;

use super::{DESCRIPTOR_BYTES, Descriptor, Form, Shape, lie};

/// Reads an instance's memory.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    /// The column whose descriptor is the one `number` from `address` on: `rows` values of `data_type`.
    ///
    /// # Errors
    /// `Data` if what is there is none.
    pub(crate) fn column(
        self,
        address: u32,
        number: usize,
        data_type: &DataType,
        rows: usize,
    ) -> Result<ArrayRef> {
        let descriptor = self.descriptor(address, number)?;
        let form = Form::of(data_type)?;
        if (descriptor.code, descriptor.parameter) != (form.code, form.parameter) {
            return Err(lie(
                "its column has another type than the function was asked for",
            ));
        }
        if usize::try_from(descriptor.rows).is_ok_and(|told| told < rows) {
            let told = descriptor.rows;
            return Err(lie(format!("a column of {told} rows in place of {rows}")));
        }
        let nulls = self.nulls(descriptor.validity, rows)?;
        match &form.shape {
            Shape::Booleans => {
                let bytes = self.bytes(descriptor.values, rows)?;
                let values = BooleanBuffer::from_iter(bytes.iter().map(|byte| *byte != 0));
                Ok(Arc::new(BooleanArray::new(values, nulls)))
            }
            Shape::Fixed(width) => {
                let values = self.bytes(descriptor.values, rows.saturating_mul(*width))?;
                fixed(data_type, values, rows, nulls)
            }
            Shape::Texts | Shape::Bytes => self.texts(&descriptor, data_type, rows, nulls),
            Shape::List(field) => self.list(&descriptor, field, rows, nulls),
            Shape::Structure(fields) => self.structure(&descriptor, fields, rows, nulls),
        }
    }

    /// `count` numbers of 32 bits.
    ///
    /// # Errors
    /// `Data` if they are not in the memory.
    pub(crate) fn numbers(
        self,
        address: u32,
        count: usize,
    ) -> Result<impl ExactSizeIterator<Item = u32> + 'a> {
        let numbers = self
            .bytes(address, count.saturating_mul(4))?
            .chunks_exact(4);
        Ok(numbers.map(|number| number.try_into().map_or(0, u32::from_le_bytes)))
    }

    /// `count` bytes.
    ///
    /// # Errors
    /// `Data` if they are not in the memory.
    pub(crate) fn bytes(self, address: u32, count: usize) -> Result<&'a [u8]> {
        if count == 0 {
            return Ok(&[]);
        }
        let start = usize::try_from(address).unwrap_or(usize::MAX);
        let bytes = self.0.get(start..start.saturating_add(count));
        bytes.ok_or_else(|| {
            let memory = self.0.len();
            lie(format!(
                "{count} bytes at address {address}, where its memory has {memory}"
            ))
        })
    }

    /// A text that ends with a byte 0, as far as `bytes_max`.
    pub(crate) fn message(self, address: u32, bytes_max: usize) -> String {
        let start = usize::try_from(address).unwrap_or(usize::MAX);
        let text = self.0.get(start..).unwrap_or_default();
        let text = text.get(..bytes_max).unwrap_or(text);
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    fn descriptor(self, address: u32, number: usize) -> Result<Descriptor> {
        let before = u32::try_from(number.saturating_mul(DESCRIPTOR_BYTES)).unwrap_or(u32::MAX);
        let bytes = self.bytes(address.saturating_add(before), DESCRIPTOR_BYTES)?;
        let bytes = bytes.try_into().map_err(|_| lie("half a descriptor"))?;
        Ok(Descriptor::from_bytes(bytes))
    }

    fn nulls(self, address: u32, rows: usize) -> Result<Option<NullBuffer>> {
        if address == 0 {
            return Ok(None);
        }
        let bytes = self.bytes(address, rows)?;
        // Nearly always none is NULL, which is told faster than it is packed.
        if !bytes.contains(&0) {
            return Ok(None);
        }
        let valid = BooleanBuffer::from_iter(bytes.iter().map(|byte| *byte != 0));
        Ok(Some(NullBuffer::new(valid)))
    }

    /// The offsets of `rows` values in something of `length`.
    fn offsets(self, address: u32, rows: usize, length: usize) -> Result<OffsetBuffer<i32>> {
        let offsets: Vec<u32> = self.numbers(address, rows.saturating_add(1))?.collect();
        let last = offsets.last().copied().unwrap_or_default();
        if !offsets.is_sorted() {
            return Err(lie("its offsets go down"));
        }
        if usize::try_from(last).is_ok_and(|last| last > length) || last.cast_signed() < 0 {
            return Err(lie(format!(
                "its offsets go to {last}, beyond the {length} there are"
            )));
        }
        // None is larger than the last, so that they are the same with a sign.
        let count = offsets.len();
        let offsets = ScalarBuffer::new(Buffer::from_vec(offsets), 0, count);
        Ok(OffsetBuffer::new(offsets))
    }

    fn texts(
        self,
        descriptor: &Descriptor,
        data_type: &DataType,
        rows: usize,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef> {
        let length = usize::try_from(descriptor.bytes).unwrap_or(usize::MAX);
        let offsets = self.offsets(descriptor.offsets, rows, length)?;
        let end = usize::try_from(offsets.last().copied().unwrap_or_default());
        let values = self.bytes(descriptor.values, end.unwrap_or_default())?;
        let values = Buffer::from(values);
        let wrong = |error| lie(format!("a text that is no UTF-8 ({error})"));
        Ok(match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let texts = StringArray::try_new(offsets, values, nulls).map_err(wrong)?;
                match data_type {
                    DataType::Utf8 => Arc::new(texts),
                    DataType::Utf8View => Arc::new(StringViewArray::from(&texts)),
                    _ => Arc::new(LargeStringArray::from_iter(texts.iter())),
                }
            }
            _ => {
                let bytes = BinaryArray::try_new(offsets, values, nulls).map_err(wrong)?;
                match data_type {
                    DataType::Binary => Arc::new(bytes),
                    DataType::BinaryView => Arc::new(BinaryViewArray::from(&bytes)),
                    _ => Arc::new(LargeBinaryArray::from_iter(bytes.iter())),
                }
            }
        })
    }

    fn list(
        self,
        descriptor: &Descriptor,
        field: &FieldRef,
        rows: usize,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef> {
        let child = self.descriptor(descriptor.children, 0)?;
        let length = usize::try_from(child.rows).unwrap_or(usize::MAX);
        let offsets = self.offsets(descriptor.offsets, rows, length)?;
        // Only what the lists speak of, whatever else the child says that it has.
        let end = usize::try_from(offsets.last().copied().unwrap_or_default());
        let end = end.unwrap_or_default();
        let values = self.column(descriptor.children, 0, field.data_type(), end)?;
        check_nulls(field, &values)?;
        let list = ListArray::try_new(FieldRef::clone(field), offsets, values, nulls)?;
        Ok(Arc::new(list))
    }

    fn structure(
        self,
        descriptor: &Descriptor,
        fields: &Fields,
        rows: usize,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef> {
        let columns: Result<Vec<ArrayRef>> = fields
            .iter()
            .enumerate()
            .map(|(number, field)| {
                let column = self.column(descriptor.children, number, field.data_type(), rows)?;
                check_nulls(field, &column)?;
                Ok(column)
            })
            .collect();
        let structure = StructArray::try_new_with_length(fields.clone(), columns?, nulls, rows)?;
        Ok(Arc::new(structure))
    }
}

fn check_nulls(field: &FieldRef, values: &ArrayRef) -> Result<()> {
    match !field.is_nullable() && values.null_count() > 0 {
        true => Err(lie(format!("NULL in {}, which cannot be", field.name()))),
        false => Ok(()),
    }
}

fn fixed(
    data_type: &DataType,
    values: &[u8],
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let data = ArrayData::builder(data_type.clone())
        .len(rows)
        .add_buffer(Buffer::from(values))
        .nulls(nulls)
        .build()?;
    let array = make_array(data);
    if let DataType::Decimal128(precision, _) = data_type
        && let Some(decimals) = array.as_any().downcast_ref::<Decimal128Array>()
    {
        let fits = decimals.validate_decimal_precision(*precision);
        fits.map_err(|error| lie(format!("a number of too many digits ({error})")))?;
    }
    Ok(array)
}
