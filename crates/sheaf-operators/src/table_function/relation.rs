//! Calls over a relation: its batches go in, and those of the result come out; each partition of the
//! relation has an instance of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::partition;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::{Result, internal_err};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::TryStreamExt;
use sheaf_udf::{TableCall, TableInput, TableInstance, guarded};

use super::TableFunctionCall;
use super::output::{Waiting, checked};

/// A call that runs over one stream of rows, those of a partition together.
pub(super) struct RelationCalls {
    pub(super) call: Arc<TableFunctionCall>,
    /// The call with the values of its arguments.
    pub(super) with_values: TableCall,
    pub(super) arguments: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) keys: Keys,
    pub(super) is_numbered: bool,
    pub(super) rows_max: usize,
    pub(super) schema: SchemaRef,
    pub(super) input: SendableRecordBatchStream,
    pub(super) run: Run,
}

/// How far a call is.
#[derive(Default)]
pub(super) struct Run {
    instance: Option<Box<dyn TableInstance>>,
    /// What is to be pushed, and whether it begins a partition.
    pieces: VecDeque<(RecordBatch, bool)>,
    waiting: Option<Waiting>,
    /// The instance may have more to give.
    is_answering: bool,
    /// The instance knows that nothing follows.
    is_finished: bool,
    /// The input has ended.
    has_ended: bool,
    /// Batches that have been pushed, and rows that have come out.
    pushed: usize,
    given: i64,
}

/// What rows of a partition have in common.
pub(super) struct Keys {
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    converter: Option<RowConverter>,
    last: Option<OwnedRow>,
}

impl Keys {
    /// Of no expressions all rows are one partition.
    pub(super) fn new(exprs: Vec<Arc<dyn PhysicalExpr>>, schema: &Schema) -> Result<Self> {
        let fields = exprs
            .iter()
            .map(|expr| Ok(SortField::new(expr.data_type(schema)?)));
        let fields = fields.collect::<Result<Vec<_>>>()?;
        let converter = match fields.is_empty() {
            true => None,
            false => Some(RowConverter::new(fields)?),
        };
        Ok(Self {
            exprs,
            converter,
            last: None,
        })
    }

    /// Cuts `batch` where the keys change: ranges of rows, and whether each begins a partition.
    fn cut(&mut self, batch: &RecordBatch) -> Result<Vec<(std::ops::Range<usize>, bool)>> {
        let rows = batch.num_rows();
        let Some(converter) = &self.converter else {
            return Ok(vec![(0..rows, false)]);
        };
        let keys = self.exprs.iter();
        let keys = keys.map(|key| key.evaluate(batch)?.into_array(rows));
        let keys: Vec<ArrayRef> = keys.collect::<Result<_>>()?;
        let ranges = partition(&keys)?.ranges();
        let at = |row: usize| -> Result<OwnedRow> {
            let key: Vec<ArrayRef> = keys.iter().map(|key| key.slice(row, 1)).collect();
            Ok(converter.convert_columns(&key)?.row(0).owned())
        };
        let goes_on = self.last.as_ref() == Some(&at(0)?);
        self.last = Some(at(rows - 1)?);
        let ranges = ranges.into_iter().enumerate();
        Ok(ranges
            .map(|(index, range)| (range, index > 0 || !goes_on))
            .collect())
    }
}

impl RelationCalls {
    /// The next rows.
    ///
    /// # Errors
    /// Those of the input and of the function.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(waiting) = &mut self.run.waiting {
                match waiting.next(None, self.rows_max, &self.schema)? {
                    Some(batch) => return Ok(Some(batch)),
                    None => self.run.waiting = None,
                }
            }
            if self.run.is_answering {
                self.answer()?;
                tokio::task::coop::consume_budget().await;
            } else if self.run.is_finished {
                self.run.instance = None;
                self.run.is_finished = false;
            } else if let Some((piece, is_first)) = self.run.pieces.pop_front() {
                self.take(piece, is_first)?;
            } else if self.run.has_ended {
                if self.run.instance.is_none() {
                    return Ok(None);
                }
                self.finish()?;
            } else {
                self.read().await?;
            }
        }
    }

    async fn read(&mut self) -> Result<()> {
        let Some(batch) = self.input.try_next().await? else {
            self.run.has_ended = true;
            // A relation without rows is one, too; no partition is there without rows.
            if self.keys.exprs.is_empty() && self.run.instance.is_none() {
                self.open()?;
            }
            return Ok(());
        };
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let ranges = self.keys.cut(&batch)?;
        let pushed = self.columns(&batch)?;
        let pieces = ranges.into_iter();
        let pieces =
            pieces.map(|(rows, is_first)| (pushed.slice(rows.start, rows.len()), is_first));
        self.run.pieces.extend(pieces);
        Ok(())
    }

    /// The columns that are pushed for the rows of `batch`.
    fn columns(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let TableInput::Relation(schema) = &self.call.call.input else {
            return internal_err!("a relation is pushed into a function of rows");
        };
        let rows = batch.num_rows();
        let columns = self.arguments.iter();
        let columns = columns.map(|column| column.evaluate(batch)?.into_array(rows));
        let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
        let fields = schema.fields().iter().zip(&columns).map(|(field, column)| {
            let field = field.as_ref().clone().with_nullable(true);
            field.with_data_type(column.data_type().clone())
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }

    /// Pushes `piece`, once the instance of the partition before it has ended.
    fn take(&mut self, piece: RecordBatch, is_first: bool) -> Result<()> {
        if is_first && self.run.instance.is_some() {
            self.run.pieces.push_front((piece, true));
            return self.finish();
        }
        if self.run.instance.is_none() {
            self.open()?;
        }
        self.run.pushed += 1;
        let number = self.run.pushed;
        self.call(|instance, _| {
            let result = instance.push(&piece);
            result.map_err(|error| error.with_context(format!("batch {number}")))
        })?;
        self.run.is_answering = true;
        Ok(())
    }

    fn open(&mut self) -> Result<()> {
        let call = self.call.as_ref();
        let instance = guarded(&call.name, || {
            call.context.check()?;
            call.function.open(&self.with_values, &call.context)
        })?;
        self.run.instance = Some(instance);
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.call(|instance, _| instance.finish())?;
        self.run.is_finished = true;
        self.run.is_answering = true;
        Ok(())
    }

    /// Calls the function, whose errors and panics name it.
    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut dyn TableInstance, &TableFunctionCall) -> sheaf_base::Result<T>,
    ) -> Result<T> {
        let Some(instance) = self.run.instance.as_mut() else {
            return internal_err!("a table function is called before it is opened");
        };
        let bound = self.call.as_ref();
        let called = guarded(&bound.name, || {
            bound.context.check()?;
            call(instance.as_mut(), bound)
        });
        Ok(called?)
    }

    /// Takes what the function gives next.
    fn answer(&mut self) -> Result<()> {
        let number = self.run.pushed;
        let output = self.call(|instance, call| {
            let mut answer = || -> sheaf_base::Result<_> {
                let Some(output) = instance.next()? else {
                    return Ok(None);
                };
                let columns = checked(call, &output)?;
                Ok(Some((output.rows.num_rows(), columns)))
            };
            answer().map_err(|error| error.with_context(format!("batch {number}")))
        })?;
        let Some((rows, mut columns)) = output else {
            self.run.is_answering = false;
            return Ok(());
        };
        if rows == 0 {
            return Ok(());
        }
        if self.is_numbered {
            let first = self.run.given + 1;
            self.run.given += i64::try_from(rows).unwrap_or(i64::MAX);
            let numbers = Int64Array::from_iter_values(first..=self.run.given);
            columns.push(Arc::new(numbers));
        }
        self.run.waiting = Some(Waiting::new(&self.call, columns, rows, None)?);
        Ok(())
    }
}
