//! `lambda x: …` over elements of arrays: planned like the select list of a table whose columns are the
//! parameters, but that numbers take the types of elements.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::common::tree_node::TreeNode;
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, FunctionArguments, OneOrManyWithParens, UnaryOperator,
    VisitMut, VisitorMut,
};
use sheaf_array_relations::{Lambda, LambdaCompiler};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_optimizer::{Numbers, Uuids, Variants};

use super::numbers::adopt;
use crate::binder::build::{select_all, table_factor};
use crate::binder::context::table_key;
use crate::binder::simplifier;
use crate::binder::{Binder, Bound, normalize};

/// The name of the table whose columns are a lambda's parameters.
const PARAMETERS: &str = "parameters of the function";

/// The body of a lambda.
pub(super) struct Body<'a> {
    binder: Binder<'a>,
    body: ast::Expr,
}

impl<'a> Body<'a> {
    /// The lambda that an argument is.
    ///
    /// # Errors
    /// `UserInput` if it is none.
    pub(super) fn lambda(
        binder: Binder<'a>,
        function: &str,
        value: &ast::Expr,
    ) -> Result<Lambda<'a>> {
        let ast::Expr::Lambda(lambda) = value else {
            return Err(SheafError::user(format!(
                "{function}: {value} is no function of elements"
            ))
            .with_state(SqlState::DATATYPE_MISMATCH)
            .with_hint("write lambda x: 2 * x, or lambda x, y: x + y"));
        };
        let parameters = match &lambda.params {
            OneOrManyWithParens::One(only) => std::slice::from_ref(only),
            OneOrManyWithParens::Many(many) => many.as_slice(),
        };
        let parameters: Vec<String> = parameters.iter().map(|p| normalize(&p.name)).collect();
        let mut body = (*lambda.body).clone();
        let mut finder = Neighbours {
            parameter: parameters.first().cloned().unwrap_or_default(),
            found: vec![],
        };
        let _ = VisitMut::visit(&mut body, &mut finder);
        Ok(Lambda {
            parameters,
            neighbours: finder.found,
            body: Box::new(Body { binder, body }),
        })
    }
}

/// Calls of the first parameter, `x(-1, 0)`, become columns of that name.
struct Neighbours {
    parameter: String,
    found: Vec<(String, Vec<i64>)>,
}

impl VisitorMut for Neighbours {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        let ast::Expr::Function(call) = expr else {
            return ControlFlow::Continue(());
        };
        let name = match call.name.0.as_slice() {
            [part] => part.as_ident().map(normalize),
            _ => None,
        };
        if name.as_ref() != Some(&self.parameter) {
            return ControlFlow::Continue(());
        }
        let FunctionArguments::List(list) = &call.args else {
            return ControlFlow::Continue(());
        };
        let Some(offsets) = list.args.iter().map(offset).collect::<Option<Vec<i64>>>() else {
            return ControlFlow::Continue(());
        };
        let numbers: Vec<String> = offsets.iter().map(ToString::to_string).collect();
        let column = format!("{}({})", self.parameter, numbers.join(", "));
        *expr = ast::Expr::Identifier(ast::Ident::with_quote('"', column.clone()));
        if !self.found.iter().any(|(known, _)| *known == column) {
            self.found.push((column, offsets));
        }
        ControlFlow::Continue(())
    }
}

/// A whole number that is written there.
fn offset(argument: &FunctionArg) -> Option<i64> {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else {
        return None;
    };
    let whole = |expr: &ast::Expr| match expr {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(digits, _) => digits.parse::<i64>().ok(),
            _ => None,
        },
        _ => None,
    };
    match expr {
        ast::Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => whole(expr).map(|number| -number),
        other => whole(other),
    }
}

impl LambdaCompiler for Body<'_> {
    fn compile(&self, schema: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>> {
        let mut bound = Bound::default();
        let table = MemTable::try_new(Arc::clone(schema), vec![vec![]])?;
        let key = table_key(&TableReference::bare(PARAMETERS));
        bound
            .tables
            .insert(key, provider_as_source(Arc::new(table)));
        let name = ast::Ident::with_quote('"', PARAMETERS);
        let factor = table_factor(ast::ObjectName::from(vec![name]));
        let mut query = select_all(factor);
        if let ast::SetExpr::Select(select) = query.body.as_mut() {
            select.projection = vec![ast::SelectItem::UnnamedExpr(self.body.clone())];
        }
        let plan = self
            .binder
            .plan_bound(ast::Statement::Query(Box::new(query)), &bound)?;
        let plan = adopt(plan)?;
        let options = self.binder.state.config_options();
        let plan = Variants.analyze(plan, options)?;
        let plan = Numbers.analyze(plan, options)?;
        let plan = Uuids.analyze(plan, options)?;
        let LogicalPlan::Projection(projection) = &plan else {
            return Err(no_function());
        };
        let ([value], LogicalPlan::TableScan(_)) =
            (projection.expr.as_slice(), projection.input.as_ref())
        else {
            return Err(no_function());
        };
        if value.is_volatile() {
            return Err(SheafError::unsupported(
                "a function of elements gives the same for the same elements",
            )
            .with_hint("array_random makes random numbers"));
        }
        let has_query = value.exists(|expr| {
            Ok(matches!(
                expr,
                Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_)
            ))
        })?;
        if has_query {
            return Err(no_function());
        }
        let (state, columns) = (self.binder.state, projection.input.schema());
        let simplifier = simplifier(state, columns);
        let value = simplifier.coerce(value.clone().unalias(), columns)?;
        Ok(state.create_physical_expr(simplifier.simplify(value)?, columns)?)
    }
}

fn no_function() -> SheafError {
    SheafError::unsupported(
        "a function of elements is an expression without queries and aggregates",
    )
}
