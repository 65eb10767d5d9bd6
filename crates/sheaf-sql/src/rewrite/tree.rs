//! Rewrites of the syntax tree; see the list in the module above.

use std::mem;
use std::ops::ControlFlow;

use super::balance::{balance_expression, balance_unions};
use crate::walk::WalkMut;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArgOperator, Ident, JoinOperator,
    ObjectName, Query, Select, TableFactor, TableWithJoins, VisitorMut,
};

/// Rewrites a query, a statement, a table factor or an expression.
pub(crate) fn tree(node: &mut impl WalkMut) {
    let ControlFlow::Continue(()) = node.walk_mut(&mut Rewriter);
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        balance_unions(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        balance_expression(expr);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        select.from.iter_mut().for_each(nest_asof_joins);
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        match factor {
            TableFactor::Table { args: Some(arguments), .. } => {
                arguments.args.iter_mut().for_each(name_argument);
            }
            TableFactor::Function { args, .. } => args.iter_mut().for_each(name_argument),
            TableFactor::NestedJoin { table_with_joins, .. }
                // One ASOF join alone is in its final shape already.
                if table_with_joins.joins.len() > 1 =>
            {
                nest_asof_joins(table_with_joins);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// `name = value` → `name => value`: there are no columns to compare where a table function
/// stands.
fn name_argument(argument: &mut FunctionArg) {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::BinaryOp { left, op, right })) = argument
    else {
        return;
    };
    if let (Expr::Identifier(name), BinaryOperator::Eq) = (left.as_ref(), &op) {
        let name = name.clone();
        let value = mem::replace(right.as_mut(), Expr::Identifier(Ident::new("")));
        *argument = FunctionArg::Named {
            name,
            arg: FunctionArgExpr::Expr(value),
            operator: FunctionArgOperator::RightArrow,
        };
    }
}

/// Makes each ASOF join the only join of a nested one that holds everything to its left.
fn nest_asof_joins(table: &mut TableWithJoins) {
    let is_asof = |operator: &JoinOperator| matches!(operator, JoinOperator::AsOf { .. });
    if !table.joins.iter().any(|join| is_asof(&join.join_operator)) {
        return;
    }
    let placeholder = TableFactor::NestedJoin {
        table_with_joins: Box::new(TableWithJoins {
            relation: empty(),
            joins: Vec::new(),
        }),
        alias: None,
    };
    let mut relation = mem::replace(&mut table.relation, placeholder);
    let mut pending = Vec::new();
    for join in mem::take(&mut table.joins) {
        if !is_asof(&join.join_operator) {
            pending.push(join);
            continue;
        }
        if !pending.is_empty() {
            relation = nested(relation, mem::take(&mut pending));
        }
        relation = nested(relation, vec![join]);
    }
    table.relation = relation;
    table.joins = pending;
}

fn nested(relation: TableFactor, joins: Vec<datafusion::sql::sqlparser::ast::Join>) -> TableFactor {
    let table_with_joins = Box::new(TableWithJoins { relation, joins });
    TableFactor::NestedJoin {
        table_with_joins,
        alias: None,
    }
}

fn empty() -> TableFactor {
    TableFactor::Function {
        lateral: false,
        name: ObjectName(Vec::new()),
        args: Vec::new(),
        with_ordinality: false,
        alias: None,
    }
}
