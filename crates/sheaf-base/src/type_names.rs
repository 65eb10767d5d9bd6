//! SQL names of Arrow types: what `DESCRIBE`, boxes and errors call a column's type.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};

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
        | DataType::LargeListView(field) => format!("{}[]", sql_type_name(field.data_type())),
        DataType::FixedSizeList(field, size) => {
            format!("{}[{size}]", sql_type_name(field.data_type()))
        }
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|f| format!("{} {}", f.name(), sql_type_name(f.data_type())))
                .collect();
            format!("STRUCT({})", fields.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => format!(
                "MAP({}, {})",
                sql_type_name(fields[0].data_type()),
                sql_type_name(fields[1].data_type())
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

    use arrow::datatypes::Field;

    use super::*;

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
