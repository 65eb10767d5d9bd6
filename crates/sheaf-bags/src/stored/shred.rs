//! Values taken apart: what has a column goes there, the rest stays in the binary form.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, NullBufferBuilder, StringViewArray,
    StringViewBuilder, StructArray,
};
use arrow::datatypes::{DataType, Field, Fields};
use arrow::error::ArrowError;
use parquet_variant::{ObjectBuilder, ReadOnlyMetadataBuilder, Variant, VariantObject};
use parquet_variant_compute::{VariantType, VariantValueArrayBuilder};

use super::encode::encode;
use super::shape::Shape;

/// Whole numbers up to here are doubles, too, without rounding.
const DOUBLE_WHOLE_MAX: u64 = 1 << 53;

const METADATA: &str = "metadata";
const VALUE: &str = "value";
pub(super) const TYPED_VALUE: &str = "typed_value";

/// The column that [`to_parquet`] makes of the VARIANTs of a column `name`.
#[must_use]
pub fn parquet_field(name: &str, shape: Option<&Shape>) -> Field {
    let mut fields = vec![Field::new(METADATA, DataType::BinaryView, false)];
    fields.extend(place_fields(shape));
    Field::new(name, DataType::Struct(fields.into()), true).with_extension_type(VariantType)
}

/// A column of VARIANTs (in normal form) as Parquet stores it.
///
/// # Memory
/// Two copies of the values for a while.
/// # Errors
/// If one is not JSON.
pub fn to_parquet(values: &StringViewArray, shape: Option<&Shape>) -> Result<ArrayRef, ArrowError> {
    let whole = encode(values)?;
    let DataType::Struct(fields) = parquet_field("", shape).data_type().clone() else {
        return Err(ArrowError::SchemaError(
            "a VARIANT is stored as a struct".to_owned(),
        ));
    };
    let mut place = Place::new(shape, whole.len());
    for row in 0..whole.len() {
        match whole.is_valid(row) {
            true => place.append(&whole.try_value(row)?),
            // The struct is NULL there.
            false => place.append(&Variant::Null),
        }
    }
    let mut columns = vec![Arc::clone(whole.metadata_column())];
    columns.extend(place.finish()?);
    let rows = whole.len();
    let nulls = whole.nulls().cloned();
    let stored = StructArray::try_new_with_length(fields, columns, nulls, rows)?;
    Ok(Arc::new(stored))
}

/// What stands at one place: `value`, and `typed_value` if it has a shape.
fn place_fields(shape: Option<&Shape>) -> Vec<Field> {
    let mut fields = vec![Field::new(VALUE, DataType::BinaryView, true)];
    fields.extend(shape.map(|shape| Field::new(TYPED_VALUE, typed(shape), true)));
    fields
}

fn typed(shape: &Shape) -> DataType {
    match shape {
        Shape::Boolean => DataType::Boolean,
        Shape::Whole => DataType::Int64,
        Shape::Double => DataType::Float64,
        Shape::Text => DataType::Utf8View,
        Shape::Object(fields) => DataType::Struct(object_fields(fields)),
    }
}

fn object_fields(fields: &[(String, Shape)]) -> Fields {
    let fields = fields.iter().map(|(name, shape)| {
        let place = DataType::Struct(place_fields(Some(shape)).into());
        Field::new(name, place, false)
    });
    fields.collect()
}

/// The values at one place, as they are taken apart.
struct Place {
    value: VariantValueArrayBuilder,
    typed: Option<Typed>,
}

/// The column of a place.
enum Typed {
    Boolean(BooleanBuilder),
    Whole(Int64Builder),
    Double(Float64Builder),
    Text(StringViewBuilder),
    Object(Vec<(String, Place)>, NullBufferBuilder, Fields),
}

impl Place {
    fn new(shape: Option<&Shape>, rows: usize) -> Self {
        let typed = shape.map(|shape| match shape {
            Shape::Boolean => Typed::Boolean(BooleanBuilder::with_capacity(rows)),
            Shape::Whole => Typed::Whole(Int64Builder::with_capacity(rows)),
            Shape::Double => Typed::Double(Float64Builder::with_capacity(rows)),
            Shape::Text => Typed::Text(StringViewBuilder::with_capacity(rows)),
            Shape::Object(fields) => {
                let places = fields.iter();
                let places =
                    places.map(|(name, shape)| (name.clone(), Self::new(Some(shape), rows)));
                let nulls = NullBufferBuilder::new(rows);
                Typed::Object(places.collect(), nulls, object_fields(fields))
            }
        });
        Self {
            value: VariantValueArrayBuilder::new(rows),
            typed,
        }
    }

    fn append(&mut self, value: &Variant<'_, '_>) {
        let is_taken = match &mut self.typed {
            Some(Typed::Object(places, nulls, _)) => {
                if let Variant::Object(object) = value {
                    nulls.append_non_null();
                    append_object(&mut self.value, places, object);
                    return;
                }
                nulls.append_null();
                places
                    .iter_mut()
                    .for_each(|(_, place)| place.append_missing());
                false
            }
            Some(typed) => typed.take(value),
            None => false,
        };
        match is_taken {
            true => self.value.append_null(),
            false => self.value.append_value(value.clone()),
        }
    }

    /// A row of an object that does not have the field.
    fn append_missing(&mut self) {
        self.value.append_null();
        match &mut self.typed {
            Some(Typed::Object(places, nulls, _)) => {
                nulls.append_null();
                places
                    .iter_mut()
                    .for_each(|(_, place)| place.append_missing());
            }
            Some(typed) => typed.append_null(),
            None => {}
        }
    }

    fn finish(mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.value.build()?)];
        columns.extend(match &mut self.typed {
            None => None,
            Some(Typed::Boolean(column)) => Some(Arc::new(column.finish()) as ArrayRef),
            Some(Typed::Whole(column)) => Some(Arc::new(column.finish()) as ArrayRef),
            Some(Typed::Double(column)) => Some(Arc::new(column.finish()) as ArrayRef),
            Some(Typed::Text(column)) => Some(Arc::new(column.finish()) as ArrayRef),
            Some(Typed::Object(places, nulls, fields)) => {
                let rows = nulls.len();
                let mut places_done = Vec::with_capacity(places.len());
                for ((_, place), field) in places.drain(..).zip(fields.iter()) {
                    let DataType::Struct(parts) = field.data_type().clone() else {
                        continue;
                    };
                    let columns = place.finish()?;
                    let place = StructArray::try_new_with_length(parts, columns, None, rows)?;
                    places_done.push(Arc::new(place) as ArrayRef);
                }
                let fields = std::mem::take(fields);
                let nulls = nulls.finish();
                let object = StructArray::try_new_with_length(fields, places_done, nulls, rows)?;
                Some(Arc::new(object) as ArrayRef)
            }
        });
        Ok(columns)
    }
}

/// The members that have places go there, the others into `value`. Both are in the order of names.
fn append_object(
    value: &mut VariantValueArrayBuilder,
    places: &mut [(String, Place)],
    object: &VariantObject<'_, '_>,
) {
    let mut metadata = ReadOnlyMetadataBuilder::new(&object.metadata);
    let mut rest = None;
    for (key, member) in object.iter() {
        match places.binary_search_by(|(name, _)| name.as_str().cmp(key)) {
            Ok(_) => {}
            Err(_) => rest.get_or_insert_with(Vec::new).push((key, member)),
        }
    }
    match rest {
        None => value.append_null(),
        Some(rest) => {
            let mut builder = ObjectBuilder::new(value.parent_state(&mut metadata), false);
            for (key, member) in rest {
                builder.insert_bytes(key, member);
            }
            builder.finish();
        }
    }
    for (name, place) in places {
        match object.get(name) {
            Some(member) => place.append(&member),
            None => place.append_missing(),
        }
    }
}

impl Typed {
    /// Takes a value if it is of its type; otherwise NULL.
    fn take(&mut self, value: &Variant<'_, '_>) -> bool {
        let is_taken = match self {
            Self::Boolean(column) => boolean(value).map(|value| column.append_value(value)),
            Self::Whole(column) => whole(value).map(|value| column.append_value(value)),
            Self::Double(column) => double(value).map(|value| column.append_value(value)),
            Self::Text(column) => value.as_string().map(|value| column.append_value(value)),
            Self::Object(..) => None,
        };
        if is_taken.is_none() {
            self.append_null();
        }
        is_taken.is_some()
    }

    fn append_null(&mut self) {
        match self {
            Self::Boolean(column) => column.append_null(),
            Self::Whole(column) => column.append_null(),
            Self::Double(column) => column.append_null(),
            Self::Text(column) => column.append_null(),
            Self::Object(_, nulls, _) => nulls.append_null(),
        }
    }
}

// The library's conversions take booleans for numbers and cut fractions off: these do not.

fn boolean(value: &Variant<'_, '_>) -> Option<bool> {
    match value {
        Variant::BooleanTrue => Some(true),
        Variant::BooleanFalse => Some(false),
        _ => None,
    }
}

fn whole(value: &Variant<'_, '_>) -> Option<i64> {
    match value {
        Variant::Int8(whole) => Some(i64::from(*whole)),
        Variant::Int16(whole) => Some(i64::from(*whole)),
        Variant::Int32(whole) => Some(i64::from(*whole)),
        Variant::Int64(whole) => Some(*whole),
        _ => None,
    }
}

fn double(value: &Variant<'_, '_>) -> Option<f64> {
    if let Variant::Double(double) = value {
        return Some(*double);
    }
    #[expect(clippy::cast_precision_loss, reason = "there is none up to the bound")]
    whole(value)
        .filter(|whole| whole.unsigned_abs() <= DOUBLE_WHOLE_MAX)
        .map(|whole| whole as f64)
}
