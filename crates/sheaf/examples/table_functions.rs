//! Table functions written in Rust: one over the records of a bag, one over the chunks of an array.
//!
//! `cargo run --example table_functions -p sheaf`

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::collections::VecDeque;
use std::sync::Arc;

use sheaf::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, ListArray, RecordBatch, StringArray, UInt32Array,
};
use sheaf::arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef};
use sheaf::udf::{
    CallContext, Declaration, TableCall, TableFunction, TableInstance, TableOutput, Volatility,
};
use sheaf::{Result, Session, SheafError};

/// `tokens(line)`: the words of each line of a bag. Lines go in by the batch; `origin` says of each
/// word which line it is of, so that the line's other columns stand beside it.
#[derive(Debug)]
struct Tokens;

impl TableFunction for Tokens {
    fn columns(&self, _call: &TableCall) -> Result<SchemaRef> {
        let word = Field::new("word", DataType::Utf8, false);
        Ok(Arc::new(Schema::new(vec![word])))
    }

    fn open(&self, _call: &TableCall, _context: &CallContext) -> Result<Box<dyn TableInstance>> {
        Ok(Box::new(TokensOf { waiting: None }))
    }
}

struct TokensOf {
    waiting: Option<TableOutput>,
}

impl TableInstance for TokensOf {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut words = Vec::new();
        let mut origin = Vec::new();
        for (row, line) in (0_u32..).zip(batch.column(0).as_string::<i32>()) {
            for word in line.unwrap_or_default().split_whitespace() {
                words.push(word);
                origin.push(row);
            }
        }
        let words = Arc::new(StringArray::from(words)) as ArrayRef;
        self.waiting = Some(TableOutput {
            rows: RecordBatch::try_from_iter([("word", words)])?,
            origin: Some(UInt32Array::from(origin)),
        });
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    fn next(&mut self) -> Result<Option<TableOutput>> {
        Ok(self.waiting.take())
    }
}

/// `smoothed(TABLE chunks ORDER BY c0, width => 3)`: the moving average over an array of one dimension,
/// one row a chunk. A chunk is given as soon as what it needs of the next one has come; of the array
/// only the last values and one chunk are held.
#[derive(Debug)]
struct Smoothed;

impl TableFunction for Smoothed {
    fn columns(&self, _call: &TableCall) -> Result<SchemaRef> {
        Ok(chunk_schema())
    }

    fn open(&self, call: &TableCall, _context: &CallContext) -> Result<Box<dyn TableInstance>> {
        let width = match call.values.first() {
            Some(Some(width)) => width.to_array()?.as_primitive::<Int64Type>().value(0),
            _ => 1,
        };
        let width = usize::try_from(width).ok().filter(|width| *width > 0);
        let width = width.ok_or_else(|| SheafError::user("the width is 1 at least"))?;
        Ok(Box::new(SmoothedChunks {
            width,
            last: VecDeque::new(),
            waiting: VecDeque::new(),
        }))
    }
}

struct SmoothedChunks {
    width: usize,
    last: VecDeque<f64>,
    waiting: VecDeque<(i64, Vec<f64>)>,
}

impl TableInstance for SmoothedChunks {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let places = batch.column(0).as_primitive::<Int64Type>();
        let chunks = batch.column(1).as_list::<i32>();
        for (place, chunk) in places.values().iter().zip(chunks.iter()) {
            let Some(chunk) = chunk else { continue };
            let mut smoothed = Vec::with_capacity(chunk.len());
            for value in chunk.as_primitive::<Float64Type>().values() {
                self.last.push_back(*value);
                if self.last.len() > self.width {
                    self.last.pop_front();
                }
                smoothed.push(self.last.iter().sum::<f64>() / self.last.len() as f64);
            }
            self.waiting.push_back((*place, smoothed));
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    fn next(&mut self) -> Result<Option<TableOutput>> {
        let Some((place, chunk)) = self.waiting.pop_front() else {
            return Ok(None);
        };
        let chunk = [Some(chunk.into_iter().map(Some).collect::<Vec<_>>())];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![place])),
            Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(chunk)),
        ];
        Ok(Some(TableOutput {
            rows: RecordBatch::try_new(chunk_schema(), columns)?,
            origin: None,
        }))
    }
}

/// The place of a chunk, and its values.
fn chunk_schema() -> SchemaRef {
    let item = Arc::new(Field::new_list_field(DataType::Float64, true));
    Arc::new(Schema::new(vec![
        Field::new("c0", DataType::Int64, true),
        Field::new("v", DataType::List(item), true),
    ]))
}

fn main() -> Result<()> {
    sheaf::block_on(async {
        let session = Session::builder().build()?;
        let tokens = Declaration::new("tokens").value("line", DataType::Utf8);
        let tokens = tokens.volatility(Volatility::Immutable).strict();
        session.add_table_function(tokens, Arc::new(Tokens))?;

        session
            .sql(
                "CREATE TABLE logs AS SELECT * FROM (VALUES
                    ('{\"id\": 1, \"text\": \"to be or not to be\"}'),
                    ('{\"id\": 2, \"text\": \"to sleep\"}')) AS bag(rec)",
            )
            .await?;
        let words = session
            .sql(
                "SELECT word, count(*) AS n FROM logs, tokens((rec::variant).text::text)
                 GROUP BY word ORDER BY n DESC, word LIMIT 2",
            )
            .await?
            .rows()
            .await?;
        println!("{words}");
        assert!(words.to_string().contains("| to   | 3 |"), "{words}");

        let smoothed = Declaration::new("smoothed")
            .relation("chunks", Some(chunk_schema()))
            .value("width", DataType::Int64)
            .volatility(Volatility::Immutable);
        session.add_table_function(smoothed, Arc::new(Smoothed))?;
        session
            .sql("CREATE ARRAY a AS array_of([1.0, 3.0, 5.0, 7.0], chunks => [2])")
            .await?;
        let chunks = session
            .sql(
                "SELECT c0, v FROM smoothed(
                    TABLE (SELECT c0, tensor_values(v) AS v FROM a) ORDER BY c0, width => 2)",
            )
            .await?
            .rows()
            .await?;
        println!("{chunks}");
        assert!(chunks.to_string().contains("[1.0, 2.0]"), "{chunks}");
        assert!(chunks.to_string().contains("[4.0, 6.0]"), "{chunks}");
        Ok(())
    })
}
