//! The functions that make arrays, one visible list.

mod elementwise;
mod fourier;
mod layout;
mod linear;
mod neighbours;
mod reductions;
mod relations;
mod sources;
mod statistics;

use std::sync::Arc;

use sheaf_arrays::Array;
use sheaf_base::{Result, SheafError};

use crate::arguments::{Arguments, Kind, Parameter};
use crate::rows::{Chunks, RowSource};

/// A function that makes an array, or rows of one.
#[derive(Debug)]
pub struct ArrayFunction {
    /// Its name.
    pub name: &'static str,
    /// How it is called.
    pub syntax: &'static str,
    /// What it gives.
    pub description: &'static str,
    /// A statement that uses it, with its result.
    pub example: &'static str,
    /// What it is called with.
    pub parameters: &'static [Parameter],
    make: fn(&mut Arguments<'_>) -> Result<Made>,
}

/// What a function makes.
enum Made {
    Array(Array),
    Rows(Arc<dyn RowSource>),
}

impl From<Array> for Made {
    fn from(array: Array) -> Self {
        Self::Array(array)
    }
}

impl ArrayFunction {
    /// The rows that it makes of its arguments; nothing is read.
    ///
    /// # Errors
    /// `UserInput` if they do not fit, in the name of this function, of whichever others it is made.
    pub fn make(&self, arguments: &mut Arguments<'_>) -> Result<Arc<dyn RowSource>> {
        arguments.check()?;
        let made = (self.make)(arguments);
        let named = |error: SheafError| error.map_message(|message| in_name_of(self.name, message));
        match made.map_err(named)? {
            Made::Array(array) => Ok(Arc::new(Chunks::try_new(self.name, array)?)),
            Made::Rows(rows) => Ok(rows),
        }
    }
}

/// All functions, by what they do.
pub static FUNCTIONS: &[&[ArrayFunction]] = &[
    sources::FUNCTIONS,
    relations::FUNCTIONS,
    layout::FUNCTIONS,
    elementwise::FUNCTIONS,
    reductions::FUNCTIONS,
    statistics::FUNCTIONS,
    linear::FUNCTIONS,
    neighbours::FUNCTIONS,
    fourier::FUNCTIONS,
];

/// The function called `name`, in lower case.
#[must_use]
pub fn function(name: &str) -> Option<&'static ArrayFunction> {
    FUNCTIONS
        .iter()
        .copied()
        .flatten()
        .find(|function| function.name == name)
}

/// The message of an error in the name of the function `name`. The engine's operations say which they are, a
/// reduction its kind besides (`array_reduce 'sum': …`): those that others are made of, which a user did not call,
/// and such as have one name for several functions.
fn in_name_of(name: &str, message: &str) -> String {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = message
        .find(|c: char| !is_of_name(c))
        .unwrap_or(message.len());
    let (operation, rest) = message.split_at(end);
    if operation == name {
        return message.to_owned();
    }
    if !operation.starts_with("array_") {
        return format!("{name}: {message}");
    }
    let kind = rest.strip_prefix(" '");
    let rest = match kind.and_then(|kind| kind.split_once('\'')) {
        Some((_, behind)) => behind,
        None => rest,
    };
    format!("{name}{rest}")
}

const fn needed(name: &'static str, kind: Kind) -> Parameter {
    Parameter {
        name,
        kind,
        is_needed: true,
    }
}

const fn value(name: &'static str) -> Parameter {
    needed(name, Kind::Value)
}

const fn optional(name: &'static str) -> Parameter {
    Parameter {
        name,
        kind: Kind::Value,
        is_needed: false,
    }
}

/// The array that a function is of.
const A: Parameter = needed("a", Kind::Array);

/// The second array of two.
const B: Parameter = needed("b", Kind::Array);

const AXIS: Parameter = optional("axis");
const CHUNKS: Parameter = optional("chunks");
const DTYPE: Parameter = optional("dtype");

#[cfg(test)]
mod tests {
    use super::in_name_of;

    #[test]
    fn errors_are_in_the_name_of_the_function_that_is_called() {
        for (name, message, expected) in [
            (
                "array_sum",
                "array_reduce 'sum': no axis 3",
                "array_sum: no axis 3",
            ),
            (
                "array_reduce",
                "array_reduce 'sum': no axis 3",
                "array_reduce 'sum': no axis 3",
            ),
            (
                "array_ifft",
                "array_fft: no axis 3",
                "array_ifft: no axis 3",
            ),
            (
                "array_coarsen",
                "array_reduce: \"x\" is none",
                "array_coarsen: \"x\" is none",
            ),
            ("read_npy", "array_rechunk: 2 sizes", "read_npy: 2 sizes"),
            (
                "array_zeros",
                "at most 8 axes",
                "array_zeros: at most 8 axes",
            ),
            (
                "read_npy",
                "read_npy: no such file",
                "read_npy: no such file",
            ),
            ("array_zeros", "", "array_zeros: "),
        ] {
            assert_eq!(in_name_of(name, message), expected);
        }
    }
}
