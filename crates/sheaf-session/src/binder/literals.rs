//! Arithmetic on literals, done exactly: `0.06 + 0.01` is `0.07`.
//!
//! The engine reads a literal with a point as a double, so that columns of doubles stay doubles;
//! sums of literals would then miss the decimal they stand for, and a comparison with a decimal
//! column would miss rows. Here they are computed in decimals before the engine sees them, as
//! PostgreSQL computes them.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self, BinaryOperator, Expr, Value, VisitMut, VisitorMut};

/// Digits of a literal that are looked at; longer ones are left to the engine.
const DIGITS_MAX: usize = 18;

/// Replaces sums, differences and products of literals with a point by their exact value.
pub(super) fn fold_exactly(statement: &mut ast::Statement) {
    struct Folder;
    impl VisitorMut for Folder {
        type Break = ();

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Some(folded) = fold(expr) {
                *expr = folded;
            }
            ControlFlow::Continue(())
        }
    }
    let _ = statement.visit(&mut Folder);
}

/// A decimal: `mantissa / 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Decimal {
    mantissa: i128,
    scale: u32,
}

fn fold(expr: &Expr) -> Option<Expr> {
    let Expr::BinaryOp { left, op, right } = expr else {
        return None;
    };
    let (left, right) = (literal(left)?, literal(right)?);
    if left.scale == 0 && right.scale == 0 {
        return None; // whole numbers are exact as they are
    }
    let folded = match op {
        BinaryOperator::Plus => add(left, right)?,
        BinaryOperator::Minus => add(
            left,
            Decimal {
                mantissa: -right.mantissa,
                ..right
            },
        )?,
        BinaryOperator::Multiply => Decimal {
            mantissa: left.mantissa.checked_mul(right.mantissa)?,
            scale: left.scale + right.scale,
        },
        _ => return None,
    };
    // A negative literal is an operator on a literal; the engine folds that by itself.
    (folded.mantissa >= 0 && folded.scale as usize <= DIGITS_MAX).then(|| {
        let value = Value::Number(text(folded), false);
        Expr::Value(value.with_empty_span())
    })
}

fn literal(expr: &Expr) -> Option<Decimal> {
    match expr {
        Expr::Nested(inner) => literal(inner),
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => parse(digits),
            _ => None,
        },
        _ => None,
    }
}

fn parse(text: &str) -> Option<Decimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction}");
    let is_plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_plain || digits.len() > DIGITS_MAX {
        return None;
    }
    Some(Decimal {
        mantissa: digits.parse().ok()?,
        scale: u32::try_from(fraction.len()).ok()?,
    })
}

fn add(left: Decimal, right: Decimal) -> Option<Decimal> {
    let scale = left.scale.max(right.scale);
    let align = |d: Decimal| {
        d.mantissa
            .checked_mul(10_i128.checked_pow(scale - d.scale)?)
    };
    Some(Decimal {
        mantissa: align(left)?.checked_add(align(right)?)?,
        scale,
    })
}

fn text(decimal: Decimal) -> String {
    let scale = decimal.scale as usize;
    let digits = format!("{:0>width$}", decimal.mantissa, width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(sql: &str) -> String {
        let statement = sheaf_sql::parse(&format!("SELECT {sql} AS x"))
            .unwrap()
            .remove(0);
        let sheaf_sql::StatementKind::Query(query) = statement.kind else {
            panic!("{sql}")
        };
        let mut statement = ast::Statement::Query(query);
        fold_exactly(&mut statement);
        let text = statement.to_string();
        text["SELECT ".len()..text.len() - " AS x".len()].to_owned()
    }

    #[test]
    fn literals_with_a_point_are_computed_exactly() {
        for (sql, expected) in [
            ("0.06 + 0.01", "0.07"),
            ("0.06 - 0.01", "0.05"),
            ("0.1 + 0.2 + 0.3", "0.6"),
            ("1 - 0.1", "0.9"),
            ("1.5 * 0.5", "0.75"),
            ("(1.10 + 2)", "(3.10)"),
            ("1 + 2", "1 + 2"),
            ("0.1 - 0.2", "0.1 - 0.2"),
            ("1.5e3 + 0.1", "1.5e3 + 0.1"),
            ("a + 0.1", "a + 0.1"),
        ] {
            assert_eq!(folded(sql), expected, "{sql}");
        }
    }
}
