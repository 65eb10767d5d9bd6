//! SQL names of Arrow types: what `DESCRIBE`, boxes and errors call a column's type.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

use crate::uuid::{UUID_NAME, is_uuid};

/// The SQL name of values of any shape.
pub const VARIANT: &str = "VARIANT";

/// The key of a field's metadata that names an extension type, as Arrow has it.
pub const EXTENSION_KEY: &str = "ARROW:extension:name";

/// Arrow's canonical extension type of texts that are JSON. Columns of type VARIANT bear it, so
/// that other programs know what their texts are.
const JSON_EXTENSION: &str = "arrow.json";

/// Arrow's canonical extension type of blocks of elements in any shape: what chunks of arrays are in rows.
pub const TENSOR_EXTENSION: &str = "arrow.variable_shape_tensor";

/// A column of type VARIANT: JSON text with Arrow's extension name for it.
#[must_use]
pub fn variant_field(name: impl Into<String>, is_nullable: bool) -> Field {
    let metadata = [(EXTENSION_KEY.to_owned(), JSON_EXTENSION.to_owned())];
    Field::new(name, DataType::Utf8View, is_nullable).with_metadata(metadata.into())
}

/// Whether a column is of type VARIANT.
#[must_use]
pub fn is_variant(field: &Field) -> bool {
    field.data_type().is_string()
        && field
            .metadata()
            .get(EXTENSION_KEY)
            .is_some_and(|name| name == JSON_EXTENSION)
}

/// The SQL name of a column's type.
#[must_use]
pub fn sql_field_type_name(field: &Field) -> String {
    if is_variant(field) {
        return VARIANT.to_owned();
    }
    tensor_name(field).unwrap_or_else(|| sql_type_name(field.data_type()))
}

/// The name of a column of tensors: the type of their elements, and the number of their axes.
fn tensor_name(field: &Field) -> Option<String> {
    let extension = field.metadata().get(EXTENSION_KEY)?;
    let DataType::Struct(parts) = field.data_type() else {
        return None;
    };
    let (_, data) = parts
        .find("data")
        .filter(|_| extension == TENSOR_EXTENSION)?;
    let (_, shape) = parts.find("shape")?;
    match (data.data_type(), shape.data_type()) {
        (DataType::List(item), DataType::FixedSizeList(_, rank)) => {
            let name = sql_field_type_name(item);
            Some(format!("TENSOR({name}, {rank})"))
        }
        _ => None,
    }
}

/// The SQL name of `data_type`, as users write it in `CAST` (`BIGINT`, `VARCHAR`, `DECIMAL(12,2)`,
/// `BIGINT[]`, `STRUCT(a BIGINT, b VARCHAR)`).
#[must_use]
pub fn sql_type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "NULL".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INTEGER".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::UInt8 => "TINYINT UNSIGNED".to_owned(),
        DataType::UInt16 => "SMALLINT UNSIGNED".to_owned(),
        DataType::UInt32 => "INTEGER UNSIGNED".to_owned(),
        DataType::UInt64 => "BIGINT UNSIGNED".to_owned(),
        DataType::Float16 => "HALF".to_owned(),
        DataType::Float32 => "REAL".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("DECIMAL({precision},{scale})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTEA".to_owned(),
        uuid if is_uuid(uuid) => UUID_NAME.to_owned(),
        DataType::FixedSizeBinary(size) => format!("BYTEA({size})"),
        DataType::Date32 | DataType::Date64 => "DATE".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "TIME".to_owned(),
        DataType::Timestamp(unit, zone) => timestamp_name(*unit, zone.is_some()),
        DataType::Duration(_) => "DURATION".to_owned(),
        DataType::Interval(
            IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano,
        ) => "INTERVAL".to_owned(),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => format!("{}[]", sql_field_type_name(field)),
        DataType::FixedSizeList(field, size) => {
            format!("{}[{size}]", sql_field_type_name(field))
        }
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|f| format!("{} {}", f.name(), sql_field_type_name(f)))
                .collect();
            format!("STRUCT({})", fields.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => format!(
                "MAP({}, {})",
                sql_field_type_name(&fields[0]),
                sql_field_type_name(&fields[1])
            ),
            _ => "MAP".to_owned(),
        },
        DataType::Dictionary(_, value) => sql_type_name(value),
        DataType::RunEndEncoded(_, values) => sql_type_name(values.data_type()),
        DataType::Union(_, _) => "UNION".to_owned(),
    }
}

fn timestamp_name(unit: TimeUnit, has_zone: bool) -> String {
    let precision = match unit {
        TimeUnit::Second => "(0)",
        TimeUnit::Millisecond => "(3)",
        TimeUnit::Microsecond => "",
        TimeUnit::Nanosecond => "(9)",
    };
    let zone = if has_zone { " WITH TIME ZONE" } else { "" };
    format!("TIMESTAMP{precision}{zone}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_variant_is_known_by_its_extension() {
        let variant = variant_field("v", true);
        assert_eq!(sql_field_type_name(&variant), "VARIANT");
        let list = DataType::List(Arc::new(variant));
        assert_eq!(sql_type_name(&list), "VARIANT[]");
        let text = Field::new("v", DataType::Utf8View, true);
        assert_eq!(sql_field_type_name(&text), "VARCHAR");
    }

    #[test]
    fn nested_types_read_as_sql() {
        let item = Arc::new(Field::new("item", DataType::Int64, true));
        let list = DataType::List(item);
        assert_eq!(sql_type_name(&list), "BIGINT[]");
        let fields = vec![
            Field::new("a", list, true),
            Field::new("b", DataType::Utf8View, true),
        ];
        let name = sql_type_name(&DataType::Struct(fields.into()));
        assert_eq!(name, "STRUCT(a BIGINT[], b VARCHAR)");
    }
}
