//! Comparisons of rows, `(a, b) = (c, d)`, become comparisons of their parts, joined as SQL defines
//! them, so that NULLs among the parts count.
//!
//! | written | passed on |
//! |---|---|
//! | `(a, b) = (c, d)` | `a = c AND b = d` |
//! | `(a, b) <> (c, d)` | `a <> c OR b <> d` |
//! | `(a, b) < (c, d)` | `a < c OR a = c AND b < d` |
//! | `(a, b) IN ((c, d), (e, f))` | `a = c AND b = d OR a = e AND b = f` |
//! | `(a, b) IS DISTINCT FROM (c, d)` | `a IS DISTINCT FROM c OR b IS DISTINCT FROM d` |
//! | `(a, b) IS NULL` | `a IS NULL AND b IS NULL` |

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator,
};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::build::{binary, chain, take};

/// Rewrites `expr` if it compares rows.
pub(super) fn compare_parts(expr: &mut Expr) -> Result<()> {
    let compared = match expr {
        Expr::BinaryOp { left, op, right } => match (parts(left), parts(right)) {
            (Some(left), Some(right)) => comparison(left, op, right)?,
            _ => None,
        },
        Expr::IsDistinctFrom(left, right) => match (parts(left), parts(right)) {
            (Some(left), Some(right)) => {
                let pairs = pairs(left, right)?.into_iter();
                let members = pairs.map(|(l, r)| Expr::IsDistinctFrom(Box::new(l), Box::new(r)));
                chain(members.collect(), &BinaryOperator::Or)
            }
            _ => None,
        },
        Expr::IsNotDistinctFrom(left, right) => match (parts(left), parts(right)) {
            (Some(left), Some(right)) => {
                let pairs = pairs(left, right)?.into_iter();
                let members = pairs.map(|(l, r)| Expr::IsNotDistinctFrom(Box::new(l), Box::new(r)));
                chain(members.collect(), &BinaryOperator::And)
            }
            _ => None,
        },
        Expr::IsNull(row) => parts(row).and_then(|row| {
            let members = row.into_iter().map(|part| Expr::IsNull(Box::new(part)));
            chain(members.collect(), &BinaryOperator::And)
        }),
        Expr::IsNotNull(row) => parts(row).and_then(|row| {
            let members = row.into_iter().map(|part| Expr::IsNotNull(Box::new(part)));
            chain(members.collect(), &BinaryOperator::And)
        }),
        Expr::InList {
            expr: row,
            list,
            negated,
        } => match parts(row) {
            Some(row) => in_list(&row, list, *negated)?,
            None => None,
        },
        _ => None,
    };
    if let Some(compared) = compared {
        *expr = Expr::Nested(Box::new(compared));
    }
    Ok(())
}

/// The parts of a row: `(a, b)` or `ROW(a, b)`.
fn parts(expr: &Expr) -> Option<Vec<Expr>> {
    match expr {
        Expr::Tuple(parts) if !parts.is_empty() => Some(parts.clone()),
        Expr::Nested(inner) => parts(inner),
        Expr::Function(function)
            if function.over.is_none() && function.name.to_string().eq_ignore_ascii_case("row") =>
        {
            let FunctionArguments::List(list) = &function.args else {
                return None;
            };
            let part = |argument: &FunctionArg| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(part)) => Some(part.clone()),
                _ => None,
            };
            list.args.iter().map(part).collect::<Option<Vec<_>>>()
        }
        _ => None,
    }
}

fn pairs(left: Vec<Expr>, right: Vec<Expr>) -> Result<Vec<(Expr, Expr)>> {
    if left.len() != right.len() {
        return Err(SheafError::user(format!(
            "rows of {} and {} values cannot be compared",
            left.len(),
            right.len()
        ))
        .with_state(SqlState::SYNTAX_ERROR));
    }
    Ok(left.into_iter().zip(right).collect())
}

fn comparison(left: Vec<Expr>, op: &BinaryOperator, right: Vec<Expr>) -> Result<Option<Expr>> {
    use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq, Or};
    let each = |op: &BinaryOperator, pairs: Vec<(Expr, Expr)>| -> Vec<Expr> {
        pairs
            .into_iter()
            .map(|(left, right)| binary(left, op.clone(), right))
            .collect()
    };
    Ok(match op {
        Eq => chain(each(op, pairs(left, right)?), &And),
        NotEq => chain(each(op, pairs(left, right)?), &Or),
        Lt | LtEq => ordered(pairs(left, right)?, &Lt, op),
        Gt | GtEq => ordered(pairs(left, right)?, &Gt, op),
        _ => None,
    })
}

/// The first parts that differ decide, by `strict`; the last ones by `last`.
fn ordered(
    mut pairs: Vec<(Expr, Expr)>,
    strict: &BinaryOperator,
    last: &BinaryOperator,
) -> Option<Expr> {
    let (left, right) = pairs.pop()?;
    let mut decided = binary(left, last.clone(), right);
    for (left, right) in pairs.into_iter().rev() {
        let differ = binary(left.clone(), strict.clone(), right.clone());
        let equal = binary(left, BinaryOperator::Eq, right);
        decided = binary(
            differ,
            BinaryOperator::Or,
            binary(equal, BinaryOperator::And, decided),
        );
    }
    Some(decided)
}

fn in_list(row: &[Expr], list: &mut [Expr], is_negated: bool) -> Result<Option<Expr>> {
    let mut members = Vec::with_capacity(list.len());
    for candidate in list {
        let Some(candidate) = parts(&take(candidate)) else {
            return Err(SheafError::user("a row is compared with rows only")
                .with_state(SqlState::SYNTAX_ERROR));
        };
        members.extend(comparison(row.to_vec(), &BinaryOperator::Eq, candidate)?);
    }
    Ok(
        chain(members, &BinaryOperator::Or).map(|found| match is_negated {
            false => found,
            true => Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr: Box::new(Expr::Nested(Box::new(found))),
            },
        }),
    )
}
