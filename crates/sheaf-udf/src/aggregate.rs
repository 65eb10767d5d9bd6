//! Aggregate functions: a value for each group of rows.

use std::fmt::Debug;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use sheaf_base::Result;

use crate::CallContext;

/// A function that gives a value for each group of rows.
pub trait AggregateFunction: Debug + Send + Sync {
    /// The types of what stands for a group between partitions and in spill files, one a column.
    fn state_types(&self) -> Vec<DataType>;

    /// An empty set of groups.
    ///
    /// # Errors
    /// Any; the caller adds the function's name.
    fn groups(&self, context: &CallContext) -> Result<Box<dyn Groups>>;
}

/// Groups that rows are added to. Groups are numbered from 0 on; new ones are empty.
pub trait Groups: Send {
    /// Adds rows: row `i` to the group `group_of_row[i]`.
    ///
    /// # Shapes
    /// `arguments`: one array for each parameter, as many values as `group_of_row`. `groups`: the number
    /// of groups from now on, at least as many as before.
    /// # Errors
    /// Any; the caller adds the function's name.
    fn update(
        &mut self,
        arguments: &[ArrayRef],
        group_of_row: &[usize],
        groups: usize,
    ) -> Result<()>;

    /// Adds states that other groups gave: state `i` to the group `group_of_row[i]`.
    ///
    /// # Shapes
    /// `states`: one array for each of the function's state types, otherwise as [`Groups::update`].
    /// # Errors
    /// Any; the caller adds the function's name.
    fn merge(&mut self, states: &[ArrayRef], group_of_row: &[usize], groups: usize) -> Result<()>;

    /// The states of the first `count` groups, which are gone then: the others move down by `count`.
    ///
    /// # Errors
    /// Any; the caller adds the function's name.
    fn take_states(&mut self, count: usize) -> Result<Vec<ArrayRef>>;

    /// The results of the first `count` groups, which are gone then: the others move down by `count`.
    ///
    /// # Errors
    /// Any; the caller adds the function's name.
    fn take_results(&mut self, count: usize) -> Result<ArrayRef>;

    /// What the groups hold, in bytes; the caller reserves it.
    fn bytes(&self) -> usize;
}
