//! The reserved relation behind `SELECT * RENAME (old AS new)`: a sub-query whose columns get new
//! names. Its arguments come in threes: qualifier or NULL, old name, new name.

use datafusion::common::{Column, DFSchema, Result, TableReference};
use datafusion::logical_expr::planner::{
    RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{self, Ident, ObjectName, TableFactor};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;

use super::planned;
use crate::rewrite::reserved::{ITEM_PREFIX, RENAME, take_call};

/// Plans the relation that the rewrite of RENAME makes.
#[derive(Debug)]
pub(super) struct RenamePlanner;

struct Rename {
    qualifier: Option<TableReference>,
    old: String,
    new: String,
}

impl RelationPlanner for RenamePlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let call = match take_call(relation, RENAME) {
            Ok(call) => call,
            Err(other) => return Ok(RelationPlanning::Original(other)),
        };
        let renames = call
            .arguments
            .chunks_exact(3)
            .map(|three| read_rename(three, context))
            .collect::<Result<Vec<_>>>()?;
        let input = context.plan(TableFactor::Derived {
            lateral: false,
            subquery: call.query,
            alias: None,
            sample: None,
        })?;
        let projection = rename_columns(input.schema(), &renames)?;
        let plan = LogicalPlanBuilder::from(input)
            .project(projection)?
            .build()?;
        Ok(planned(plan, call.alias))
    }
}

fn read_rename(three: &[ast::Expr], context: &dyn RelationPlannerContext) -> Result<Rename> {
    let qualifier = match &three[0] {
        ast::Expr::CompoundIdentifier(parts) => {
            Some(context.object_name_to_table_reference(ObjectName::from(parts.clone()))?)
        }
        _ => None,
    };
    let name = |expr: &ast::Expr| match expr {
        ast::Expr::Identifier(ident) => context.normalize_ident(ident.clone()),
        other => context.normalize_ident(Ident::new(other.to_string())),
    };
    Ok(Rename {
        qualifier,
        old: name(&three[1]),
        new: name(&three[2]),
    })
}

/// One expression for each column, with the new name where one is given.
fn rename_columns(schema: &DFSchema, renames: &[Rename]) -> Result<Vec<Expr>> {
    let mut is_used = vec![false; renames.len()];
    let mut projection = Vec::with_capacity(schema.fields().len());
    for (relation, field) in schema.iter() {
        let column = Expr::Column(Column::new(relation.cloned(), field.name()));
        // `t.* RENAME` concerns t's columns, and those that its REPLACE made, which have no table.
        let found = renames.iter().position(|rename| {
            rename.old == *field.name()
                && match (&rename.qualifier, relation) {
                    (Some(qualifier), Some(relation)) => qualifier.resolved_eq(relation),
                    _ => true,
                }
        });
        match found {
            Some(position) => {
                is_used[position] = true;
                projection.push(column.alias_qualified(relation.cloned(), &renames[position].new));
            }
            None => projection.push(column),
        }
    }
    match is_used.iter().position(|used| !used) {
        Some(position) => Err(unknown(schema, &renames[position])),
        None => Ok(projection),
    }
}

fn unknown(schema: &DFSchema, rename: &Rename) -> datafusion::common::DataFusionError {
    let names: Vec<&str> = schema
        .iter()
        .filter(|(relation, _)| match (&rename.qualifier, relation) {
            (Some(qualifier), Some(relation)) => qualifier.resolved_eq(relation),
            _ => true,
        })
        .map(|(_, field)| field.name().as_str())
        .filter(|name| !name.starts_with(ITEM_PREFIX))
        .collect();
    let error = SheafError::user(format!(
        "column \"{}\" of RENAME does not exist",
        rename.old
    ))
    .with_state(SqlState::UNDEFINED_COLUMN);
    match nearest(&rename.old, names.iter().copied()) {
        Some(name) => error.with_hint(format!("did you mean \"{name}\"?")).into(),
        None => error
            .with_hint(format!("the columns are {}", names.join(", ")))
            .into(),
    }
}
