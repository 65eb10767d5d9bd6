//! `TABLESAMPLE`: `BERNOULLI (10)`, `(10 PERCENT)`, `100 ROWS`, each with `REPEATABLE (seed)`.
//!
//! `100 ROWS WITH REPLACEMENT` comes as `with_replacement(100) ROWS`.
//! A number without unit is a percentage in parentheses, as the standard has it, and rows without.

use std::sync::Arc;

use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::planner::{
    RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, FunctionArguments, TableFactor, TableSample,
    TableSampleKind, TableSampleUnit, Value,
};
use sheaf_base::SheafError;
use sheaf_sql::WITH_REPLACEMENT;

use super::{pass, planned, wrong, wrong_with_hint};
use crate::rewrite::is_called;
use crate::sample::{SampleNode, SampleSize, Share};

/// Plans a table or a derived table with a sample clause.
#[derive(Debug)]
pub(super) struct SamplePlanner;

impl RelationPlanner for SamplePlanner {
    fn plan_relation(
        &self,
        mut relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (sample, alias) = match &mut relation {
            TableFactor::Table { sample, alias, .. }
            | TableFactor::Derived { sample, alias, .. }
                if sample.is_some() =>
            {
                (sample.take(), alias.take())
            }
            _ => return Ok(pass(relation)),
        };
        let Some(
            TableSampleKind::BeforeTableAlias(sample) | TableSampleKind::AfterTableAlias(sample),
        ) = sample
        else {
            return Ok(pass(relation));
        };
        let size = sample_size(&sample, context)?;
        let seed = sample
            .seed
            .map(|seed| read_seed(&seed.value.value))
            .transpose()?;
        let input = context.plan(relation)?;
        let node = SampleNode::try_new(size, seed, input)?;
        Ok(planned(
            LogicalPlan::Extension(Extension {
                node: Arc::new(node),
            }),
            alias,
        ))
    }
}

fn sample_size(
    sample: &TableSample,
    context: &mut dyn RelationPlannerContext,
) -> Result<SampleSize> {
    if sample.bucket.is_some() || sample.offset.is_some() {
        return Err(
            SheafError::unsupported("BUCKET and OFFSET of TABLESAMPLE are not supported")
                .with_hint("for example TABLESAMPLE (10 PERCENT) or TABLESAMPLE (100 ROWS)")
                .into(),
        );
    }
    let Some(quantity) = &sample.quantity else {
        return Err(wrong_with_hint(
            "TABLESAMPLE needs to know how much",
            "for example TABLESAMPLE (10 PERCENT) or TABLESAMPLE (100 ROWS)",
        ));
    };
    let (value, is_with_replacement) = match &quantity.value {
        ast::Expr::Function(call) if is_called(&call.name, WITH_REPLACEMENT) => match &call.args {
            FunctionArguments::List(list) => match &list.args[..] {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(draws))] => (draws, true),
                _ => (&quantity.value, false),
            },
            _ => (&quantity.value, false),
        },
        value => (value, false),
    };
    let number = read_number(value, context)?;
    let is_rows = match quantity.unit {
        Some(TableSampleUnit::Rows) => true,
        Some(TableSampleUnit::Percent) => false,
        None => !quantity.parenthesized && sample.name.is_none(),
    };
    if !is_rows {
        return Ok(SampleSize::Share(Share::from_percent(number)?));
    }
    if number < 0.0 || number.fract() != 0.0 || number >= 2f64.powi(63) {
        return Err(wrong(format!("a sample cannot have {number} rows")));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number is whole and in range"
    )]
    let rows = number as u64;
    Ok(match is_with_replacement {
        true => SampleSize::Draws(rows),
        false => SampleSize::Rows(rows),
    })
}

fn read_number(value: &ast::Expr, context: &mut dyn RelationPlannerContext) -> Result<f64> {
    let not_a_number = || {
        wrong_with_hint(
            format!("the size of a sample must be a number, and {value} is not"),
            "for example TABLESAMPLE (10 PERCENT) or TABLESAMPLE (100 ROWS)",
        )
    };
    let expr = context
        .sql_to_expr(value.clone(), &DFSchema::empty())
        .map_err(|_| not_a_number())?;
    let (expr, is_negative) = match expr {
        Expr::Negative(inner) => (*inner, true),
        other => (other, false),
    };
    let number = match expr {
        Expr::Literal(value, _) => match value.cast_to(&arrow::datatypes::DataType::Float64) {
            Ok(ScalarValue::Float64(Some(number))) if number.is_finite() => number,
            _ => return Err(not_a_number()),
        },
        _ => return Err(not_a_number()),
    };
    Ok(if is_negative { -number } else { number })
}

/// Seeds are numbers; one that is not a whole one serves as well.
fn read_seed(value: &Value) -> Result<u64> {
    let text = match value {
        Value::Number(text, _) => text.as_str(),
        other => {
            return Err(wrong(format!(
                "a seed must be a number, and {other} is not"
            )));
        }
    };
    match (text.parse::<u64>(), text.parse::<f64>()) {
        (Ok(seed), _) => Ok(seed),
        (_, Ok(seed)) => Ok(seed.to_bits()),
        _ => Err(wrong(format!("a seed must be a number, and {text} is not"))),
    }
}
