//! Aggregate functions: `f_state_bytes`, `f_init`, `f_update`, `f_merge` and `f_finish`.
//!
//! The state of a group is so many bytes in the guest's memory, which mean something to the guest alone. The
//! states of all groups lie side by side, in a region that the host asks for and makes anew, twice as
//! large, when there are more groups. Outside (in spill files, between partitions) a state is its bytes.
//!
//! Each set of groups has an instance of its own. It starts when the first row comes, and is gone when the
//! last group is: memory of WebAssembly never shrinks.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray, new_empty_array};
use arrow::buffer::Buffer;
use arrow::compute;
use arrow::datatypes::DataType;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_udf::{AggregateFunction, CallContext, Code, Declaration, Groups};

use crate::STATE_BYTES_MAX;
use crate::columns::{self, Form};
use crate::function::Function;
use crate::instance::{Instance, Room, Use};

/// Groups that there is room for at first.
const GROUPS_MIN: usize = 16;

/// An aggregate function.
#[derive(Debug, Clone)]
pub(crate) struct Aggregate(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    function: Function,
    returns: DataType,
    state_bytes: usize,
    is_strict: bool,
}

/// The groups of one partition.
struct GuestGroups {
    aggregate: Aggregate,
    context: CallContext,
    running: Option<Running>,
    batches: u64,
}

/// An instance and the states in its memory.
struct Running {
    instance: Instance,
    states: Room,
    groups: usize,
}

impl Aggregate {
    /// The function that `declaration` names in `code`.
    ///
    /// # Errors
    /// `UserInput` if it is not there or of other types; `Unsupported` for types that guests do not have.
    pub(crate) fn new(code: &Code, declaration: &Declaration, returns: &DataType) -> Result<Self> {
        let function = Function::new(code, declaration)?;
        let parts = ["state_bytes", "update", "merge", "finish"];
        for part in parts.map(|part| format!("{}_{part}", function.entry)) {
            if function.export(&part).is_none() {
                return Err(function.missing(&format!("{part}, as ABI.md says")));
            }
        }
        for data_type in declaration.value_types().chain([returns]) {
            Form::of(data_type)?;
        }
        let mut instance = function.trial()?;
        let state_bytes = format!("{}_state_bytes", function.entry);
        let state_bytes = instance.function::<(), u32>(&state_bytes)?;
        let state_bytes = instance.call(&state_bytes, ())?;
        let state_bytes = usize::try_from(state_bytes).unwrap_or(usize::MAX);
        if !(1..=STATE_BYTES_MAX).contains(&state_bytes) {
            return Err(SheafError::user(format!(
                "the states of {function:?} have {state_bytes} bytes, and may have 1 to {STATE_BYTES_MAX}"
            ))
            .with_state(SqlState::INVALID_FUNCTION_DEFINITION));
        }
        let aggregate = Self(Arc::new(Parts {
            function,
            returns: returns.clone(),
            state_bytes,
            is_strict: declaration.is_strict,
        }));
        // For no rows: so a function says whether it takes these types, before it is needed.
        let none: Vec<ArrayRef> = declaration.value_types().map(new_empty_array).collect();
        let mut trial = Running::new(instance);
        trial.make_room(&aggregate, 1)?;
        trial.update(&aggregate, &none, &[])?;
        trial.finish(&aggregate, 1)?;
        Ok(aggregate)
    }

    fn export(&self, part: &str) -> String {
        format!("{}_{part}", self.0.function.entry)
    }
}

impl AggregateFunction for Aggregate {
    fn state_types(&self) -> Vec<DataType> {
        let bytes = i32::try_from(self.0.state_bytes).unwrap_or(i32::MAX);
        vec![DataType::FixedSizeBinary(bytes)]
    }

    fn groups(&self, context: &CallContext) -> Result<Box<dyn Groups>> {
        Ok(Box::new(GuestGroups {
            aggregate: self.clone(),
            context: context.clone(),
            running: None,
            batches: 0,
        }))
    }
}

impl GuestGroups {
    /// Runs `call` on the instance, which has room for `groups` groups.
    fn with<T>(
        &mut self,
        groups: usize,
        call: impl FnOnce(&mut Running, &Aggregate) -> Result<T>,
    ) -> Result<T> {
        self.context.check()?;
        let aggregate = &self.aggregate;
        let mut running = match self.running.take() {
            Some(running) => running,
            None => Running::new(aggregate.0.function.instance(&self.context)?),
        };
        self.batches += 1;
        let file = aggregate.0.function.file();
        running.instance.begin_batch(file, self.batches);
        running.make_room(aggregate, groups)?;
        let result = call(&mut running, aggregate)?;
        // From here on the caller reserves it, who can write states to disk.
        running.instance.hand_over_memory();
        self.running = Some(running);
        Ok(result)
    }

    /// The groups from `count` on move down; without any there is no instance.
    fn drop_first(&mut self, count: usize) -> Result<()> {
        let state_bytes = self.aggregate.0.state_bytes;
        if let Some(running) = self.running.take_if(|running| running.groups <= count) {
            drop(running);
        }
        match &mut self.running {
            Some(running) => running.drop_first(count, state_bytes),
            None => Ok(()),
        }
    }

    fn groups(&self) -> usize {
        self.running.as_ref().map_or(0, |running| running.groups)
    }
}

impl Groups for GuestGroups {
    fn update(
        &mut self,
        arguments: &[ArrayRef],
        group_of_row: &[usize],
        groups: usize,
    ) -> Result<()> {
        let is_strict = self.aggregate.0.is_strict;
        let kept = is_strict
            .then(|| columns::without_nulls(arguments))
            .flatten();
        let Some(kept) = kept else {
            return self.with(groups, |running, aggregate| {
                running.update(aggregate, arguments, group_of_row)
            });
        };
        let arguments: Result<Vec<ArrayRef>, _> = arguments
            .iter()
            .map(|argument| compute::filter(argument, &kept))
            .collect();
        let arguments = arguments?;
        let group_of_row: Vec<usize> = group_of_row
            .iter()
            .zip(kept.values())
            .filter_map(|(group, is_kept)| is_kept.then_some(*group))
            .collect();
        self.with(groups, |running, aggregate| {
            running.update(aggregate, &arguments, &group_of_row)
        })
    }

    fn merge(&mut self, states: &[ArrayRef], group_of_row: &[usize], groups: usize) -> Result<()> {
        let [states] = states else {
            return Err(SheafError::internal("a state in more columns than one"));
        };
        let states = states
            .as_fixed_size_binary_opt()
            .ok_or_else(|| SheafError::internal("a state that is no bytes"))?;
        self.with(groups, |running, aggregate| {
            running.merge(aggregate, states, group_of_row)
        })
    }

    fn take_states(&mut self, count: usize) -> Result<Vec<ArrayRef>> {
        let groups = self.groups().max(count);
        let states = self.with(groups, |running, aggregate| {
            running.states(aggregate, count)
        })?;
        self.drop_first(count)?;
        Ok(vec![states])
    }

    fn take_results(&mut self, count: usize) -> Result<ArrayRef> {
        let groups = self.groups().max(count);
        let results = self.with(groups, |running, aggregate| {
            running.finish(aggregate, count)
        })?;
        self.drop_first(count)?;
        Ok(results)
    }

    fn bytes(&self) -> usize {
        self.running
            .as_ref()
            .map_or(0, |running| running.instance.memory_bytes())
    }
}

impl Running {
    fn new(instance: Instance) -> Self {
        Self {
            instance,
            states: Room::default(),
            groups: 0,
        }
    }

    /// Makes groups, empty ones, so that there are `groups`.
    fn make_room(&mut self, aggregate: &Aggregate, groups: usize) -> Result<()> {
        let state_bytes = aggregate.0.state_bytes;
        if groups <= self.groups {
            return Ok(());
        }
        if groups.saturating_mul(state_bytes) > self.states.bytes {
            let more = groups.max(2 * self.groups).max(GROUPS_MIN);
            let room = self.instance.allocate(more.saturating_mul(state_bytes))?;
            let old = Room {
                bytes: self.groups * state_bytes,
                ..self.states
            };
            // Old and new may overlap if the guest lies; then states are wrong, and nothing else is.
            self.instance.copy(old, room)?;
            self.instance.release(self.states)?;
            self.states = room;
        }
        let fresh = self.part(self.groups, groups - self.groups, state_bytes)?;
        self.instance.bytes_mut(fresh)?.fill(0);
        let init = self
            .instance
            .function_if_any::<(u32, u32), u32>(&aggregate.export("init"))?;
        if let Some(init) = init {
            let count = u32::try_from(groups - self.groups).unwrap_or(u32::MAX);
            self.instance.run(&init, (fresh.address, count))?;
        }
        self.groups = groups;
        Ok(())
    }

    /// Where the states of `count` groups from `first` on are.
    fn part(&self, first: usize, count: usize, state_bytes: usize) -> Result<Room> {
        let before = u32::try_from(first.saturating_mul(state_bytes)).ok();
        let address = before.and_then(|before| self.states.address.checked_add(before));
        Ok(Room {
            address: address.ok_or_else(|| SheafError::internal("a state beyond all memory"))?,
            bytes: count.saturating_mul(state_bytes),
        })
    }

    fn update(
        &mut self,
        aggregate: &Aggregate,
        arguments: &[ArrayRef],
        group_of_row: &[usize],
    ) -> Result<()> {
        let (columns, groups) = self.instance.place(Use::Arguments, |region| {
            let columns = columns::write_columns(region, arguments)?;
            Ok((
                columns,
                columns::write_numbers(region, numbers(group_of_row))?,
            ))
        })?;
        let update = aggregate.export("update");
        let update = self
            .instance
            .function::<(u32, u32, u32, u32), u32>(&update)?;
        let rows = u32::try_from(group_of_row.len()).unwrap_or(u32::MAX);
        let parameters = (self.states.address, groups, rows, columns);
        self.instance.run(&update, parameters)
    }

    fn merge(
        &mut self,
        aggregate: &Aggregate,
        states: &FixedSizeBinaryArray,
        group_of_row: &[usize],
    ) -> Result<()> {
        let state_bytes = aggregate.0.state_bytes;
        let (others, groups) = self.instance.place(Use::Arguments, |region| {
            let others = region.take(states.len() * state_bytes, |to| {
                for (to, state) in to.chunks_exact_mut(state_bytes).zip(states.iter()) {
                    match state.filter(|state| state.len() == state_bytes) {
                        Some(state) => to.copy_from_slice(state),
                        None => to.fill(0),
                    }
                }
            })?;
            Ok((
                others,
                columns::write_numbers(region, numbers(group_of_row))?,
            ))
        })?;
        let merge = aggregate.export("merge");
        let merge = self
            .instance
            .function::<(u32, u32, u32, u32), u32>(&merge)?;
        let rows = u32::try_from(group_of_row.len()).unwrap_or(u32::MAX);
        let parameters = (self.states.address, groups, rows, others);
        self.instance.run(&merge, parameters)
    }

    fn states(&mut self, aggregate: &Aggregate, count: usize) -> Result<ArrayRef> {
        let state_bytes = aggregate.0.state_bytes;
        let part = self.part(0, count, state_bytes)?;
        let bytes = Buffer::from(&*self.instance.bytes_mut(part)?);
        let width = i32::try_from(state_bytes).unwrap_or(i32::MAX);
        Ok(Arc::new(FixedSizeBinaryArray::try_new(width, bytes, None)?))
    }

    fn finish(&mut self, aggregate: &Aggregate, count: usize) -> Result<ArrayRef> {
        let returns = &aggregate.0.returns;
        let result = self.instance.place(Use::Arguments, |region| {
            columns::write_slots(region, &[returns], count)
        })?;
        let finish = aggregate.export("finish");
        let finish = self.instance.function::<(u32, u32, u32), u32>(&finish)?;
        let rows = u32::try_from(count).unwrap_or(u32::MAX);
        self.instance
            .run(&finish, (self.states.address, rows, result))?;
        self.instance
            .read(|reader| reader.column(result, 0, returns, count))
    }

    fn drop_first(&mut self, count: usize, state_bytes: usize) -> Result<()> {
        let all = Room {
            bytes: self.groups * state_bytes,
            ..self.states
        };
        let gone = count.saturating_mul(state_bytes).min(all.bytes);
        self.instance.bytes_mut(all)?.copy_within(gone.., 0);
        self.groups -= count.min(self.groups);
        Ok(())
    }
}

/// Groups as guests see them. There is no memory for the states of as many as 32 bits do not count.
fn numbers(group_of_row: &[usize]) -> impl ExactSizeIterator<Item = u32> {
    group_of_row
        .iter()
        .map(|group| u32::try_from(*group).unwrap_or(u32::MAX))
}
