//! Lists as PostgreSQL's arrays, which are rectangular: lists within lists are further dimensions,
//! and have to be of one length, without NULL among them.

use std::ops::Range;

use bytes::{BufMut, BytesMut};
use sheaf::arrow::array::{Array, ArrayRef, AsArray};
use sheaf::arrow::datatypes::{ArrowNativeType, DataType, Field};
use sheaf::{Result, SheafError, SqlState};

use super::{Column, Style, Write, plain, unknown_type};
use crate::message::frontend::Format;
use crate::types::{Scalar, element_of};

/// Dimensions that PostgreSQL's arrays can have.
const DIMENSIONS_MAX: usize = 6;

/// Lists, and perhaps lists within them, down to the elements.
struct Lists {
    /// The extent of each list, outermost dimension first.
    extents: Vec<Extent>,
    /// Whether the lists of a dimension are NULL.
    nulls: Vec<Option<sheaf::arrow::buffer::NullBuffer>>,
    elements: Column,
}

type Extent = Box<dyn Fn(usize) -> Range<usize> + Send + Sync>;

impl Lists {
    fn new(array: &ArrayRef, field: &Field, format: Format, style: Style) -> Result<Self> {
        let (mut extents, mut nulls) = (vec![], vec![]);
        let (mut field, mut array) = (field.clone(), ArrayRef::clone(array));
        while let Some(element) = element_of(field.data_type()).cloned() {
            let (extent, values) = extent_of(&array)?;
            extents.push(extent);
            nulls.push(array.logical_nulls());
            (field, array) = plain(&element, &values)?;
        }
        let elements = Column::new(&field, &array, format, style)?;
        Ok(Self {
            extents,
            nulls,
            elements,
        })
    }

    /// The lengths of the dimensions of the list in `row`; none if it is empty.
    fn lengths(&self, row: usize) -> Result<Vec<usize>> {
        let mut lengths = vec![];
        let mut lists = row..row + 1;
        for (dimension, extent) in self.extents.iter().enumerate() {
            let nulls = self.nulls.get(dimension).and_then(Option::as_ref);
            if dimension > 0 && nulls.is_some_and(|n| lists.clone().any(|row| n.is_null(row))) {
                return Err(ragged());
            }
            let length = extent(lists.start).len();
            if lists.clone().any(|list| extent(list).len() != length) {
                return Err(ragged());
            }
            // Lists may lie anywhere; only where they follow each other is a range enough.
            let (first, mut end) = (extent(lists.start).start, extent(lists.start).start);
            for list in lists.clone() {
                if extent(list).start != end {
                    return Err(SheafError::unsupported(
                        "lists whose elements are not in order",
                    ));
                }
                end = extent(list).end;
            }
            lengths.push(length);
            lists = first..end;
            if length == 0 {
                return Ok(vec![]);
            }
        }
        match lengths.len() > DIMENSIONS_MAX {
            true => Err(SheafError::unsupported(format!(
                "an array has at most {DIMENSIONS_MAX} dimensions"
            ))),
            false => Ok(lengths),
        }
    }

    /// The index of the first element of the list in `row`.
    fn first_element(&self, row: usize) -> usize {
        self.extents
            .iter()
            .fold(row, |list, extent| extent(list).start)
    }
}

fn ragged() -> SheafError {
    SheafError::data("multidimensional arrays must have sub-arrays with matching dimensions")
        .with_state(SqlState::ARRAY_SUBSCRIPT)
        .with_hint("send it as JSON: to_json(…), or CAST(… AS VARCHAR)")
}

/// A writer of lists as `{1,2,NULL}`.
pub(super) fn text(
    array: &ArrayRef,
    field: &Field,
    element: Scalar,
    style: Style,
) -> Result<Write> {
    let lists = Lists::new(array, field, Format::Text, style)?;
    // Of these types no value has a character that would need quotes.
    let is_bare = matches!(
        element,
        Scalar::Bool
            | Scalar::Int2
            | Scalar::Int4
            | Scalar::Int8
            | Scalar::Oid
            | Scalar::Float4
            | Scalar::Float8
            | Scalar::Numeric(_)
            | Scalar::Uuid
    );
    Ok(Box::new(move |row, out| {
        let lengths = lists.lengths(row)?;
        if lengths.is_empty() {
            out.put_slice(b"{}");
            return Ok(());
        }
        let mut next = lists.first_element(row);
        write_text(&lists.elements, &lengths, &mut next, is_bare, out)
    }))
}

fn write_text(
    elements: &Column,
    lengths: &[usize],
    next: &mut usize,
    is_bare: bool,
    out: &mut BytesMut,
) -> Result<()> {
    let Some((length, inner)) = lengths.split_first() else {
        return Ok(());
    };
    out.put_u8(b'{');
    for index in 0..*length {
        if index > 0 {
            out.put_u8(b',');
        }
        if !inner.is_empty() {
            write_text(elements, inner, next, is_bare, out)?;
            continue;
        }
        match elements.is_null(*next) {
            true => out.put_slice(b"NULL"),
            false => {
                let start = out.len();
                (elements.write)(*next, out)?;
                if !is_bare {
                    quote(start, out);
                }
            }
        }
        *next += 1;
    }
    out.put_u8(b'}');
    Ok(())
}

/// Quotes what stands from `start` on, if it could be misread.
fn quote(start: usize, out: &mut BytesMut) {
    let written = &out[start..];
    let is_plain = !written.is_empty()
        && !written.eq_ignore_ascii_case(b"null")
        && !written
            .iter()
            .any(|byte| b"{},\"\\".contains(byte) || byte.is_ascii_whitespace() || *byte == 0x0b);
    if is_plain {
        return;
    }
    let written = out.split_off(start);
    out.put_u8(b'"');
    for byte in written {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(byte);
    }
    out.put_u8(b'"');
}

/// A writer of lists in binary form: dimensions, whether NULL is among the elements, their type,
/// each dimension's length and first index, then the elements.
pub(super) fn binary(
    array: &ArrayRef,
    field: &Field,
    element: Scalar,
    style: Style,
) -> Result<Write> {
    let lists = Lists::new(array, field, Format::Binary, style)?;
    let count = |n: usize| i32::try_from(n).map_err(|_| SheafError::data("a list is too long"));
    Ok(Box::new(move |row, out| {
        let lengths = lists.lengths(row)?;
        let elements = match lengths.is_empty() {
            true => 0..0,
            false => {
                let first = lists.first_element(row);
                first..first + lengths.iter().product::<usize>()
            }
        };
        let has_null = elements.clone().any(|row| lists.elements.is_null(row));
        out.put_i32(count(lengths.len())?);
        out.put_i32(i32::from(has_null));
        out.put_u32(element.oid());
        for length in lengths {
            out.put_i32(count(length)?);
            out.put_i32(1);
        }
        elements
            .into_iter()
            .try_for_each(|row| lists.elements.write_sized(row, out))
    }))
}

/// Where the elements of each list are, and the elements of all.
pub(super) fn extent_of(array: &ArrayRef) -> Result<(Extent, ArrayRef)> {
    Ok(match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>().clone();
            let values = ArrayRef::clone(list.values());
            let extent = move |row: usize| {
                let offsets = list.value_offsets();
                offsets[row].as_usize()..offsets[row + 1].as_usize()
            };
            (Box::new(extent), values)
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>().clone();
            let values = ArrayRef::clone(list.values());
            let extent = move |row: usize| {
                let offsets = list.value_offsets();
                offsets[row].as_usize()..offsets[row + 1].as_usize()
            };
            (Box::new(extent), values)
        }
        DataType::ListView(element) => {
            let wanted = DataType::List(element.clone());
            return extent_of(&sheaf::arrow::compute::cast(array, &wanted)?);
        }
        DataType::LargeListView(element) => {
            let wanted = DataType::LargeList(element.clone());
            return extent_of(&sheaf::arrow::compute::cast(array, &wanted)?);
        }
        DataType::FixedSizeList(_, size) => {
            let size = usize::try_from(*size).unwrap_or(0);
            let values = ArrayRef::clone(array.as_fixed_size_list().values());
            (
                Box::new(move |row: usize| row * size..(row + 1) * size),
                values,
            )
        }
        other => return Err(unknown_type(other)),
    })
}
