//! A query whose names are resolved and whose expressions have types: what `bind` makes of a syntax
//! tree and `run` evaluates.
//!
//! A row of a FROM clause is flat: those columns of all its relations that anything names. A column is
//! named by how many queries further out it is (`up`) and its place in that row.

use std::sync::Arc;

use crate::external::External;
use crate::functions::{Aggregate, Function, SetFunction};
use crate::types::Oid;
use crate::value::Value;

/// An expression with its type.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) expr: Expr,
    pub(crate) type_of: Oid,
}

/// An expression.
#[derive(Debug, Clone)]
pub(crate) enum Expr {
    Value(Value),
    Column {
        up: usize,
        index: usize,
    },
    /// `$1` is 0.
    Parameter(usize),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    IsDistinct(Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    IsNull(Box<Expr>),
    /// IS TRUE, IS FALSE.
    Is(bool, Box<Expr>),
    /// The type is that of the result, which has to fit it.
    Arithmetic(Arithmetic, Oid, Box<Expr>, Box<Expr>),
    /// The second expression, in which [`Expr::Operand`] is the value of the first: what an expression
    /// names more than once is evaluated once.
    Let(Box<Expr>, Box<Expr>),
    Operand,
    Concat(Box<Typed>, Box<Typed>),
    Match(Pattern, Box<Expr>, Box<Expr>),
    Cast(Box<Typed>, Oid),
    Case {
        branches: Vec<(Expr, Expr)>,
        otherwise: Box<Expr>,
    },
    Coalesce(Vec<Expr>),
    Array(Vec<Expr>),
    Row(Vec<Expr>),
    /// A field of a record.
    Field(Box<Expr>, usize),
    Subscript(Box<Expr>, Box<Expr>),
    Slice(Box<Expr>, Option<Box<Expr>>, Option<Box<Expr>>),
    /// `x = ANY (array)`, or ALL.
    Quantified {
        left: Box<Expr>,
        comparison: Quantified,
        array: Box<Expr>,
        is_all: bool,
    },
    InList(Box<Expr>, Vec<Expr>),
    Call(&'static Function, Vec<Typed>),
    External(Arc<External>, Vec<Typed>),
    /// The first value of a query's only row.
    Scalar(Arc<Query>),
    Exists(Arc<Query>),
    /// `x = ANY (SELECT …)`, or ALL.
    QuantifiedQuery {
        left: Box<Expr>,
        comparison: Quantified,
        query: Arc<Query>,
        is_all: bool,
    },
    ArrayOf(Arc<Query>),
    /// The result of an aggregate of the query, of a window function, of a function of sets.
    Aggregate(usize),
    Window(usize),
    Set(usize),
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is compared with each value of an array or query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantified {
    Comparison(Comparison),
    Match(Pattern),
    /// Whether all of the left array is in the right one, or any of it.
    Within,
    Shares,
}

/// What `+` and its like do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    And,
    Or,
}

/// How a text is matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// LIKE; else a regular expression.
    pub(crate) is_like: bool,
    pub(crate) ignores_case: bool,
    pub(crate) is_negated: bool,
}

/// Digits behind the point of a `numeric` of which nothing is known, as Sheaf has them elsewhere.
pub(crate) const NUMERIC_SCALE: u8 = 10;

/// A column of a result.
#[derive(Debug, Clone)]
pub(crate) struct OutColumn {
    pub(crate) name: String,
    pub(crate) type_of: Oid,
    /// Those of a record, as far as they are known.
    pub(crate) fields: Vec<OutColumn>,
    /// Digits behind the point of a `numeric`.
    pub(crate) scale: u8,
}

impl OutColumn {
    pub(crate) fn new(name: impl Into<String>, type_of: Oid) -> Self {
        Self {
            name: name.into(),
            type_of,
            fields: vec![],
            scale: NUMERIC_SCALE,
        }
    }
}

/// A query.
#[derive(Debug)]
pub(crate) struct Query {
    /// By which its rows are kept while a statement runs.
    pub(crate) id: usize,
    pub(crate) ctes: Vec<Arc<Cte>>,
    pub(crate) body: Body,
    pub(crate) order: Vec<Order>,
    pub(crate) limit: Option<Expr>,
    pub(crate) offset: Option<Expr>,
    pub(crate) columns: Vec<OutColumn>,
    /// The columns of queries around it that it names, seen from where it stands.
    pub(crate) outer: Vec<Outer>,
    /// The queries of WITH around it whose rows it reads.
    pub(crate) reads: Vec<usize>,
    /// Whether it may give other rows for the same values of `outer`.
    pub(crate) is_volatile: bool,
}

/// A column of a query around another one: 0 is the nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outer {
    pub(crate) up: usize,
    pub(crate) index: usize,
}

/// A query of WITH.
#[derive(Debug)]
pub(crate) struct Cte {
    pub(crate) id: usize,
    pub(crate) query: Arc<Query>,
    /// The second part of one that names itself.
    pub(crate) step: Option<Arc<Query>>,
    /// UNION rather than UNION ALL between the parts.
    pub(crate) is_distinct: bool,
}

/// What a query's rows are made of.
#[derive(Debug)]
pub(crate) enum Body {
    Select(Box<Select>),
    Values(Vec<Vec<Expr>>),
    Query(Arc<Query>),
    /// Expressions of a query's rows.
    Project {
        query: Arc<Query>,
        projection: Vec<Expr>,
    },
    Set {
        operator: SetOperator,
        is_all: bool,
        left: Arc<Query>,
        right: Arc<Query>,
    },
}

/// An operator between queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetOperator {
    Union,
    Except,
    Intersect,
}

/// One key of an order: a column of the rows that the body gives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) column: usize,
    pub(crate) is_descending: bool,
    pub(crate) nulls_first: bool,
}

/// A key of an order within an aggregate or window.
#[derive(Debug, Clone)]
pub(crate) struct OrderKey {
    pub(crate) expr: Expr,
    pub(crate) is_descending: bool,
    pub(crate) nulls_first: bool,
}

/// SELECT.
#[derive(Debug)]
pub(crate) struct Select {
    pub(crate) from: From,
    /// Columns of a row of `from`.
    pub(crate) width: usize,
    pub(crate) filter: Vec<Expr>,
    pub(crate) groups: Option<Groups>,
    pub(crate) having: Option<Expr>,
    pub(crate) windows: Vec<WindowCall>,
    pub(crate) sets: Vec<SetCall>,
    /// What it shows, then what only the order needs.
    pub(crate) projection: Vec<Expr>,
    pub(crate) distinct: Distinct,
}

/// DISTINCT.
#[derive(Debug)]
pub(crate) enum Distinct {
    No,
    /// Of so many columns from the first one.
    Yes(usize),
    /// ON columns of the projection.
    On(Vec<usize>),
}

/// GROUP BY; the values of keys are those of a group's first row.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) keys: Vec<Expr>,
    pub(crate) calls: Vec<AggregateCall>,
}

/// A call of an aggregate function.
#[derive(Debug)]
pub(crate) struct AggregateCall {
    pub(crate) function: &'static Aggregate,
    pub(crate) arguments: Vec<Typed>,
    pub(crate) is_distinct: bool,
    pub(crate) order: Vec<OrderKey>,
    pub(crate) filter: Option<Expr>,
}

/// A call of a window function.
#[derive(Debug)]
pub(crate) struct WindowCall {
    pub(crate) function: WindowFunction,
    pub(crate) partition: Vec<Expr>,
    pub(crate) order: Vec<OrderKey>,
}

/// Window functions.
#[derive(Debug)]
pub(crate) enum WindowFunction {
    RowNumber,
    Rank,
    DenseRank,
    /// Over the whole partition.
    Aggregate(AggregateCall),
}

/// A call of a function that gives rows.
#[derive(Debug)]
pub(crate) struct SetCall {
    pub(crate) function: &'static SetFunction,
    pub(crate) arguments: Vec<Typed>,
}

/// Relations, from which rows come.
#[derive(Debug)]
pub(crate) enum From {
    /// One row without columns.
    Nothing,
    Item(Item),
    Join(Box<Join>),
}

/// A join. Of an inner one the right side is evaluated for each row of the left one, which its
/// conditions and probes may name.
#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) kind: JoinKind,
    pub(crate) left: From,
    pub(crate) right: From,
    pub(crate) on: Vec<Expr>,
    /// The places in a row of the columns of the right side.
    pub(crate) right_columns: Vec<usize>,
    /// Expressions of the left and the right side that have to be equal, of RIGHT and FULL.
    pub(crate) equal: Option<(Expr, Expr)>,
}

/// Kinds of joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

/// A relation of FROM.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) source: Source,
    /// Its first column among those of the scope; the number of them.
    pub(crate) start: usize,
    pub(crate) width: usize,
    /// Its columns that anything names, and their places in a row.
    pub(crate) columns: Vec<(usize, usize)>,
    /// Conditions on what is there of a row with this relation.
    pub(crate) filters: Vec<Expr>,
    /// A column of the relation, and what it has to be equal to, known before its rows are read.
    pub(crate) probe: Option<(usize, Expr)>,
}

/// Where rows come from.
#[derive(Debug)]
pub(crate) enum Source {
    Table(usize),
    Cte(usize),
    /// One that names columns of relations before it is evaluated for each of their rows.
    Query(Arc<Query>),
    Function {
        calls: Vec<SetCall>,
        with_ordinality: bool,
    },
    Scalar {
        value: Expr,
    },
}

impl Expr {
    pub(crate) fn null() -> Self {
        Self::Value(Value::Null)
    }

    /// Shows `visit` this expression and those within it, not those of queries within it.
    pub(crate) fn visit<'e>(&'e self, visit: &mut dyn FnMut(&'e Self)) {
        visit(self);
        match self {
            Self::Value(_)
            | Self::Column { .. }
            | Self::Parameter(_)
            | Self::Scalar(_)
            | Self::Exists(_)
            | Self::ArrayOf(_)
            | Self::Aggregate(_)
            | Self::Window(_)
            | Self::Operand
            | Self::Set(_) => {}
            Self::Compare(_, a, b)
            | Self::IsDistinct(a, b)
            | Self::And(a, b)
            | Self::Or(a, b)
            | Self::Arithmetic(_, _, a, b)
            | Self::Let(a, b)
            | Self::Match(_, a, b)
            | Self::Subscript(a, b)
            | Self::Quantified {
                left: a, array: b, ..
            } => {
                a.visit(visit);
                b.visit(visit);
            }
            Self::Concat(a, b) => {
                a.expr.visit(visit);
                b.expr.visit(visit);
            }
            Self::Not(a) | Self::IsNull(a) | Self::Is(_, a) | Self::Field(a, _) => a.visit(visit),
            Self::QuantifiedQuery { left, .. } => left.visit(visit),
            Self::Cast(a, _) => a.expr.visit(visit),
            Self::Case {
                branches,
                otherwise,
            } => {
                for (when, then) in branches {
                    when.visit(visit);
                    then.visit(visit);
                }
                otherwise.visit(visit);
            }
            Self::Coalesce(all) | Self::Array(all) | Self::Row(all) => {
                all.iter().for_each(|expr| expr.visit(visit));
            }
            Self::Slice(a, from, to) => {
                a.visit(visit);
                [from, to]
                    .into_iter()
                    .flatten()
                    .for_each(|e| e.visit(visit));
            }
            Self::InList(a, list) => {
                a.visit(visit);
                list.iter().for_each(|expr| expr.visit(visit));
            }
            Self::Call(_, arguments) | Self::External(_, arguments) => {
                arguments.iter().for_each(|a| a.expr.visit(visit));
            }
        }
    }

    /// The queries directly within this expression.
    pub(crate) fn queries(&self) -> Vec<&Arc<Query>> {
        let mut found = vec![];
        self.visit(&mut |expr| match expr {
            Self::Scalar(query)
            | Self::Exists(query)
            | Self::ArrayOf(query)
            | Self::QuantifiedQuery { query, .. } => found.push(query),
            _ => {}
        });
        found
    }
}
