//! Aggregates of the user's own (`CREATE AGGREGATE`): folds over the rows of a group, written in
//! expressions and evaluated over many groups at once.
//!
//! A fold keeps a *state*, some columns wide. `INIT` is the state before the first row, `ACCUMULATE`
//! gives the state after a row, `MERGE` one state of two, `FINISH` the result.
//!
//! # How rows are folded
//! The rows of a batch are cut into `lanes`: up to `LANE_ROWS` rows that follow one another
//! in one group. All lanes take a step at a time: step `k` evaluates ACCUMULATE once, over the k-th
//! rows of all lanes. The first lane of a group goes on from the group's state, further ones start
//! from INIT, and MERGE puts neighbours together, pair by pair. So a batch costs few evaluations
//! whether its rows are of one group or each of its own, and the order of rows is kept within a
//! batch.
//!
//! # INIT is used once
//! Where a group is folded in several lanes and partitions, each starts from INIT. That is right only
//! if MERGE gives of two states what one fold over the rows of both would, which is tried out when the
//! aggregate is made ([`Fold::merges_as_it_folds`]); a state that has seen no row is never merged.
//! Folds without such a MERGE, with DISTINCT or with ORDER BY are folded from the list of a group's
//! rows instead (`crate::gathered`), in one lane a group. As windows with frames that only grow, they are
//! folded a row after another.
//!
//! # Memory
//! The states of all groups, in layers of arrays that are put together when half of them is dead, so
//! up to twice their size (`states.rs`); the lanes of one batch. Rows that are gathered take what
//! `array_agg` takes, which spills; the list of one group has to fit.

mod accumulators;
mod aggregate;
pub mod assign;
pub(crate) mod lanes;
mod lists;
mod states;
#[cfg(test)]
mod tests;
mod trial;

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Fields, Schema, SchemaRef};
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};
use datafusion::logical_expr::{AggregateUDF, Documentation};
use datafusion::physical_expr::PhysicalExpr;
use sheaf_base::SheafError;

use crate::shorthand::section;

/// Expressions that give the columns of a state.
pub type StateExprs = Vec<Arc<dyn PhysicalExpr>>;

/// What a fold is made of; every expression has the type of what it gives.
#[derive(Debug)]
pub struct FoldParts {
    /// Its name.
    pub name: String,
    /// What it takes of a row.
    pub arguments: Fields,
    /// The columns of its state.
    pub state: Fields,
    /// The state before the first row, an array of one value a column.
    pub init: Vec<ArrayRef>,
    /// Over the arguments, then the state.
    pub accumulate: StateExprs,
    /// How states are merged, if they can be.
    pub merge: Option<Merge>,
    /// Over the state.
    pub finish: Arc<dyn PhysicalExpr>,
    /// The type of `finish`.
    pub result: DataType,
}

/// How two states become one.
#[derive(Debug)]
pub struct Merge {
    /// Over a state, then the other one.
    pub exprs: StateExprs,
    /// The state from which lanes start: merged with another, it changes nothing.
    pub neutral: Vec<ArrayRef>,
    /// Whether INIT is another one, and is merged in once at the end.
    pub adds_init: bool,
}

/// A fold, ready to be evaluated.
pub struct Fold {
    parts: FoldParts,
    accumulate_schema: SchemaRef,
    merge_schema: SchemaRef,
    state_schema: SchemaRef,
    documentation: Documentation,
}

impl fmt::Debug for Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fold").field(&self.parts.name).finish()
    }
}

impl Fold {
    /// Makes a fold of its parts.
    #[must_use]
    pub fn new(parts: FoldParts) -> Self {
        let (arguments, state) = (&parts.arguments, &parts.state);
        let both = |first: &Fields, second: &Fields| {
            let fields = first.iter().chain(second).cloned();
            Arc::new(Schema::new(fields.collect::<Fields>()))
        };
        Self {
            accumulate_schema: both(arguments, state),
            merge_schema: both(state, state),
            state_schema: Arc::new(Schema::new(state.clone())),
            documentation: documentation(&parts),
            parts,
        }
    }

    /// The parts it was made of.
    #[must_use]
    pub fn into_parts(self) -> FoldParts {
        self.parts
    }

    /// The aggregate function to be registered.
    #[must_use]
    pub fn into_function(self) -> AggregateUDF {
        aggregate::function(self)
    }

    /// The fold that an aggregate function is, if it is one.
    #[must_use]
    pub fn of(function: &AggregateUDF) -> Option<&Arc<Fold>> {
        aggregate::fold_of(function)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.parts.name
    }

    /// The states after a row each.
    fn accumulate(&self, arguments: &[ArrayRef], states: Vec<ArrayRef>) -> Result<Vec<ArrayRef>> {
        let columns = arguments.iter().cloned().chain(states);
        self.states(
            &self.parts.accumulate,
            &self.accumulate_schema,
            columns.collect(),
        )
    }

    /// One state of two each.
    fn merge(&self, left: Vec<ArrayRef>, right: Vec<ArrayRef>) -> Result<Vec<ArrayRef>> {
        let Some(merge) = &self.parts.merge else {
            return internal_err!("aggregate {} has no MERGE", self.parts.name);
        };
        let columns = left.into_iter().chain(right).collect();
        self.states(&merge.exprs, &self.merge_schema, columns)
    }

    /// The results of states that began with what is neutral.
    fn finish(&self, mut states: Vec<ArrayRef>) -> Result<ArrayRef> {
        let row_count = states.first().map_or(0, |state| state.len());
        if row_count > 0
            && self
                .parts
                .merge
                .as_ref()
                .is_some_and(|merge| merge.adds_init)
        {
            let init = self.parts.init.iter();
            let init = init
                .map(|value| ScalarValue::try_from_array(value, 0)?.to_array_of_size(row_count));
            states = self.merge(init.collect::<Result<_>>()?, states)?;
        }
        self.finish_gathered(states)
    }

    /// The results of states that began with INIT.
    fn finish_gathered(&self, states: Vec<ArrayRef>) -> Result<ArrayRef> {
        let finish = std::slice::from_ref(&self.parts.finish);
        let mut results = self.evaluate(finish, &self.state_schema, states)?;
        match results.pop() {
            Some(result) => as_type(&result, &self.parts.result),
            None => internal_err!("an aggregate has one result"),
        }
    }

    fn states(
        &self,
        exprs: &StateExprs,
        schema: &SchemaRef,
        columns: Vec<ArrayRef>,
    ) -> Result<Vec<ArrayRef>> {
        let found = self.evaluate(exprs, schema, columns)?;
        let found = found.iter().zip(&self.parts.state);
        found
            .map(|(column, field)| as_type(column, field.data_type()))
            .collect()
    }

    fn evaluate(
        &self,
        exprs: &[Arc<dyn PhysicalExpr>],
        schema: &SchemaRef,
        columns: Vec<ArrayRef>,
    ) -> Result<Vec<ArrayRef>> {
        let row_count = columns.first().map_or(0, |column| column.len());
        let columns = columns.iter().zip(schema.fields());
        let columns = columns.map(|(column, field)| as_type(column, field.data_type()));
        let options = RecordBatchOptions::new().with_row_count(Some(row_count));
        let columns = columns.collect::<Result<_>>()?;
        let batch = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?;
        let values = exprs
            .iter()
            .map(|expr| expr.evaluate(&batch)?.into_array(row_count));
        values.collect::<Result<_>>().map_err(|e| self.named(e))
    }

    /// An error of an expression, which names the aggregate.
    fn named(&self, error: DataFusionError) -> DataFusionError {
        let context = format!("aggregate \"{}\"", self.parts.name);
        // Its place would be one in the text of CREATE AGGREGATE.
        let error = SheafError::from(error).without_position();
        error.with_context(context).into()
    }
}

/// The same values, where functions disagree with what they declare in the names or the nullability
/// of what is nested.
fn as_type(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    match array.data_type() == data_type {
        true => Ok(Arc::clone(array)),
        false => Ok(cast(array, data_type)?),
    }
}

fn documentation(parts: &FoldParts) -> Documentation {
    let columns = |fields: &Fields| {
        let columns = fields.iter().map(|field| {
            let type_name = sheaf_base::sql_type_name(field.data_type());
            format!("{} {type_name}", field.name())
        });
        columns.collect::<Vec<_>>().join(", ")
    };
    let how = match parts.merge {
        Some(_) => "partial states are merged",
        None => "the rows of a group are gathered, then folded",
    };
    let description = format!(
        "An aggregate of this session, of state ({}): {how}.",
        columns(&parts.state)
    );
    let syntax = format!("{}({})", parts.name, columns(&parts.arguments));
    Documentation::builder(section("Aggregates of the session"), description, syntax).build()
}
