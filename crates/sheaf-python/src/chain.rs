//! Nested calls of functions that wait, as one call: `process(fetch(url))`.
//!
//! Called one by one, all rows of a batch are fetched before the first is processed. As one call, a row is
//! processed as soon as it is fetched, and the time is that of the slowest row. Functions that do not wait
//! gain nothing and stay apart, unless one of a row's values is called with what one that waits gives.

use std::any::Any;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use serde_json::{Value, json};
use sheaf_base::Result;
use sheaf_udf::{CallContext, ScalarFunction};

use crate::function::{Function, Loadable, next_id};
use crate::pool::Pool;
use crate::scalar::{PythonScalar, call};

/// Functions that one call may be made of.
const STEPS_MAX: usize = 64;

/// Functions that call each other for each row.
#[derive(Debug)]
pub(crate) struct Chain {
    id: u64,
    /// Each after those whose results it takes; the last gives the result.
    steps: Vec<Step>,
    arguments: SchemaRef,
    pool: Arc<Pool>,
}

#[derive(Debug, Clone)]
struct Step {
    function: Arc<Function>,
    sources: Vec<Source>,
}

/// What an argument is.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// A column of what the chain is called with.
    Column(usize),
    /// What a step before gives.
    Step(usize),
}

impl Chain {
    /// `outer` called with what `inner` give, and with columns where there is none; `None` if that
    /// cannot be, or gains nothing.
    pub(crate) fn new(
        outer: &PythonScalar,
        inner: &[Option<Arc<dyn ScalarFunction>>],
    ) -> Option<Self> {
        if !outer.manner().is_rows || inner.iter().all(Option::is_none) {
            return None;
        }
        let mut waits = outer.manner().is_async;
        let mut steps: Vec<Step> = Vec::new();
        let mut columns: Vec<FieldRef> = Vec::new();
        let mut sources = Vec::new();
        for (place, field) in outer.function().arguments().fields().iter().enumerate() {
            let Some(function) = inner.get(place).and_then(Option::as_ref) else {
                sources.push(Source::Column(columns.len()));
                columns.push(Arc::clone(field));
                continue;
            };
            let function: &dyn Any = function.as_ref();
            if let Some(scalar) = function.downcast_ref::<PythonScalar>() {
                if !scalar.manner().is_rows || !Arc::ptr_eq(scalar.pool(), outer.pool()) {
                    return None;
                }
                waits |= scalar.manner().is_async;
                steps.push(Step::of_columns(scalar, &mut columns));
            } else {
                let chain = function.downcast_ref::<Self>()?;
                if !Arc::ptr_eq(&chain.pool, outer.pool()) {
                    return None;
                }
                waits = true;
                let (first_step, first_column) = (steps.len(), columns.len());
                let moved = chain
                    .steps
                    .iter()
                    .map(|s| s.moved(first_step, first_column));
                steps.extend(moved);
                columns.extend(chain.arguments.fields().iter().cloned());
            }
            sources.push(Source::Step(steps.len() - 1));
        }
        let function = Arc::clone(outer.function());
        steps.push(Step { function, sources });
        (waits && steps.len() <= STEPS_MAX).then(|| Self {
            id: next_id(),
            steps,
            arguments: Arc::new(Schema::new(numbered(&columns))),
            pool: Arc::clone(outer.pool()),
        })
    }
}

impl Step {
    /// A function whose arguments are columns, which are added to `columns`.
    fn of_columns(scalar: &PythonScalar, columns: &mut Vec<FieldRef>) -> Self {
        let fields = scalar.function().arguments().fields();
        let sources = (0..fields.len()).map(|place| Source::Column(columns.len() + place));
        let sources = sources.collect();
        columns.extend(fields.iter().cloned());
        Self {
            function: Arc::clone(scalar.function()),
            sources,
        }
    }

    /// The same behind so many other steps and columns.
    fn moved(&self, steps: usize, columns: usize) -> Self {
        let moved = |source: &Source| match source {
            Source::Column(place) => Source::Column(place + columns),
            Source::Step(place) => Source::Step(place + steps),
        };
        Self {
            function: Arc::clone(&self.function),
            sources: self.sources.iter().map(moved).collect(),
        }
    }
}

/// `columns` by names that differ.
fn numbered(columns: &[FieldRef]) -> Vec<Field> {
    let named = columns.iter().enumerate();
    named
        .map(|(place, field)| field.as_ref().clone().with_name(format!("{place}")))
        .collect()
}

impl Loadable for Chain {
    fn id(&self) -> u64 {
        self.id
    }

    fn arguments(&self) -> &SchemaRef {
        &self.arguments
    }

    fn result(&self) -> &SchemaRef {
        match self.steps.last() {
            Some(last) => last.function.result(),
            None => &self.arguments,
        }
    }

    fn needed(&self) -> Vec<&Function> {
        self.steps.iter().map(|s| s.function.as_ref()).collect()
    }

    fn load_header(&self) -> Value {
        let source = |source: &Source| match source {
            Source::Column(place) => json!(("column", place)),
            Source::Step(place) => json!(("step", place)),
        };
        let step = |step: &Step| {
            json!({
                "function": step.function.id(),
                "name": step.function.name(),
                "is_strict": step.function.is_strict(),
                "arguments": step.sources.iter().map(source).collect::<Vec<_>>(),
            })
        };
        json!({
            "do": "load",
            "function": self.id,
            "kind": "chain",
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
        })
    }
}

impl ScalarFunction for Chain {
    fn call(&self, arguments: &[ArrayRef], rows: usize, context: &CallContext) -> Result<ArrayRef> {
        call(self, &self.pool, arguments, rows, context)
    }
}
