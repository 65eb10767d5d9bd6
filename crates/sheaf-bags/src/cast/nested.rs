//! Lists of arrays, structs of objects: their items and members are columns in turn.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, GenericListArray, OffsetSizeTrait, StringViewBuilder, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{cast, nullif};
use arrow::datatypes::{Field, FieldRef, Fields};
use arrow::error::ArrowError;
use sheaf_base::type_names::is_variant;

use super::{CastFault, cast_values, excerpt};
use crate::json::normal::write_normal;
use crate::json::{Kind, Path, Scanner, Selection, Span};

/// Columns with their faults.
type Cast = Result<(ArrayRef, Vec<CastFault>), ArrowError>;

/// The items of a checked array.
pub(crate) fn items(array: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut scanner = Scanner::new(array);
    let Ok(mut open) = scanner.open(0) else {
        return found;
    };
    while let Ok(true) = scanner.next_item(&mut open) {
        let start = scanner.at();
        if scanner.skip_value(1).is_err() {
            break;
        }
        found.push(scanner.since(start));
    }
    found
}

pub(super) fn lists<O: OffsetSizeTrait>(values: &[Option<&str>], item: &FieldRef) -> Cast {
    let mut all = Vec::new();
    let mut rows = Vec::new();
    let mut lengths = Vec::with_capacity(values.len());
    let mut valid = Vec::with_capacity(values.len());
    let mut bad = Bad::default();
    for (row, value) in values.iter().enumerate() {
        let before = all.len();
        let found = match value.filter(|value| *value != "null") {
            Some(value) if Kind::of(value) == Kind::Array => Some(items(value)),
            Some(value) => {
                bad.add(row, value);
                None
            }
            None => None,
        };
        valid.push(found.is_some());
        all.extend(found.unwrap_or_default().into_iter().map(Some));
        rows.resize(all.len(), row);
        lengths.push(all.len() - before);
    }
    let (inner, faults) = cast_field(&all, item)?;
    for fault in faults {
        bad.add_excerpt(rows[fault.row], fault.value);
    }
    let offsets = OffsetBuffer::<O>::from_lengths(lengths);
    let validity = NullBuffer::from(valid);
    let list = GenericListArray::try_new(Arc::clone(item), offsets, inner, Some(validity))?;
    bad.take_from(Arc::new(list))
}

pub(super) fn structs(values: &[Option<&str>], fields: &Fields) -> Cast {
    let paths: Vec<Path> = fields.iter().map(|field| Path::key(field.name())).collect();
    let names: BTreeSet<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    if names.len() < fields.len() {
        return Err(ArrowError::SchemaError(
            "a struct of a VARIANT has each field once".to_owned(),
        ));
    }
    let mut selection = Selection::new(&paths);
    let mut spans: Vec<Span> = vec![None; fields.len()];
    let mut members: Vec<Vec<Option<&str>>> = vec![Vec::with_capacity(values.len()); fields.len()];
    let mut valid = Vec::with_capacity(values.len());
    let mut bad = Bad::default();
    for (row, value) in values.iter().enumerate() {
        let object = value.filter(|value| Kind::of(value) == Kind::Object);
        match object {
            // Checked, so nothing can be wrong with it.
            Some(object) => drop(selection.find(object, &mut spans)),
            None => spans.fill(None),
        }
        if let (None, Some(value)) = (object, value.filter(|value| *value != "null")) {
            bad.add(row, value);
        }
        valid.push(object.is_some());
        for (column, span) in members.iter_mut().zip(&spans) {
            column.push(span.clone().and_then(|span| object?.get(span)));
        }
    }
    let mut columns = Vec::with_capacity(fields.len());
    for (field, column) in fields.iter().zip(&members) {
        let (array, faults) = cast_field(column, field)?;
        for fault in faults {
            bad.add_excerpt(fault.row, fault.value);
        }
        columns.push(array);
    }
    let validity = Some(NullBuffer::from(valid));
    let array = StructArray::try_new_with_length(fields.clone(), columns, validity, values.len())?;
    bad.take_from(Arc::new(array))
}

/// The items or members that a list's or struct's `field` holds; VARIANTs are what they are, JSON `null`
/// as well.
fn cast_field(values: &[Option<&str>], field: &Field) -> Cast {
    if !is_variant(field) {
        return cast_values(values, field.data_type());
    }
    let mut variants = StringViewBuilder::with_capacity(values.len());
    let mut normal = String::new();
    for value in values {
        normal.clear();
        if let Some(value) = value {
            write_normal(value, &mut normal);
        }
        variants.append_option(value.map(|_| normal.as_str()));
    }
    Ok((cast(&variants.finish(), field.data_type())?, Vec::new()))
}

/// Faults of a nested column, one a row.
#[derive(Default)]
struct Bad {
    faults: Vec<CastFault>,
}

impl Bad {
    fn add(&mut self, row: usize, value: &str) {
        self.add_excerpt(row, excerpt(value));
    }

    fn add_excerpt(&mut self, row: usize, value: String) {
        self.faults.push(CastFault { row, value });
    }

    /// Makes rows with a fault NULL as a whole.
    fn take_from(mut self, array: ArrayRef) -> Cast {
        self.faults.sort_by_key(|fault| fault.row);
        self.faults.dedup_by_key(|fault| fault.row);
        if self.faults.is_empty() {
            return Ok((array, self.faults));
        }
        let mut is_bad = vec![false; array.len()];
        for fault in &self.faults {
            is_bad[fault.row] = true;
        }
        let array = nullif(&array, &is_bad.into())?;
        Ok((array, self.faults))
    }
}
