//! The chunks of an array as `SHOW PARTITIONS` lists them: where each is, not what is in it.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use sheaf_arrays::{Array, Context, Region};
use sheaf_base::Result;

use crate::rows::{COORDINATES_MAX, Give, RowSource, Wanted};

/// A row a chunk of `array`, in order, of which nothing is read: `partition` its number from 0, `path` the
/// file or object in which it stands (NULL where it is made of something else), `chunk` its coordinates,
/// `origin` its first element, `shape` the elements along each axis, `bytes` those of its elements.
#[must_use]
pub fn partitions(array: Array) -> Arc<dyn RowSource> {
    let item = Arc::new(Field::new_list_field(DataType::Int64, true));
    let list = |name: &str| Field::new(name, DataType::List(Arc::clone(&item)), false);
    let number = |name: &str| Field::new(name, DataType::UInt64, false);
    let schema = Arc::new(Schema::new(vec![
        number("partition"),
        Field::new("path", DataType::Utf8, true),
        list("chunk"),
        list("origin"),
        list("shape"),
        number("bytes"),
    ]));
    Arc::new(Partitions { array, schema })
}

#[derive(Debug)]
struct Partitions {
    array: Array,
    schema: SchemaRef,
}

/// Numbers of chunks as a column, a list each.
fn lists(rows: impl Iterator<Item = Vec<u64>>) -> ArrayRef {
    let rows = rows.map(|numbers| {
        let numbers = numbers.into_iter();
        Some(numbers.map(|number| Some(i64::try_from(number).unwrap_or(i64::MAX))))
    });
    Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(rows))
}

impl Partitions {
    fn batch(&self, numbers: Range<u64>) -> Result<RecordBatch> {
        let grid = self.array.grid();
        let chunks: Vec<Vec<u32>> = numbers
            .clone()
            .map(|number| grid.chunk_at(number))
            .collect();
        let regions = chunks.iter().map(|chunk| grid.region_of(chunk));
        let regions: Vec<Region> = regions.collect::<Result<_>>()?;
        let paths = regions.iter().map(|region| self.array.stored_in(region));
        let width = grid.dtype().bytes() as u64;
        let bytes = regions
            .iter()
            .map(|region| region.elements() as u64 * width);
        let coordinates = chunks
            .iter()
            .map(|chunk| chunk.iter().map(|&at| u64::from(at)).collect());
        let shapes = regions
            .iter()
            .map(|region| region.shape.iter().map(|&length| length as u64).collect());
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from_iter_values(numbers)),
            Arc::new(paths.collect::<StringArray>()),
            lists(coordinates),
            lists(regions.iter().map(|region| region.start.clone())),
            lists(shapes),
            Arc::new(UInt64Array::from_iter_values(bytes)),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

impl RowSource for Partitions {
    fn name(&self) -> String {
        "partitions".to_owned()
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn row_count(&self) -> Option<u64> {
        Some(self.array.grid().chunks())
    }

    fn produce(&self, wanted: &Wanted, context: &Context, give: &mut Give<'_>) -> Result<()> {
        let count = self.array.grid().chunks();
        let mut first = 0;
        while first < count {
            context.check()?;
            let end = count.min(first.saturating_add(COORDINATES_MAX));
            give(self.batch(first..end)?.project(&wanted.columns)?, None)?;
            first = end;
        }
        Ok(())
    }
}
