//! UUIDs: 16 bytes, and the text in which people read and write them.
//!
//! In the engine a UUID is `FixedSizeBinary(16)`, and whatever has that type is one: no expression can
//! lose a mark. Where rows come from files, 16 bytes that nobody calls a UUID are read as bytes of any
//! length instead; where rows leave, fields bear Arrow's extension name ([`mark_uuids`]).

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryArray, FixedSizeListArray, GenericListArray, MapArray,
    OffsetSizeTrait, RecordBatch, RecordBatchOptions, StringBuilder, StructArray,
};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};

use crate::type_names::EXTENSION_KEY;

/// The SQL name of the type.
pub const UUID_NAME: &str = "UUID";

/// The type of UUIDs.
pub const UUID: DataType = DataType::FixedSizeBinary(UUID_SIZE);

/// Bytes of a UUID.
pub const UUID_BYTES: usize = 16;

/// The same, as Arrow counts them.
pub const UUID_SIZE: i32 = 16;

/// Arrow's canonical extension type of UUIDs.
const UUID_EXTENSION: &str = "arrow.uuid";

/// Bytes of its text.
const TEXT_BYTES: usize = 36;

/// Whether values of a type are UUIDs.
#[must_use]
pub fn is_uuid(data_type: &DataType) -> bool {
    *data_type == UUID
}

/// Reads a UUID as PostgreSQL does: 32 hexadecimal digits, in braces or not, with a hyphen behind any
/// four of them or none.
#[must_use]
pub fn parse_uuid(text: &str) -> Option<[u8; UUID_BYTES]> {
    let text = text.as_bytes();
    let mut rest = match text {
        [b'{', inner @ .., b'}'] => inner,
        [b'{', ..] => return None,
        plain => plain,
    };
    let mut bytes = [0; UUID_BYTES];
    for (index, byte) in bytes.iter_mut().enumerate() {
        let [high, low, behind @ ..] = rest else {
            return None;
        };
        *byte = digit(*high)? << 4 | digit(*low)?;
        rest = match behind {
            [b'-', behind @ ..] if index % 2 == 1 && index < UUID_BYTES - 1 => behind,
            behind => behind,
        };
    }
    rest.is_empty().then_some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    Some(match character {
        b'0'..=b'9' => character - b'0',
        b'a'..=b'f' => character - b'a' + 10,
        b'A'..=b'F' => character - b'A' + 10,
        _ => return None,
    })
}

/// Writes the text of a UUID's bytes: lower case, in groups of 8, 4, 4, 4 and 12 digits.
///
/// # Errors
/// Those of `out`.
pub fn write_uuid(bytes: &[u8], out: &mut impl fmt::Write) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.write_char('-')?;
        }
        for half in [byte >> 4, byte & 0xf] {
            out.write_char(char::from(DIGITS[usize::from(half)]))?;
        }
    }
    Ok(())
}

/// The text of a UUID's bytes.
#[must_use]
pub fn uuid_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(TEXT_BYTES);
    let _ = write_uuid(bytes, &mut text);
    text
}

/// The texts of UUIDs.
#[must_use]
pub fn uuid_texts(uuids: &FixedSizeBinaryArray) -> ArrayRef {
    let mut texts = StringBuilder::with_capacity(uuids.len(), uuids.len() * TEXT_BYTES);
    for uuid in uuids {
        if let Some(uuid) = uuid {
            let _ = write_uuid(uuid, &mut texts);
            texts.append_value("");
        } else {
            texts.append_null();
        }
    }
    Arc::new(texts.finish())
}

/// Whether values of a type are UUIDs or hold some.
#[must_use]
pub fn holds_uuids(data_type: &DataType) -> bool {
    match data_type {
        DataType::Struct(fields) => fields.iter().any(|field| holds_uuids(field.data_type())),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => holds_uuids(item.data_type()),
        other => is_uuid(other),
    }
}

/// The same rows with texts in the place of UUIDs, for formats that know of none.
#[must_use]
pub fn uuids_as_texts(batch: &RecordBatch) -> RecordBatch {
    let schema = batch.schema();
    let has_some = schema.fields().iter().any(|f| holds_uuids(f.data_type()));
    if !has_some {
        return batch.clone();
    }
    let columns: Vec<ArrayRef> = batch.columns().iter().map(as_texts).collect();
    let fields = schema.fields().iter().zip(&columns);
    let fields: Vec<Field> = fields
        .map(|(field, column)| {
            let field = field.as_ref().clone();
            field.with_data_type(column.data_type().clone())
        })
        .collect();
    let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let changed = RecordBatch::try_new_with_options(schema, columns, &options);
    changed.unwrap_or_else(|_| batch.clone())
}

fn as_texts(array: &ArrayRef) -> ArrayRef {
    let changed = match array.data_type() {
        data_type if !holds_uuids(data_type) => None,
        DataType::FixedSizeBinary(_) => Some(uuid_texts(array.as_fixed_size_binary())),
        DataType::Struct(fields) => {
            let array = array.as_struct();
            let columns: Vec<ArrayRef> = array.columns().iter().map(as_texts).collect();
            let fields: Fields = fields
                .iter()
                .zip(&columns)
                .map(|(field, column)| retyped(field, column))
                .collect();
            StructArray::try_new(fields, columns, array.nulls().cloned())
                .ok()
                .map(|array| Arc::new(array) as ArrayRef)
        }
        DataType::List(item) => list_as_texts(array.as_list::<i32>(), item),
        DataType::LargeList(item) => list_as_texts(array.as_list::<i64>(), item),
        DataType::FixedSizeList(item, size) => {
            let array = array.as_fixed_size_list();
            let values = as_texts(array.values());
            let item = retyped(item, &values);
            FixedSizeListArray::try_new(item, *size, values, array.nulls().cloned())
                .ok()
                .map(|array| Arc::new(array) as ArrayRef)
        }
        DataType::Map(entries, is_sorted) => {
            let array = array.as_map();
            let pairs = as_texts(&(Arc::new(array.entries().clone()) as ArrayRef));
            let entries = retyped(entries, &pairs);
            let (offsets, nulls) = (array.offsets().clone(), array.nulls().cloned());
            MapArray::try_new(
                entries,
                offsets,
                pairs.as_struct().clone(),
                nulls,
                *is_sorted,
            )
            .ok()
            .map(|array| Arc::new(array) as ArrayRef)
        }
        _ => None,
    };
    changed.unwrap_or_else(|| Arc::clone(array))
}

fn list_as_texts<O: OffsetSizeTrait>(
    array: &GenericListArray<O>,
    item: &FieldRef,
) -> Option<ArrayRef> {
    let values = as_texts(array.values());
    let item = retyped(item, &values);
    let (offsets, nulls) = (array.offsets().clone(), array.nulls().cloned());
    let list = GenericListArray::try_new(item, offsets, values, nulls).ok()?;
    Some(Arc::new(list))
}

fn retyped(field: &FieldRef, array: &ArrayRef) -> FieldRef {
    let field = field.as_ref().clone();
    Arc::new(field.with_data_type(array.data_type().clone()))
}

/// `schema` whose fields of UUIDs bear Arrow's extension name, so that other programs know them.
#[must_use]
pub fn mark_uuids(schema: &SchemaRef) -> SchemaRef {
    let is_bare = |field: &FieldRef| {
        is_uuid(field.data_type()) && !field.metadata().contains_key(EXTENSION_KEY)
    };
    if !schema.fields().iter().any(is_bare) {
        return Arc::clone(schema);
    }
    let fields = schema.fields().iter().map(|field| match is_bare(field) {
        true => {
            let mut metadata = field.metadata().clone();
            metadata.insert(EXTENSION_KEY.to_owned(), UUID_EXTENSION.to_owned());
            Arc::new(field.as_ref().clone().with_metadata(metadata))
        }
        false => Arc::clone(field),
    });
    let fields: Fields = fields.collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

#[cfg(test)]
mod tests {
    use arrow::array::ListArray;
    use arrow::buffer::OffsetBuffer;

    use super::*;

    /// The forms of PostgreSQL's documentation, 8.12.
    #[test]
    fn texts_are_read_as_postgres_reads_them() {
        let usual = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        for form in [
            usual,
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
            "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
        ] {
            assert_eq!(
                parse_uuid(form).map(|bytes| uuid_text(&bytes)).as_deref(),
                Some(usual)
            );
        }
        for wrong in [
            "",
            "{}",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            "a0e-ebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            " a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "äöüäöüäöüäöüäöüä",
        ] {
            assert_eq!(parse_uuid(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn uuids_become_texts_wherever_they_are() {
        let uuids = FixedSizeBinaryArray::try_from_sparse_iter_with_size(
            [Some([0_u8; 16]), None].into_iter(),
            16,
        );
        let uuids: ArrayRef = Arc::new(uuids.unwrap());
        let item = Arc::new(Field::new("item", UUID, true));
        let list = ListArray::new(
            item,
            OffsetBuffer::from_lengths([2]),
            Arc::clone(&uuids),
            None,
        );
        let batch = RecordBatch::try_from_iter([("l", Arc::new(list) as ArrayRef)]).unwrap();
        let texts = uuids_as_texts(&batch);
        let items = texts.column(0).as_list::<i32>().value(0);
        let items = items.as_string::<i32>();
        assert_eq!(items.value(0), "00000000-0000-0000-0000-000000000000");
        assert!(items.is_null(1));
        let marked = mark_uuids(&RecordBatch::try_from_iter([("u", uuids)]).unwrap().schema());
        assert_eq!(marked.field(0).metadata()[EXTENSION_KEY], UUID_EXTENSION);
    }
}
