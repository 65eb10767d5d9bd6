//! What UUIDs are where they meet texts.
//!
//! - A cast of a text reads it, a cast to a text writes it: the engine has neither cast.
//! - Beside a UUID a text is one: in comparisons, IN, BETWEEN, CASE, and where a function's arguments
//!   are alike.
//! - `||` and `concat` join its text.
//!
//! It runs behind [`Numbers`](super::Numbers), which casts untyped literals to what they are beside, and
//! before the engine's `TypeCoercion`. Applying it twice changes nothing more.

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNodeRewriter};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{
    Between, BinaryExpr, Case, Cast, InList, ScalarFunction, TryCast,
};
use datafusion::logical_expr::{Expr, ExprSchemable, Join, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;
use sheaf_base::uuid::{is_uuid, parse_uuid};
use sheaf_functions::uuid::{to_uuid, uuid_to_text};

use super::rewrite::{columns_of, rewrite_expressions};

/// Functions that join the texts of their arguments.
const JOINING: &[&str] = &["concat", "concat_ws", "format"];

/// Functions whose arguments, and lists' items, are of one type.
const ALIKE: &[&str] = &[
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "make_array",
    "array_append",
    "array_prepend",
    "array_has",
    "array_position",
    "array_positions",
    "array_remove_all",
    "array_replace_all",
];

/// The rule; see the module.
#[derive(Debug, Default)]
pub struct Uuids;

impl AnalyzerRule for Uuids {
    fn name(&self) -> &'static str {
        "uuids"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(analyze_node)?.data)
    }
}

fn analyze_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = columns_of(&plan)?;
    let mut rewriter = UuidRewriter { schema: &schema };
    let plan = rewrite_expressions(plan, &mut rewriter)?;
    let plan = plan.transform_data(|plan| match plan {
        LogicalPlan::Join(join) => keys(join),
        other => Ok(Transformed::no(other)),
    })?;
    match plan.transformed {
        true => plan.map_data(LogicalPlan::recompute_schema),
        false => Ok(plan),
    }
}

/// The keys of a join, of which one may be a text.
fn keys(mut join: Join) -> Result<Transformed<LogicalPlan>> {
    let mut is_changed = false;
    let pairs = std::mem::take(&mut join.on).into_iter();
    let pairs = pairs.map(|(left, right)| {
        let types = [
            left.get_type(join.left.schema())?,
            right.get_type(join.right.schema())?,
        ];
        let [is_left, is_right] = [&types[0], &types[1]].map(is_uuid);
        let of_text = |expr: Expr, data_type: &DataType| match data_type.is_string() {
            true => to_uuid(expr, false),
            false => expr,
        };
        is_changed |= is_left && types[1].is_string() || is_right && types[0].is_string();
        Ok(match (is_left, is_right) {
            (true, false) => (left, of_text(right, &types[1])),
            (false, true) => (of_text(left, &types[0]), right),
            _ => (left, right),
        })
    });
    join.on = pairs.collect::<Result<_>>()?;
    let plan = LogicalPlan::Join(join);
    Ok(match is_changed {
        true => Transformed::yes(plan),
        false => Transformed::no(plan),
    })
}

/// Rewrites expressions bottom-up; `schema` is that of the plan's inputs.
struct UuidRewriter<'a> {
    schema: &'a DFSchema,
}

impl TreeNodeRewriter for UuidRewriter<'_> {
    type Node = Expr;

    fn f_up(&mut self, expr: Expr) -> Result<Transformed<Expr>> {
        match expr {
            Expr::Cast(Cast { expr, field }) => {
                self.cast(*expr, field.data_type(), false, |expr| {
                    Expr::Cast(Cast {
                        expr: Box::new(expr),
                        field: field.clone(),
                    })
                })
            }
            Expr::TryCast(TryCast { expr, field }) => {
                self.cast(*expr, field.data_type(), true, |expr| {
                    Expr::TryCast(TryCast {
                        expr: Box::new(expr),
                        field: field.clone(),
                    })
                })
            }
            Expr::BinaryExpr(binary) => self.binary(binary),
            Expr::InList(list) => self.in_list(list),
            Expr::Between(between) => self.between(between),
            Expr::Case(case) => self.case(case),
            Expr::ScalarFunction(call) => self.call(call),
            other => Ok(Transformed::no(other)),
        }
    }
}

impl UuidRewriter<'_> {
    fn is_uuid(&self, expr: &Expr) -> bool {
        expr.get_type(self.schema).is_ok_and(|own| is_uuid(&own))
    }

    fn is_text(&self, expr: &Expr) -> bool {
        expr.get_type(self.schema).is_ok_and(|own| own.is_string())
    }

    /// A text as a UUID, others as they are. A literal is read at once, if it can be.
    fn read(&self, expr: Expr) -> Expr {
        if !self.is_text(&expr) {
            return expr;
        }
        if let Expr::Literal(value, metadata) = &expr {
            let read = match value.try_as_str().flatten() {
                Some(text) => parse_uuid(text).map(|bytes| bytes.to_vec()).map(Some),
                None => Some(None),
            };
            if let Some(bytes) = read {
                return Expr::Literal(ScalarValue::FixedSizeBinary(16, bytes), metadata.clone());
            }
        }
        to_uuid(expr, false)
    }

    /// A UUID as a text, others as they are.
    fn written(&self, expr: Expr) -> Expr {
        match self.is_uuid(&expr) {
            true => uuid_to_text(expr),
            false => expr,
        }
    }

    fn cast(
        &self,
        expr: Expr,
        target: &DataType,
        is_try: bool,
        recast: impl Fn(Expr) -> Expr,
    ) -> Result<Transformed<Expr>> {
        if is_uuid(target) && self.is_text(&expr) {
            return Ok(Transformed::yes(match is_try {
                true => to_uuid(expr, true),
                false => self.read(expr),
            }));
        }
        if target.is_string() && self.is_uuid(&expr) {
            return Ok(Transformed::yes(recast(uuid_to_text(expr))));
        }
        Ok(Transformed::no(recast(expr)))
    }

    fn binary(&self, binary: BinaryExpr) -> Result<Transformed<Expr>> {
        let (is_left, is_right) = (self.is_uuid(&binary.left), self.is_uuid(&binary.right));
        if !is_left && !is_right {
            return Ok(Transformed::no(Expr::BinaryExpr(binary)));
        }
        let BinaryExpr { left, op, right } = binary;
        let (left, right) = match op {
            Operator::StringConcat => (self.written(*left), self.written(*right)),
            _ => (self.read(*left), self.read(*right)),
        };
        let binary = BinaryExpr::new(Box::new(left), op, Box::new(right));
        Ok(Transformed::yes(Expr::BinaryExpr(binary)))
    }

    fn in_list(&self, list: InList) -> Result<Transformed<Expr>> {
        let has_uuid = self.is_uuid(&list.expr) || list.list.iter().any(|item| self.is_uuid(item));
        if !has_uuid {
            return Ok(Transformed::no(Expr::InList(list)));
        }
        let items = list.list.into_iter().map(|item| self.read(item));
        let list = InList::new(
            Box::new(self.read(*list.expr)),
            items.collect(),
            list.negated,
        );
        Ok(Transformed::yes(Expr::InList(list)))
    }

    fn between(&self, between: Between) -> Result<Transformed<Expr>> {
        let parts = [&between.expr, &between.low, &between.high];
        let has_uuid = parts.into_iter().any(|part| self.is_uuid(part));
        if !has_uuid {
            return Ok(Transformed::no(Expr::Between(between)));
        }
        let between = Between::new(
            Box::new(self.read(*between.expr)),
            between.negated,
            Box::new(self.read(*between.low)),
            Box::new(self.read(*between.high)),
        );
        Ok(Transformed::yes(Expr::Between(between)))
    }

    /// What a CASE compares; its branches have been brought to one type.
    fn case(&self, mut case: Case) -> Result<Transformed<Expr>> {
        let compared = case.expr.iter();
        let whens = case.when_then_expr.iter().map(|(when, _)| when);
        let has_uuid = case.expr.is_some() && compared.chain(whens).any(|expr| self.is_uuid(expr));
        if !has_uuid {
            return Ok(Transformed::no(Expr::Case(case)));
        }
        case.expr = case.expr.map(|expr| Box::new(self.read(*expr)));
        for (when, _) in &mut case.when_then_expr {
            **when = self.read(std::mem::take(when));
        }
        Ok(Transformed::yes(Expr::Case(case)))
    }

    fn call(&self, mut call: ScalarFunction) -> Result<Transformed<Expr>> {
        let name = call.func.name();
        let joins = JOINING.contains(&name);
        let holds = |expr: &Expr| {
            let own = expr.get_type(self.schema);
            own.is_ok_and(|own| match &own {
                DataType::List(item) => is_uuid(item.data_type()),
                own => is_uuid(own),
            })
        };
        if !(joins || ALIKE.contains(&name)) || !call.args.iter().any(holds) {
            return Ok(Transformed::no(Expr::ScalarFunction(call)));
        }
        let args = call.args.into_iter();
        call.args = match joins {
            true => args.map(|arg| self.written(arg)).collect(),
            false => args.map(|arg| self.read(arg)).collect(),
        };
        Ok(Transformed::yes(Expr::ScalarFunction(call)))
    }
}
