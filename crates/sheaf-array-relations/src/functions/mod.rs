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
use sheaf_base::Result;

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
    /// `UserInput` if they do not fit.
    pub fn make(&self, arguments: &mut Arguments<'_>) -> Result<Arc<dyn RowSource>> {
        arguments.check()?;
        match (self.make)(arguments)? {
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
