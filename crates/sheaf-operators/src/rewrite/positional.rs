//! `a … POSITIONAL JOIN b` becomes a nested join, which the planner of such joins is asked about.
//!
//! The grammar below has no such join: what was written comes as two joins, of a marker and of `b`.

use datafusion::sql::sqlparser::ast::{Join, ObjectName, TableFactor, TableWithJoins};
use sheaf_sql::POSITIONAL;

use super::is_called;
use super::reserved::vacant_relation;

/// Whether this is the relation that stands before the right side of a positional join.
#[must_use]
pub fn is_positional_marker(name: &ObjectName) -> bool {
    is_called(name, POSITIONAL)
}

/// Whether `join` is that of the marker.
pub(crate) fn is_positional(join: &Join) -> bool {
    match &join.relation {
        TableFactor::Table { name, .. } => is_positional_marker(name),
        _ => false,
    }
}

/// Puts every positional join of a chain, with all that stands before it, in parentheses.
pub(super) fn nest(chain: &mut TableWithJoins) {
    while let Some(position) = chain.joins.iter().position(is_positional) {
        let rest = chain.joins.split_off((position + 2).min(chain.joins.len()));
        let mut joins = std::mem::replace(&mut chain.joins, rest);
        let pair = joins.split_off(position);
        let mut left = std::mem::replace(&mut chain.relation, vacant_relation());
        if !joins.is_empty() {
            left = nested(left, joins);
        }
        chain.relation = nested(left, pair);
    }
}

fn nested(relation: TableFactor, joins: Vec<Join>) -> TableFactor {
    TableFactor::NestedJoin {
        table_with_joins: Box::new(TableWithJoins { relation, joins }),
        alias: None,
    }
}
