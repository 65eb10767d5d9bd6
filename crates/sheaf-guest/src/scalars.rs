//! Scalar functions: the loop around a function of values, and a function over slices.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::column::{Column, Slot};
use crate::memory;
use crate::values::{Argument, Number, Outcome, Value};

/// The columns of a call, checked: `parameters` are what each may be, and its name.
pub(crate) fn columns(address: u32, parameters: &[(&str, &[u32])]) -> Result<Vec<Column>, String> {
    let columns: Vec<Column> = (0..parameters.len() as u32)
        .map(|number| Column::read(address, number))
        .collect();
    for (column, (name, codes)) in columns.iter().zip(parameters) {
        if !codes.contains(&column.code) {
            return Err(format!(
                "the argument {name} is of a type that it does not take"
            ));
        }
    }
    Ok(columns)
}

/// What a status says: 0, or the address of the message.
pub(crate) fn status(result: Result<(), String>) -> u32 {
    match result {
        Ok(()) => 0,
        Err(message) => {
            let mut bytes = message.into_bytes();
            bytes.retain(|byte| *byte != 0);
            bytes.push(0);
            memory::keep(bytes)
        }
    }
}

/// Calls `function` for each of `rows` rows, except where a NULL is that it does not take. What
/// `#[scalar]` exports calls this.
pub fn batch<O: Outcome>(
    rows: u32,
    (address, result): (u32, u32),
    parameters: &[(&str, &[u32], bool)],
    function: impl Fn(&[Column], usize) -> O,
) -> u32 {
    memory::begin();
    let run = || {
        let checked: Vec<(&str, &[u32])> = parameters
            .iter()
            .map(|(name, codes, _)| (*name, *codes))
            .collect();
        let columns = columns(address, &checked)?;
        let mut slot = Slot::read(result, 0);
        if !O::Value::CODES.contains(&slot.code) {
            return Err(String::from(
                "the result is of a type that it does not give",
            ));
        }
        // Of those that may be NULL the function is told.
        let strict: Vec<&Column> = columns
            .iter()
            .zip(parameters)
            .filter(|(column, (_, _, takes_null))| !takes_null && column.validity.is_some())
            .map(|(column, _)| column)
            .collect();
        for row in 0..rows as usize {
            match strict.iter().all(|column| column.is_valid(row)) {
                true => function(&columns, row).outcome()?.put(&mut slot, row),
                false => slot.put_null(row),
            }
        }
        slot.finish();
        Ok(())
    };
    status(run())
}

/// Calls `function` once with all rows. What `#[scalar(slices)]` exports calls this. Rows in which an
/// argument is NULL give NULL, whatever `function` puts there.
pub fn slices<R: Number>(
    rows: u32,
    (address, result): (u32, u32),
    parameters: &[(&str, &[u32], bool)],
    function: impl Fn(&[Column], &mut [R]),
) -> u32 {
    memory::begin();
    let run = || {
        let checked: Vec<(&str, &[u32])> = parameters
            .iter()
            .map(|(name, codes, _)| (*name, *codes))
            .collect();
        let columns = columns(address, &checked)?;
        let mut slot = Slot::read(result, 0);
        if !R::CODES.contains(&slot.code) {
            return Err(String::from(
                "the result is of a type that it does not give",
            ));
        }
        let numbers = slot.numbers::<R>();
        function(&columns, &mut numbers[..rows as usize]);
        for column in columns.iter().filter(|column| column.validity.is_some()) {
            for row in (0..rows as usize).filter(|row| !column.is_valid(*row)) {
                slot.put_null(row);
            }
        }
        Ok(())
    };
    status(run())
}

impl Column {
    /// The value in `row`; of an argument, whose type was checked.
    #[must_use]
    pub fn get<'a, T: Argument<'a>>(&self, row: usize) -> T {
        T::get(self, row)
    }

    /// All values; of an argument, whose type was checked.
    #[must_use]
    pub fn slice<T: Number>(&self) -> &[T] {
        self.numbers::<T>()
    }
}
