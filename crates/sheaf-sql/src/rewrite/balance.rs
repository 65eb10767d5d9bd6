//! Long chains of `AND`, `OR` and `UNION` made shallow.
//!
//! The parser makes a chain of n members n levels deep, and everything that walks the tree
//! recurses as deep. These operators are associative, so a chain is rebuilt with about log2(n)
//! levels. Order and meaning stay: the first member of a union still names the columns.

use std::mem;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Query, SetExpr, SetOperator, SetQuantifier,
};

/// Chains up to this many members keep the shape in which they were written.
const CHAIN_MEMBERS_MIN: usize = 16;

/// Rebuilds the chain of AND or OR whose last operator is `expr`.
pub(super) fn balance_expression(expr: &mut Expr) {
    let Expr::BinaryOp {
        op: op @ (BinaryOperator::And | BinaryOperator::Or),
        ..
    } = expr
    else {
        return;
    };
    let op = op.clone();
    if count(expr, |expr| next_operand(expr, &op)) < CHAIN_MEMBERS_MIN {
        return;
    }
    let mut members = Vec::new();
    let mut rest = mem::replace(expr, Expr::Identifier(Ident::new("")));
    loop {
        match rest {
            Expr::BinaryOp {
                left,
                op: found,
                right,
            } if found == op => {
                members.push(*right);
                rest = *left;
            }
            first => {
                members.push(first);
                break;
            }
        }
    }
    members.reverse();
    let join = |left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: op.clone(),
        right: Box::new(right),
    };
    if let Some(balanced) = fold(members, &join) {
        *expr = balanced;
    }
}

/// Rebuilds a query's chain of equal unions.
pub(super) fn balance_unions(query: &mut Query) {
    let SetExpr::SetOperation {
        op: SetOperator::Union,
        set_quantifier,
        ..
    } = query.body.as_ref()
    else {
        return;
    };
    let quantifier = *set_quantifier;
    // By name, the columns of a pair depend on its members; such chains stay.
    if !matches!(
        quantifier,
        SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None
    ) || count(query.body.as_ref(), |body| next_union(body, quantifier)) < CHAIN_MEMBERS_MIN
    {
        return;
    }
    let mut members = Vec::new();
    let empty = || {
        SetExpr::Values(datafusion::sql::sqlparser::ast::Values {
            explicit_row: false,
            value_keyword: false,
            rows: Vec::new(),
        })
    };
    let mut rest = mem::replace(query.body.as_mut(), empty());
    loop {
        match rest {
            SetExpr::SetOperation {
                op: SetOperator::Union,
                set_quantifier,
                left,
                right,
            } if set_quantifier == quantifier => {
                members.push(*right);
                rest = *left;
            }
            first => {
                members.push(first);
                break;
            }
        }
    }
    members.reverse();
    let join = |left, right| SetExpr::SetOperation {
        op: SetOperator::Union,
        set_quantifier: quantifier,
        left: Box::new(left),
        right: Box::new(right),
    };
    if let Some(balanced) = fold(members, &join) {
        *query.body = balanced;
    }
}

fn next_operand<'a>(expr: &'a Expr, wanted: &BinaryOperator) -> Option<&'a Expr> {
    match expr {
        Expr::BinaryOp { left, op, .. } if op == wanted => Some(left),
        _ => None,
    }
}

fn next_union(body: &SetExpr, wanted: SetQuantifier) -> Option<&SetExpr> {
    match body {
        SetExpr::SetOperation {
            op: SetOperator::Union,
            set_quantifier,
            left,
            ..
        } if *set_quantifier == wanted => Some(left),
        _ => None,
    }
}

fn count<'a, T>(first: &'a T, next: impl Fn(&'a T) -> Option<&'a T>) -> usize {
    std::iter::successors(Some(first), |node| next(node)).count()
}

/// Joins neighbours pairwise until one is left.
fn fold<T>(mut members: Vec<T>, join: &impl Fn(T, T) -> T) -> Option<T> {
    while members.len() > 1 {
        let mut pairs = Vec::with_capacity(members.len().div_ceil(2));
        let mut rest = members.into_iter();
        while let Some(left) = rest.next() {
            pairs.push(match rest.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
        members = pairs;
    }
    members.pop()
}
