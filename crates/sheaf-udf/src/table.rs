//! Table functions: rows for rows of arguments, or for the rows of a relation.
//!
//! A function without a relation among its parameters is called for each row of arguments by itself
//! (`FROM logs, LATERAL tokens(logs.line)`), many rows at a time; a call with constants is a call for
//! one row. A function over a relation is opened once for each of the relation's partitions and sees
//! all of its rows: of `TABLE t PARTITION BY k` one instance sees one partition.
//!
//! Both stream: the caller gives a batch ([`TableInstance::push`]) and takes what comes of it
//! ([`TableInstance::next`]) until that is nothing, before it gives another. That is the back-pressure.

use std::fmt::Debug;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use sheaf_base::Result;

use crate::CallContext;

/// A function that gives rows.
pub trait TableFunction: Debug + Send + Sync {
    /// The columns that `call` gives.
    ///
    /// # Errors
    /// `UserInput` if it cannot be called so; the caller adds the function's name.
    fn columns(&self, call: &TableCall) -> Result<SchemaRef>;

    /// Begins `call` on one partition.
    ///
    /// # Errors
    /// Any; the caller adds the function's name.
    fn open(&self, call: &TableCall, context: &CallContext) -> Result<Box<dyn TableInstance>>;
}

/// A call of a table function, as far as it is known when it is planned.
#[derive(Debug, Clone, PartialEq)]
pub struct TableCall {
    /// The arguments that are values, in the declared types; of a call for rows, those that are
    /// constants, the others are `None` and come with the rows.
    pub values: Vec<Option<ScalarValue>>,
    /// The columns of what is pushed.
    pub input: TableInput,
}

/// What is pushed into a table function.
#[derive(Debug, Clone, PartialEq)]
pub enum TableInput {
    /// Rows of arguments, one column for each parameter: it answers each row by itself, and says of
    /// each row of its result which that is ([`TableOutput::origin`]).
    Arguments(SchemaRef),
    /// The batches of a relation.
    Relation(SchemaRef),
}

/// A call that runs.
pub trait TableInstance: Send {
    /// Takes a batch. It is only called when [`TableInstance::next`] has nothing left.
    ///
    /// # Errors
    /// Any; the caller adds the function's name and the number of the batch.
    fn push(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Is told that no batch follows.
    ///
    /// # Errors
    /// As [`TableInstance::push`].
    fn finish(&mut self) -> Result<()>;

    /// The next rows of what was pushed; `None` if it must be given more, or ends.
    ///
    /// # Errors
    /// As [`TableInstance::push`].
    fn next(&mut self) -> Result<Option<TableOutput>>;
}

/// Rows of a result.
#[derive(Debug, Clone)]
pub struct TableOutput {
    /// The rows, with the columns that [`TableFunction::columns`] promised.
    pub rows: RecordBatch,
    /// Of a call for rows of arguments: the row of the last pushed batch that each of `rows` comes from,
    /// in ascending order.
    pub origin: Option<UInt32Array>,
}
