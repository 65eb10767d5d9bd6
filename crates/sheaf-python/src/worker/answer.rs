//! What a worker replied: a header in JSON and an Arrow message, or what was wrong.

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use serde_json::Value;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::exchange::{Frame, Interruption};
use crate::wire;

/// A reply.
#[derive(Debug)]
pub(crate) struct Answer {
    header: Value,
    body: Buffer,
}

impl Answer {
    /// The reply to request `number`.
    ///
    /// # Errors
    /// `Broken` if it is none.
    pub(super) fn read(frame: Frame, number: u64) -> Result<Self, Interruption> {
        let header: Value = serde_json::from_slice(&frame.header)
            .map_err(|error| Interruption::Broken(error.to_string()))?;
        if header.get("number").and_then(Value::as_u64) != Some(number) {
            let what = "a reply that nobody asked for";
            return Err(Interruption::Broken(what.to_owned()));
        }
        Ok(Self {
            header,
            body: frame.body,
        })
    }

    /// # Errors
    /// What went wrong in the worker, with what the call `printed`.
    pub(super) fn checked(self, printed: &str) -> Result<Self> {
        match self.header.get("error") {
            Some(error) => Err(raised(error, printed)),
            None => Ok(self),
        }
    }

    /// The number under `name`; 0 if there is none.
    pub(crate) fn number(&self, name: &str) -> usize {
        let number = self.header.get(name).and_then(Value::as_u64);
        usize::try_from(number.unwrap_or(0)).unwrap_or(usize::MAX)
    }

    /// Whether `name` is true.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.header.get(name).and_then(Value::as_bool) == Some(true)
    }

    /// What the worker has resident in bytes.
    pub(super) fn resident(&self) -> usize {
        self.number("resident")
    }

    /// The batch, whose columns are `columns`; `None` if there is none.
    ///
    /// # Errors
    /// `Data` if it is no such batch.
    pub(crate) fn batch(&self, columns: &SchemaRef) -> Result<Option<RecordBatch>> {
        match self.body.is_empty() {
            true => Ok(None),
            false => wire::decode(&self.body, columns).map(Some),
        }
    }
}

/// An error that a worker describes: an exception of the function's, or what its worker objects to.
fn raised(error: &Value, printed: &str) -> SheafError {
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let row = error.get("row").and_then(Value::as_u64);
    let mut made = match (text("fault"), text("type"), text("message")) {
        ("", kind, "") => SheafError::data(kind.to_owned()),
        ("", kind, message) => SheafError::data(format!("{kind}: {message}")),
        (fault, _, _) => SheafError::data(fault.to_owned()),
    }
    .with_state(SqlState::EXTERNAL_ROUTINE);
    if !text("function").is_empty() {
        made = made.with_context(format!("function \"{}\"", text("function")));
    }
    if error.get("is_memory").and_then(Value::as_bool) == Some(true) {
        made = SheafError::resource("its worker process may hold no more memory")
            .with_state(SqlState::OUT_OF_MEMORY)
            .with_hint("SET python_memory_limit says how much each worker may hold");
    }
    let mut detail = text("traceback").to_owned();
    let mut add = |what: String| {
        if !detail.is_empty() {
            detail.push('\n');
        }
        detail.push_str(&what);
    };
    if let Some(row) = row {
        add(format!("in row {} of the batch", row + 1));
    }
    if !printed.is_empty() {
        add(format!("it printed:\n{printed}"));
    }
    if !detail.is_empty() {
        made = made.with_detail(detail);
    }
    match text("hint") {
        "" => made,
        hint => made.with_hint(hint.to_owned()),
    }
}
