//! What is read in rows: chunks of arrays, and whatever else functions make of arrays.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array, UInt64Array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::PhysicalExpr;
use sheaf_arrays::{Array, Context, Hold};
use sheaf_base::Result;

use crate::tensors::{array_metadata, tensor_column, tensor_field};

/// Chunks whose coordinates are made and looked at at a time.
pub(crate) const COORDINATES_MAX: u64 = 4096;

/// What a reader wants of the rows.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The columns, by their numbers.
    pub columns: Vec<usize>,
    /// Conditions that the source has said it takes care of.
    pub conditions: Vec<Expr>,
    /// The same as one expression over all columns.
    pub condition: Option<Arc<dyn PhysicalExpr>>,
    /// Rows of a batch.
    pub batch_rows: usize,
}

/// Takes batches, and what is held for them until they have been passed on.
pub type Give<'a> = dyn FnMut(RecordBatch, Option<Arc<Hold>>) -> Result<()> + 'a;

/// Rows that are made of arrays when they are read.
pub trait RowSource: fmt::Debug + Send + Sync {
    /// What plans call it.
    fn name(&self) -> String;

    /// The columns.
    fn schema(&self) -> SchemaRef;

    /// How many rows there are, where that is known before they are read.
    fn row_count(&self) -> Option<u64>;

    /// The array whose chunks these are, where they are.
    fn array(&self) -> Option<&Array> {
        None
    }

    /// Bytes of the largest value in a row, if that is much.
    fn row_bytes_max(&self) -> Option<u64> {
        None
    }

    /// Whether the source leaves out the rows for which `condition` is not true.
    fn takes(&self, _condition: &Expr) -> TableProviderFilterPushDown {
        TableProviderFilterPushDown::Unsupported
    }

    /// Gives all rows that are wanted, in order.
    ///
    /// # Errors
    /// Those of reading arrays, and of `give`, which end it.
    fn produce(&self, wanted: &Wanted, context: &Context, give: &mut Give<'_>) -> Result<()>;
}

/// The chunks of an array, in the order of their coordinates: `c0 …` coordinates, `o0 …` the first
/// element, `v` the chunk.
#[derive(Debug)]
pub struct Chunks {
    name: String,
    array: Array,
    schema: SchemaRef,
}

impl Chunks {
    /// The chunks of `array`, which `name` made.
    ///
    /// # Errors
    /// `Internal` if the array's description cannot be written.
    pub fn try_new(name: &str, array: Array) -> Result<Self> {
        let rank = array.rank();
        let coordinates =
            (0..rank).map(|axis| Field::new(format!("c{axis}"), DataType::UInt32, false));
        let origins = (0..rank).map(|axis| Field::new(format!("o{axis}"), DataType::UInt64, false));
        let mut fields: Vec<Field> = coordinates.chain(origins).collect();
        fields.push(tensor_field("v", array.grid()));
        let schema = Schema::new_with_metadata(fields, array_metadata(array.grid())?);
        Ok(Self {
            name: name.to_owned(),
            array,
            schema: Arc::new(schema),
        })
    }

    fn tensor_at(&self) -> usize {
        2 * self.array.rank()
    }

    /// Coordinates and origins of chunks.
    fn places(&self, numbers: std::ops::Range<u64>) -> Result<RecordBatch> {
        let (grid, rank) = (self.array.grid(), self.array.rank());
        let rows = usize::try_from(numbers.end - numbers.start).unwrap_or(usize::MAX);
        let mut coordinates = vec![Vec::with_capacity(rows); rank];
        let mut origins = vec![Vec::with_capacity(rows); rank];
        for number in numbers {
            let at = grid.chunk_at(number);
            let region = grid.region_of(&at)?;
            for axis in 0..rank {
                coordinates[axis].push(at[axis]);
                origins[axis].push(region.start[axis]);
            }
        }
        let coordinates = coordinates
            .into_iter()
            .map(|c| Arc::new(UInt32Array::from(c)) as ArrayRef);
        let origins = origins
            .into_iter()
            .map(|o| Arc::new(UInt64Array::from(o)) as ArrayRef);
        let schema = Schema::new(self.schema.fields()[..2 * rank].to_vec());
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let columns = coordinates.chain(origins).collect();
        Ok(RecordBatch::try_new_with_options(
            Arc::new(schema),
            columns,
            &options,
        )?)
    }

    /// A batch of the wanted columns.
    fn batch(
        &self,
        wanted: &Wanted,
        places: &RecordBatch,
        v: Option<ArrayRef>,
    ) -> Result<RecordBatch> {
        let columns = wanted.columns.iter().map(|&column| match &v {
            Some(v) if column == self.tensor_at() => Arc::clone(v),
            _ => Arc::clone(places.column(column)),
        });
        let schema = Arc::new(self.schema.project(&wanted.columns)?);
        let options = RecordBatchOptions::new().with_row_count(Some(places.num_rows()));
        Ok(RecordBatch::try_new_with_options(
            schema,
            columns.collect(),
            &options,
        )?)
    }

    fn read(
        &self,
        places: &RecordBatch,
        wanted: &Wanted,
        context: &Context,
        give: &mut Give<'_>,
    ) -> Result<()> {
        let grid = self.array.grid();
        let coordinates = |row: usize| -> Vec<u32> {
            let columns = places.columns()[..grid.rank()].iter();
            let values =
                columns.map(|c| c.as_primitive::<arrow::datatypes::UInt32Type>().value(row));
            values.collect()
        };
        context.in_order(
            places.num_rows(),
            usize::try_from(grid.chunk_bytes_max()).unwrap_or(usize::MAX),
            |row, context| {
                let tensor = self.array.chunk(&coordinates(row), context)?;
                tensor_column(tensor, grid.rank(), context)
            },
            |row, (v, hold)| {
                let place = places.slice(row, 1);
                give(self.batch(wanted, &place, Some(v))?, hold)
            },
        )
    }
}

/// Whether `condition` looks at no column but the first `count` of `schema`.
fn is_of_first(condition: &Expr, schema: &Schema, count: usize) -> bool {
    let is_known = |name: &str| schema.index_of(name).is_ok_and(|index| index < count);
    !condition.is_volatile() && condition.column_refs().iter().all(|c| is_known(&c.name))
}

impl RowSource for Chunks {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn row_count(&self) -> Option<u64> {
        Some(self.array.grid().chunks())
    }

    fn array(&self) -> Option<&Array> {
        Some(&self.array)
    }

    fn row_bytes_max(&self) -> Option<u64> {
        Some(self.array.grid().chunk_bytes_max())
    }

    /// Conditions on coordinates tell which chunks need not be read.
    fn takes(&self, condition: &Expr) -> TableProviderFilterPushDown {
        match is_of_first(condition, &self.schema, self.tensor_at()) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        }
    }

    fn produce(&self, wanted: &Wanted, context: &Context, give: &mut Give<'_>) -> Result<()> {
        let count = self.array.grid().chunks();
        let wants_tensor = wanted.columns.contains(&self.tensor_at());
        let mut first = 0;
        while first < count {
            context.check()?;
            let end = count.min(first.saturating_add(COORDINATES_MAX));
            let mut places = self.places(first..end)?;
            if let Some(condition) = &wanted.condition {
                let rows = places.num_rows();
                let found = condition.evaluate(&places)?.into_array(rows)?;
                places = filter_record_batch(&places, found.as_boolean())?;
            }
            match wants_tensor {
                true => self.read(&places, wanted, context, give)?,
                false if places.num_rows() > 0 => give(self.batch(wanted, &places, None)?, None)?,
                false => {}
            }
            first = end;
        }
        Ok(())
    }
}

/// One row, `count`: what is told once `write` has done its work, which happens when it is read.
pub fn written(
    name: &'static str,
    count: u64,
    write: impl Fn(&Context) -> Result<()> + Send + Sync + 'static,
) -> Arc<dyn RowSource> {
    let schema = Arc::new(Schema::new(vec![Field::new(
        "count",
        DataType::UInt64,
        false,
    )]));
    let told = Arc::clone(&schema);
    Arc::new(Computed {
        name,
        schema,
        row_count: Some(1),
        compute: Box::new(move |context| {
            write(context)?;
            let count: ArrayRef = Arc::new(UInt64Array::from(vec![count]));
            Ok(RecordBatch::try_new(Arc::clone(&told), vec![count])?)
        }),
    })
}

/// Computes all rows.
type Compute = Box<dyn Fn(&Context) -> Result<RecordBatch> + Send + Sync>;

/// Rows that are computed when they are asked for.
pub(crate) struct Computed {
    pub(crate) name: &'static str,
    pub(crate) schema: SchemaRef,
    pub(crate) row_count: Option<u64>,
    pub(crate) compute: Compute,
}

impl fmt::Debug for Computed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl RowSource for Computed {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn row_count(&self) -> Option<u64> {
        self.row_count
    }

    fn produce(&self, wanted: &Wanted, context: &Context, give: &mut Give<'_>) -> Result<()> {
        let all = (self.compute)(context)?.project(&wanted.columns)?;
        let rows = wanted.batch_rows.max(1);
        for first in (0..all.num_rows()).step_by(rows) {
            give(all.slice(first, rows.min(all.num_rows() - first)), None)?;
        }
        Ok(())
    }
}
