//! Aggregate functions in Python: a class whose objects each take the rows of a group.
//!
//! The objects live in a worker, which the query keeps while they do. What stands for a group elsewhere
//! (between partitions, in spill files) is its object, pickled: a state can be whatever Python has, and
//! its class says nothing of it. Columns of a declared state would be smaller, but an object of a class
//! is what its author thinks in.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde_json::{Value, json};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_udf::{AggregateFunction, CallContext, Groups};

use crate::function::{Function, Loadable};
use crate::pool::{Instance, Pool};
use crate::scalar::parts;
use crate::wire::Sender;
use crate::worker::Answer;

/// Bytes of states that a worker gives at a time, unless one has more.
const STATES_BYTES: usize = 16 * 1024 * 1024;

/// Groups whose states or results are asked for at a time.
const GROUPS_MAX: usize = 8192;

/// Bytes that a group takes on this side and as a place in a list on the other.
const GROUP_BYTES: usize = 16;

/// An aggregate function.
#[derive(Debug)]
pub(crate) struct PythonAggregate {
    function: Arc<Function>,
    pool: Arc<Pool>,
}

impl PythonAggregate {
    pub(crate) fn new(function: Function, pool: Arc<Pool>) -> Self {
        Self {
            function: Arc::new(function),
            pool,
        }
    }
}

impl AggregateFunction for PythonAggregate {
    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Binary]
    }

    fn groups(&self, context: &CallContext) -> Result<Box<dyn Groups>> {
        let instance = self.pool.instance(context)?;
        let function = &self.function;
        let number = instance.number();
        instance.with(|worker, call| {
            worker.load(function.as_ref(), call)?;
            let header = json!({"do": "groups", "function": function.id(), "instance": number});
            worker.ask(header, Vec::new(), call).map(drop)
        })?;
        let fields = function.arguments().fields().iter().cloned();
        let rows = Schema::new(fields.chain([group_field()]).collect::<Vec<_>>());
        let state = Arc::new(Field::new("state", DataType::Binary, true));
        let states = Arc::new(Schema::new(vec![Arc::clone(&state), group_field()]));
        Ok(Box::new(PythonGroups {
            rows: Side::new(Arc::new(rows))?,
            states: Side::new(states)?,
            state: Arc::new(Schema::new(vec![state])),
            function: Arc::clone(function),
            instance,
            bytes: 0,
            groups: 0,
        }))
    }
}

fn group_field() -> Arc<Field> {
    Arc::new(Field::new("group", DataType::UInt32, false))
}

/// What batches of one shape are sent with.
#[derive(Debug)]
struct Side {
    schema: SchemaRef,
    sender: Sender,
}

impl Side {
    fn new(schema: SchemaRef) -> Result<Self> {
        let sender = Sender::new(&schema)?;
        Ok(Self { schema, sender })
    }
}

/// Groups whose objects a worker holds.
struct PythonGroups {
    function: Arc<Function>,
    instance: Instance,
    rows: Side,
    states: Side,
    state: SchemaRef,
    /// What the worker guesses that the objects hold.
    bytes: usize,
    groups: usize,
}

impl PythonGroups {
    fn send(
        &mut self,
        what: &str,
        columns: &[ArrayRef],
        group_of_row: &[usize],
        groups: usize,
    ) -> Result<()> {
        let numbers: Result<Vec<u32>, _> = group_of_row.iter().map(|n| u32::try_from(*n)).collect();
        let numbers = numbers.map_err(|_| SheafError::resource("too many groups"))?;
        let numbers: ArrayRef = Arc::new(UInt32Array::from(numbers));
        let side = match what {
            "update" => &mut self.rows,
            _ => &mut self.states,
        };
        let columns = columns.iter().cloned().chain([numbers]).collect();
        let batch = RecordBatch::try_new(Arc::clone(&side.schema), columns)?;
        self.groups = groups;
        for part in parts(&batch) {
            let body = side.sender.encode(&part)?;
            let number = self.instance.number();
            let header = json!({"do": what, "instance": number, "groups": groups});
            let answer = self
                .instance
                .with(|worker, call| worker.ask(header, body, call))?;
            self.bytes = answer.number("bytes");
        }
        Ok(())
    }

    fn ask(&mut self, header: Value) -> Result<Answer> {
        let answer = self
            .instance
            .with(|worker, call| worker.ask(header, Vec::new(), call))?;
        self.bytes = answer.number("bytes");
        Ok(answer)
    }

    /// What the worker gives of the first `count` groups, some at a time.
    fn take(&mut self, what: &str, count: usize, columns: &SchemaRef) -> Result<ArrayRef> {
        let mut taken: Vec<ArrayRef> = Vec::new();
        let mut left = count;
        while left > 0 {
            let header = json!({
                "do": what,
                "instance": self.instance.number(),
                "count": left.min(GROUPS_MAX),
                "bytes": STATES_BYTES,
            });
            let batch = self.ask(header)?.batch(columns)?;
            let values = batch.map(|batch| Arc::clone(batch.column(0)));
            match values {
                Some(values) if !values.is_empty() && values.len() <= left => {
                    left -= values.len();
                    taken.push(values);
                }
                _ => {
                    return Err(SheafError::data("its worker process replied other groups")
                        .with_state(SqlState::EXTERNAL_ROUTINE));
                }
            }
        }
        self.groups = self.groups.saturating_sub(count);
        match taken.as_slice() {
            [] => Ok(arrow::array::new_empty_array(columns.field(0).data_type())),
            [one] => Ok(Arc::clone(one)),
            many => {
                let many: Vec<&dyn arrow::array::Array> = many.iter().map(AsRef::as_ref).collect();
                Ok(concat(&many)?)
            }
        }
    }
}

impl Groups for PythonGroups {
    fn update(
        &mut self,
        arguments: &[ArrayRef],
        group_of_row: &[usize],
        groups: usize,
    ) -> Result<()> {
        self.send("update", arguments, group_of_row, groups)
    }

    fn merge(&mut self, states: &[ArrayRef], group_of_row: &[usize], groups: usize) -> Result<()> {
        self.send("merge", states, group_of_row, groups)
    }

    fn take_states(&mut self, count: usize) -> Result<Vec<ArrayRef>> {
        let columns = Arc::clone(&self.state);
        Ok(vec![self.take("states", count, &columns)?])
    }

    fn take_results(&mut self, count: usize) -> Result<ArrayRef> {
        let columns = Arc::clone(self.function.result());
        self.take("results", count, &columns)
    }

    fn bytes(&self) -> usize {
        self.bytes + self.groups * GROUP_BYTES
    }
}
