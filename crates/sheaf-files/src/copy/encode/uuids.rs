//! UUIDs in Parquet: 16 bytes that are called what they are, so that other programs read UUIDs, too.

use std::sync::Arc;

use arrow::datatypes::Schema;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{LogicalType, Type as PhysicalType};
use parquet::errors::Result as ParquetResult;
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use sheaf_base::Result;
use sheaf_base::uuid::{UUID_BYTES, holds_uuids};

/// The schema of a file with UUIDs; `None` for others, whose own is right.
///
/// # Errors
/// `Unsupported` for types that Parquet has not.
pub(super) fn stored_schema(schema: &Schema) -> Result<Option<SchemaDescriptor>> {
    let fields = schema.fields().iter();
    if !fields.clone().any(|field| holds_uuids(field.data_type())) {
        return Ok(None);
    }
    let stored = ArrowSchemaConverter::new().convert(schema)?;
    let root = named(stored.root_schema())?;
    Ok(Some(SchemaDescriptor::new(root)))
}

/// `stored` in which bytes of a UUID's length that are nothing else are UUIDs.
fn named(stored: &Type) -> ParquetResult<TypePtr> {
    let info = stored.get_basic_info();
    let logical = info.logical_type_ref().cloned();
    let id = info.has_id().then(|| info.id());
    if stored.is_group() {
        let fields = stored.get_fields().iter().map(|field| named(field));
        let mut group = Type::group_type_builder(info.name())
            .with_converted_type(info.converted_type())
            .with_logical_type(logical)
            .with_fields(fields.collect::<ParquetResult<Vec<_>>>()?)
            .with_id(id);
        if info.has_repetition() {
            group = group.with_repetition(info.repetition());
        }
        return Ok(Arc::new(group.build()?));
    }
    let Type::PrimitiveType {
        physical_type: PhysicalType::FIXED_LEN_BYTE_ARRAY,
        type_length,
        ..
    } = stored
    else {
        return Ok(Arc::new(stored.clone()));
    };
    let is_uuid = usize::try_from(*type_length) == Ok(UUID_BYTES) && logical.is_none();
    if !is_uuid {
        return Ok(Arc::new(stored.clone()));
    }
    let uuid = Type::primitive_type_builder(info.name(), PhysicalType::FIXED_LEN_BYTE_ARRAY)
        .with_repetition(info.repetition())
        .with_length(*type_length)
        .with_logical_type(Some(LogicalType::Uuid))
        .with_id(id);
    Ok(Arc::new(uuid.build()?))
}
