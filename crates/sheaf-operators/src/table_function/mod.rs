//! Calls of table functions of the user's own in FROM.
//!
//! [`TableFunctionNode`] is the logical node, [`TableFunctionExec`] the operator. There are two shapes:
//!
//! | | `FROM logs, tokens(logs.line)` | `FROM f(TABLE t PARTITION BY k ORDER BY ts)` |
//! |---|---|---|
//! | input | the rows beside which it stands; one row without columns if there are none | the relation |
//! | pushed | the arguments of a batch of rows | the columns of a batch |
//! | gives | the input's columns (if they are wanted), then the function's, by the rows' origins | the function's columns |
//! | instances | one for each thread | one for each partition of the relation |
//! | asks for | nothing | partitions on one thread each, sorted by their keys, then in their order |
//!
//! Both pull: a batch is pushed into the function, what comes of it is taken until it is nothing, and
//! only then the next batch is asked for.
//!
//! # Memory
//! What the function gave last is reserved until it has been passed on, in batches of the engine's
//! size, which copy the outer rows no wider than `COPIED_BYTES_MAX`. What a function holds beside that
//! it reserves itself.

mod exec;
mod output;
mod plan;
mod relation;
mod rows;

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::{DFSchema, DFSchemaRef, Result, TableReference, plan_err};
use datafusion::logical_expr::{Expr, LogicalPlan, SortExpr, UserDefinedLogicalNodeCore};
use sheaf_udf::{CallContext, TableCall, TableFunction};

pub use exec::TableFunctionExec;
pub(crate) use plan::exec;

/// The name of the numbers of WITH ORDINALITY.
const ORDINALITY: &str = "ordinality";

/// A call that is bound to a statement, as far as it is known when it is planned.
#[derive(Debug)]
pub struct TableFunctionCall {
    /// The function's name, for errors and for its columns.
    pub name: String,
    /// The function.
    pub function: Arc<dyn TableFunction>,
    /// What it is called with.
    pub call: TableCall,
    /// The columns that it has promised.
    pub columns: SchemaRef,
    /// Whether rows of arguments with a NULL among them give nothing.
    pub is_strict: bool,
    /// The query that calls.
    pub context: CallContext,
}

/// What a table function is called for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Shape {
    /// The rows of the input, each by itself.
    Rows {
        /// Whether rows for which it gives nothing stay, with NULLs.
        keeps_all: bool,
    },
    /// The input as a whole, or each of its partitions.
    Relation {
        /// The arguments that are values; of the others, they are the last.
        values: usize,
        /// What the rows of a partition have in common.
        partition_by: Vec<Expr>,
        /// Their order.
        order_by: Vec<SortExpr>,
    },
}

/// The logical node: see the module's text.
#[derive(Debug, Clone)]
pub struct TableFunctionNode {
    call: Arc<TableFunctionCall>,
    input: LogicalPlan,
    /// What is pushed, over the input; behind it the values of [`Shape::Relation`].
    arguments: Vec<Expr>,
    shape: Shape,
    is_numbered: bool,
    schema: DFSchemaRef,
}

impl TableFunctionNode {
    /// A call over `input`; `is_numbered` if a last column counts the rows, those of each input row by
    /// themselves.
    ///
    /// # Errors
    /// If columns of the input are called as the function's.
    pub fn try_new(
        call: Arc<TableFunctionCall>,
        input: LogicalPlan,
        arguments: Vec<Expr>,
        shape: Shape,
        is_numbered: bool,
    ) -> Result<Self> {
        let mut fields: Vec<(Option<TableReference>, FieldRef)> = match &shape {
            Shape::Rows { .. } => {
                let own = input.schema().iter();
                own.map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)))
                    .collect()
            }
            Shape::Relation { .. } => Vec::new(),
        };
        let name = TableReference::bare(call.name.as_str());
        let own = call.columns.fields().iter();
        let own = own.map(|field| Arc::new(field.as_ref().clone().with_nullable(true)));
        let number = is_numbered.then(|| Arc::new(Field::new(ORDINALITY, DataType::Int64, true)));
        fields.extend(own.chain(number).map(|field| (Some(name.clone()), field)));
        let schema = DFSchema::new_with_metadata(fields, Default::default())?;
        Ok(Self {
            call,
            input,
            arguments,
            shape,
            is_numbered,
            schema: Arc::new(schema),
        })
    }

    /// The call.
    #[must_use]
    pub fn call(&self) -> &Arc<TableFunctionCall> {
        &self.call
    }

    /// What it is called for.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The rows that it is called for.
    #[must_use]
    pub fn input(&self) -> &LogicalPlan {
        &self.input
    }

    /// What is pushed, over the input; behind it the values of [`Shape::Relation`].
    #[must_use]
    pub fn arguments(&self) -> &[Expr] {
        &self.arguments
    }

    /// Whether a last column counts the rows.
    #[must_use]
    pub fn is_numbered(&self) -> bool {
        self.is_numbered
    }

    /// The columns of what it gives.
    #[must_use]
    pub fn output(&self) -> SchemaRef {
        let schema: &Schema = self.schema.as_arrow();
        Arc::new(schema.clone())
    }

    /// The same call over other rows.
    ///
    /// # Errors
    /// As [`TableFunctionNode::try_new`].
    pub fn over(&self, input: LogicalPlan, arguments: Vec<Expr>) -> Result<Self> {
        let (call, shape) = (Arc::clone(&self.call), self.shape.clone());
        Self::try_new(call, input, arguments, shape, self.is_numbered)
    }

    /// The same call, which keeps the rows for which it gives nothing; `None` of a relation.
    #[must_use]
    pub fn keeping_all(&self) -> Option<Self> {
        match self.shape {
            Shape::Rows { .. } => Some(Self {
                shape: Shape::Rows { keeps_all: true },
                ..self.clone()
            }),
            Shape::Relation { .. } => None,
        }
    }

    fn identity(&self) -> impl Eq + Hash + '_ {
        (
            Arc::as_ptr(&self.call).cast::<()>() as usize,
            &self.input,
            &self.arguments,
            &self.shape,
            self.is_numbered,
        )
    }
}

impl PartialEq for TableFunctionNode {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for TableFunctionNode {}

impl Hash for TableFunctionNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl PartialOrd for TableFunctionNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.call.name.cmp(&other.call.name) {
            Ordering::Equal => self.input.partial_cmp(&other.input),
            order => Some(order),
        }
    }
}

impl UserDefinedLogicalNodeCore for TableFunctionNode {
    fn name(&self) -> &'static str {
        "TableFunction"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let arguments = self.arguments.iter();
        match &self.shape {
            Shape::Rows { .. } => arguments.cloned().collect(),
            Shape::Relation {
                partition_by,
                order_by,
                ..
            } => {
                let order = order_by.iter().map(|key| &key.expr);
                let keys = partition_by.iter().chain(order);
                arguments.chain(keys).cloned().collect()
            }
        }
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TableFunction: {}", self.call.name)?;
        if let Shape::Rows { keeps_all: true } = self.shape {
            f.write_str(", all rows stay")?;
        }
        Ok(())
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Ok([input]) = <[LogicalPlan; 1]>::try_from(inputs) else {
            return plan_err!("a table function has one input");
        };
        let mut exprs = exprs.into_iter();
        let arguments: Vec<Expr> = exprs.by_ref().take(self.arguments.len()).collect();
        let shape = match &self.shape {
            Shape::Rows { keeps_all } => Shape::Rows {
                keeps_all: *keeps_all,
            },
            Shape::Relation {
                values,
                partition_by,
                order_by,
            } => Shape::Relation {
                values: *values,
                partition_by: exprs.by_ref().take(partition_by.len()).collect(),
                order_by: (order_by.iter().zip(exprs))
                    .map(|(key, expr)| SortExpr {
                        expr,
                        ..key.clone()
                    })
                    .collect(),
            },
        };
        Self::try_new(
            Arc::clone(&self.call),
            input,
            arguments,
            shape,
            self.is_numbered,
        )
    }

    /// Conditions on the rows beside which it stands are theirs.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        let own = self.schema.fields().iter();
        let passed = match self.shape {
            Shape::Rows { .. } => self.input.schema().fields().len(),
            Shape::Relation { .. } => 0,
        };
        own.skip(passed).map(|field| field.name().clone()).collect()
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let passed = match self.shape {
            Shape::Rows { .. } => self.input.schema().fields().len(),
            Shape::Relation { .. } => 0,
        };
        let needed = output_columns.iter().filter(|column| **column < passed);
        Some(vec![needed.copied().collect()])
    }
}
