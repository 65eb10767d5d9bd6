//! `x op ANY (sub-query)`, of which IN, NOT IN and ALL are variants.
//!
//! The answer is true if a row compares true, else unknown if a row compares unknown, else false. For
//! equality a mark join finds the first, and counting rows and NULLs tells the others apart; for
//! order the least and the greatest value decide. Both are linear in the rows. What remains (rows of
//! several columns that may be NULL, floats) looks for rows that compare unknown.

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, Result, ScalarValue, plan_err};
use datafusion::functions::core::expr_fn::get_field;
use datafusion::functions_aggregate::expr_fn::{count, max, min};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Expr, ExprSchemable, JoinType, LogicalPlan, Operator, binary_expr, lit, when,
};

use super::attach::Attached;
use super::domain::{Domain, Pushed};
use super::fast::is_row_value;
use super::outer::to_outer;
use super::plans::{aggregated, join_on};
use super::push::Push;

/// A comparison with the rows of a sub-query.
pub(super) struct Quantified {
    /// Each value over the input, and the sub-query's.
    pairs: Vec<(Expr, Expr)>,
    op: Operator,
    plan: LogicalPlan,
    /// The input, for references.
    input: DFSchema,
}

/// How the rows that a value is compared with look: their number, those that are not NULL, and the
/// extremes if they were asked for.
struct Summary {
    rows: Expr,
    values: Expr,
    least: Expr,
    greatest: Expr,
}

impl Quantified {
    pub(super) fn new(
        expr: Expr,
        op: Operator,
        plan: LogicalPlan,
        input: &DFSchema,
    ) -> Result<Self> {
        if plan.schema().fields().is_empty() {
            return plan_err!("a sub-query that values are compared with has a column");
        }
        let value = Expr::Column(Column::from(plan.schema().qualified_field(0)));
        let mut pairs = Vec::new();
        match (is_row_value(&expr), plan.schema().field(0).data_type()) {
            (true, DataType::Struct(fields)) => {
                for field in fields {
                    pairs.push((
                        get_field(expr.clone(), field.name().clone()),
                        get_field(value.clone(), field.name().clone()),
                    ));
                }
            }
            _ => pairs.push((expr, value)),
        }
        Ok(Self {
            pairs,
            op,
            plan,
            input: input.clone(),
        })
    }

    /// The sub-query and the conditions under which one of its rows compares true.
    pub(super) fn into_conditions(self) -> (LogicalPlan, Vec<Expr>) {
        let conditions = self.comparisons();
        (self.plan, conditions)
    }

    fn comparisons(&self) -> Vec<Expr> {
        let outer = |expr: &Expr| to_outer(expr.clone(), &self.input);
        let pairs = self.pairs.iter();
        pairs
            .map(|(left, right)| {
                let left = outer(left).unwrap_or_else(|_| left.clone());
                binary_expr(left, self.op, right.clone())
            })
            .collect()
    }

    /// By looking for rows that compare true, and for rows that compare unknown.
    pub(super) fn by_marks(self, attached: &mut Attached<'_>) -> Result<Expr> {
        let is_true = attached.mark(self.plan.clone(), self.comparisons())?;
        let mut nullable = false;
        for (left, right) in &self.pairs {
            nullable |= attached.is_nullable(left)? || right.nullable(self.plan.schema())?;
        }
        if !nullable {
            return Ok(is_true);
        }
        let null = lit(ScalarValue::Boolean(None));
        if let [(value, _)] = self.pairs.as_slice()
            && self.op == Operator::Eq
        {
            let value = value.clone();
            let summary = self.summary(attached, false)?;
            return when(is_true, lit(true))
                .when(summary.is_empty(), lit(false))
                .when(value.is_null().or(summary.has_null()), null)
                .otherwise(lit(false));
        }
        let whole = conjunction(self.comparisons()).unwrap_or_else(|| lit(true));
        let is_unknown = attached.mark(self.plan.clone(), vec![whole.is_null()])?;
        when(is_true, lit(true))
            .when(is_unknown, null)
            .otherwise(lit(false))
    }

    /// By the extremes, if the comparison is one of order and the type is ordered as people expect.
    pub(super) fn by_extremes(&self, attached: &mut Attached<'_>) -> Result<Option<Expr>> {
        let [(value, right)] = self.pairs.as_slice() else {
            return Ok(None);
        };
        let data_type = right.get_type(self.plan.schema())?;
        let is_ordered = data_type.is_integer()
            || data_type.is_decimal()
            || data_type.is_temporal()
            || matches!(
                data_type,
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            );
        let is_order = matches!(
            self.op,
            Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq | Operator::NotEq
        );
        if !is_ordered || !is_order {
            return Ok(None);
        }
        let value = value.clone();
        let summary = self.summary(attached, true)?;
        let compared = |extreme: &Expr| binary_expr(value.clone(), self.op, extreme.clone());
        let is_true = match self.op {
            Operator::Lt | Operator::LtEq => compared(&summary.greatest),
            Operator::Gt | Operator::GtEq => compared(&summary.least),
            _ => compared(&summary.least).or(compared(&summary.greatest)),
        };
        let answer = when(summary.is_empty(), lit(false))
            .when(is_true.is_true(), lit(true))
            .when(
                value.clone().is_null().or(summary.has_null()),
                lit(ScalarValue::Boolean(None)),
            )
            .otherwise(lit(false))?;
        Ok(Some(answer))
    }

    /// Joins the summary of the sub-query's rows with the input.
    fn summary(&self, attached: &mut Attached<'_>, extremes: bool) -> Result<Summary> {
        let base = attached.base.clone();
        let (domain, plan) = Domain::distinct(base, self.plan.clone(), attached.names)?;
        let pushed = Push::new(&domain).push(plan)?;
        let value = match self.pairs.first() {
            Some((_, value)) => value.clone(),
            None => lit(true),
        };
        let fresh = |prefix: &str| attached.names.fresh(prefix);
        let (rows, values) = (fresh("rows"), fresh("values"));
        let (least, greatest) = (fresh("least"), fresh("greatest"));
        let mut aggregates = vec![
            count(lit(1_i64)).alias(rows.clone()),
            count(value.clone()).alias(values.clone()),
        ];
        if extremes {
            aggregates.push(min(value.clone()).alias(least.clone()));
            aggregates.push(max(value).alias(greatest.clone()));
        }
        let keys: Vec<Expr> = pushed.key_exprs().collect();
        let is_alone = keys.is_empty();
        let plan = aggregated(pushed.plan, keys, aggregates)?;
        if is_alone {
            attached.input = join_on(attached.input.clone(), plan, JoinType::Inner, Vec::new())?;
        } else {
            let keys = pushed.keys;
            attached.join_back(&domain, Pushed { plan, keys })?;
        }
        let column = |name: String| Expr::Column(Column::new_unqualified(name));
        Ok(Summary {
            rows: column(rows),
            values: column(values),
            least: column(least),
            greatest: column(greatest),
        })
    }
}

impl Summary {
    fn is_empty(&self) -> Expr {
        self.rows
            .clone()
            .is_null()
            .or(self.rows.clone().eq(lit(0_i64)))
    }

    fn has_null(&self) -> Expr {
        self.values.clone().lt(self.rows.clone())
    }
}
