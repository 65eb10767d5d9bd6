//! How the session reads the relations whose meaning the syntax tree carries in disguise: paths,
//! ASOF joins and relations that are arguments.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, OrderBy, OrderByExpr, OrderByKind,
    OrderByOptions, Query, SetExpr,
};
use sheaf_base::{Result, SheafError};

use crate::rewrite::{ASOF_INNER, ASOF_LEFT};

/// The path that a relation's name is, if it was written as a string: `FROM 'a/*.csv'`.
#[must_use]
pub fn path_of(name: &ObjectName) -> Option<&str> {
    match name.0.as_slice() {
        [
            ObjectNamePart::Identifier(Ident {
                value,
                quote_style: Some('\''),
                ..
            }),
        ] => Some(value),
        _ => None,
    }
}

/// A relation that is an argument of a call: `TABLE t [PARTITION BY k] [ORDER BY ts]`.
///
/// The grammar below has no place for the last two behind an argument: they are written to it as the
/// DISTRIBUTE BY and SORT BY of its SELECT, which say the same.
#[derive(Debug, Clone, PartialEq)]
pub struct RelationArgument {
    /// The rows, in no order.
    pub query: Query,
    /// What the rows of a partition have in common; of none, all rows are one partition.
    pub partition_by: Vec<Expr>,
    /// The order of the rows of a partition.
    pub order_by: Vec<OrderByExpr>,
}

impl RelationArgument {
    /// Reads it from the sub-query that it is in the tree.
    #[must_use]
    pub fn of(mut query: Query) -> Self {
        let (partition_by, order_by) = match query.body.as_mut() {
            SetExpr::Select(select) => (
                std::mem::take(&mut select.distribute_by),
                std::mem::take(&mut select.sort_by),
            ),
            _ => Default::default(),
        };
        Self {
            query,
            partition_by,
            order_by,
        }
    }

    /// Whether it is read in partitions or in an order.
    #[must_use]
    pub fn is_arranged(&self) -> bool {
        !self.partition_by.is_empty() || !self.order_by.is_empty()
    }

    /// The rows as whoever reads them in partitions needs them: those of a partition together, in
    /// their order. A partition ends where one of `partition_by` changes.
    #[must_use]
    pub fn arranged(self) -> Query {
        let mut query = self.query;
        let keys = self.partition_by.into_iter().map(|expr| OrderByExpr {
            expr,
            options: OrderByOptions {
                asc: None,
                nulls_first: None,
            },
            with_fill: None,
        });
        let order: Vec<OrderByExpr> = keys.chain(self.order_by).collect();
        if !order.is_empty() {
            query.order_by = Some(OrderBy {
                kind: OrderByKind::Expressions(order),
                interpolate: None,
            });
        }
        query
    }
}

/// An ASOF join: each left row with the one right row whose time is nearest on the side that the
/// inequality allows.
#[derive(Debug, Clone, PartialEq)]
pub struct AsofJoin {
    /// Whether left rows without a match stay, with NULLs (`ASOF LEFT JOIN`).
    pub is_left: bool,
    /// What rows must have in common, and what must be nearest.
    pub keys: AsofKeys,
}

/// The condition of an ASOF join.
#[derive(Debug, Clone, PartialEq)]
pub enum AsofKeys {
    /// `ON a.k = b.k AND a.ts >= b.ts`, or `MATCH_CONDITION (a.ts >= b.ts) [ON a.k = b.k]`.
    On {
        /// The conditions other than the inequality.
        others: Vec<Expr>,
        /// The comparison (`<`, `<=`, `>`, `>=`) of the times.
        inequality: Expr,
    },
    /// `USING (k, ts)`: equal `k`, and the left `ts` at or after the right one.
    Using {
        /// The columns that must be equal.
        equal: Vec<ObjectName>,
        /// The column of the times.
        nearest: ObjectName,
    },
    /// `MATCH_CONDITION (a.ts >= b.ts) USING (k)`.
    Match {
        /// The columns that must be equal.
        equal: Vec<ObjectName>,
        /// The comparison of the times.
        inequality: Expr,
    },
}

/// Reads an ASOF join from the tree; `None` for any other join.
///
/// # Errors
/// `UserInput` if the condition has not exactly one inequality.
pub fn asof_join(operator: &JoinOperator) -> Option<Result<AsofJoin>> {
    let JoinOperator::AsOf {
        match_condition,
        constraint,
    } = operator
    else {
        return None;
    };
    let (is_left, inequality) = marker(match_condition);
    Some(keys(inequality, constraint).map(|keys| AsofJoin { is_left, keys }))
}

/// Whether the join keeps left rows, and its match condition if it was written apart.
fn marker(condition: &Expr) -> (bool, Option<&Expr>) {
    if let Expr::Function(Function {
        name,
        args: FunctionArguments::List(list),
        ..
    }) = condition
    {
        let name = name.to_string();
        if name == ASOF_LEFT || name == ASOF_INNER {
            let inequality = match list.args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(expr),
                _ => None,
            };
            return (name == ASOF_LEFT, inequality);
        }
    }
    (false, Some(condition))
}

fn keys(inequality: Option<&Expr>, constraint: &JoinConstraint) -> Result<AsofKeys> {
    match (inequality, constraint) {
        (Some(inequality), JoinConstraint::On(on)) => {
            let others = conjuncts(on).into_iter().cloned().collect();
            Ok(AsofKeys::On {
                others,
                inequality: inequality.clone(),
            })
        }
        (Some(inequality), JoinConstraint::Using(columns)) => Ok(AsofKeys::Match {
            equal: columns.clone(),
            inequality: inequality.clone(),
        }),
        (Some(inequality), _) => Ok(AsofKeys::On {
            others: Vec::new(),
            inequality: inequality.clone(),
        }),
        (None, JoinConstraint::On(on)) => {
            let (mut times, others): (Vec<&Expr>, Vec<&Expr>) = conjuncts(on)
                .into_iter()
                .partition(|expr| is_inequality(expr));
            match (times.pop(), times.is_empty()) {
                (Some(inequality), true) => Ok(AsofKeys::On {
                    others: others.into_iter().cloned().collect(),
                    inequality: inequality.clone(),
                }),
                (Some(_), false) => Err(unclear("more than one inequality")),
                (None, _) => Err(unclear("no inequality")),
            }
        }
        (None, JoinConstraint::Using(columns)) => match columns.split_last() {
            Some((nearest, equal)) => Ok(AsofKeys::Using {
                equal: equal.to_vec(),
                nearest: nearest.clone(),
            }),
            None => Err(unclear("no column")),
        },
        (None, _) => Err(unclear("no inequality")),
    }
}

fn unclear(what: &str) -> SheafError {
    SheafError::user(format!("the condition of the ASOF join has {what}"))
        .with_hint("ASOF JOIN b ON a.key = b.key AND a.time >= b.time")
}

fn is_inequality(expr: &Expr) -> bool {
    use BinaryOperator::{Gt, GtEq, Lt, LtEq};
    match expr {
        Expr::BinaryOp { op, .. } => matches!(op, Gt | GtEq | Lt | LtEq),
        Expr::Nested(inner) => is_inequality(inner),
        _ => false,
    }
}

/// The conditions that AND joins, left to right.
fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    let mut found = Vec::new();
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        match expr {
            Expr::BinaryOp {
                left,
                op: BinaryOperator::And,
                right,
            } => open.extend([right, left].map(AsRef::as_ref)),
            Expr::Nested(inner) => open.push(inner),
            other => found.push(other),
        }
    }
    found
}
