//! Aggregate functions: a state of plain values, one a group.

use alloc::string::String;
use alloc::vec::Vec;

use crate::column::{Column, Slot};
use crate::memory;
use crate::scalars::{columns, status};
use crate::values::{Outcome, Value};

/// Makes `count` new states. What `#[aggregate]` exports calls this and those below.
pub fn init<S: Copy + Default + 'static>(states: u32, count: u32) {
    memory::write_states(states, count as usize, S::default());
}

/// As many states as `groups` speaks of.
fn states_of<S: Copy + 'static>(states: u32, groups: &[u32]) -> &'static mut [S] {
    let count = groups.iter().max().map_or(0, |most| *most as usize + 1);
    memory::states(states, count)
}

/// Adds rows: `function` is called with the state of each, except where a NULL is that it does not take.
pub fn update<S: Copy + 'static>(
    (states, groups): (u32, u32),
    (rows, address): (u32, u32),
    parameters: &[(&str, &[u32], bool)],
    function: impl Fn(&mut S, &[Column], usize),
) -> u32 {
    memory::begin();
    let run = || -> Result<(), String> {
        let checked: Vec<(&str, &[u32])> = parameters
            .iter()
            .map(|(name, codes, _)| (*name, *codes))
            .collect();
        let columns = columns(address, &checked)?;
        let groups = memory::values::<u32>(groups, rows as usize);
        let states = states_of::<S>(states, groups);
        for (row, group) in groups.iter().enumerate() {
            let mut arguments = columns.iter().zip(parameters);
            let is_called =
                arguments.all(|(column, (_, _, takes_null))| *takes_null || column.is_valid(row));
            if is_called {
                function(&mut states[*group as usize], &columns, row);
            }
        }
        Ok(())
    };
    status(run())
}

/// Adds states: `function` is called with each and the state of its group.
pub fn merge<S: Copy + 'static>(
    (states, groups): (u32, u32),
    (rows, others): (u32, u32),
    function: impl Fn(&mut S, &S),
) -> u32 {
    memory::begin();
    let groups = memory::values::<u32>(groups, rows as usize);
    let states = states_of::<S>(states, groups);
    let others = memory::states::<S>(others, rows as usize);
    for (group, other) in groups.iter().zip(others) {
        function(&mut states[*group as usize], other);
    }
    0
}

/// The value of each state.
pub fn finish<S: Copy + 'static, O: Outcome>(
    states: u32,
    (rows, result): (u32, u32),
    function: impl Fn(&S) -> O,
) -> u32 {
    memory::begin();
    let run = || {
        let mut slot = Slot::read(result, 0);
        if !O::Value::CODES.contains(&slot.code) {
            return Err(String::from(
                "the result is of a type that it does not give",
            ));
        }
        for (row, state) in memory::states::<S>(states, rows as usize)
            .iter()
            .enumerate()
        {
            function(state).outcome()?.put(&mut slot, row);
        }
        slot.finish();
        Ok(())
    };
    status(run())
}
