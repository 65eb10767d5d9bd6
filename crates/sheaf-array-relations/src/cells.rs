//! Rows that become elements: coordinates and a value each.
//!
//! The rows are sorted by the chunks in which they lie, by the engine, which spills what does not fit; so
//! that one chunk is made at a time.

use arrow::array::{Array as _, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use sheaf_arrays::{Array, Context, Gathered, Grid, Hold, Region, Scalar, Tensor, tuple};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError, sql_type_name};

/// What errors call the function.
const NAME: &str = "cells_to_array";

/// Rows that become elements of an array.
#[derive(Debug)]
pub struct Cells {
    /// The chunk of each row per axis, then its coordinates, then the value; sorted by the chunks.
    plan: LogicalPlan,
    grid: Grid,
    gathered: Gathered,
}

impl Cells {
    /// The elements that `rows` tell: as many columns of whole numbers as `grid` has axes, and a value.
    ///
    /// # Errors
    /// `UserInput` if the columns are others.
    pub(crate) fn try_new(rows: LogicalPlan, grid: Grid) -> Result<Self> {
        let rank = grid.rank();
        let columns = rows.schema().columns();
        let fields = rows.schema().fields();
        if columns.len() != rank + 1 {
            return Err(SheafError::user(format!(
                "{NAME}: an array of {rank} axes is made of rows of {} columns, not {}: a coordinate for \
                 each axis, and the value",
                rank + 1,
                columns.len()
            ))
            .with_state(SqlState::DATATYPE_MISMATCH));
        }
        if let Some(field) = fields
            .iter()
            .take(rank)
            .find(|field| !field.data_type().is_integer())
        {
            return Err(SheafError::user(format!(
                "{NAME}: the coordinate \"{}\" is {}, not a whole number",
                field.name(),
                sql_type_name(field.data_type())
            ))
            .with_state(SqlState::DATATYPE_MISMATCH));
        }
        let whole = |column: &Column| {
            datafusion::logical_expr::cast(Expr::Column(column.clone()), DataType::Int64)
        };
        // Of chunks of one length along an axis, this is their number; of others, it rises with it.
        let longest = grid.chunk_max();
        let keys = columns
            .iter()
            .zip(&longest)
            .enumerate()
            .map(|(axis, (column, length))| {
                let length = i64::try_from((*length).max(1)).unwrap_or(i64::MAX);
                (whole(column) / lit(length)).alias(format!("k{axis}"))
            });
        let places = columns[..rank].iter().enumerate();
        let places = places.map(|(axis, column)| whole(column).alias(format!("i{axis}")));
        let value = Expr::Column(columns[rank].clone()).alias("v");
        let order = (0..rank).map(|axis| {
            Expr::Column(Column::new_unqualified(format!("k{axis}"))).sort(true, false)
        });
        let all = keys
            .take(rank)
            .chain(places)
            .chain([value])
            .collect::<Vec<_>>();
        let mut plan = LogicalPlanBuilder::from(rows).project(all)?;
        if rank > 0 && grid.chunks() > 1 {
            plan = plan.sort(order.collect::<Vec<_>>())?;
        }
        let gathered = Gathered::new(grid.clone());
        let plan = plan.build()?;
        Ok(Self {
            plan,
            grid,
            gathered,
        })
    }

    /// The array of the elements.
    pub(crate) fn array(&self) -> &Array {
        self.gathered.array()
    }

    /// The rows, sorted.
    #[must_use]
    pub fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// How many columns at the front the rows are sorted by.
    pub(crate) fn keys(&self) -> usize {
        match self.grid.chunks() > 1 {
            true => self.grid.rank(),
            false => 0,
        }
    }

    /// Puts all elements down, on a thread that may wait for them.
    ///
    /// # Errors
    /// Those of the rows; `Data` for coordinates that lie outside or are there twice; `Resource`.
    pub(crate) fn fill(
        &self,
        batches: impl Iterator<Item = Result<RecordBatch>>,
        context: &Context,
    ) -> Result<()> {
        let mut current = None;
        for batch in batches {
            context.check()?;
            self.add(&batch?, &mut current, context)?;
        }
        match current {
            Some(chunk) => chunk.finish(&self.gathered, context),
            None => Ok(()),
        }
    }

    /// Adds the rows of a batch to the chunks in which they lie.
    fn add(
        &self,
        batch: &RecordBatch,
        current: &mut Option<Chunk>,
        context: &Context,
    ) -> Result<()> {
        let rank = self.grid.rank();
        let places: Vec<&[i64]> = (0..rank)
            .map(|axis| {
                let column = batch.column(rank + axis);
                match column.null_count() {
                    0 => Ok(&**column.as_primitive::<Int64Type>().values()),
                    _ => Err(SheafError::data(format!(
                        "{NAME}: the coordinate of axis {axis} is NULL"
                    ))),
                }
            })
            .collect::<Result<_>>()?;
        let wanted = self.grid.dtype().arrow_type();
        let values = cast(batch.column(2 * rank), &wanted)
            .map_err(|error| SheafError::data(format!("{NAME}: {error}")))?;
        let mut first = 0;
        let mut at = vec![0; rank];
        for row in 0..batch.num_rows() {
            for (axis, column) in places.iter().enumerate() {
                at[axis] = column[row];
            }
            if current.as_ref().is_some_and(|chunk| chunk.has(&at)) {
                if let Some(chunk) = current {
                    chunk.mark(&at)?;
                }
                continue;
            }
            if let Some(mut chunk) = current.take() {
                chunk.take_values(&values, first, row)?;
                chunk.finish(&self.gathered, context)?;
            }
            first = row;
            let mut chunk = Chunk::open(&self.grid, &at, context)?;
            chunk.mark(&at)?;
            *current = Some(chunk);
        }
        match current {
            Some(chunk) => chunk.take_values(&values, first, batch.num_rows()),
            None => Ok(()),
        }
    }
}

/// A chunk that is being filled.
struct Chunk {
    coordinates: Vec<u32>,
    region: Region,
    /// For each element the number of its value, or `NONE`.
    sources: Vec<u32>,
    values: Vec<ArrayRef>,
    marked: u32,
    fill: Scalar,
    hold: Hold,
}

/// An element that no row has told.
const NONE: u32 = u32::MAX;

impl Chunk {
    /// The chunk in which the element `at` lies.
    fn open(grid: &Grid, at: &[i64], context: &Context) -> Result<Self> {
        let shape = grid.shape();
        let outside = at
            .iter()
            .zip(&shape)
            .any(|(&place, &length)| u64::try_from(place).map_or(true, |place| place >= length));
        if outside {
            return Err(SheafError::data(format!(
                "{NAME}: the coordinates {} lie outside of an array of shape {}",
                tuple(at),
                tuple(&shape)
            )));
        }
        let one = Region {
            start: at.iter().map(|&place| place.unsigned_abs()).collect(),
            shape: vec![1; at.len()],
        };
        let coordinates = grid.chunk_of(&one);
        let region = grid.region_of(&coordinates)?;
        let count = region.elements();
        // The values as they come, where each goes, and the chunk that is made of them.
        let hold = context.hold(count * (2 * grid.dtype().bytes() + 4), "a chunk of cells")?;
        Ok(Self {
            coordinates,
            sources: vec![NONE; count],
            region,
            values: Vec::new(),
            marked: 0,
            fill: grid.fill(),
            hold,
        })
    }

    fn has(&self, at: &[i64]) -> bool {
        let mut ranges = self.region.ranges().zip(at);
        ranges.all(|((start, end), &place)| {
            u64::try_from(place).is_ok_and(|place| (start..end).contains(&place))
        })
    }

    /// Notes that the next value is that of the element `at`.
    fn mark(&mut self, at: &[i64]) -> Result<()> {
        let mut number = 0;
        for ((&place, &start), &length) in at.iter().zip(&self.region.start).zip(&self.region.shape)
        {
            number = number * length + usize::try_from(place.unsigned_abs() - start).unwrap_or(0);
        }
        if std::mem::replace(&mut self.sources[number], self.marked) != NONE {
            return Err(SheafError::data(format!(
                "{NAME}: two rows have the coordinates {}",
                tuple(at)
            ))
            .with_hint("GROUP BY the coordinates, and say what becomes of their values"));
        }
        self.marked += 1;
        Ok(())
    }

    fn take_values(&mut self, values: &ArrayRef, first: usize, end: usize) -> Result<()> {
        if first < end {
            let rows = UInt32Array::from_iter_values(
                (first..end).map(|row| u32::try_from(row).unwrap_or(u32::MAX)),
            );
            self.values.push(take(values, &rows, None)?);
        }
        Ok(())
    }

    /// Puts the chunk down.
    fn finish(self, gathered: &Gathered, context: &Context) -> Result<()> {
        let values: Vec<&dyn arrow::array::Array> = self.values.iter().map(AsRef::as_ref).collect();
        let told = concat(&values)?;
        let sources = self.sources.into_iter();
        let sources = sources.map(|source| (source != NONE).then_some(source));
        // Elements that no row has told are NULL, which is fill.
        let all = take(&told, &sources.collect::<UInt32Array>(), None)?;
        let tensor = Tensor::from_arrow(all, &self.region.shape, self.fill)?.held(self.hold);
        gathered.put(&self.coordinates, tensor, context)
    }
}
