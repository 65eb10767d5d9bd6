//! What of a stored column some paths need.
//!
//! A path goes down from field to field as long as these have columns of their own. What is asked for
//! is all that stands where it ends, and of each place on its way the binary `value`, which has what
//! did not fit the column, or has no column. A path that leaves the columns is found in there alone.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::{DataType, Field, Fields};
use arrow::error::ArrowError;

use super::shred::TYPED_VALUE;
use crate::json::{Path, Step};

/// The type of the column `stored` without what none of `paths` needs.
///
/// Of the values of such a column each of these paths gives what it gives of the whole ones.
#[must_use]
pub fn narrowed(stored: &DataType, paths: &[&Path]) -> DataType {
    let steps: Vec<&[Step]> = paths.iter().map(|path| path.steps.as_slice()).collect();
    place(stored, &steps).unwrap_or_else(|| stored.clone())
}

/// The type of a place without what none of `paths`, which begin there, needs; `None` if nothing of it
/// is needed.
fn place(stored: &DataType, paths: &[&[Step]]) -> Option<DataType> {
    let DataType::Struct(parts) = stored else {
        return Some(stored.clone());
    };
    if paths.iter().any(|path| path.is_empty()) {
        return Some(stored.clone());
    }
    let needed = parts.iter().filter_map(|part| match part.name().as_str() {
        TYPED_VALUE => typed(part.data_type(), paths).map(|needed| retyped(part, needed)),
        _ => Some(Arc::clone(part)),
    });
    let needed: Fields = needed.collect();
    (!needed.is_empty()).then_some(DataType::Struct(needed))
}

/// The type of a place's column without what is not needed.
fn typed(stored: &DataType, paths: &[&[Step]]) -> Option<DataType> {
    match stored {
        DataType::Struct(fields) => {
            let needed = fields.iter().filter_map(|field| {
                let behind = paths.iter().filter_map(|path| match path.split_first() {
                    Some((Step::Key(key), behind)) if key == field.name() => Some(behind),
                    _ => None,
                });
                let behind: Vec<&[Step]> = behind.collect();
                let needed = match behind.is_empty() {
                    true => None,
                    false => place(field.data_type(), &behind),
                };
                needed.map(|needed| retyped(field, needed))
            });
            let needed: Fields = needed.collect();
            (!needed.is_empty()).then_some(DataType::Struct(needed))
        }
        // An array, of whose items nothing is left out.
        nested if nested.is_nested() => {
            let is_item = |path: &&[Step]| matches!(path.first(), Some(Step::Item(_)));
            paths.iter().any(is_item).then(|| nested.clone())
        }
        // No step leads into a number or a text.
        _ => None,
    }
}

fn retyped(field: &Field, data_type: DataType) -> Arc<Field> {
    Arc::new(field.clone().with_data_type(data_type))
}

/// `column` without what is not in `wanted`, a type that [`narrowed`] gave.
///
/// # Errors
/// Those of Arrow, if it is no such type.
pub(super) fn project(column: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    let (Some(parts), DataType::Struct(fields)) = (column.as_struct_opt(), wanted) else {
        return Ok(Arc::clone(column));
    };
    if parts.data_type() == wanted {
        return Ok(Arc::clone(column));
    }
    let columns = fields.iter().filter_map(|field| {
        let part = parts.column_by_name(field.name())?;
        Some(project(part, field.data_type()))
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let nulls = parts.nulls().cloned();
    let narrow = StructArray::try_new_with_length(fields.clone(), columns, nulls, parts.len())?;
    Ok(Arc::new(narrow))
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, StringViewArray};

    use super::super::{Shape, from_parquet, to_parquet};
    use super::{narrowed, project};
    use crate::extract::{Become, Extract, Extraction};
    use crate::json::Path;
    use crate::json::normal::normalized;
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::DataType;

    const RECORDS: &[&str] = &[
        r#"{"id":1,"at":{"x":1.5,"y":2,"z":[1]},"tags":[1,"t"]}"#,
        r#"{"id":"one","at":{"x":"none"},"more":{"a":1}}"#,
        r#"{"id":3,"at":{},"v":null}"#,
        r#"{"at":"nowhere","v":{"w":1}}"#,
        r#"{"id":{"x":1},"at":[{"x":1}]}"#,
        "{}",
        "null",
        "[1,2]",
        "\"text\"",
    ];

    fn stored() -> ArrayRef {
        let object = |fields: Vec<(&str, Shape)>| {
            let fields = fields.into_iter();
            Shape::Object(
                fields
                    .map(|(name, shape)| (name.to_owned(), shape))
                    .collect(),
            )
        };
        let at = object(vec![("x", Shape::Double), ("y", Shape::Whole)]);
        let shape = object(vec![("at", at), ("id", Shape::Whole), ("v", Shape::Text)]);
        let normal = RECORDS.iter().map(|text| normalized(text).unwrap());
        let values: StringViewArray = normal.map(Some).chain([None]).collect();
        to_parquet(&values, Some(&shape)).unwrap()
    }

    /// What `path` finds in each of `records`.
    fn found(records: &ArrayRef, path: &Path) -> Vec<Option<String>> {
        let mut extraction = Extraction::new(&[Extract {
            path: path.clone(),
            becomes: Become::Variant,
        }]);
        for record in records.as_string_view() {
            match record {
                Some(record) => extraction.push(record).unwrap(),
                None => extraction.push_null(),
            }
        }
        let column = extraction.finish().unwrap().remove(0);
        let values = column.as_string_view().iter();
        values.map(|value| value.map(str::to_owned)).collect()
    }

    fn leaves(data_type: &DataType) -> usize {
        match data_type {
            DataType::Struct(fields) => fields.iter().map(|f| leaves(f.data_type())).sum(),
            _ => 1,
        }
    }

    #[test]
    fn paths_find_the_same_in_what_they_need() {
        let stored = stored();
        let whole = from_parquet(&stored).unwrap();
        // metadata, value; of at value and x, y with value and column each; of id and v two each.
        assert_eq!(leaves(stored.data_type()), 2 + 1 + 2 * 2 + 2 * 2);
        for (texts, count) in [
            // metadata and value; of at value; of x value and column.
            (&["$.at.x"][..], 2 + 1 + 2),
            (&["$.at"], 2 + 1 + 4),
            (&["$.at.z"], 2 + 1),
            (&["$.at.z[0]"], 2 + 1),
            (&["$.at[0].x"], 2 + 1),
            (&["$.id"], 2 + 2),
            (&["$.id.x"], 2 + 1),
            (&["$.tags", "$.more.a", "$[1]"], 2),
            (&["$.v", "$.at.y"], 2 + 2 + 1 + 2),
            (&["$.v.w", "$.v"], 2 + 2),
            (&["$"], 11),
        ] {
            let paths: Vec<Path> = texts
                .iter()
                .map(|text| Path::parse(text).unwrap())
                .collect();
            let wanted = narrowed(stored.data_type(), &paths.iter().collect::<Vec<_>>());
            assert_eq!(leaves(&wanted), count, "{texts:?}");
            let narrow = project(&stored, &wanted).unwrap();
            assert_eq!(narrow.data_type(), &wanted);
            let narrow = from_parquet(&narrow).unwrap();
            for path in &paths {
                assert_eq!(found(&narrow, path), found(&whole, path), "{path}");
            }
        }
    }
}
