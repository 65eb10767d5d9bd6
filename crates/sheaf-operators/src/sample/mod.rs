//! `TABLESAMPLE`: a random part of a relation, by share or by number of rows.
//!
//! Both kinds give every row a random 64-bit priority (`priority`). A share keeps the rows whose
//! priority is below share · 2⁶⁴ (`share`); a number n keeps the n rows of lowest priority, which
//! is a uniform sample without replacement (`reservoir`; "bottom-k" sampling, Cohen and Kaplan
//! 2007). Shares stream; a number needs memory for 2·n rows and a batch, all accounted.
//!
//! Draws with replacement (`draws`) are made of a sample without: ordered by priority it is the
//! beginning of a random order of all rows, and of N rows each draw is, with probability d / N, one of
//! the d rows drawn before, and else the next of that order. So draws need the memory of a sample of
//! as many rows, whatever their number is beyond that of rows.
//!
//! SYSTEM, BLOCK, ROW and BERNOULLI give the same: each row passes by anyway, so choosing whole
//! blocks would save nothing and be worse statistics.

mod draws;
pub(crate) mod exec;
mod priority;
mod reservoir;
mod share;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::{DFSchema, DFSchemaRef, FunctionalDependencies, Result, plan_err};
use datafusion::logical_expr::{Expr, InvariantLevel, LogicalPlan, UserDefinedLogicalNodeCore};
use sheaf_base::SheafError;

pub use exec::SampleExec;

/// A share of rows between nothing and all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    /// The bits of a float from 0 to 100: not negative, so they compare as the numbers do.
    percent_bits: u64,
}

impl Share {
    /// The share of `percent` per cent.
    ///
    /// # Errors
    /// `UserInput` unless it is between 0 and 100.
    pub fn from_percent(percent: f64) -> Result<Self, SheafError> {
        if (0.0..=100.0).contains(&percent) {
            // Adding zero turns −0 into 0.
            Ok(Self {
                percent_bits: (percent + 0.0).to_bits(),
            })
        } else {
            Err(SheafError::user(format!(
                "a sample must be between 0 and 100 percent, and {percent} is not"
            )))
        }
    }

    /// The share in per cent.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from_bits(self.percent_bits)
    }
}

/// How much of a relation a sample takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SampleSize {
    /// Each row with this probability.
    Share(Share),
    /// So many rows, or all if there are fewer.
    Rows(u64),
    /// So many draws, each of any row, also of one drawn before; none if there are no rows.
    Draws(u64),
}

impl fmt::Display for SampleSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => write!(f, "{} percent", share.percent()),
            Self::Rows(rows) => write!(f, "{rows} rows"),
            Self::Draws(rows) => write!(f, "{rows} rows with replacement"),
        }
    }
}

/// A sample of `input`.
///
/// With a seed, a row's priority comes from its content, so the same rows are taken whatever the
/// threads, partitions and order; hence all columns of the input stay required. Without, each run
/// (and each reference of a CTE) takes another sample.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SampleNode {
    /// How much.
    pub size: SampleSize,
    /// `REPEATABLE (seed)`.
    pub seed: Option<u64>,
    /// Of what.
    pub input: LogicalPlan,
    schema: DFSchemaRef,
}

impl SampleNode {
    /// A sample of `input`.
    ///
    /// # Errors
    /// None that is known.
    pub fn try_new(size: SampleSize, seed: Option<u64>, input: LogicalPlan) -> Result<Self> {
        let schema = match size {
            SampleSize::Share(_) | SampleSize::Rows(_) => Arc::clone(input.schema()),
            // What was different need not be any more.
            SampleSize::Draws(_) => Arc::new(
                DFSchema::clone(input.schema())
                    .with_functional_dependencies(FunctionalDependencies::empty())?,
            ),
        };
        Ok(Self {
            size,
            seed,
            input,
            schema,
        })
    }
}

impl PartialOrd for SampleNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let parts = |node: &Self| (node.size, node.seed);
        match parts(self).partial_cmp(&parts(other)) {
            Some(Ordering::Equal) => self.input.partial_cmp(&other.input),
            order => order,
        }
    }
}

impl UserDefinedLogicalNodeCore for SampleNode {
    fn name(&self) -> &'static str {
        "Sample"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn check_invariants(&self, _check: InvariantLevel) -> Result<()> {
        match self.size {
            SampleSize::Share(share) if !(0.0..=100.0).contains(&share.percent()) => {
                plan_err!("a sample of {} percent", share.percent())
            }
            _ => Ok(()),
        }
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sample: {}", self.size)?;
        match self.seed {
            Some(seed) => write!(f, ", seed={seed}"),
            None => Ok(()),
        }
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut inputs = inputs.into_iter();
        match (exprs.is_empty(), inputs.next(), inputs.next()) {
            (true, Some(input), None) => Self::try_new(self.size, self.seed, input),
            _ => plan_err!("a sample has one input and no expressions"),
        }
    }

    // Filters and limits below a sample would change what is sampled: the defaults of
    // `prevent_predicate_push_down_columns` and `supports_limit_pushdown` keep them above.

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![match self.seed {
            Some(_) => (0..self.input.schema().fields().len()).collect(),
            None => output_columns.to_vec(),
        }])
    }
}
