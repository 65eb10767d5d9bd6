//! Which PostgreSQL type a column has on the wire, and which Arrow type a parameter has.
//!
//! | Arrow | PostgreSQL |
//! |---|---|
//! | integers | the smallest of `int2`, `int4`, `int8`, `numeric` that holds all of them |
//! | decimals | `numeric` with precision and scale |
//! | timestamps | `timestamp`, `timestamptz`; PostgreSQL counts microseconds, what is finer is cut off |
//! | durations, intervals | `interval` |
//! | lists | an array of the innermost type; lists of records are `json` |
//! | structs, maps, unions, VARIANT | `json` |
//! | dictionaries, runs | the type of their values |

use sheaf::arrow::datatypes::{DataType, Field, IntervalUnit, SchemaRef, TimeUnit};
use sheaf::postgres::TYPE_KEY;
use sheaf::uuid::{UUID, is_uuid};

use crate::protocol::sent_name;

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WireColumn {
    pub(crate) name: String,
    pub(crate) wire_type: WireType,
}

/// A PostgreSQL type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WireType {
    Scalar(Scalar),
    /// An array of it, of whatever number of dimensions.
    Array(Scalar),
}

/// A PostgreSQL type that is no array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Bool,
    Int2,
    Int4,
    Int8,
    /// The number of an object of the catalogue.
    Oid,
    Float4,
    Float8,
    /// With precision and scale, where they are known.
    Numeric(Option<(u8, i8)>),
    Text,
    /// A text that names an object.
    Name,
    /// One byte: a kind of something in the catalogue.
    Char,
    Bytea,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Interval,
    Uuid,
    Json,
    /// Parameters alone: what is sent is `json`.
    Jsonb,
}

/// What a modifier of `numeric` begins at.
const MODIFIER_BASE: i32 = 4;

impl Scalar {
    /// The type's number and that of its arrays, as in PostgreSQL's `pg_type`.
    fn oids(self) -> (u32, u32) {
        match self {
            Self::Bool => (16, 1000),
            Self::Int2 => (21, 1005),
            Self::Int4 => (23, 1007),
            Self::Int8 => (20, 1016),
            Self::Oid => (26, 1028),
            Self::Float4 => (700, 1021),
            Self::Float8 => (701, 1022),
            Self::Numeric(_) => (1700, 1231),
            Self::Text => (25, 1009),
            Self::Name => (19, 1003),
            Self::Char => (18, 1002),
            Self::Bytea => (17, 1001),
            Self::Date => (1082, 1182),
            Self::Time => (1083, 1183),
            Self::Timestamp => (1114, 1115),
            Self::TimestampTz => (1184, 1185),
            Self::Interval => (1186, 1187),
            Self::Uuid => (2950, 2951),
            Self::Json => (114, 199),
            Self::Jsonb => (3802, 3807),
        }
    }

    /// The type's number.
    pub(crate) fn oid(self) -> u32 {
        self.oids().0
    }

    fn size(self) -> i16 {
        match self {
            Self::Bool | Self::Char => 1,
            Self::Int2 => 2,
            Self::Int4 | Self::Oid | Self::Float4 | Self::Date => 4,
            Self::Int8 | Self::Float8 | Self::Time | Self::Timestamp | Self::TimestampTz => 8,
            Self::Interval | Self::Uuid => 16,
            Self::Name => 64,
            Self::Numeric(_) | Self::Text | Self::Bytea | Self::Json | Self::Jsonb => -1,
        }
    }
}

impl WireType {
    /// The type's number.
    pub(crate) fn oid(self) -> u32 {
        match self {
            Self::Scalar(scalar) => scalar.oids().0,
            Self::Array(element) => element.oids().1,
        }
    }

    /// Bytes of a value; -1 if they differ.
    pub(crate) fn size(self) -> i16 {
        match self {
            Self::Scalar(scalar) => scalar.size(),
            Self::Array(_) => -1,
        }
    }

    /// What is said of it beside its number: precision and scale.
    pub(crate) fn modifier(self) -> i32 {
        match self {
            Self::Scalar(Scalar::Numeric(Some((precision, scale))))
            | Self::Array(Scalar::Numeric(Some((precision, scale))))
                if scale >= 0 =>
            {
                (i32::from(precision) << 16 | i32::from(scale)) + MODIFIER_BASE
            }
            _ => -1,
        }
    }
}

/// The columns of a result of this schema.
pub(crate) fn columns_of(schema: &SchemaRef) -> Vec<WireColumn> {
    let fields = schema.fields().iter();
    fields
        .map(|field| WireColumn {
            name: sent_name(field.name()).to_owned(),
            wire_type: wire_type(field),
        })
        .collect()
}

/// The type in which values of `field` are sent.
pub(crate) fn wire_type(field: &Field) -> WireType {
    match element_of(field.data_type()) {
        Some(element) => match wire_type(element) {
            WireType::Scalar(Scalar::Json) => WireType::Scalar(Scalar::Json),
            WireType::Scalar(scalar) | WireType::Array(scalar) => WireType::Array(scalar),
        },
        None => WireType::Scalar(scalar_type(field)),
    }
}

/// The field of a list's elements.
pub(crate) fn element_of(data_type: &DataType) -> Option<&Field> {
    match data_type {
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => Some(element),
        DataType::Dictionary(_, values) => element_of(values),
        DataType::RunEndEncoded(_, values) => element_of(values.data_type()),
        _ => None,
    }
}

/// Whether `field` holds JSON as text.
pub(crate) fn is_json_text(field: &Field) -> bool {
    sheaf::sql_field_type_name(field) == "VARIANT"
}

fn scalar_type(field: &Field) -> Scalar {
    match field.metadata().get(TYPE_KEY).map(String::as_str) {
        Some("oid") => return Scalar::Oid,
        Some("name") => return Scalar::Name,
        Some("char") => return Scalar::Char,
        _ => {}
    }
    match field.data_type() {
        _ if is_json_text(field) => Scalar::Json,
        uuid if is_uuid(uuid) => Scalar::Uuid,
        DataType::Boolean => Scalar::Bool,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => Scalar::Int2,
        DataType::Int32 | DataType::UInt16 => Scalar::Int4,
        DataType::Int64 | DataType::UInt32 => Scalar::Int8,
        DataType::UInt64 => Scalar::Numeric(None),
        DataType::Float16 | DataType::Float32 => Scalar::Float4,
        DataType::Float64 => Scalar::Float8,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => Scalar::Numeric(Some((*precision, *scale))),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => Scalar::Bytea,
        DataType::Date32 | DataType::Date64 => Scalar::Date,
        DataType::Time32(_) | DataType::Time64(_) => Scalar::Time,
        DataType::Timestamp(_, None) => Scalar::Timestamp,
        DataType::Timestamp(_, Some(_)) => Scalar::TimestampTz,
        DataType::Duration(_) | DataType::Interval(_) => Scalar::Interval,
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => Scalar::Json,
        DataType::Dictionary(_, values) => {
            scalar_type(&field.clone().with_data_type((**values).clone()))
        }
        DataType::RunEndEncoded(_, values) => scalar_type(values),
        _ => Scalar::Text,
    }
}

/// The type of a parameter that a client has declared; `None` if it leaves it to the server.
pub(crate) fn parameter_type(oid: u32) -> Option<WireType> {
    const SCALARS: &[Scalar] = &[
        Scalar::Bool,
        Scalar::Int2,
        Scalar::Int4,
        Scalar::Int8,
        Scalar::Oid,
        Scalar::Float4,
        Scalar::Float8,
        Scalar::Numeric(None),
        Scalar::Text,
        Scalar::Bytea,
        Scalar::Date,
        Scalar::Time,
        Scalar::Timestamp,
        Scalar::TimestampTz,
        Scalar::Interval,
        Scalar::Uuid,
        Scalar::Json,
        Scalar::Jsonb,
    ];
    // varchar, bpchar, name and "char" are texts; xid and cid are numbers like oid.
    match oid {
        1043 | 1042 | 19 | 18 => return Some(WireType::Scalar(Scalar::Text)),
        1015 | 1014 | 1003 | 1002 => return Some(WireType::Array(Scalar::Text)),
        28 | 29 => return Some(WireType::Scalar(Scalar::Oid)),
        _ => {}
    }
    SCALARS.iter().find_map(|scalar| match scalar.oids() {
        (own, _) if own == oid => Some(WireType::Scalar(*scalar)),
        (_, array) if array == oid => Some(WireType::Array(*scalar)),
        _ => None,
    })
}

/// The Arrow type that stands for a parameter's type while its value is not known.
pub(crate) fn arrow_type(wire_type: WireType) -> DataType {
    let scalar = |scalar| match scalar {
        Scalar::Bool => DataType::Boolean,
        Scalar::Int2 => DataType::Int16,
        Scalar::Int4 => DataType::Int32,
        Scalar::Int8 | Scalar::Oid => DataType::Int64,
        Scalar::Float4 => DataType::Float32,
        Scalar::Float8 => DataType::Float64,
        Scalar::Numeric(_) => DataType::Decimal128(38, 10),
        Scalar::Text | Scalar::Name | Scalar::Char | Scalar::Json | Scalar::Jsonb => DataType::Utf8,
        Scalar::Uuid => UUID,
        Scalar::Bytea => DataType::Binary,
        Scalar::Date => DataType::Date32,
        Scalar::Time => DataType::Time64(TimeUnit::Microsecond),
        Scalar::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        Scalar::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Scalar::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
    };
    match wire_type {
        WireType::Scalar(s) => scalar(s),
        WireType::Array(s) => {
            DataType::List(std::sync::Arc::new(Field::new_list_field(scalar(s), true)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn wire(data_type: DataType) -> WireType {
        wire_type(&Field::new("c", data_type, true))
    }

    /// Numbers as in PostgreSQL's `pg_type.dat`.
    #[test]
    fn types_have_postgres_numbers() {
        assert_eq!(wire(DataType::UInt32).oid(), 20);
        assert_eq!(wire(DataType::UInt64).oid(), 1700);
        assert_eq!(wire(DataType::Utf8View).oid(), 25);
        let price = wire(DataType::Decimal128(12, 2));
        // numeric(12,2) is ((12 << 16) | 2) + 4
        assert_eq!(
            (price.oid(), price.size(), price.modifier()),
            (1700, -1, 786_438)
        );
        let list = |t| DataType::List(Arc::new(Field::new("item", t, true)));
        // As of a column numeric(12,2)[].
        let prices = wire(list(DataType::Decimal128(12, 2)));
        assert_eq!((prices.oid(), prices.modifier()), (1231, 786_438));
        assert_eq!(wire(list(list(DataType::Int32))).oid(), 1007);
        let record = DataType::Struct(vec![Field::new("a", DataType::Int32, true)].into());
        assert_eq!(wire(list(record)).oid(), 114);
        let codes = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
        assert_eq!(wire(codes).oid(), 25);
        assert_eq!(wire(UUID).oid(), 2950);
        assert_eq!(wire(DataType::FixedSizeBinary(8)).oid(), 17);
    }

    /// What the catalogue says of a column's type is what is sent of it.
    #[test]
    fn the_catalogue_says_the_same() {
        let list = |t| DataType::List(Arc::new(Field::new("item", t, true)));
        let types = [
            DataType::Boolean,
            DataType::Int8,
            DataType::Int32,
            DataType::UInt32,
            DataType::UInt64,
            DataType::Float16,
            DataType::Float64,
            DataType::Decimal128(12, 2),
            DataType::Decimal256(40, 0),
            DataType::Utf8View,
            DataType::LargeBinary,
            UUID,
            DataType::Date64,
            DataType::Time64(TimeUnit::Nanosecond),
            DataType::Timestamp(TimeUnit::Second, None),
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            DataType::Interval(IntervalUnit::MonthDayNano),
            DataType::Struct(vec![Field::new("a", DataType::Int32, true)].into()),
            DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
            list(DataType::Int64),
            list(DataType::Decimal128(10, 3)),
            list(list(DataType::Utf8)),
            list(DataType::Struct(
                vec![Field::new("a", DataType::Int32, true)].into(),
            )),
        ];
        for data_type in types {
            let field = Field::new("c", data_type, true);
            let sent = wire_type(&field);
            assert_eq!(
                sheaf::postgres::column_type(&field),
                (sent.oid(), sent.modifier()),
                "{field}"
            );
        }
    }

    #[test]
    fn declared_types_are_known_by_number() {
        assert_eq!(
            parameter_type(1700),
            Some(WireType::Scalar(Scalar::Numeric(None)))
        );
        assert_eq!(parameter_type(1009), Some(WireType::Array(Scalar::Text)));
        assert_eq!(parameter_type(1043), Some(WireType::Scalar(Scalar::Text)));
        assert_eq!(parameter_type(0), None);
        assert_eq!(parameter_type(705), None, "unknown");
    }
}
