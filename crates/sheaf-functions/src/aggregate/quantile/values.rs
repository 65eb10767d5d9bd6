//! What holds the values of a group, and finds those at given places of their order.

use std::cmp::Ordering;
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, PrimitiveArray, make_array,
};
use arrow::compute::{filter, is_not_null};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, internal_err};

/// Above so many places, values are sorted instead of searched for each.
const SEARCHED_PLACES_MAX: usize = 4;

/// The values of one group, without NULLs.
pub(super) trait Values: Debug + Send + Sync {
    /// Adds the values of an array.
    fn add(&mut self, values: &ArrayRef) -> Result<()>;
    /// Takes values out that were added before; only if they are kept in order.
    fn remove(&mut self, values: &ArrayRef) -> Result<()>;
    /// Whether values can be taken out.
    fn is_ordered(&self) -> bool;
    /// How many there are.
    fn count(&self) -> usize;
    /// The values at `places` (from 0) of their order, at least one and each there.
    fn pick(&mut self, places: &[usize]) -> Result<ArrayRef>;
    /// Leaves one of equal values.
    fn deduplicate(&mut self) -> Result<()>;
    /// A copy that has one of equal values.
    fn distinct(&self) -> Result<Box<dyn Values>>;
    /// All values.
    fn to_array(&self) -> Result<ArrayRef>;
    /// Bytes held.
    fn size(&self) -> usize;
}

/// Numbers that hold values, with a total order.
pub(super) trait NumberType: ArrowPrimitiveType<Native: ArrowNativeTypeOp> + Debug {}

impl<T: ArrowPrimitiveType<Native: ArrowNativeTypeOp> + Debug> NumberType for T {}

/// The type of the numbers that values of a type are held as; `None` if they are not.
pub(super) fn number_type(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::Int32
        | DataType::Int64
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..) => Some(data_type.clone()),
        DataType::Date32 => Some(DataType::Int32),
        DataType::Timestamp(..) | DataType::Time64(_) => Some(DataType::Int64),
        _ => None,
    }
}

/// The same numbers under another type of the same layout, without a copy.
pub(super) fn reinterpret(values: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if values.data_type() == data_type {
        return Ok(Arc::clone(values));
    }
    let data = values.to_data().into_builder().data_type(data_type.clone());
    Ok(make_array(data.build()?))
}

/// The numbers that hold the values of an array.
pub(super) fn numbers<T: NumberType>(values: &ArrayRef) -> Result<PrimitiveArray<T>> {
    let held = match number_type(values.data_type()) {
        Some(held) => reinterpret(values, &held)?,
        None => return internal_err!("values of {} are no numbers", values.data_type()),
    };
    match held.as_primitive_opt::<T>() {
        Some(numbers) => Ok(numbers.clone()),
        None => internal_err!("values of {} are other numbers", values.data_type()),
    }
}

/// An array of type `data_type` of numbers that hold values.
pub(super) fn array_of<T: NumberType>(
    numbers: impl IntoIterator<Item = T::Native>,
    data_type: &DataType,
) -> Result<ArrayRef> {
    let numbers: ArrayRef = Arc::new(PrimitiveArray::<T>::from_iter_values(numbers));
    reinterpret(&numbers, data_type)
}

/// Adds the numbers of `array` that are not NULL.
pub(super) fn extend<T: NumberType>(held: &mut Vec<T::Native>, array: &PrimitiveArray<T>) {
    match array.null_count() {
        0 => held.extend_from_slice(array.values()),
        _ => held.extend(array.iter().flatten()),
    }
}

/// The numbers at `places` of their order, which are moved for it.
pub(super) fn select<N: ArrowNativeTypeOp>(numbers: &mut [N], places: &[usize]) -> Vec<N> {
    let compare = |a: &N, b: &N| a.compare(*b);
    if places.len() > SEARCHED_PLACES_MAX {
        numbers.sort_unstable_by(compare);
        return places.iter().map(|place| numbers[*place]).collect();
    }
    let found = |place: &usize| *numbers.select_nth_unstable_by(*place, compare).1;
    places.iter().map(found).collect()
}

/// Values held as numbers.
#[derive(Debug)]
pub(super) struct Numbers<T: NumberType> {
    numbers: Vec<T::Native>,
    data_type: DataType,
    /// Whether they are kept in order.
    is_ordered: bool,
}

impl<T: NumberType> Numbers<T> {
    pub(super) fn new(data_type: &DataType, is_ordered: bool) -> Self {
        Self {
            numbers: Vec::new(),
            data_type: data_type.clone(),
            is_ordered,
        }
    }

    /// These, in no order.
    pub(super) fn of(numbers: Vec<T::Native>, data_type: &DataType) -> Self {
        Self {
            numbers,
            ..Self::new(data_type, false)
        }
    }

    /// The first place whose number is not less.
    fn place_of(&self, number: T::Native) -> usize {
        self.numbers
            .partition_point(|held| held.compare(number) == Ordering::Less)
    }
}

impl<T: NumberType> Values for Numbers<T> {
    fn add(&mut self, values: &ArrayRef) -> Result<()> {
        let values = numbers::<T>(values)?;
        if !self.is_ordered {
            extend(&mut self.numbers, &values);
            return Ok(());
        }
        for number in values.iter().flatten() {
            let place = self.place_of(number);
            self.numbers.insert(place, number);
        }
        Ok(())
    }

    fn remove(&mut self, values: &ArrayRef) -> Result<()> {
        for number in numbers::<T>(values)?.iter().flatten() {
            let place = self.place_of(number);
            if place == self.numbers.len() {
                return internal_err!("a value leaves a frame that it was not in");
            }
            self.numbers.remove(place);
        }
        Ok(())
    }

    fn is_ordered(&self) -> bool {
        self.is_ordered
    }

    fn count(&self) -> usize {
        self.numbers.len()
    }

    fn pick(&mut self, places: &[usize]) -> Result<ArrayRef> {
        let picked = match self.is_ordered {
            true => places.iter().map(|place| self.numbers[*place]).collect(),
            false => select(&mut self.numbers, places),
        };
        array_of::<T>(picked, &self.data_type)
    }

    fn deduplicate(&mut self) -> Result<()> {
        if !self.is_ordered {
            self.numbers.sort_unstable_by(|a, b| a.compare(*b));
        }
        self.numbers
            .dedup_by(|a, b| a.compare(*b) == Ordering::Equal);
        Ok(())
    }

    fn distinct(&self) -> Result<Box<dyn Values>> {
        let mut copy = Self::new(&self.data_type, self.is_ordered);
        copy.numbers.clone_from(&self.numbers);
        copy.deduplicate()?;
        Ok(Box::new(copy))
    }

    fn to_array(&self) -> Result<ArrayRef> {
        array_of::<T>(self.numbers.iter().copied(), &self.data_type)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.numbers.capacity() * size_of::<T::Native>()
    }
}

/// Values of any type that has an order, in arrow's row format, whose bytes compare as they do.
#[derive(Debug)]
pub(super) struct Rows {
    converter: RowConverter,
    rows: arrow::row::Rows,
}

impl Rows {
    pub(super) fn new(data_type: &DataType) -> Result<Self> {
        let converter = RowConverter::new(vec![SortField::new(data_type.clone())])?;
        let rows = converter.empty_rows(0, 0);
        Ok(Self { converter, rows })
    }

    fn array<'a>(&self, rows: impl IntoIterator<Item = arrow::row::Row<'a>>) -> Result<ArrayRef> {
        match self.converter.convert_rows(rows)?.pop() {
            Some(values) => Ok(values),
            None => internal_err!("rows of one value have a column"),
        }
    }

    fn in_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.rows.num_rows()).collect();
        order.sort_unstable_by(|a, b| self.rows.row(*a).cmp(&self.rows.row(*b)));
        order
    }

    /// One of equal rows each.
    fn distinct_rows(&self) -> arrow::row::Rows {
        let mut order = self.in_order();
        order.dedup_by(|a, b| self.rows.row(*a) == self.rows.row(*b));
        let mut rows = self.converter.empty_rows(order.len(), 0);
        for place in order {
            rows.push(self.rows.row(place));
        }
        rows
    }
}

impl Values for Rows {
    fn add(&mut self, values: &ArrayRef) -> Result<()> {
        let values = match values.logical_null_count() {
            0 => Arc::clone(values),
            _ => filter(values, &is_not_null(values)?)?,
        };
        Ok(self.converter.append(&mut self.rows, &[values])?)
    }

    fn remove(&mut self, _values: &ArrayRef) -> Result<()> {
        internal_err!("rows are not kept in order")
    }

    fn is_ordered(&self) -> bool {
        false
    }

    fn count(&self) -> usize {
        self.rows.num_rows()
    }

    fn pick(&mut self, places: &[usize]) -> Result<ArrayRef> {
        let order = self.in_order();
        self.array(places.iter().map(|place| self.rows.row(order[*place])))
    }

    fn deduplicate(&mut self) -> Result<()> {
        self.rows = self.distinct_rows();
        Ok(())
    }

    fn distinct(&self) -> Result<Box<dyn Values>> {
        internal_err!("rows are not kept in order")
    }

    fn to_array(&self) -> Result<ArrayRef> {
        self.array(self.rows.iter())
    }

    fn size(&self) -> usize {
        self.converter.size() + self.rows.size()
    }
}
