//! The rule for what plans combine: the arms of UNION, the keys of joins, the rows of VALUES.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, DFSchemaRef, Result, ScalarValue};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{Expr, ExprSchemable, Join, LogicalPlan, Projection, Union, Values};

use super::literals::cast;
use super::types::{Operand, comparison, type_of_untyped, union};

/// Brings what `plan` combines to common types.
pub(super) fn unify(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    Ok(match plan {
        LogicalPlan::Union(union) => Transformed::yes(LogicalPlan::Union(unify_arms(union)?)),
        LogicalPlan::Join(join) => Transformed::yes(LogicalPlan::Join(unify_keys(join)?)),
        LogicalPlan::Values(values) => Transformed::yes(LogicalPlan::Values(unify_rows(values)?)),
        other => Transformed::no(other),
    })
}

fn unify_arms(plan: Union) -> Result<Union> {
    let arms: Vec<Vec<Operand>> = plan
        .inputs
        .iter()
        .map(|input| columns(input))
        .collect::<Result<_>>()?;
    let mut inputs: Vec<Vec<Option<DataType>>> = vec![Vec::new(); arms.len()];
    for column in 0..plan.schema.fields().len() {
        let operands: Vec<Operand> = arms
            .iter()
            .filter_map(|arm| arm.get(column).cloned())
            .collect();
        let beside = type_of_untyped(&operands, "a column of UNION")?;
        let common = union(&operands);
        for (wanted, operand) in inputs.iter_mut().zip(&operands) {
            wanted.push(match operand.is_untyped() {
                true => common.clone().or_else(|| beside.clone()),
                false => common.clone(),
            });
        }
    }
    let inputs = plan.inputs.into_iter().zip(inputs);
    let inputs = inputs
        .map(|(input, wanted)| cast_columns(input, &wanted))
        .collect::<Result<Vec<_>>>()?;
    let schema = union_schema(&inputs, &plan.schema)?;
    Ok(Union { inputs, schema })
}

/// The columns of a plan; those that are literals as such.
fn columns(plan: &LogicalPlan) -> Result<Vec<Operand>> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let schema = projection.input.schema();
            let columns = projection.expr.iter();
            columns.map(|expr| Operand::of(expr, schema)).collect()
        }
        other => {
            let fields = other.schema().fields().iter();
            Ok(fields
                .map(|field| Operand::typed(field.data_type().clone()))
                .collect())
        }
    }
}

fn cast_columns(plan: Arc<LogicalPlan>, wanted: &[Option<DataType>]) -> Result<Arc<LogicalPlan>> {
    let schema = Arc::clone(plan.schema());
    let is_wanted = |(field, wanted): (&Arc<Field>, &Option<DataType>)| {
        wanted
            .as_ref()
            .is_none_or(|wanted| wanted == field.data_type())
    };
    if schema.fields().iter().zip(wanted).all(is_wanted) {
        return Ok(plan);
    }
    // A projection is changed in place, so that literals are converted and not cast.
    let (columns, input) = match Arc::unwrap_or_clone(plan) {
        LogicalPlan::Projection(projection) => (projection.expr, projection.input),
        other => (
            other.schema().iter().map(Expr::from).collect(),
            Arc::new(other),
        ),
    };
    let columns = columns.into_iter().zip(wanted).zip(schema.iter());
    let columns = columns
        .map(|((expr, wanted), (qualifier, field))| match wanted {
            Some(wanted) if wanted != field.data_type() => {
                let expr = cast(expr.unalias(), wanted, input.schema())?;
                Ok(expr.alias_qualified(qualifier.cloned(), field.name()))
            }
            _ => Ok(expr),
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(
        columns, input,
    )?)))
}

/// The names that the union has, and the types of its first arm.
fn union_schema(inputs: &[Arc<LogicalPlan>], schema: &DFSchemaRef) -> Result<DFSchemaRef> {
    let Some(first) = inputs.first() else {
        return Ok(Arc::clone(schema));
    };
    let fields = schema.iter().zip(first.schema().fields());
    let fields = fields
        .map(|((qualifier, field), typed)| {
            let field = field.as_ref().clone();
            let field = field.with_data_type(typed.data_type().clone());
            (qualifier.cloned(), Arc::new(field))
        })
        .collect();
    Ok(Arc::new(DFSchema::new_with_metadata(
        fields,
        schema.metadata().clone(),
    )?))
}

fn unify_keys(mut join: Join) -> Result<Join> {
    let (left_schema, right_schema) = (join.left.schema(), join.right.schema());
    let keys = std::mem::take(&mut join.on).into_iter();
    join.on = keys
        .map(|(left, right)| {
            let operands = [
                Operand::of(&left, left_schema)?,
                Operand::of(&right, right_schema)?,
            ];
            Ok(match comparison(&operands) {
                Some(common) => (
                    cast(left, &common, left_schema)?,
                    cast(right, &common, right_schema)?,
                ),
                None => (left, right),
            })
        })
        .collect::<Result<_>>()?;
    Ok(join)
}

/// The engine has cast the rows to a common type while it planned them, doubles and decimals to
/// a decimal. Here such casts are undone.
fn unify_rows(values: Values) -> Result<Values> {
    let Values { schema, mut values } = values;
    let mut changed = HashMap::new();
    for (column, field) in schema.fields().iter().enumerate() {
        let is_cast_double = |row: &Vec<Expr>| match row.get(column) {
            Some(Expr::Cast(Cast { expr, .. })) => {
                matches!(expr.get_type(&DFSchema::empty()), Ok(own) if own.is_floating())
            }
            Some(Expr::Literal(value, _)) => value.data_type().is_floating(),
            _ => false,
        };
        if field.data_type().is_decimal() && values.iter().any(is_cast_double) {
            changed.insert(column, DataType::Float64);
        }
    }
    if changed.is_empty() {
        return Ok(Values { schema, values });
    }
    for row in &mut values {
        for (column, wanted) in &changed {
            if let Some(value) = row.get_mut(*column) {
                let own = match std::mem::take(value) {
                    Expr::Cast(Cast { expr, .. }) => *expr,
                    Expr::Literal(null, metadata) if null.is_null() => {
                        Expr::Literal(ScalarValue::Null, metadata)
                    }
                    other => other,
                };
                *value = cast(own, wanted, &DFSchema::empty())?;
            }
        }
    }
    let fields = schema.iter().enumerate();
    let fields = fields
        .map(|(column, (qualifier, field))| {
            let field = match changed.get(&column) {
                Some(wanted) => Arc::new(field.as_ref().clone().with_data_type(wanted.clone())),
                None => Arc::clone(field),
            };
            (qualifier.cloned(), field)
        })
        .collect();
    let schema = DFSchema::new_with_metadata(fields, schema.metadata().clone())?;
    Ok(Values {
        schema: Arc::new(schema),
        values,
    })
}
