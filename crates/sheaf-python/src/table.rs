//! Table functions in Python: generators, called for rows of arguments or over a relation.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use serde_json::{Value, json};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_udf::{CallContext, TableCall, TableFunction, TableInput, TableInstance, TableOutput};

use crate::function::{Function, Loadable};
use crate::pool::{Instance, Pool};
use crate::wire::{self, Sender};
use crate::worker::Answer;

/// A table function.
#[derive(Debug)]
pub(crate) struct PythonTable {
    function: Arc<Function>,
    pool: Arc<Pool>,
}

impl PythonTable {
    pub(crate) fn new(function: Function, pool: Arc<Pool>) -> Self {
        Self {
            function: Arc::new(function),
            pool,
        }
    }

    /// The arguments that are values, as one row.
    fn values(&self, call: &TableCall) -> Result<RecordBatch> {
        let fields = self.function.arguments();
        let relation = self.function.relation();
        let has_relation = call.values.len() > fields.fields().len();
        let values = call.values.iter().enumerate();
        let values = values.filter(|(place, _)| !(has_relation && Some(*place) == relation));
        let columns: Vec<ArrayRef> = values
            .zip(fields.fields())
            .map(|((_, value), field)| match value {
                Some(value) => Ok(value.cast_to(field.data_type())?.to_array()?),
                None => {
                    let message = format!("argument {} must be a constant", field.name());
                    Err(SheafError::user(message))
                }
            })
            .collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let batch = RecordBatch::try_new_with_options(Arc::clone(fields), columns, &options)?;
        Ok(batch)
    }
}

impl TableFunction for PythonTable {
    fn columns(&self, call: &TableCall) -> Result<SchemaRef> {
        if let TableInput::Relation(columns) = &call.input {
            for field in columns.fields() {
                wire::check_type(field.data_type(), &format!("column {}", field.name()))?;
            }
        }
        Ok(Arc::clone(self.function.result()))
    }

    fn open(&self, call: &TableCall, context: &CallContext) -> Result<Box<dyn TableInstance>> {
        let (input, is_relation) = match &call.input {
            TableInput::Arguments(columns) => (columns, false),
            TableInput::Relation(columns) => (columns, true),
        };
        let sender = Sender::new(input)?;
        let start = sender.start();
        let instance = self.pool.instance(context)?;
        instance.with(|worker, limits| {
            worker.load(self.function.as_ref(), limits)?;
            let values = match is_relation {
                true => worker.encode(self.function.as_ref(), &self.values(call)?)?,
                false => Vec::new(),
            };
            let header = json!({
                "do": "open",
                "function": self.function.id(),
                "instance": instance.number(),
                "schemas": [(0, wire::length(&start))],
                "values": (wire::length(&start), wire::length(&values)),
            });
            let body = [start.clone(), values].concat();
            worker.ask(header, body, limits).map(drop)
        })?;
        Ok(Box::new(Running {
            output: with_origin(self.function.result()),
            function: Arc::clone(&self.function),
            instance,
            sender,
            is_relation,
            has_more: false,
            waiting: None,
        }))
    }
}

/// The columns of a result and, after them, the row that each of its rows comes from.
fn with_origin(columns: &SchemaRef) -> SchemaRef {
    let origin = Arc::new(Field::new("", DataType::UInt32, false));
    let fields = columns.fields().iter().cloned().chain([origin]);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A call that a worker holds.
struct Running {
    function: Arc<Function>,
    instance: Instance,
    sender: Sender,
    output: SchemaRef,
    is_relation: bool,
    /// Whether the worker may have more of what was pushed.
    has_more: bool,
    /// What the worker gave beside its reply to a push.
    waiting: Option<TableOutput>,
}

impl Running {
    fn ask(&mut self, what: &str, body: Vec<arrow::buffer::Buffer>) -> Result<()> {
        let header: Value = json!({"do": what, "instance": self.instance.number()});
        let answer = self
            .instance
            .with(|worker, call| worker.ask(header, body, call))?;
        self.has_more = answer.is("has_more");
        self.waiting = self.taken(&answer)?;
        Ok(())
    }

    fn taken(&self, answer: &Answer) -> Result<Option<TableOutput>> {
        let Some(batch) = answer.batch(&self.output)? else {
            return Ok(None);
        };
        let columns = self.function.result();
        let Some((origin, values)) = batch.columns().split_last() else {
            return Ok(None);
        };
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let rows =
            RecordBatch::try_new_with_options(Arc::clone(columns), values.to_vec(), &options)
                .map_err(|error| {
                    SheafError::data(format!("it gave a batch that is not as declared: {error}"))
                        .with_state(SqlState::EXTERNAL_ROUTINE)
                })?;
        let origin = origin.as_primitive::<UInt32Type>().clone();
        Ok(Some(TableOutput {
            rows,
            origin: (!self.is_relation).then_some(origin),
        }))
    }
}

impl TableInstance for Running {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let body = self.sender.encode(batch)?;
        self.ask("push", body)
    }

    fn finish(&mut self) -> Result<()> {
        self.ask("finish", Vec::new())
    }

    fn next(&mut self) -> Result<Option<TableOutput>> {
        // A worker may have nothing yet and still more to come.
        while self.waiting.is_none() && self.has_more {
            self.ask("next", Vec::new())?;
        }
        Ok(self.waiting.take())
    }
}
