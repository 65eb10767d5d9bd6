//! Table functions: an iterator for each row of arguments.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::column::{Column, Slot};
use crate::memory::{self, kept};
use crate::scalars::{columns, status};
use crate::values::Row;

/// What rows of results go into.
pub(crate) struct Sink {
    slots: u32,
    origin: &'static mut [u32],
    count: usize,
}

/// Takes rows of arguments: `function` gives an iterator for each, when it is its turn. What `#[table]`
/// exports calls this.
pub fn push<R: Row + 'static, I: Iterator<Item = R> + 'static>(
    rows: u32,
    address: u32,
    parameters: &'static [(&'static str, &'static [u32], bool)],
    function: impl Fn(&[Column], usize) -> I + 'static,
) -> u32 {
    memory::begin();
    let run = || {
        let checked: Vec<(&str, &[u32])> = parameters
            .iter()
            .map(|(name, codes, _)| (*name, *codes))
            .collect();
        let columns = columns(address, &checked)?;
        let (mut next_row, mut current) = (0, None::<I>);
        let running = move |rows_max: usize, sink: &mut Sink| {
            let mut slots: Vec<Slot> = (0..R::COLUMNS)
                .map(|number| Slot::read(sink.slots, number))
                .collect();
            if let Some(number) = R::mismatch(&slots) {
                return Err(format!(
                    "column {} is of a type that it does not give",
                    number + 1
                ));
            }
            while sink.count < rows_max {
                if let Some(row) = current.as_mut().and_then(Iterator::next) {
                    row.put(&mut slots, sink.count);
                    sink.origin[sink.count] = next_row - 1;
                    sink.count += 1;
                    continue;
                }
                if next_row == rows {
                    break;
                }
                let row = next_row as usize;
                let mut arguments = columns.iter().zip(parameters);
                let is_called = arguments
                    .all(|(column, (_, _, takes_null))| *takes_null || column.is_valid(row));
                current = is_called.then(|| function(&columns, row));
                next_row += 1;
            }
            slots.into_iter().for_each(Slot::finish);
            Ok(())
        };
        kept(|kept| kept.running = Some(Box::new(running)));
        Ok::<(), String>(())
    };
    status(run())
}

/// Gives the next rows of what was pushed. What `#[table]` exports calls this.
pub fn next(rows_max: u32, output: u32) -> u32 {
    memory::begin();
    let numbers = memory::room::<u32>(output, 3);
    let mut sink = Sink {
        slots: numbers[2],
        origin: memory::room(numbers[1], rows_max as usize),
        count: 0,
    };
    // Taken out while it runs: what it finishes with is kept in the same place.
    let running = kept(|kept| kept.running.take());
    let result = running.map_or(Ok(()), |mut running| {
        let result = running(rows_max as usize, &mut sink);
        kept(|kept| kept.running = Some(running));
        result
    });
    numbers[0] = sink.count as u32;
    status(result)
}
