//! Groups of an aggregate of the user's own, as the engine asks for them.
//!
//! Between the phases of an aggregate, and into spill files, go the states that the function declares.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, new_empty_array};
use arrow::compute::{and, filter, prep_null_mask_filter};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use parking_lot::Mutex;
use sheaf_udf::{CallContext, Groups, as_declared, broken, guarded, rows_without_null};

use super::AggregateDefinition;

/// The groups of one partition.
pub(super) struct UserGroups {
    definition: Arc<AggregateDefinition>,
    context: CallContext,
    groups: Box<dyn Groups>,
    count: usize,
}

impl UserGroups {
    /// No groups yet.
    pub(super) fn new(
        definition: &Arc<AggregateDefinition>,
        context: &CallContext,
    ) -> Result<Self> {
        let name = &definition.declaration.name;
        let groups = guarded(name, || definition.function.groups(context))?;
        Ok(Self {
            definition: Arc::clone(definition),
            context: context.clone(),
            groups,
            count: 0,
        })
    }

    /// Calls the function, whose errors and panics name it.
    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut dyn Groups) -> sheaf_base::Result<T>,
    ) -> Result<T> {
        let (groups, context) = (self.groups.as_mut(), &self.context);
        let called = guarded(&self.definition.declaration.name, || {
            context.check()?;
            call(groups)
        });
        Ok(called?)
    }

    /// The rows that the function sees; `None` for all.
    fn rows(
        &self,
        arguments: &[ArrayRef],
        wanted: Option<&BooleanArray>,
    ) -> Result<Option<BooleanArray>> {
        let wanted = wanted.map(|wanted| match wanted.null_count() {
            0 => wanted.clone(),
            _ => prep_null_mask_filter(wanted),
        });
        let present = match self.definition.declaration.is_strict {
            true => rows_without_null(arguments),
            false => None,
        };
        Ok(match (wanted, present) {
            (Some(wanted), Some(present)) => Some(and(&wanted, &present)?),
            (wanted, present) => wanted.or(present),
        })
    }

    fn update(
        &mut self,
        arguments: &[ArrayRef],
        group_of_row: &[usize],
        wanted: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        self.count = self.count.max(count);
        let count = self.count;
        let Some(rows) = self.rows(arguments, wanted)? else {
            return self.call(|groups| groups.update(arguments, group_of_row, count));
        };
        let arguments = arguments.iter().map(|argument| filter(argument, &rows));
        let arguments = arguments.collect::<std::result::Result<Vec<_>, _>>()?;
        let group_of_row = group_of_row.iter().zip(rows.values());
        let group_of_row: Vec<usize> = group_of_row
            .filter_map(|(group, is_seen)| is_seen.then_some(*group))
            .collect();
        self.call(|groups| groups.update(&arguments, &group_of_row, count))
    }

    fn take_states(&mut self, taken: usize) -> Result<Vec<ArrayRef>> {
        let types = self.definition.function.state_types();
        let states = self.call(|groups| {
            let states = groups.take_states(taken)?;
            if states.len() != types.len() {
                let (found, wanted) = (states.len(), types.len());
                return Err(broken(format!(
                    "it gave {found} of {wanted} columns of states"
                )));
            }
            let states = states.into_iter().zip(&types);
            states
                .map(|(state, wanted)| as_declared(state, taken, wanted))
                .collect()
        })?;
        self.count -= taken;
        Ok(states)
    }

    fn take_results(&mut self, taken: usize) -> Result<ArrayRef> {
        let definition = Arc::clone(&self.definition);
        let results = self
            .call(|groups| as_declared(groups.take_results(taken)?, taken, &definition.returns))?;
        self.count -= taken;
        Ok(results)
    }

    /// Sees to it that there is a group, with rows or without.
    fn begin(&mut self) -> Result<()> {
        if self.count > 0 {
            return Ok(());
        }
        let types = self.definition.declaration.value_types();
        let nothing: Vec<ArrayRef> = types.map(new_empty_array).collect();
        self.update(&nothing, &[], None, 1)
    }

    /// The results of `lists` lists of rows; `list_of_row` says of each row of `arguments` which it is in.
    ///
    /// # Errors
    /// Those of the function.
    pub(super) fn of_lists(
        mut self,
        arguments: &[ArrayRef],
        list_of_row: &[usize],
        lists: usize,
    ) -> Result<ArrayRef> {
        self.update(arguments, list_of_row, None, lists)?;
        self.take_results(lists)
    }

    /// How many groups are taken out.
    fn taken(&self, emit_to: EmitTo) -> usize {
        match emit_to {
            EmitTo::All => self.count,
            EmitTo::First(count) => count.min(self.count),
        }
    }

    fn merge(&mut self, states: &[ArrayRef], group_of_row: &[usize], count: usize) -> Result<()> {
        self.count = self.count.max(count);
        let count = self.count;
        self.call(|groups| groups.merge(states, group_of_row, count))
    }
}

impl GroupsAccumulator for UserGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.update(values, group_indices, opt_filter, total_num_groups)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.merge(values, group_indices, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        self.take_results(self.taken(emit_to))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.take_states(self.taken(emit_to))
    }

    /// Each row is a group of its own.
    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = values.first().map_or(0, |column| column.len());
        let mut each = Self::new(&self.definition, &self.context)?;
        let groups: Vec<usize> = (0..rows).collect();
        each.update(values, &groups, opt_filter, rows)?;
        each.take_states(rows)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.groups.bytes()
    }
}

/// One group. The engine wants to share it, though it never calls it from two threads at once.
pub(super) struct UserGroup(Mutex<UserGroups>);

impl std::fmt::Debug for UserGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserGroup").finish_non_exhaustive()
    }
}

impl UserGroup {
    pub(super) fn new(groups: UserGroups) -> Self {
        Self(Mutex::new(groups))
    }

    /// The state, which stays.
    fn states(&mut self) -> Result<Vec<ArrayRef>> {
        let groups = self.0.get_mut();
        groups.begin()?;
        let states = groups.take_states(1)?;
        groups.merge(&states, &[0], 1)?;
        Ok(states)
    }
}

impl Accumulator for UserGroup {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |column| column.len());
        self.0.get_mut().update(values, &vec![0; rows], None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states.first().map_or(0, |column| column.len());
        self.0.get_mut().merge(states, &vec![0; rows], 1)
    }

    /// Windows ask again after further rows.
    fn evaluate(&mut self) -> Result<ScalarValue> {
        let states = self.states()?;
        let groups = self.0.get_mut();
        let result = groups.take_results(1)?;
        groups.merge(&states, &[0], 1)?;
        ScalarValue::try_from_array(&result, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let states = self.states()?;
        let states = states.iter();
        states
            .map(|state| ScalarValue::try_from_array(state, 0))
            .collect()
    }

    fn size(&self) -> usize {
        GroupsAccumulator::size(&*self.0.lock())
    }
}
