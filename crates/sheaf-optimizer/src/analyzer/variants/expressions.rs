//! The rule for one expression whose parts have been rewritten.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNodeRewriter};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{
    AggregateFunction, Between, BinaryExpr, Case, Cast, InList, InSubquery, Like, ScalarFunction,
    Sort, TryCast, WindowFunction,
};
use datafusion::logical_expr::{Expr, ExprSchemable, lit};
use sheaf_bags::functions::{
    cast_variant, check_elements, knows_variants, parse_json, sort_key, to_variant,
};
use sheaf_bags::planner::{Meaning, compared_with, is_variant_expr, operands};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;
use sheaf_base::type_names::{VARIANT, is_variant};

/// Aggregates that need an order, which the texts of VARIANTs do not have.
const ORDERED_AGGREGATES: &[&str] = &["min", "max", "median"];

/// Rewrites expressions bottom-up; `schema` is that of the plan's inputs.
pub(super) struct VariantRewriter<'a> {
    schema: &'a DFSchema,
}

impl<'a> VariantRewriter<'a> {
    pub(super) fn new(schema: &'a DFSchema) -> Self {
        Self { schema }
    }
}

impl TreeNodeRewriter for VariantRewriter<'_> {
    type Node = Expr;

    fn f_up(&mut self, expr: Expr) -> Result<Transformed<Expr>> {
        match expr {
            Expr::Cast(Cast { expr, field }) if is_variant(&field) => {
                Ok(Transformed::yes(self.made(*expr)?))
            }
            Expr::TryCast(TryCast { expr, field }) if is_variant(&field) => {
                Ok(Transformed::yes(self.made(*expr)?))
            }
            Expr::Cast(Cast { expr, field }) if self.is_variant(&expr) => {
                let cast = cast_variant(*expr, field.data_type(), false)?;
                Ok(Transformed::yes(cast))
            }
            Expr::TryCast(TryCast { expr, field }) if self.is_variant(&expr) => {
                let cast = cast_variant(*expr, field.data_type(), true)?;
                Ok(Transformed::yes(cast))
            }
            Expr::BinaryExpr(binary) => Ok(self.binary(binary)),
            Expr::ScalarFunction(call) => self.call(call),
            Expr::AggregateFunction(call) => self.aggregate(call),
            Expr::WindowFunction(call) => Ok(self.window(*call)),
            Expr::InList(list) => self.in_list(list),
            Expr::InSubquery(list) => self.in_subquery(list),
            Expr::Between(between) => self.between(between),
            Expr::Like(like) => Ok(self.like(like)?.update_data(Expr::Like)),
            Expr::SimilarTo(like) => Ok(self.like(like)?.update_data(Expr::SimilarTo)),
            Expr::Case(case) => self.case(case),
            other => Ok(Transformed::no(other)),
        }
    }
}

/// Sort keys in the order of VARIANTs, where they are some.
pub(super) fn sorted(keys: Vec<Sort>, schema: &DFSchema) -> Vec<Sort> {
    let keys = keys
        .into_iter()
        .map(|key| match is_variant_expr(&key.expr, schema) {
            true => Sort {
                expr: sort_key(key.expr),
                ..key
            },
            false => key,
        });
    keys.collect()
}

impl VariantRewriter<'_> {
    fn is_variant(&self, expr: &Expr) -> bool {
        is_variant_expr(expr, self.schema)
    }

    /// A value as a VARIANT: texts are read as JSON, as PostgreSQL's `::jsonb` does.
    fn made(&self, value: Expr) -> Result<Expr> {
        if self.is_variant(&value) {
            return Ok(value);
        }
        let data_type = value.get_type(self.schema)?;
        Ok(match data_type.is_string() {
            true => parse_json(value),
            false => to_variant(value),
        })
    }

    /// A VARIANT as a text; others as they are.
    fn text(&self, expr: Expr) -> Result<Expr> {
        match self.is_variant(&expr) {
            true => cast_variant(expr, &DataType::Utf8View, false),
            false => Ok(expr),
        }
    }

    /// A VARIANT as what `other` is, beside which it stands.
    fn beside(&self, expr: Expr, other: &Expr) -> Result<Expr> {
        if !self.is_variant(&expr) || self.is_variant(other) {
            return Ok(expr);
        }
        match compared_with(other, self.schema) {
            Some(target) => cast_variant(expr, &target, false),
            None => Ok(expr),
        }
    }

    /// Where the planner did not know that a side is a VARIANT, since UNNEST gave it.
    fn binary(&self, binary: BinaryExpr) -> Transformed<Expr> {
        let is_known = !self.is_variant(&binary.left) && !self.is_variant(&binary.right);
        if is_known {
            return Transformed::no(Expr::BinaryExpr(binary));
        }
        let meaning = Meaning::of(binary.op);
        let (left, right) = operands(*binary.left, meaning, *binary.right, self.schema);
        let binary = BinaryExpr::new(Box::new(left), binary.op, Box::new(right));
        Transformed::yes(Expr::BinaryExpr(binary))
    }

    fn call(&self, mut call: ScalarFunction) -> Result<Transformed<Expr>> {
        if matches!(call.func.name(), "typeof") {
            let has_variant = call.args.first().is_some_and(|arg| self.is_variant(arg));
            return Ok(match has_variant {
                true => Transformed::yes(lit(VARIANT)),
                false => Transformed::no(Expr::ScalarFunction(call)),
            });
        }
        if let [value] = call.args.as_slice() {
            check_elements(&call.func, &value.to_field(self.schema)?.1)?;
        }
        if knows_variants(&call.func) || !call.args.iter().any(|arg| self.is_variant(arg)) {
            return Ok(Transformed::no(Expr::ScalarFunction(call)));
        }
        let args = call.args.into_iter().map(|arg| self.text(arg));
        call.args = args.collect::<Result<_>>()?;
        Ok(Transformed::yes(Expr::ScalarFunction(call)))
    }

    fn aggregate(&self, mut call: AggregateFunction) -> Result<Transformed<Expr>> {
        let name = call.func.name();
        let has_variant = call.params.args.iter().any(|arg| self.is_variant(arg));
        if has_variant && ORDERED_AGGREGATES.contains(&name) {
            let error = SheafError::unsupported(format!("{name} of a VARIANT"))
                .with_state(SqlState::FEATURE_NOT_SUPPORTED)
                .with_hint(format!("say what it is: {name}(rec.a::DOUBLE)"));
            return Err(error.into());
        }
        if has_variant && name == "string_agg" {
            let args = call.params.args.into_iter().map(|arg| self.text(arg));
            call.params.args = args.collect::<Result<_>>()?;
        }
        call.params.order_by = sorted(call.params.order_by, self.schema);
        Ok(Transformed::yes(Expr::AggregateFunction(call)))
    }

    fn window(&self, mut call: WindowFunction) -> Transformed<Expr> {
        call.params.order_by = sorted(call.params.order_by, self.schema);
        Transformed::yes(Expr::WindowFunction(Box::new(call)))
    }

    fn in_list(&self, list: InList) -> Result<Transformed<Expr>> {
        let InList {
            expr,
            list,
            negated,
        } = list;
        let other = list.iter().find(|item| !self.is_variant(item)).cloned();
        let Some(other) = other else {
            return Ok(Transformed::no(Expr::InList(InList::new(
                expr, list, negated,
            ))));
        };
        let list = match self.is_variant(&expr) {
            true => list
                .into_iter()
                .map(|item| self.beside(item, &other))
                .collect::<Result<_>>()?,
            false => list
                .into_iter()
                .map(|item| self.beside(item, &expr))
                .collect::<Result<_>>()?,
        };
        let expr = Box::new(self.beside(*expr, &other)?);
        Ok(Transformed::yes(Expr::InList(InList::new(
            expr, list, negated,
        ))))
    }

    fn in_subquery(&self, list: InSubquery) -> Result<Transformed<Expr>> {
        let field = list.subquery.subquery.schema().fields().first().cloned();
        match field {
            Some(field) if self.is_variant(&list.expr) && !is_variant(&field) => {
                let expr = cast_variant(*list.expr, field.data_type(), false)?;
                Ok(Transformed::yes(Expr::InSubquery(InSubquery {
                    expr: Box::new(expr),
                    ..list
                })))
            }
            _ => Ok(Transformed::no(Expr::InSubquery(list))),
        }
    }

    fn between(&self, between: Between) -> Result<Transformed<Expr>> {
        let Between {
            expr,
            negated,
            low,
            high,
        } = between;
        let is_all = [&expr, &low, &high]
            .iter()
            .all(|side| self.is_variant(side));
        let (expr, low, high) = match is_all {
            true => (sort_key(*expr), sort_key(*low), sort_key(*high)),
            false => (
                self.beside(*expr.clone(), &low)?,
                self.beside(*low, &expr)?,
                self.beside(*high, &expr)?,
            ),
        };
        Ok(Transformed::yes(Expr::Between(Between::new(
            Box::new(expr),
            negated,
            Box::new(low),
            Box::new(high),
        ))))
    }

    fn like(&self, like: Like) -> Result<Transformed<Like>> {
        if !self.is_variant(&like.expr) && !self.is_variant(&like.pattern) {
            return Ok(Transformed::no(like));
        }
        let expr = Box::new(self.text(*like.expr)?);
        let pattern = Box::new(self.text(*like.pattern)?);
        Ok(Transformed::yes(Like {
            expr,
            pattern,
            ..like
        }))
    }

    /// What is compared with a VARIANT decides what that is cast to; results become texts.
    fn case(&self, case: Case) -> Result<Transformed<Expr>> {
        let Case {
            expr,
            when_then_expr,
            else_expr,
        } = case;
        let first = when_then_expr.first().map(|(when, _)| when.clone());
        let expr = match (expr, first) {
            (Some(expr), Some(when)) => Some(Box::new(self.beside(*expr, &when)?)),
            (expr, _) => expr,
        };
        let branches = when_then_expr.into_iter();
        let branches = branches.map(|(when, then)| Ok((when, Box::new(self.text(*then)?))));
        let else_expr = match else_expr {
            Some(value) => Some(Box::new(self.text(*value)?)),
            None => None,
        };
        Ok(Transformed::yes(Expr::Case(Case::new(
            expr,
            branches.collect::<Result<_>>()?,
            else_expr,
        ))))
    }
}
