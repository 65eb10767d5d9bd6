//! Which literals are doubles: those with an exponent (`1e10`), as the standard has it, and those
//! with more digits than a decimal holds. All others with a point are decimals.
//!
//! The engine reads every number as a decimal here, since it knows one switch for all literals; a
//! double is written out as a cast.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, Query, SetExpr, Value, VisitorMut,
};
use sheaf_sql::walk::WalkMut;

/// Digits that a decimal holds.
const DECIMAL_DIGITS_MAX: usize = 38;

/// Casts the literals that are doubles.
pub(super) fn mark_approximate(tree: &mut impl WalkMut) {
    let _ = tree.walk_mut(&mut Marker {
        is_approximate: |digits| {
            let digit_count = digits.bytes().filter(u8::is_ascii_digit).count();
            digits.contains(['e', 'E']) || digit_count > DECIMAL_DIGITS_MAX
        },
    });
}

struct Marker {
    is_approximate: fn(&str) -> bool,
}

impl VisitorMut for Marker {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        // The first rows of a recursive query fix its types for all, and a decimal would be too
        // narrow for what is computed of it.
        let recursive = query.with.iter_mut().filter(|with| with.recursive);
        for cte in recursive.flat_map(|with| &mut with.cte_tables) {
            if let SetExpr::SetOperation { left, .. } = cte.query.body.as_mut() {
                let _ = left.walk_mut(&mut Marker {
                    is_approximate: |digits| digits.contains(['.', 'e', 'E']),
                });
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = expr
            && let Value::Number(digits, _) = &value.value
            && (self.is_approximate)(digits)
        {
            let digits = Value::SingleQuotedString(digits.replace('_', ""));
            *expr = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(Expr::Value(digits.with_span(value.span))),
                data_type: DataType::Double(ExactNumberInfo::None),
                array: false,
                format: None,
            };
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast;

    use super::*;

    fn marked(sql: &str) -> String {
        let statement = sheaf_sql::parse(sql).unwrap().remove(0);
        let sheaf_sql::StatementKind::Query(query) = statement.kind else {
            panic!("{sql}")
        };
        let mut statement = ast::Statement::Query(query);
        mark_approximate(&mut statement);
        statement.to_string()
    }

    #[test]
    fn literals_with_an_exponent_are_doubles() {
        assert_eq!(
            marked("SELECT 1e3, 2.5, -1.5E-3, 7"),
            "SELECT CAST('1e3' AS DOUBLE), 2.5, -CAST('1.5E-3' AS DOUBLE), 7"
        );
    }

    #[test]
    fn literals_longer_than_a_decimal_are_doubles() {
        let digits = "1".repeat(39);
        assert_eq!(
            marked(&format!("SELECT {digits}")),
            format!("SELECT CAST('{digits}' AS DOUBLE)")
        );
    }

    #[test]
    fn the_first_rows_of_a_recursive_query_are_doubles() {
        assert_eq!(
            marked(
                "WITH RECURSIVE t(x) AS (SELECT 1.0 UNION ALL SELECT x * 1.5 FROM t) SELECT x FROM t"
            ),
            "WITH RECURSIVE t (x) AS (SELECT CAST('1.0' AS DOUBLE) UNION ALL SELECT x * 1.5 \
             FROM t) SELECT x FROM t"
        );
    }
}
