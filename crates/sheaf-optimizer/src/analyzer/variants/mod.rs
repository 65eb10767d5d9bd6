//! What VARIANTs are where they meet other types.
//!
//! - A cast of a VARIANT reads its value; a cast to VARIANT makes one.
//! - Beside values of another type (IN, BETWEEN, LIKE, CASE) it is cast to that type; `=` and the
//!   like are the planner's (`sheaf_bags::planner`).
//! - Functions that do not know VARIANTs take them as texts.
//! - Sorts go by the order of VARIANTs.
//! - What UNNEST makes of a list of VARIANTs are VARIANTs, which the engine forgets.
//!
//! It runs before any rule that looks at types, which see the JSON text beneath. Applying it twice
//! changes nothing more.

mod expressions;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Distinct, DistinctOn, Expr, LogicalPlan, Projection, Sort, Unnest};
use datafusion::optimizer::AnalyzerRule;
use sheaf_bags::functions::{as_variant, sort_key};
use sheaf_bags::planner::is_variant_expr;
use sheaf_base::type_names::is_variant;

use self::expressions::{VariantRewriter, sorted};
use super::rewrite::{columns_of, rewrite_expressions};

/// The rule; see the module.
#[derive(Debug, Default)]
pub struct Variants;

impl AnalyzerRule for Variants {
    fn name(&self) -> &'static str {
        "variants"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let mut has_marked = false;
        let analyzed =
            plan.transform_up_with_subqueries(|plan| analyze_node(plan, &mut has_marked))?;
        Ok(analyzed.data)
    }
}

/// Analyzes one node whose inputs have been analyzed. Once something has been marked as a VARIANT, nodes
/// above it learn so.
fn analyze_node(plan: LogicalPlan, has_marked: &mut bool) -> Result<Transformed<LogicalPlan>> {
    let plan = match *has_marked {
        true => plan.recompute_schema()?,
        false => plan,
    };
    let schema = columns_of(&plan)?;
    let mut rewriter = VariantRewriter::new(&schema);
    let plan = rewrite_expressions(plan, &mut rewriter)?;
    let plan = plan.transform_data(|plan| {
        Ok(match plan {
            LogicalPlan::Sort(sort) => Transformed::yes(LogicalPlan::Sort(Sort {
                expr: sorted(sort.expr, &schema),
                ..sort
            })),
            LogicalPlan::Distinct(Distinct::On(distinct)) => {
                // Rows are told apart by what they are sorted by.
                let sort_expr = distinct.sort_expr.map(|keys| sorted(keys, &schema));
                let on_expr = distinct.on_expr.into_iter();
                let on_expr = on_expr.map(|key| match is_variant_expr(&key, &schema) {
                    true => sort_key(key),
                    false => key,
                });
                let on_expr = on_expr.collect();
                Transformed::yes(LogicalPlan::Distinct(Distinct::On(DistinctOn {
                    on_expr,
                    sort_expr,
                    ..distinct
                })))
            }
            LogicalPlan::Unnest(unnest) => {
                let marked = remember(unnest)?;
                *has_marked |= marked.transformed;
                marked
            }
            other => Transformed::no(other),
        })
    })?;
    match plan.transformed {
        true => plan.map_data(LogicalPlan::recompute_schema),
        false => Ok(plan),
    }
}

/// Marks the VARIANTs among what UNNEST gives.
fn remember(unnest: Unnest) -> Result<Transformed<LogicalPlan>> {
    let input = unnest.input.schema();
    let lists = unnest.list_type_columns.iter();
    let variants: Vec<Column> = lists
        .filter(|(list, unnesting)| {
            let item = item_at(input.field(*list), unnesting.depth);
            item.is_some_and(|item| is_variant(&item))
        })
        .map(|(_, unnesting)| unnesting.output_column.clone())
        .collect();
    if variants.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Unnest(unnest)));
    }
    let columns: Vec<Expr> = unnest
        .schema
        .columns()
        .into_iter()
        .map(|column| {
            let is_one = variants.iter().any(|variant| variant.name == column.name);
            match is_one {
                true => {
                    let (relation, name) = (column.relation.clone(), column.name.clone());
                    as_variant(Expr::Column(column)).alias_qualified(relation, name)
                }
                false => Expr::Column(column),
            }
        })
        .collect();
    let marked = Projection::try_new(columns, Arc::new(LogicalPlan::Unnest(unnest)))?;
    Ok(Transformed::yes(LogicalPlan::Projection(marked)))
}

/// What a list has as its items, or (at depth 2) as items of these.
fn item_at(list: &Field, depth: usize) -> Option<FieldRef> {
    let item = match list.data_type() {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => item,
        _ => return None,
    };
    match depth {
        0 | 1 => Some(Arc::clone(item)),
        deeper => item_at(item, deeper - 1),
    }
}
