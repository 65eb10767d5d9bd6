//! A sub-plan that runs once, whose rows several places of one plan read.
//!
//! ```text
//! SharedNode ─┐ (one run)                 SharedExec ─┐ the first to be polled runs its input
//! SharedNode ─┘ logical, two copies       SharedExec ─┘ the others read what it kept
//! ```
//!
//! Plans are trees, so a sub-plan used twice is there twice; the copies know that they are one by
//! their [`SharedRun`]. Rows are kept in memory while they are few and the budget allows it, else on disk, until the
//! plan is dropped. Nothing moves through the node (filters, columns, limits), so that the copies
//! stay alike. For sub-plans which two runs need not agree on: volatile functions, LIMIT, samples,
//! sums of floats.

mod exec;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, Result, plan_err};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};

use crate::sample::SampleNode;

pub use exec::{SharedExec, SharedRun};

/// Whether `plan`, read in several places, must run once for them to agree on what people see as one
/// table: it has volatile functions, samples, or a LIMIT.
///
/// # Errors
/// None of its own: those of walking the plan.
pub fn has_one_run(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= match node {
            LogicalPlan::Limit(_) => true,
            LogicalPlan::Extension(extension) => extension.node.as_any().is::<SampleNode>(),
            _ => false,
        };
        node.apply_expressions(|expr| {
            found |= expr.is_volatile();
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(if found {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    })?;
    Ok(found)
}

/// One copy of a sub-plan that runs once.
#[derive(Debug, Clone)]
pub struct SharedNode {
    id: u64,
    input: LogicalPlan,
    run: Arc<SharedRun>,
}

impl SharedNode {
    /// `input`, of which all clones of the plan that this gives run once.
    #[must_use]
    pub fn plan(input: LogicalPlan) -> LogicalPlan {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        LogicalPlan::Extension(Extension {
            node: Arc::new(Self {
                id: NEXT.fetch_add(1, Ordering::Relaxed),
                input,
                run: Arc::default(),
            }),
        })
    }

    /// What tells copies of one sub-plan from copies of another.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The sub-plan.
    #[must_use]
    pub fn input(&self) -> &LogicalPlan {
        &self.input
    }

    /// What the copies share while they run.
    #[must_use]
    pub fn run(&self) -> Arc<SharedRun> {
        Arc::clone(&self.run)
    }

    /// Gives each shared sub-plan of `plan` a new run, so that a plan that is kept, as a prepared
    /// statement is, computes its rows again the next time.
    ///
    /// # Errors
    /// None of its own: those of walking the plan.
    pub fn renew(plan: LogicalPlan) -> Result<LogicalPlan> {
        let mut runs: HashMap<u64, Arc<SharedRun>> = HashMap::new();
        plan.transform_down_with_subqueries(|plan| {
            let LogicalPlan::Extension(extension) = &plan else {
                return Ok(Transformed::no(plan));
            };
            let Some(node) = extension.node.as_any().downcast_ref::<Self>() else {
                return Ok(Transformed::no(plan));
            };
            let run = Arc::clone(runs.entry(node.id).or_default());
            let node = Arc::new(Self {
                run,
                ..node.clone()
            });
            Ok(Transformed::yes(LogicalPlan::Extension(Extension { node })))
        })
        .data()
    }
}

impl PartialEq for SharedNode {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.input == other.input
    }
}

impl Eq for SharedNode {}

impl Hash for SharedNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
        self.input.hash(state);
    }
}

impl PartialOrd for SharedNode {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match self.id.cmp(&other.id) {
            std::cmp::Ordering::Equal => self.input.partial_cmp(&other.input),
            order => Some(order),
        }
    }
}

impl UserDefinedLogicalNodeCore for SharedNode {
    fn name(&self) -> &'static str {
        "Shared"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut inputs = inputs.into_iter();
        match (exprs.is_empty(), inputs.next(), inputs.next()) {
            (true, Some(input), None) => Ok(Self {
                id: self.id,
                input,
                run: Arc::clone(&self.run),
            }),
            _ => plan_err!("a shared sub-plan has one input and no expressions"),
        }
    }
}
