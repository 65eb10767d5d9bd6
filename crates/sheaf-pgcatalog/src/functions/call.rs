//! What functions are, and what a call gives them.

use sheaf_base::Result;

use crate::database::Database;
use crate::made::{Memory, Text};
use crate::types::{Oid, TEXT};
use crate::value::{Value, write};

/// A function that gives a value.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static [Oid],
    pub(crate) returns: Returns,
    /// Whether it is called with NULL; else it gives NULL then.
    pub(crate) takes_nulls: bool,
    /// Whether one that the session has of the name goes before it.
    pub(crate) gives_way: bool,
    /// Whether it does something, or gives something else each time: it is called where it is written
    /// and never before.
    pub(crate) is_volatile: bool,
    pub(crate) call: fn(&Call<'_>) -> Result<Value>,
}

/// The type that a function gives.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Returns {
    Type(Oid),
    /// That of its first argument.
    Same,
}

/// One call.
pub(crate) struct Call<'a> {
    pub(crate) database: &'a Database,
    pub(crate) memory: &'a dyn Memory,
    pub(crate) values: &'a [Value],
    pub(crate) types: &'a [Oid],
}

impl Call<'_> {
    /// An argument; NULL if it was left out.
    pub(super) fn value(&self, index: usize) -> &Value {
        self.values.get(index).unwrap_or(&Value::Null)
    }

    pub(super) fn type_of(&self, index: usize) -> Oid {
        self.types.get(index).copied().unwrap_or(TEXT)
    }

    pub(super) fn int(&self, index: usize) -> i64 {
        self.value(index).as_int().unwrap_or(0)
    }

    /// Writes an argument; says whether it is not NULL.
    pub(super) fn write(&self, index: usize, text: &mut Text<'_>) -> Result<bool> {
        write(self.value(index), self.type_of(index), self.database, text)
    }

    pub(super) fn oid(&self, index: usize) -> Oid {
        self.value(index).as_oid().unwrap_or(0)
    }

    pub(super) fn text(&self, index: usize) -> &str {
        self.value(index).as_str().unwrap_or_default()
    }
}

/// A function that gives NULL for NULL.
pub(super) const fn of(
    name: &'static str,
    arguments: &'static [Oid],
    returns: Oid,
    call: fn(&Call<'_>) -> Result<Value>,
) -> Function {
    Function {
        name,
        arguments,
        returns: Returns::Type(returns),
        takes_nulls: false,
        gives_way: false,
        is_volatile: false,
        call,
    }
}

impl Function {
    pub(super) const fn giving_way(mut self) -> Self {
        self.gives_way = true;
        self
    }

    pub(super) const fn volatile(mut self) -> Self {
        self.is_volatile = true;
        self
    }

    pub(super) const fn with_nulls(mut self) -> Self {
        self.takes_nulls = true;
        self
    }

    pub(super) const fn returning(mut self, returns: Returns) -> Self {
        self.returns = returns;
        self
    }
}
