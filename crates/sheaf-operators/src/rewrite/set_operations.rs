//! INTERSECT ALL and EXCEPT ALL: the engine below forgets how often a row occurs, so they become
//! reserved relations with two sub-queries, whose planner counts.

use datafusion::sql::sqlparser::ast::{Expr, SetExpr, SetOperator, SetQuantifier};
use sheaf_base::Result;

use super::reserved;

/// Rewrites every INTERSECT ALL and EXCEPT ALL in a query's body.
pub(super) fn count_rows(body: &mut SetExpr) -> Result<()> {
    let SetExpr::SetOperation {
        op,
        set_quantifier,
        left,
        right,
    } = body
    else {
        return Ok(());
    };
    count_rows(left)?;
    count_rows(right)?;
    let name = match (op, set_quantifier) {
        (SetOperator::Intersect, SetQuantifier::All) => reserved::INTERSECT_ALL,
        (SetOperator::Except | SetOperator::Minus, SetQuantifier::All) => reserved::EXCEPT_ALL,
        _ => return Ok(()),
    };
    let [left, right] = [left, right].map(|side| {
        let side = std::mem::replace(side.as_mut(), reserved::vacant_body());
        reserved::body_only(side)
    });
    let right = Expr::Subquery(Box::new(right));
    *body = SetExpr::Select(reserved::select_from(name, left, vec![right])?);
    Ok(())
}
