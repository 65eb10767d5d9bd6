//! Arrays into an instance's memory, and room for results.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, LargeBinaryArray, LargeStringArray,
    StringArray, StringViewArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType;
use sheaf_base::{Result, SheafError};

use super::{DESCRIPTOR_BYTES, Descriptor, Form, Region, Shape};

/// Writes `arrays`; gives the address of their descriptors, one after the other.
///
/// # Errors
/// `Unsupported` for types that guests do not have, `Resource` if it is too much.
pub(crate) fn write_columns(region: &mut Region<'_>, arrays: &[ArrayRef]) -> Result<u32> {
    let descriptors: Result<Vec<Descriptor>> = arrays
        .iter()
        .map(|array| write_column(region, array))
        .collect();
    write_descriptors(region, &descriptors?)
}

/// Writes numbers of 32 bits side by side; gives their address.
///
/// # Errors
/// `Resource` if it is too much.
pub(crate) fn write_numbers(
    region: &mut Region<'_>,
    numbers: impl ExactSizeIterator<Item = u32>,
) -> Result<u32> {
    region.take(numbers.len() * 4, |to| {
        for (to, number) in to.chunks_exact_mut(4).zip(numbers) {
            to.copy_from_slice(&number.to_le_bytes());
        }
    })
}

/// Makes room for `rows` rows of results of these types; gives the address of their descriptors.
///
/// Of texts and of what is in lists the guest has to say where it has put them.
///
/// # Errors
/// As [`write_columns`].
pub(crate) fn write_slots(
    region: &mut Region<'_>,
    types: &[&DataType],
    rows: usize,
) -> Result<u32> {
    let descriptors: Result<Vec<Descriptor>> = types
        .iter()
        .map(|data_type| write_slot(region, data_type, rows))
        .collect();
    write_descriptors(region, &descriptors?)
}

fn write_descriptors(region: &mut Region<'_>, descriptors: &[Descriptor]) -> Result<u32> {
    region.take(descriptors.len() * DESCRIPTOR_BYTES, |to| {
        for (to, descriptor) in to.chunks_exact_mut(DESCRIPTOR_BYTES).zip(descriptors) {
            to.copy_from_slice(&descriptor.to_bytes());
        }
    })
}

fn write_slot(region: &mut Region<'_>, data_type: &DataType, rows: usize) -> Result<Descriptor> {
    let form = Form::of(data_type)?;
    let mut slot = Descriptor {
        code: form.code,
        parameter: form.parameter,
        rows: count(rows)?,
        validity: region.take(rows, |to| to.fill(1))?,
        ..Descriptor::default()
    };
    let bytes = match &form.shape {
        Shape::Booleans => rows,
        Shape::Fixed(bytes) => rows * bytes,
        _ => 0,
    };
    match &form.shape {
        Shape::Booleans | Shape::Fixed(_) => slot.values = region.take(bytes, |_| ())?,
        Shape::Texts | Shape::Bytes | Shape::List(_) => {
            slot.offsets = region.take((rows + 1) * 4, |to| to.fill(0))?;
        }
        Shape::Structure(_) => {}
    }
    slot.bytes = count(bytes)?;
    slot.children = match &form.shape {
        Shape::List(field) => write_slots(region, &[field.data_type()], 0)?,
        Shape::Structure(fields) => {
            let types: Vec<&DataType> = fields.iter().map(|field| field.data_type()).collect();
            write_slots(region, &types, rows)?
        }
        _ => 0,
    };
    Ok(slot)
}

fn write_column(region: &mut Region<'_>, array: &ArrayRef) -> Result<Descriptor> {
    let form = Form::of(array.data_type())?;
    let mut column = Descriptor {
        code: form.code,
        parameter: form.parameter,
        rows: count(array.len())?,
        validity: write_validity(region, array)?,
        ..Descriptor::default()
    };
    match &form.shape {
        Shape::Booleans => {
            let values = array.as_boolean().values();
            column.bytes = count(values.len())?;
            column.values = region.take(values.len(), |to| {
                for (to, value) in to.iter_mut().zip(values) {
                    *to = u8::from(value);
                }
            })?;
        }
        Shape::Fixed(width) => {
            let data = array.to_data();
            let (start, bytes) = (data.offset() * width, data.len() * width);
            let values = data
                .buffers()
                .first()
                .and_then(|values| values.as_slice().get(start..start + bytes));
            let values =
                values.ok_or_else(|| SheafError::internal("an array without its values"))?;
            column.bytes = count(bytes)?;
            column.values = region.take(bytes, |to| to.copy_from_slice(values))?;
        }
        Shape::Texts | Shape::Bytes => write_texts(region, array, &mut column)?,
        Shape::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.offsets();
            let (start, end) = ends(offsets);
            column.offsets = write_offsets(region, offsets)?;
            let values = list.values().slice(start, end - start);
            column.children = write_columns(region, &[values])?;
        }
        Shape::Structure(_) => {
            column.children = write_columns(region, array.as_struct().columns())?;
        }
    }
    Ok(column)
}

fn write_validity(region: &mut Region<'_>, array: &ArrayRef) -> Result<u32> {
    let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) else {
        return Ok(0);
    };
    region.take(nulls.len(), |to| {
        for (to, valid) in to.iter_mut().zip(nulls.inner()) {
            *to = u8::from(valid);
        }
    })
}

fn write_texts(region: &mut Region<'_>, array: &ArrayRef, column: &mut Descriptor) -> Result<()> {
    let any: &dyn Array = array;
    if let Some(texts) = any.as_any().downcast_ref::<StringArray>() {
        return write_contiguous(region, texts.offsets(), texts.value_data(), column);
    }
    if let Some(texts) = any.as_any().downcast_ref::<BinaryArray>() {
        return write_contiguous(region, texts.offsets(), texts.value_data(), column);
    }
    macro_rules! each {
        ($($array:ty),*) => {
            $(if let Some(texts) = any.as_any().downcast_ref::<$array>() {
                return write_each(region, || texts.iter().map(|text| text.map_or(&[][..], AsRef::as_ref)), column);
            })*
        };
    }
    each!(
        StringViewArray,
        LargeStringArray,
        BinaryViewArray,
        LargeBinaryArray
    );
    Err(SheafError::internal("texts in an unknown array"))
}

/// Texts that lie one after the other already.
fn write_contiguous(
    region: &mut Region<'_>,
    offsets: &OffsetBuffer<i32>,
    values: &[u8],
    column: &mut Descriptor,
) -> Result<()> {
    let (start, end) = ends(offsets);
    let values = values.get(start..end).unwrap_or_default();
    column.offsets = write_offsets(region, offsets)?;
    column.bytes = count(values.len())?;
    column.values = region.take(values.len(), |to| to.copy_from_slice(values))?;
    Ok(())
}

/// Texts that lie anywhere.
fn write_each<'t, I: ExactSizeIterator<Item = &'t [u8]>>(
    region: &mut Region<'_>,
    texts: impl Fn() -> I,
    column: &mut Descriptor,
) -> Result<()> {
    let bytes = texts().map(<[u8]>::len).sum();
    column.bytes = count(bytes)?;
    column.offsets = region.take((texts().len() + 1) * 4, |to| {
        let mut at = 0_u32;
        let ends = texts().map(|text| u32::try_from(text.len()).unwrap_or(u32::MAX));
        for (to, length) in to.chunks_exact_mut(4).zip(std::iter::once(0).chain(ends)) {
            at = at.saturating_add(length);
            to.copy_from_slice(&at.to_le_bytes());
        }
    })?;
    column.values = region.take(bytes, |mut to| {
        for text in texts() {
            let Some((head, tail)) = to.split_at_mut_checked(text.len()) else {
                return;
            };
            head.copy_from_slice(text);
            to = tail;
        }
    })?;
    Ok(())
}

/// Offsets from 0 on, whatever they begin with.
fn write_offsets(region: &mut Region<'_>, offsets: &OffsetBuffer<i32>) -> Result<u32> {
    let first = offsets.first().copied().unwrap_or_default();
    let offsets = offsets.iter().map(|offset| (offset - first).unsigned_abs());
    write_numbers(region, offsets)
}

fn ends(offsets: &OffsetBuffer<i32>) -> (usize, usize) {
    let end = |offset: Option<&i32>| {
        offset.map_or(0, |offset| usize::try_from(*offset).unwrap_or_default())
    };
    (end(offsets.first()), end(offsets.last()))
}

/// A count as guests see it.
fn count(rows: usize) -> Result<u32> {
    u32::try_from(rows)
        .map_err(|_| SheafError::resource("a batch has more rows or bytes than 32 bits count"))
}
