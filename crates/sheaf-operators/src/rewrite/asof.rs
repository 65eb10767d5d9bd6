//! `a … ASOF JOIN b` becomes a nested join, which the ASOF planner is asked about.
//!
//! The planner below handles chains of joins itself and never asks relation planners about a join,
//! except for one in parentheses. So `a JOIN b … ASOF JOIN c … JOIN d` becomes
//! `(a JOIN b … ASOF JOIN c …) JOIN d`, which means the same.

use datafusion::sql::sqlparser::ast::{
    Expr, Join, JoinOperator, TableFactor, TableWithJoins, Value,
};

/// Whether `join` is an ASOF join.
pub(crate) fn is_asof(join: &Join) -> bool {
    matches!(join.join_operator, JoinOperator::AsOf { .. })
}

/// Puts every ASOF join of a chain, with all that stands before it, in parentheses.
pub(super) fn nest(chain: &mut TableWithJoins) {
    while let Some(position) = chain.joins.iter().position(is_asof) {
        let rest = chain.joins.split_off(position + 1);
        let joins = std::mem::replace(&mut chain.joins, rest);
        let relation = std::mem::replace(&mut chain.relation, vacant());
        chain.relation = TableFactor::NestedJoin {
            table_with_joins: Box::new(TableWithJoins { relation, joins }),
            alias: None,
        };
    }
}

/// What stands in a place for the moment in which its content moves.
fn vacant() -> TableFactor {
    TableFactor::TableFunction {
        expr: Expr::Value(Value::Null.into()),
        alias: None,
    }
}
