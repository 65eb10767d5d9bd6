//! Calls for rows of arguments: batches of outer rows go in, and come out beside what came of them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array,
};
use arrow::compute::{filter_record_batch, take};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{Result, internal_err};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::TryStreamExt;
use sheaf_udf::{TableInput, TableInstance, TableOutput, broken, guarded, rows_without_null};

use super::TableFunctionCall;
use super::output::{Waiting, checked, copied_rows_max, origins};

/// A call that runs over one partition of outer rows.
pub(super) struct RowCalls {
    pub(super) call: Arc<TableFunctionCall>,
    /// Opened for the first rows.
    pub(super) instance: Option<Box<dyn TableInstance>>,
    pub(super) arguments: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) keeps_all: bool,
    /// The columns of the input that pass.
    pub(super) passed: Vec<usize>,
    pub(super) is_numbered: bool,
    pub(super) rows_max: usize,
    pub(super) schema: SchemaRef,
    pub(super) input: SendableRecordBatchStream,
    pub(super) state: State,
    /// Batches that have been pushed.
    pub(super) pushed: usize,
}

/// Between two calls of the function.
pub(super) enum State {
    /// A batch is to be asked for.
    Asking,
    /// The function has more to give for these rows.
    Answering(Box<Outer>),
    /// It has ended.
    Ended,
}

/// Outer rows, and how far they have been answered.
pub(super) struct Outer {
    /// The columns that pass.
    batch: RecordBatch,
    /// The outer row of each that was pushed; `None` if all were.
    pushed_rows: Option<Vec<u32>>,
    pushed_count: usize,
    /// Rows that a batch of the result has at most.
    rows_max: usize,
    waiting: Option<Waiting>,
    /// The first outer row that has not come out.
    next: u32,
    /// The pushed row that the last row came from, and how many rows came from it.
    last: (u32, i64),
    is_answered: bool,
}

impl RowCalls {
    /// The next rows.
    ///
    /// # Errors
    /// Those of the input and of the function.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            match std::mem::replace(&mut self.state, State::Asking) {
                State::Ended => {
                    self.state = State::Ended;
                    return Ok(None);
                }
                State::Asking => match self.input.try_next().await? {
                    Some(batch) if batch.num_rows() == 0 => {}
                    Some(batch) => self.state = State::Answering(Box::new(self.push(batch)?)),
                    None => self.end()?,
                },
                State::Answering(mut outer) => {
                    if let Some(batch) = self.passed(&mut outer)? {
                        self.state = State::Answering(outer);
                        return Ok(Some(batch));
                    }
                    if !outer.is_answered {
                        self.answer(&mut outer)?;
                        self.state = State::Answering(outer);
                        tokio::task::coop::consume_budget().await;
                    }
                }
            }
        }
    }

    fn passed(&self, outer: &mut Outer) -> Result<Option<RecordBatch>> {
        let Some(waiting) = &mut outer.waiting else {
            return Ok(None);
        };
        let next = waiting.next(Some(&outer.batch), outer.rows_max, &self.schema)?;
        if next.is_none() {
            outer.waiting = None;
        }
        Ok(next)
    }

    /// Calls the function, whose errors and panics name it and the batch.
    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut dyn TableInstance, &TableFunctionCall) -> sheaf_base::Result<T>,
    ) -> Result<T> {
        let (instance, bound) = (&mut self.instance, self.call.as_ref());
        let called = guarded(&bound.name, || {
            bound.context.check()?;
            let instance = match instance {
                Some(instance) => instance,
                None => instance.insert(bound.function.open(&bound.call, &bound.context)?),
            };
            call(instance.as_mut(), bound)
        });
        Ok(called?)
    }

    fn push(&mut self, batch: RecordBatch) -> Result<Outer> {
        let rows = batch.num_rows();
        let arguments = self.arguments.iter();
        let arguments = arguments.map(|argument| argument.evaluate(&batch)?.into_array(rows));
        let arguments: Vec<ArrayRef> = arguments.collect::<Result<_>>()?;
        let present = match self.call.is_strict {
            true => rows_without_null(&arguments),
            false => None,
        };
        let mut pushed = self.arguments_batch(arguments, rows)?;
        let mut pushed_rows = None;
        if let Some(present) = present {
            pushed = filter_record_batch(&pushed, &present)?;
            let places = (0_u32..).zip(present.values());
            pushed_rows = Some(places.filter_map(|(row, is)| is.then_some(row)).collect());
        }
        let pushed_count = pushed.num_rows();
        self.pushed += 1;
        let number = self.pushed;
        if pushed_count > 0 {
            self.call(|instance, _| {
                let result = instance.push(&pushed);
                result.map_err(|error| error.with_context(format!("batch {number}")))
            })?;
        }
        let batch = batch.project(&self.passed)?;
        Ok(Outer {
            rows_max: copied_rows_max(&batch, self.rows_max),
            batch,
            pushed_rows,
            pushed_count,
            waiting: None,
            next: 0,
            last: (0, 0),
            is_answered: false,
        })
    }

    fn arguments_batch(&self, arguments: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let TableInput::Arguments(schema) = &self.call.call.input else {
            return internal_err!("rows of arguments are pushed into a function of a relation");
        };
        let fields = schema.fields().iter().zip(&arguments);
        let fields = fields.map(|(field, argument)| {
            let field = field.as_ref().clone().with_nullable(true);
            field.with_data_type(argument.data_type().clone())
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(
            schema, arguments, &options,
        )?)
    }

    /// Takes what the function gives next for `outer`.
    fn answer(&mut self, outer: &mut Outer) -> Result<()> {
        let (number, pushed) = (self.pushed, outer.pushed_count);
        let first = outer.last.0;
        let output = match pushed {
            0 => None,
            _ => self.call(|instance, call| {
                let mut answer = || -> sheaf_base::Result<_> {
                    let Some(output) = instance.next()? else {
                        return Ok(None);
                    };
                    origins(&output, pushed, first)?;
                    let columns = checked(call, &output)?;
                    Ok(Some((output, columns)))
                };
                answer().map_err(|error| error.with_context(format!("batch {number}")))
            })?,
        };
        match output {
            Some((output, columns)) => self.put(outer, &output, columns),
            None => {
                outer.is_answered = true;
                self.put_rest(outer)
            }
        }
    }

    /// Puts the rows of `output` beside their outer rows.
    fn put(
        &self,
        outer: &mut Outer,
        output: &TableOutput,
        mut columns: Vec<ArrayRef>,
    ) -> Result<()> {
        let Some(origins) = output.origin.as_ref().filter(|origins| !origins.is_empty()) else {
            return Ok(());
        };
        let numbers = self.is_numbered.then(|| outer.numbers(origins));
        if let Some(last) = origins.values().last()
            && !self.is_numbered
        {
            outer.last.0 = *last;
        }
        columns.extend(numbers.map(|numbers| Arc::new(numbers) as ArrayRef));
        let beside = match &outer.pushed_rows {
            None => origins.clone(),
            Some(rows) => {
                let of = |origin: &u32| rows.get(*origin as usize).copied().unwrap_or(*origin);
                UInt32Array::from_iter_values(origins.values().iter().map(of))
            }
        };
        if !self.keeps_all {
            let rows = beside.len();
            outer.waiting = Some(Waiting::new(&self.call, columns, rows, Some(beside))?);
            return Ok(());
        }
        let mut kept: Vec<u32> = Vec::with_capacity(beside.len());
        let mut own: Vec<Option<u32>> = Vec::with_capacity(beside.len());
        for (at, row) in (0_u32..).zip(beside.values()) {
            kept.extend(outer.next..*row);
            own.resize(kept.len(), None);
            kept.push(*row);
            own.push(Some(at));
            outer.next = outer.next.max(row + 1);
        }
        let own = UInt32Array::from(own);
        let columns = columns.iter().map(|column| take(column, &own, None));
        let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
        let (rows, kept) = (kept.len(), Some(UInt32Array::from(kept)));
        outer.waiting = Some(Waiting::new(&self.call, columns, rows, kept)?);
        Ok(())
    }

    /// The outer rows behind the last that had an answer.
    fn put_rest(&self, outer: &mut Outer) -> Result<()> {
        let end = u32::try_from(outer.batch.num_rows()).unwrap_or(u32::MAX);
        if !self.keeps_all || outer.next >= end {
            return Ok(());
        }
        let rest = UInt32Array::from_iter_values(outer.next..end);
        outer.next = end;
        let rows = rest.len();
        let passed = outer.batch.num_columns();
        let own = self.schema.fields().iter().skip(passed);
        let columns = own.map(|field| new_null_array(field.data_type(), rows));
        outer.waiting = Some(Waiting::new(
            &self.call,
            columns.collect(),
            rows,
            Some(rest),
        )?);
        Ok(())
    }

    /// Tells the function that no rows follow. It can give none any more.
    fn end(&mut self) -> Result<()> {
        self.state = State::Ended;
        if self.instance.is_none() {
            return Ok(());
        }
        self.call(|instance, _| {
            instance.finish()?;
            match instance.next()? {
                Some(output) if output.rows.num_rows() > 0 => Err(broken(
                    "it gave rows behind the end, which come from no row".to_owned(),
                )),
                _ => Ok(()),
            }
        })
    }
}

impl Outer {
    /// The numbers of rows from `origins` among those of the same origin.
    fn numbers(&mut self, origins: &UInt32Array) -> Int64Array {
        let numbers = origins.values().iter().map(|origin| {
            self.last = match self.last {
                (last, count) if last == *origin => (last, count + 1),
                _ => (*origin, 1),
            };
            self.last.1
        });
        numbers.collect::<Vec<i64>>().into()
    }
}
