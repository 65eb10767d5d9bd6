//! Table functions of the test language.

use std::collections::VecDeque;
use std::sync::Arc;

use sheaf::arrow::array::{
    ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt32Array,
};
use sheaf::arrow::compute::cast;
use sheaf::arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef};
use sheaf::udf::{CallContext, TableCall, TableFunction, TableInput, TableInstance, TableOutput};
use sheaf::{Result, ScalarValue, SheafError};

type Make = fn(SchemaRef) -> Arc<dyn TableFunction>;

/// By name.
pub(super) const FUNCTIONS: &[(&str, Make)] = &[
    ("tokens", |columns| {
        made(columns, |_, _| Box::new(Tokens::default()))
    }),
    ("series", |columns| {
        made(columns, |_, context| Box::new(Series::new(context)))
    }),
    ("running", |columns| {
        made(columns, |call, _| Box::new(Running::new(call)))
    }),
    ("columns", |columns| {
        made(columns, |call, _| Box::new(Columns::new(call)))
    }),
    ("liar", |columns| {
        made(columns, |_, _| Box::new(Liar::default()))
    }),
    ("panics", |columns| made(columns, |_, _| Box::new(Panics))),
];

type Open = fn(&TableCall, &CallContext) -> Box<dyn TableInstance>;

fn made(columns: SchemaRef, open: Open) -> Arc<dyn TableFunction> {
    Arc::new(Function { columns, open })
}

#[derive(Debug)]
struct Function {
    columns: SchemaRef,
    open: Open,
}

impl TableFunction for Function {
    fn columns(&self, _call: &TableCall) -> Result<SchemaRef> {
        Ok(Arc::clone(&self.columns))
    }

    fn open(&self, call: &TableCall, context: &CallContext) -> Result<Box<dyn TableInstance>> {
        Ok((self.open)(call, context))
    }
}

fn output(columns: Vec<ArrayRef>, origin: Option<Vec<u32>>) -> Result<TableOutput> {
    let names = ["a", "b", "c", "d"].into_iter();
    Ok(TableOutput {
        rows: RecordBatch::try_from_iter(names.zip(columns))?,
        origin: origin.map(UInt32Array::from),
    })
}

/// The words of a text and their places from 1; of NULL one that is NULL, at 0. At most
/// [`TOKENS_MAX`] of them at once.
#[derive(Default)]
struct Tokens(VecDeque<(u32, Option<String>, i64)>);

const TOKENS_MAX: usize = 100;

impl TableInstance for Tokens {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        assert!(self.0.is_empty(), "there is more to take");
        let texts = cast(batch.column(0), &DataType::Utf8)?;
        for (row, text) in (0_u32..).zip(texts.as_string::<i32>()) {
            match text {
                None => self.0.push_back((row, None, 0)),
                Some(text) => {
                    let words = text.split_whitespace().zip(1_i64..);
                    let words = words.map(|(word, at)| (row, Some(word.to_owned()), at));
                    self.0.extend(words);
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    fn next(&mut self) -> Result<Option<TableOutput>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let taken: Vec<_> = self.0.drain(..self.0.len().min(TOKENS_MAX)).collect();
        let words: StringArray = taken.iter().map(|(_, word, _)| word.as_deref()).collect();
        let places: Int64Array = taken.iter().map(|(_, _, at)| Some(*at)).collect();
        let origin = taken.iter().map(|(row, ..)| *row).collect();
        output(vec![Arc::new(words), Arc::new(places)], Some(origin)).map(Some)
    }
}

/// The numbers from 1 to `n`, a thousand at once; without an end if that is negative.
struct Series {
    waiting: VecDeque<(u32, i64, i64)>,
    context: CallContext,
}

impl Series {
    fn new(context: &CallContext) -> Self {
        Self {
            waiting: VecDeque::new(),
            context: context.clone(),
        }
    }
}

impl TableInstance for Series {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let ends = batch.column(0).as_primitive::<Int64Type>();
        for (row, end) in (0_u32..).zip(ends) {
            match end {
                Some(end) if end < 0 => self.waiting.push_back((row, 1, i64::MAX)),
                Some(end) => self.waiting.push_back((row, 1, end)),
                None => {}
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    fn next(&mut self) -> Result<Option<TableOutput>> {
        self.context.check()?;
        let Some((row, first, end)) = self.waiting.pop_front() else {
            return Ok(None);
        };
        let last = end.min(first + 999);
        if last < end {
            self.waiting.push_front((row, last + 1, end));
        }
        let numbers = Int64Array::from_iter_values(first..=last);
        let origin = vec![row; numbers.len()];
        output(vec![Arc::new(numbers)], Some(origin)).map(Some)
    }
}

/// The values of the column `v` of a relation with their sum so far, times `by` if there is such an
/// argument; at its end the number of rows and the whole sum.
struct Running {
    by: f64,
    rows: i64,
    sum: f64,
    waiting: Option<TableOutput>,
}

impl Running {
    fn new(call: &TableCall) -> Self {
        let by = match call.values.first() {
            Some(Some(ScalarValue::Float64(Some(by)))) => *by,
            _ => 1.0,
        };
        Self {
            by,
            rows: 0,
            sum: 0.0,
            waiting: None,
        }
    }
}

impl TableInstance for Running {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let values = batch.column_by_name("v");
        let values = values.ok_or_else(|| SheafError::user("there is no column v"))?;
        let values = cast(values, &DataType::Float64)?;
        let values = values.as_primitive::<Float64Type>();
        self.rows += values.len() as i64;
        let sums = values.iter().map(|value| {
            self.sum += value.unwrap_or_default() * self.by;
            self.sum
        });
        let sums = Float64Array::from_iter_values(sums);
        self.waiting = Some(output(
            vec![Arc::new(values.clone()), Arc::new(sums)],
            None,
        )?);
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        let rows = Float64Array::from(vec![self.rows as f64]);
        let sum = Float64Array::from(vec![self.sum]);
        self.waiting = Some(output(vec![Arc::new(rows), Arc::new(sum)], None)?);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<TableOutput>> {
        Ok(self.waiting.take())
    }
}

/// The names of the columns of a relation, at its end.
struct Columns {
    names: Vec<String>,
    is_finished: bool,
}

impl Columns {
    fn new(call: &TableCall) -> Self {
        let names = match &call.input {
            TableInput::Relation(schema) | TableInput::Arguments(schema) => {
                schema.fields().iter().map(|f| f.name().clone()).collect()
            }
        };
        Self {
            names,
            is_finished: false,
        }
    }
}

impl TableInstance for Columns {
    fn push(&mut self, _batch: &RecordBatch) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.is_finished = true;
        Ok(())
    }

    fn next(&mut self) -> Result<Option<TableOutput>> {
        if !std::mem::take(&mut self.is_finished) {
            return Ok(None);
        }
        let names = StringArray::from_iter_values(&self.names);
        output(vec![Arc::new(names)], None).map(Some)
    }
}

/// Says that its rows come from one that was not pushed.
#[derive(Default)]
struct Liar(bool);

impl TableInstance for Liar {
    fn push(&mut self, _batch: &RecordBatch) -> Result<()> {
        self.0 = true;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    fn next(&mut self) -> Result<Option<TableOutput>> {
        let is_next = std::mem::take(&mut self.0);
        let numbers = || Arc::new(Int64Array::from(vec![1]));
        is_next
            .then(|| output(vec![numbers()], Some(vec![1_000_000])))
            .transpose()
    }
}

struct Panics;

#[expect(clippy::panic, reason = "what is tested")]
impl TableInstance for Panics {
    fn push(&mut self, _batch: &RecordBatch) -> Result<()> {
        panic!("no push")
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    fn next(&mut self) -> Result<Option<TableOutput>> {
        Ok(None)
    }
}
