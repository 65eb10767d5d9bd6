//! VARIANTs within lists and structs: each is stored, and comes back, as a column of them is.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, GenericListArray, OffsetSizeTrait, StringViewArray, StructArray,
    make_array, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::error::ArrowError;
use sheaf_base::type_names::is_variant;

use super::{Shape, from_parquet, parquet_field, to_parquet};

/// Whether `field` is of VARIANTs, or of lists or structs that hold some.
#[must_use]
pub fn holds_variants(field: &Field) -> bool {
    is_variant(field)
        || match field.data_type() {
            DataType::Struct(fields) => fields.iter().any(|field| holds_variants(field)),
            DataType::List(item) | DataType::LargeList(item) => holds_variants(item),
            _ => false,
        }
}

/// Whether `stored`, a field of a file, has structs where `field` of a table has VARIANTs.
#[must_use]
pub fn stores_variants(field: &Field, stored: &Field) -> bool {
    match (field.data_type(), stored.data_type()) {
        (_, DataType::Struct(_)) if is_variant(field) => true,
        (DataType::Struct(fields), DataType::Struct(stored)) => fields.iter().any(|field| {
            let stored = stored.find(field.name());
            stored.is_some_and(|(_, stored)| stores_variants(field, stored))
        }),
        (DataType::List(item), DataType::List(stored))
        | (DataType::LargeList(item), DataType::LargeList(stored)) => stores_variants(item, stored),
        _ => false,
    }
}

/// How a column is stored in Parquet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// As it is: it holds no VARIANTs.
    AsItIs,
    /// As VARIANTs with columns for what most have.
    Variant(Option<Shape>),
    /// A struct, each field as it says.
    Struct(Vec<Layout>),
    /// Lists of such items.
    Items(Box<Layout>),
}

impl Layout {
    /// Tells from `values`, the first ones of a column `field`, how it is best stored.
    ///
    /// # Errors
    /// If a VARIANT is not JSON.
    pub fn of(field: &Field, values: &ArrayRef) -> Result<Self, ArrowError> {
        if is_variant(field) {
            return Ok(Self::Variant(Shape::of(&texts(values)?)?));
        }
        if !holds_variants(field) {
            return Ok(Self::AsItIs);
        }
        Ok(match field.data_type() {
            DataType::Struct(fields) => {
                let columns = columns_of(values.as_struct())?;
                let layouts = fields.iter().zip(&columns);
                let layouts = layouts.map(|(field, column)| Self::of(field, column));
                Self::Struct(layouts.collect::<Result<_, _>>()?)
            }
            DataType::List(item) => Self::Items(Box::new(Self::of(
                item,
                &items_of(values.as_list::<i32>()),
            )?)),
            DataType::LargeList(item) => Self::Items(Box::new(Self::of(
                item,
                &items_of(values.as_list::<i64>()),
            )?)),
            _ => Self::AsItIs,
        })
    }

    /// The field that [`Self::store`] makes of a column `field`.
    #[must_use]
    pub fn field(&self, field: &Field) -> Field {
        match (self, field.data_type()) {
            (Self::Variant(shape), _) => parquet_field(field.name(), shape.as_ref()),
            (Self::Struct(layouts), DataType::Struct(fields)) => {
                let fields = fields.iter().zip(layouts);
                let fields = fields.map(|(field, layout)| layout.field(field));
                retyped(field, DataType::Struct(fields.collect()))
            }
            (Self::Items(layout), DataType::List(item)) => {
                retyped(field, DataType::List(Arc::new(layout.field(item))))
            }
            (Self::Items(layout), DataType::LargeList(item)) => {
                retyped(field, DataType::LargeList(Arc::new(layout.field(item))))
            }
            _ => field.clone(),
        }
    }

    /// `values` as they are stored.
    ///
    /// # Memory
    /// Two copies of the VARIANTs for a while.
    /// # Errors
    /// If one is not JSON.
    pub fn store(&self, values: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        match (self, values.data_type()) {
            (Self::Variant(shape), _) => to_parquet(&texts(values)?, shape.as_ref()),
            (Self::Struct(layouts), DataType::Struct(fields)) => {
                let values = values.as_struct();
                let columns = columns_of(values)?;
                let stored = layouts.iter().zip(&columns);
                let stored = stored.map(|(layout, column)| layout.store(column));
                let stored = stored.collect::<Result<Vec<_>, _>>()?;
                let fields = fields.iter().zip(layouts);
                let fields = fields.map(|(field, layout)| layout.field(field));
                let (nulls, rows) = (values.nulls().cloned(), values.len());
                let fields = fields.collect();
                Ok(Arc::new(StructArray::try_new_with_length(
                    fields, stored, nulls, rows,
                )?))
            }
            (Self::Items(layout), DataType::List(item)) => {
                let item = Arc::new(layout.field(item));
                with_items(values.as_list::<i32>(), item, |items| layout.store(items))
            }
            (Self::Items(layout), DataType::LargeList(item)) => {
                let item = Arc::new(layout.field(item));
                with_items(values.as_list::<i64>(), item, |items| layout.store(items))
            }
            _ => Ok(Arc::clone(values)),
        }
    }
}

/// The values of a table's column `field` out of `stored`, those of a file: VARIANTs where it has
/// structs for them, NULL where a struct lacks a field.
///
/// # Errors
/// Those of [`from_parquet`], and of values that do not become what the table has.
pub fn restored(stored: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    match (field.data_type(), stored.data_type()) {
        (_, DataType::Struct(_)) if is_variant(field) => from_parquet(stored),
        (DataType::Struct(fields), DataType::Struct(_)) => {
            let stored = stored.as_struct();
            let columns = fields
                .iter()
                .map(|field| match stored.column_by_name(field.name()) {
                    Some(column) => restored(column, field),
                    None => Ok(new_null_array(field.data_type(), stored.len())),
                });
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let (nulls, rows) = (stored.nulls().cloned(), stored.len());
            Ok(Arc::new(StructArray::try_new_with_length(
                fields.clone(),
                columns,
                nulls,
                rows,
            )?))
        }
        (DataType::List(item), DataType::List(_)) => {
            with_items(stored.as_list::<i32>(), Arc::clone(item), |items| {
                restored(items, item)
            })
        }
        (DataType::LargeList(item), DataType::LargeList(_)) => {
            with_items(stored.as_list::<i64>(), Arc::clone(item), |items| {
                restored(items, item)
            })
        }
        (wanted, found) if wanted == found => Ok(Arc::clone(stored)),
        (wanted, _) => cast(stored, wanted),
    }
}

fn texts(values: &ArrayRef) -> Result<StringViewArray, ArrowError> {
    let texts = cast(values, &DataType::Utf8View)?;
    Ok(texts.as_string_view().clone())
}

fn retyped(field: &Field, data_type: DataType) -> Field {
    field.clone().with_data_type(data_type)
}

/// The columns of structs, NULL where these are: what they have there is nothing's.
fn columns_of(structs: &StructArray) -> Result<Vec<ArrayRef>, ArrowError> {
    let columns = structs.columns().iter();
    let columns = columns.map(|column| match structs.nulls() {
        None => Ok(Arc::clone(column)),
        outer => {
            let nulls = NullBuffer::union(outer, column.nulls());
            let data = column.to_data().into_builder().nulls(nulls).build()?;
            Ok(make_array(data))
        }
    });
    columns.collect()
}

/// The items of lists, without those before the first and behind the last list.
fn items_of<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> ArrayRef {
    let start = lists.offsets().first().map_or(0, |start| start.as_usize());
    let end = lists.offsets().last().map_or(0, |end| end.as_usize());
    lists.values().slice(start, end - start)
}

/// Lists whose items are what `made` makes of those of `lists`.
fn with_items<O: OffsetSizeTrait>(
    lists: &GenericListArray<O>,
    item: FieldRef,
    made: impl FnOnce(&ArrayRef) -> Result<ArrayRef, ArrowError>,
) -> Result<ArrayRef, ArrowError> {
    let items = made(&items_of(lists))?;
    let offsets = OffsetBuffer::<O>::from_lengths(lists.offsets().lengths());
    let nulls = lists.nulls().cloned();
    Ok(Arc::new(GenericListArray::try_new(
        item, offsets, items, nulls,
    )?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, ArrayRef, Int64Array, ListArray, StringViewArray, StructArray};
    use arrow::buffer::{NullBuffer, OffsetBuffer};
    use arrow::datatypes::{DataType, Field};
    use sheaf_base::type_names::variant_field;

    use super::{Layout, holds_variants, restored, stores_variants};

    /// A struct of a number, a VARIANT, and a list of VARIANTs; the second row is NULL, with what is no
    /// JSON beneath.
    fn column() -> (Field, ArrayRef) {
        let item = Arc::new(variant_field("item", true));
        let fields = vec![
            Field::new("n", DataType::Int64, true),
            variant_field("v", true),
            Field::new("l", DataType::List(Arc::clone(&item)), true),
        ];
        let texts = StringViewArray::from(vec![Some("{\"a\":1}"), Some(""), None, Some("[true]")]);
        let items = StringViewArray::from(vec![Some("1"), None, Some("{\"b\":\"x\"}"), Some("2")]);
        let offsets = OffsetBuffer::from_lengths([2, 0, 2, 0]);
        let list_nulls = NullBuffer::from(vec![true, true, true, false]);
        let lists = ListArray::new(item, offsets, Arc::new(items), Some(list_nulls));
        let numbers = Int64Array::from(vec![Some(1), Some(2), None, Some(4)]);
        let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(texts), Arc::new(lists)];
        let nulls = NullBuffer::from(vec![true, false, true, true]);
        let column = StructArray::new(fields.clone().into(), columns, Some(nulls));
        let field = Field::new("s", DataType::Struct(fields.into()), true);
        (field, Arc::new(column))
    }

    #[test]
    fn nested_values_come_back() {
        let (field, column) = column();
        assert!(holds_variants(&field));
        for column in [
            Arc::clone(&column),
            column.slice(1, 3),
            column.slice(2, 1),
            column.slice(0, 0),
        ] {
            let layout = Layout::of(&field, &column).unwrap();
            let stored_field = layout.field(&field);
            let stored = layout.store(&column).unwrap();
            assert_eq!(stored.data_type(), stored_field.data_type());
            assert!(stores_variants(&field, &stored_field));
            assert!(!stores_variants(&field, &field));
            let back = restored(&stored, &field).unwrap();
            assert_eq!(&back, &column);
        }
    }

    #[test]
    fn what_a_file_lacks_is_null() {
        let (field, column) = column();
        let layout = Layout::of(&field, &column).unwrap();
        let stored = layout.store(&column).unwrap();
        let DataType::Struct(fields) = field.data_type() else {
            panic!("a struct");
        };
        let more = fields
            .iter()
            .cloned()
            .chain([Arc::new(variant_field("w", true))]);
        let wider = Field::new("s", DataType::Struct(more.collect()), true);
        let back = restored(&stored, &wider).unwrap();
        let back = back.as_any().downcast_ref::<StructArray>().unwrap();
        assert_eq!(back.column_by_name("w").unwrap().null_count(), 4);
        assert_eq!(
            back.column_by_name("n"),
            Some(&(Arc::new(Int64Array::from(vec![Some(1), None, None, Some(4)])) as ArrayRef))
        );
    }
}
