//! Aggregates: grouped by the domain, with the rows of groups that are empty.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{JoinType, Result, ScalarValue};
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, GroupingSet, lit, when};

use super::super::domain::{Pushed, common_keys};
use super::super::plans::{add_columns, aggregated, join_on, named, project, renamed};
use super::{Answer, Push, is_grouping_sets};

impl Push<'_, '_> {
    /// An aggregate without GROUP BY, which has one row even if its input has none.
    pub(super) fn ungrouped(&self, aggregate: Aggregate) -> Result<Answer> {
        let empty = empty_row(&aggregate)?;
        let pushed = self.grouped(aggregate)?;
        let if_missing = (!pushed.keys.is_empty()).then_some(empty);
        Ok(Answer { pushed, if_missing })
    }

    pub(super) fn aggregate(&self, aggregate: Aggregate) -> Result<Pushed> {
        if !has_empty_group(&aggregate) {
            return self.grouped(aggregate);
        }
        let schema = Arc::clone(&aggregate.schema);
        let empty = empty_row(&aggregate)?;
        let pushed = self.grouped(aggregate)?;
        if pushed.keys.is_empty() {
            return Ok(pushed);
        }
        let found = self.domain.names.fresh("found");
        let marked = Pushed {
            plan: add_columns(pushed.plan, vec![lit(true).alias(found.clone())])?,
            keys: pushed.keys,
        };
        let instance = self.domain.instance(&marked.wanted())?;
        let conditions = common_keys(&instance, &marked);
        let is_missing = datafusion::logical_expr::ident(found).is_null();
        let mut exprs = Vec::new();
        for (index, (empty, field)) in empty.into_iter().zip(schema.columns()).enumerate() {
            let column = Expr::Column(field);
            let value = match &empty {
                Expr::Literal(value, _) if value.is_null() => column,
                _ => when(is_missing.clone(), empty).otherwise(column)?,
            };
            exprs.push(named(value, &schema, index));
        }
        let plan = join_on(instance.plan, marked.plan, JoinType::Left, conditions)?;
        exprs.extend(
            instance
                .keys
                .values()
                .map(|k| Expr::Column(k.column.clone())),
        );
        Ok(Pushed {
            plan: project(plan, exprs)?,
            keys: instance.keys,
        })
    }

    /// Groups by the keys also. Groups that are empty have no row.
    fn grouped(&self, aggregate: Aggregate) -> Result<Pushed> {
        let pushed = self.push(Arc::unwrap_or_clone(aggregate.input.clone()))?;
        let used = self.used(aggregate.group_expr.iter().chain(&aggregate.aggr_expr))?;
        let pushed = self.domain.ensure(pushed, &used)?;
        let mut groups: Vec<Expr> = pushed.key_exprs().collect();
        let offset = groups.len();
        groups.extend(self.bind_all(aggregate.group_expr, &pushed)?);
        let aggregates = self.bind_all(aggregate.aggr_expr, &pushed)?;
        let plan = aggregated(pushed.plan.clone(), groups, aggregates)?;
        let mut columns = renamed(&plan, offset, &aggregate.schema)?;
        columns.extend(pushed.key_exprs());
        let keys = pushed.keys;
        Ok(Pushed {
            plan: project(plan, columns)?,
            keys,
        })
    }
}

/// Whether there is a group of all rows, which is there even if there are no rows.
fn has_empty_group(aggregate: &Aggregate) -> bool {
    match aggregate.group_expr.as_slice() {
        [] => true,
        [Expr::GroupingSet(GroupingSet::GroupingSets(sets))] => sets.iter().any(Vec::is_empty),
        [Expr::GroupingSet(_)] => true,
        _ => false,
    }
}

/// What an aggregate over no rows gives: NULL for what it groups by, and each function's own answer.
fn empty_row(aggregate: &Aggregate) -> Result<Vec<Expr>> {
    let mut row = Vec::new();
    let groups = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    for index in 0..groups {
        let field = aggregate.schema.field(index);
        let is_grouping_id = is_grouping_sets(aggregate) && index + 1 == groups;
        row.push(match is_grouping_id {
            true => all_bits(groups - 1, field.data_type())?,
            false => Expr::Literal(ScalarValue::try_from(field.data_type())?, None),
        });
    }
    for expr in &aggregate.aggr_expr {
        let data_type = expr.get_type(aggregate.input.schema())?;
        let value = match expr.clone().unalias() {
            Expr::AggregateFunction(function) => function.func.default_value(&data_type)?,
            _ => ScalarValue::try_from(&data_type)?,
        };
        row.push(Expr::Literal(value, None));
    }
    Ok(row)
}

/// The grouping id of the set that groups by none of `columns`.
fn all_bits(columns: usize, data_type: &DataType) -> Result<Expr> {
    let bits = u32::try_from(columns).unwrap_or(u32::MAX);
    let value = 1_u64.checked_shl(bits).map_or(u64::MAX, |bit| bit - 1);
    let value = ScalarValue::UInt64(Some(value)).cast_to(data_type)?;
    Ok(Expr::Literal(value, None))
}
