//! `ASOF JOIN`: each left row meets the one right row that is nearest to it in time.
//!
//! Among the right rows with equal keys that satisfy the one inequality (`left.at >= right.at`, or
//! with `>`, `<=`, `<`), the one whose `at` is nearest to the left row's is taken. A left row
//! without any is dropped (INNER) or gets NULLs (LEFT). NULL keys and NULL times never match. Among
//! right rows with equal keys and equal times, which one is taken is not specified.
//!
//! [`AsofJoinNode`] is the logical node. [`AsofJoinExec`] wants both sides distributed by the keys
//! (or in a single partition, if there are none) and sorted by keys, then time, so that one merge
//! (`merge`) finds all matches with a batch of each side in memory. For `<=` and `<` times are
//! sorted downwards; then in each case the match is the last right row which does not come after
//! the left one.

pub(crate) mod exec;
mod merge;
mod side;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::common::{DFSchemaRef, Result, plan_err};
use datafusion::logical_expr::{
    Expr, InvariantLevel, JoinType, LogicalPlan, Operator, UserDefinedLogicalNodeCore,
    build_join_schema,
};

pub use exec::{AsofJoinExec, PhysicalPair};

/// The inequality between the left and the right time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AsofDirection {
    /// `left.at >= right.at`: the last one up to now.
    AtOrBefore,
    /// `left.at > right.at`: the last one before now.
    Before,
    /// `left.at <= right.at`: the first one from now on.
    AtOrAfter,
    /// `left.at < right.at`: the first one after now.
    After,
}

impl AsofDirection {
    /// The direction of `left operator right`, if the operator is an inequality.
    #[must_use]
    pub fn of(operator: Operator) -> Option<Self> {
        match operator {
            Operator::GtEq => Some(Self::AtOrBefore),
            Operator::Gt => Some(Self::Before),
            Operator::LtEq => Some(Self::AtOrAfter),
            Operator::Lt => Some(Self::After),
            _ => None,
        }
    }

    /// Whether times are sorted downwards, since matches lie in the future.
    #[must_use]
    pub fn is_descending(self) -> bool {
        matches!(self, Self::AtOrAfter | Self::After)
    }

    /// Whether equal times do not match.
    #[must_use]
    pub fn is_strict(self) -> bool {
        matches!(self, Self::Before | Self::After)
    }
}

impl fmt::Display for AsofDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtOrBefore => ">=",
            Self::Before => ">",
            Self::AtOrAfter => "<=",
            Self::After => "<",
        })
    }
}

/// What becomes of left rows without a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AsofKind {
    /// They are dropped.
    Inner,
    /// They get NULLs.
    Left,
}

impl AsofKind {
    fn join_type(self) -> JoinType {
        match self {
            Self::Inner => JoinType::Inner,
            Self::Left => JoinType::Left,
        }
    }
}

impl fmt::Display for AsofKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inner => "Inner",
            Self::Left => "Left",
        })
    }
}

type Parts<'a> = (
    &'a LogicalPlan,
    &'a LogicalPlan,
    &'a [(Expr, Expr)],
    &'a (Expr, Expr),
    AsofDirection,
    AsofKind,
);

/// The logical node: the columns of the left input, then those of the right one.
#[derive(Debug, Clone)]
pub struct AsofJoinNode {
    left: LogicalPlan,
    right: LogicalPlan,
    /// Pairs (left, right) of expressions that are equal, of one type each.
    keys: Vec<(Expr, Expr)>,
    /// The times, of one type.
    at: (Expr, Expr),
    direction: AsofDirection,
    kind: AsofKind,
    schema: DFSchemaRef,
}

impl AsofJoinNode {
    /// Joins `left` with `right`.
    ///
    /// # Errors
    /// If the columns of the two have clashing names.
    pub fn try_new(
        left: LogicalPlan,
        right: LogicalPlan,
        keys: Vec<(Expr, Expr)>,
        at: (Expr, Expr),
        direction: AsofDirection,
        kind: AsofKind,
    ) -> Result<Self> {
        let schema = build_join_schema(left.schema(), right.schema(), &kind.join_type())?;
        Ok(Self {
            left,
            right,
            keys,
            at,
            direction,
            kind,
            schema: Arc::new(schema),
        })
    }

    /// The pairs (left, right) of equal expressions.
    #[must_use]
    pub fn keys(&self) -> &[(Expr, Expr)] {
        &self.keys
    }

    /// The left and the right time.
    #[must_use]
    pub fn at(&self) -> &(Expr, Expr) {
        &self.at
    }

    /// The inequality between the times.
    #[must_use]
    pub fn direction(&self) -> AsofDirection {
        self.direction
    }

    /// What becomes of left rows without a match.
    #[must_use]
    pub fn kind(&self) -> AsofKind {
        self.kind
    }

    /// What makes two nodes with equal inputs equal; the schema follows from it.
    fn parts(&self) -> Parts<'_> {
        (
            &self.left,
            &self.right,
            &self.keys,
            &self.at,
            self.direction,
            self.kind,
        )
    }
}

impl PartialEq for AsofJoinNode {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for AsofJoinNode {}

impl PartialOrd for AsofJoinNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.parts().partial_cmp(&other.parts())
    }
}

impl Hash for AsofJoinNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl UserDefinedLogicalNodeCore for AsofJoinNode {
    fn name(&self) -> &'static str {
        "AsofJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn check_invariants(&self, _check: InvariantLevel) -> Result<()> {
        let is_within = |expr: &Expr, plan: &LogicalPlan| {
            expr.column_refs()
                .iter()
                .all(|column| plan.schema().has_column(column))
        };
        let is_sound = self
            .keys
            .iter()
            .chain([&self.at])
            .all(|(left, right)| is_within(left, &self.left) && is_within(right, &self.right));
        if is_sound {
            Ok(())
        } else {
            plan_err!("an expression of ASOF JOIN is not of its side")
        }
    }

    fn expressions(&self) -> Vec<Expr> {
        let pairs = self.keys.iter().chain([&self.at]);
        pairs
            .flat_map(|(left, right)| [left.clone(), right.clone()])
            .collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsofJoin: {} ", self.kind)?;
        for (left, right) in &self.keys {
            write!(f, "{left} = {right}, ")?;
        }
        write!(f, "{} {} {}", self.at.0, self.direction, self.at.1)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut exprs = exprs.into_iter();
        let mut pairs = Vec::with_capacity(self.keys.len() + 1);
        while let (Some(left), Some(right)) = (exprs.next(), exprs.next()) {
            pairs.push((left, right));
        }
        let mut inputs = inputs.into_iter();
        match (pairs.pop(), inputs.next(), inputs.next()) {
            (Some(at), Some(left), Some(right)) if pairs.len() == self.keys.len() => {
                Self::try_new(left, right, pairs, at, self.direction, self.kind)
            }
            _ => plan_err!("an ASOF join has two inputs and pairs of expressions"),
        }
    }

    // A filter on the left input may pass an ASOF join, one on the right input must not; but the
    // engine would send it to both, so `prevent_predicate_push_down_columns` stays with its default.

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        // The columns of the expressions are added by the caller.
        let left_count = self.left.schema().fields().len();
        let (left, right): (Vec<usize>, Vec<usize>) = output_columns
            .iter()
            .partition(|column| **column < left_count);
        Some(vec![
            left,
            right
                .into_iter()
                .map(|column| column - left_count)
                .collect(),
        ])
    }
}
