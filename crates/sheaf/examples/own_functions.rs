//! A scalar and an aggregate function written in Rust, over a table, a bag and an array.
//!
//! `cargo run --example own_functions -p sheaf`

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use sheaf::arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array};
use sheaf::arrow::compute::binary;
use sheaf::arrow::datatypes::{DataType, Float64Type, Int64Type};
use sheaf::udf::{AggregateFunction, CallContext, Declaration, Groups, ScalarFunction, Volatility};
use sheaf::{Result, Session};

/// `score(x, y)`: 2x + y, a batch of rows a call.
#[derive(Debug)]
struct Score;

impl ScalarFunction for Score {
    fn call(&self, arguments: &[ArrayRef], _: usize, _: &CallContext) -> Result<ArrayRef> {
        let [x, y] = [0, 1].map(|place: usize| arguments[place].as_primitive::<Float64Type>());
        let scores: Float64Array = binary(x, y, |x, y| 2.0 * x + y)?;
        Ok(Arc::new(scores))
    }
}

/// `rms(x)`: the root of the mean of squares. Of a group a sum and a count are kept, which are also what
/// goes between threads and into spill files.
#[derive(Debug)]
struct Rms;

impl AggregateFunction for Rms {
    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Float64, DataType::Int64]
    }

    fn groups(&self, _context: &CallContext) -> Result<Box<dyn Groups>> {
        Ok(Box::new(RmsGroups::default()))
    }
}

#[derive(Default)]
struct RmsGroups {
    squares: Vec<f64>,
    counts: Vec<i64>,
}

impl RmsGroups {
    fn add(&mut self, group: usize, squares: f64, count: i64) {
        self.squares[group] += squares;
        self.counts[group] += count;
    }

    fn resize(&mut self, groups: usize) {
        self.squares.resize(groups, 0.0);
        self.counts.resize(groups, 0);
    }
}

impl Groups for RmsGroups {
    fn update(
        &mut self,
        arguments: &[ArrayRef],
        group_of_row: &[usize],
        groups: usize,
    ) -> Result<()> {
        self.resize(groups);
        let values = arguments[0].as_primitive::<Float64Type>();
        for (value, group) in values.iter().zip(group_of_row) {
            if let Some(value) = value {
                self.add(*group, value * value, 1);
            }
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], group_of_row: &[usize], groups: usize) -> Result<()> {
        self.resize(groups);
        let squares = states[0].as_primitive::<Float64Type>().values();
        let counts = states[1].as_primitive::<Int64Type>().values();
        for ((squares, count), group) in squares.iter().zip(counts).zip(group_of_row) {
            self.add(*group, *squares, *count);
        }
        Ok(())
    }

    fn take_states(&mut self, count: usize) -> Result<Vec<ArrayRef>> {
        let squares: Float64Array = self.squares.drain(..count).map(Some).collect();
        let counts: Int64Array = self.counts.drain(..count).map(Some).collect();
        Ok(vec![Arc::new(squares), Arc::new(counts)])
    }

    fn take_results(&mut self, count: usize) -> Result<ArrayRef> {
        let groups = self.squares.drain(..count).zip(self.counts.drain(..count));
        let results = groups.map(|(squares, n)| (n > 0).then(|| (squares / n as f64).sqrt()));
        Ok(Arc::new(results.collect::<Float64Array>()))
    }

    fn bytes(&self) -> usize {
        self.squares.capacity() * size_of::<f64>() + self.counts.capacity() * size_of::<i64>()
    }
}

fn main() -> Result<()> {
    sheaf::block_on(async {
        let session = Session::builder().build()?;
        let score = Declaration::new("score")
            .value("x", DataType::Float64)
            .value("y", DataType::Float64)
            .volatility(Volatility::Immutable);
        session.add_scalar_function(score, DataType::Float64, Arc::new(Score))?;
        let rms = Declaration::new("rms").value("x", DataType::Float64);
        let rms = rms.volatility(Volatility::Immutable);
        session.add_aggregate_function(rms, DataType::Float64, Arc::new(Rms))?;
        for statement in [
            "CREATE TABLE points AS SELECT * FROM (VALUES (1.0, 10.0), (7.0, 20.0)) AS p(x, y)",
            "COPY points TO 'points.jsonl'",
            "CREATE BAG records AS 'points.jsonl'",
            "CREATE ARRAY a AS array_of([1.0, 7.0])",
        ] {
            session.sql(statement).await?.rows().await?;
        }
        // 2 · 1 + 10 and 2 · 7 + 20; of the array 2 · 1 + 10 and 2 · 7 + 10. √((1 + 49) / 2) is 5.
        for (query, answers) in [
            (
                "SELECT score(x, y) FROM points ORDER BY 1",
                ["12.0", "34.0"],
            ),
            (
                "SELECT score(rec.x::DOUBLE, rec.y::DOUBLE) FROM records ORDER BY 1",
                ["12.0", "34.0"],
            ),
            (
                "SELECT v FROM array_to_cells(array_map(a, lambda x: score(x, 10))) ORDER BY i0",
                ["12.0", "24.0"],
            ),
            ("SELECT rms(x) AS r FROM points", ["5.0"; 2]),
            ("SELECT rms(rec.x::DOUBLE) AS r FROM records", ["5.0"; 2]),
            ("SELECT rms(v) AS r FROM array_to_cells(a)", ["5.0"; 2]),
        ] {
            let rows = session.sql(query).await?.rows().await?.to_string();
            println!("{query}\n{rows}");
            for answer in answers {
                assert!(rows.contains(&format!("| {answer} ")), "{query}");
            }
        }
        Ok(())
    })
}
