//! Uniting the schemas of typed files (Parquet, Arrow, Avro) by column name, widening types.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};

/// The columns of all `schemas` by name, in the order first seen, each of a type to which all its
/// types can be cast. Columns become nullable if a file lacks them.
pub(crate) fn unite<'a>(
    schemas: impl IntoIterator<Item = &'a Schema>,
    text_type: &DataType,
) -> Schema {
    let mut fields: Vec<(Field, usize)> = Vec::new();
    let mut count = 0;
    for schema in schemas {
        count += 1;
        for field in schema.fields() {
            match fields
                .iter_mut()
                .find(|(known, _)| known.name() == field.name())
            {
                None => fields.push((field.as_ref().clone(), 1)),
                Some((known, seen)) => {
                    let data_type = widen(known.data_type(), field.data_type(), text_type);
                    let nullable = known.is_nullable() || field.is_nullable();
                    *known = known
                        .clone()
                        .with_data_type(data_type)
                        .with_nullable(nullable);
                    *seen += 1;
                }
            }
        }
    }
    let fields = fields.into_iter().map(|(field, seen)| {
        let nullable = field.is_nullable() || seen < count;
        field.with_nullable(nullable)
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// The narrowest type to which values of both types can be cast without loss; text if there is
/// none. Integers beside floats become doubles, as in every SQL engine.
pub(crate) fn widen(a: &DataType, b: &DataType, text_type: &DataType) -> DataType {
    use DataType::{Boolean, LargeList, List, Null, Struct, Timestamp};
    if a == b {
        return a.clone();
    }
    match (a, b) {
        (Null, other) | (other, Null) => other.clone(),
        (a, b) if a.is_string() && b.is_string() => text_type.clone(),
        (a, b) if a.is_binary() && b.is_binary() => DataType::BinaryView,
        (Boolean, other) | (other, Boolean) if other.is_integer() => other.clone(),
        (a, b) if a.is_integer() && b.is_integer() => widen_integers(a, b),
        (a, b) if a.is_numeric() && b.is_numeric() => widen_reals(a, b),
        (DataType::Date32 | DataType::Date64, Timestamp(unit, zone))
        | (Timestamp(unit, zone), DataType::Date32 | DataType::Date64) => {
            Timestamp(*unit, zone.clone())
        }
        (DataType::Date32, DataType::Date64) | (DataType::Date64, DataType::Date32) => {
            DataType::Date32
        }
        (Timestamp(unit, zone), Timestamp(other_unit, other_zone)) => Timestamp(
            finer(*unit, *other_unit),
            zone.clone().or_else(|| other_zone.clone()),
        ),
        (DataType::Dictionary(_, value), other) | (other, DataType::Dictionary(_, value)) => {
            widen(value, other, text_type)
        }
        (List(a) | LargeList(a), List(b) | LargeList(b)) => {
            let item = widen(a.data_type(), b.data_type(), text_type);
            List(Arc::new(Field::new(a.name(), item, true)))
        }
        (Struct(a), Struct(b)) => Struct(widen_structs(a, b, text_type)),
        _ => text_type.clone(),
    }
}

fn widen_structs(a: &Fields, b: &Fields, text_type: &DataType) -> Fields {
    let schemas = [Schema::new(a.clone()), Schema::new(b.clone())];
    unite(&schemas, text_type).fields
}

fn widen_integers(a: &DataType, b: &DataType) -> DataType {
    let signed = a.is_signed_integer() || b.is_signed_integer();
    let width = |data_type: &DataType| data_type.primitive_width().unwrap_or(8);
    // An unsigned type needs a wider signed one.
    let needed = |data_type: &DataType| {
        if signed && data_type.is_unsigned_integer() {
            width(data_type) * 2
        } else {
            width(data_type)
        }
    };
    match (signed, needed(a).max(needed(b))) {
        (true, 1) => DataType::Int8,
        (true, 2) => DataType::Int16,
        (true, 4) => DataType::Int32,
        (true, 8) => DataType::Int64,
        (true, _) => DataType::Decimal128(20, 0),
        (false, 1) => DataType::UInt8,
        (false, 2) => DataType::UInt16,
        (false, 4) => DataType::UInt32,
        (false, _) => DataType::UInt64,
    }
}

fn widen_reals(a: &DataType, b: &DataType) -> DataType {
    if a.is_floating() || b.is_floating() {
        let both_single = [a, b].iter().all(|t| {
            matches!(t, DataType::Float32 | DataType::Float16)
                || (t.is_integer() && t.primitive_width().is_some_and(|width| width <= 2))
        });
        return if both_single {
            DataType::Float32
        } else {
            DataType::Float64
        };
    }
    let (Some((p1, s1)), Some((p2, s2))) = (as_decimal(a), as_decimal(b)) else {
        return DataType::Float64;
    };
    let scale = s1.max(s2);
    let whole = (i16::from(p1) - i16::from(s1)).max(i16::from(p2) - i16::from(s2));
    match u8::try_from(whole + i16::from(scale)) {
        Ok(precision) if precision <= 38 => DataType::Decimal128(precision, scale),
        Ok(precision) if precision <= 76 => DataType::Decimal256(precision, scale),
        _ => DataType::Float64,
    }
}

fn as_decimal(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => Some((*p, *s)),
        DataType::Int8 | DataType::UInt8 => Some((3, 0)),
        DataType::Int16 | DataType::UInt16 => Some((5, 0)),
        DataType::Int32 | DataType::UInt32 => Some((10, 0)),
        DataType::Int64 | DataType::UInt64 => Some((20, 0)),
        _ => None,
    }
}

fn finer(a: TimeUnit, b: TimeUnit) -> TimeUnit {
    let rank = |unit: TimeUnit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    };
    if rank(a) >= rank(b) { a } else { b }
}
