//! Aggregate functions of the test language.

use std::sync::Arc;

use sheaf::Result;
use sheaf::arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use sheaf::arrow::datatypes::{DataType, Float64Type, Int64Type};
use sheaf::udf::{AggregateFunction, CallContext, Groups};

type Make = fn() -> Arc<dyn AggregateFunction>;

/// By name.
pub(super) const FUNCTIONS: &[(&str, Make)] = &[
    ("squares", || Arc::new(Squares)),
    ("seen", || Arc::new(Seen)),
    ("panics", || Arc::new(Panics)),
];

/// The sum of squares; NULL over no rows, as `sum` has it.
#[derive(Debug)]
struct Squares;

impl AggregateFunction for Squares {
    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Float64, DataType::Int64]
    }

    fn groups(&self, _: &CallContext) -> Result<Box<dyn Groups>> {
        Ok(Box::new(SquareGroups::default()))
    }
}

#[derive(Default)]
struct SquareGroups(Vec<(f64, i64)>);

impl Groups for SquareGroups {
    fn update(&mut self, arguments: &[ArrayRef], group: &[usize], groups: usize) -> Result<()> {
        self.0.resize(groups, (0.0, 0));
        let values = arguments[0].as_primitive::<Float64Type>();
        for (value, group) in values.iter().zip(group) {
            if let Some(value) = value {
                self.0[*group].0 += value * value;
                self.0[*group].1 += 1;
            }
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], group: &[usize], groups: usize) -> Result<()> {
        self.0.resize(groups, (0.0, 0));
        let sums = states[0].as_primitive::<Float64Type>().values();
        let counts = states[1].as_primitive::<Int64Type>().values();
        for ((sum, count), group) in sums.iter().zip(counts).zip(group) {
            self.0[*group].0 += sum;
            self.0[*group].1 += count;
        }
        Ok(())
    }

    fn take_states(&mut self, count: usize) -> Result<Vec<ArrayRef>> {
        let (sums, counts): (Vec<f64>, Vec<i64>) = self.0.drain(..count).unzip();
        Ok(vec![
            Arc::new(Float64Array::from(sums)),
            Arc::new(Int64Array::from(counts)),
        ])
    }

    fn take_results(&mut self, count: usize) -> Result<ArrayRef> {
        let taken = self.0.drain(..count);
        let results = taken.map(|(sum, count)| (count > 0).then_some(sum));
        Ok(Arc::new(results.collect::<Float64Array>()))
    }

    fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<(f64, i64)>()
    }
}

/// How many rows it has been shown, NULLs among them.
#[derive(Debug)]
struct Seen;

impl AggregateFunction for Seen {
    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Int64]
    }

    fn groups(&self, _: &CallContext) -> Result<Box<dyn Groups>> {
        Ok(Box::new(SeenGroups::default()))
    }
}

#[derive(Default)]
struct SeenGroups(Vec<i64>);

impl Groups for SeenGroups {
    fn update(&mut self, arguments: &[ArrayRef], group: &[usize], groups: usize) -> Result<()> {
        assert_eq!(arguments[0].len(), group.len());
        self.0.resize(groups, 0);
        group.iter().for_each(|group| self.0[*group] += 1);
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], group: &[usize], groups: usize) -> Result<()> {
        self.0.resize(groups, 0);
        let counts = states[0].as_primitive::<Int64Type>().values();
        for (count, group) in counts.iter().zip(group) {
            self.0[*group] += count;
        }
        Ok(())
    }

    fn take_states(&mut self, count: usize) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.take_results(count)?])
    }

    fn take_results(&mut self, count: usize) -> Result<ArrayRef> {
        let taken: Vec<i64> = self.0.drain(..count).collect();
        Ok(Arc::new(Int64Array::from(taken)))
    }

    fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<i64>()
    }
}

/// It does not begin.
#[derive(Debug)]
struct Panics;

impl AggregateFunction for Panics {
    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Int64]
    }

    #[expect(clippy::panic, reason = "what is tested")]
    fn groups(&self, _: &CallContext) -> Result<Box<dyn Groups>> {
        panic!("no groups")
    }
}
