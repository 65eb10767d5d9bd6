//! Which fields of records get columns of their own.

use std::collections::BTreeMap;

use arrow::array::{Array, StringViewArray};
use arrow::error::ArrowError;
use parquet_variant::Variant;

use super::encode::encode;

/// Rows by which it is told.
const SAMPLE_ROWS: usize = 8 * 1024;

/// Fields that get columns: others stay together in the binary form.
const FIELDS_MAX: usize = 128;

/// Objects in objects are taken apart to this depth.
const DEPTH_MAX: usize = 4;

/// Of values of a field, so many percent must be of one type …
const SAME_PERCENT_MIN: usize = 90;

/// … and so many percent of the objects must have the field.
const PRESENT_PERCENT_MIN: usize = 5;

/// The type of a field's column; of an object, the fields that have columns, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// `BOOLEAN`.
    Boolean,
    /// `BIGINT`.
    Whole,
    /// `DOUBLE`.
    Double,
    /// `VARCHAR`.
    Text,
    /// A struct.
    Object(Vec<(String, Shape)>),
}

impl Shape {
    /// The shape of most of `values`, of which the first rows are looked at. `None` if there is none.
    ///
    /// # Errors
    /// If one is not JSON.
    pub fn of(values: &StringViewArray) -> Result<Option<Self>, ArrowError> {
        let sample = encode(&values.slice(0, values.len().min(SAMPLE_ROWS)))?;
        let mut seen = Seen::default();
        for row in 0..sample.len() {
            if sample.is_valid(row) {
                seen.add(&sample.try_value(row)?, 0);
            }
        }
        let mut fields_left = FIELDS_MAX;
        Ok(seen.shape(&mut fields_left))
    }
}

/// What the values at one place are.
#[derive(Debug, Default)]
struct Seen {
    /// Values but null.
    values: usize,
    booleans: usize,
    whole: usize,
    doubles: usize,
    texts: usize,
    objects: usize,
    fields: BTreeMap<String, Seen>,
}

impl Seen {
    fn add(&mut self, value: &Variant<'_, '_>, depth: usize) {
        match value {
            Variant::Null => return,
            Variant::BooleanTrue | Variant::BooleanFalse => self.booleans += 1,
            Variant::Int8(_) | Variant::Int16(_) | Variant::Int32(_) | Variant::Int64(_) => {
                self.whole += 1;
            }
            Variant::Double(_) => self.doubles += 1,
            Variant::String(_) | Variant::ShortString(_) => self.texts += 1,
            Variant::Object(object) => {
                self.objects += 1;
                if depth < DEPTH_MAX {
                    for (key, value) in object.iter() {
                        self.add_field(key, &value, depth);
                    }
                }
            }
            _ => {}
        }
        self.values += 1;
    }

    fn add_field(&mut self, key: &str, value: &Variant<'_, '_>, depth: usize) {
        // Objects whose keys are data have ever new ones.
        let has_room = self.fields.len() < FIELDS_MAX;
        match self.fields.get_mut(key) {
            Some(field) => field.add(value, depth + 1),
            None if has_room => {
                let mut field = Self::default();
                field.add(value, depth + 1);
                self.fields.insert(key.to_owned(), field);
            }
            None => {}
        }
    }

    fn shape(self, fields_left: &mut usize) -> Option<Shape> {
        let is_most = |count: usize| count > 0 && count * 100 >= self.values * SAME_PERCENT_MIN;
        if is_most(self.objects) {
            let objects = self.objects;
            let is_frequent = |field: &Seen| field.values * 100 >= objects * PRESENT_PERCENT_MIN;
            let mut fields = Vec::new();
            for (name, field) in self.fields {
                if *fields_left == 0 || !is_frequent(&field) {
                    continue;
                }
                if let Some(shape) = field.shape(fields_left) {
                    *fields_left = fields_left.saturating_sub(1);
                    fields.push((name, shape));
                }
            }
            return (!fields.is_empty()).then_some(Shape::Object(fields));
        }
        match () {
            () if is_most(self.booleans) => Some(Shape::Boolean),
            () if is_most(self.whole) => Some(Shape::Whole),
            () if is_most(self.whole + self.doubles) => Some(Shape::Double),
            () if is_most(self.texts) => Some(Shape::Text),
            () => None,
        }
    }
}
