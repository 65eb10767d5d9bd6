//! UNION, VALUES and recursive queries.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::{Column, DFSchema, Result};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, RecursiveQuery, Union, Values,
};

use super::super::domain::{Key, Pushed};
use super::super::outer::free_columns;
use super::super::plans::{named, project, renamed};
use super::{LastStep, Push};

impl Push<'_, '_> {
    /// Every input must hold for the same columns of the domain.
    pub(super) fn union(&self, union: Union) -> Result<Pushed> {
        let schema = union.schema;
        let mut inputs = Vec::with_capacity(union.inputs.len());
        let mut wanted = std::collections::BTreeSet::new();
        for input in union.inputs {
            let columns = input.schema().columns();
            let pushed = self.push(Arc::unwrap_or_clone(input))?;
            wanted.extend(pushed.wanted());
            inputs.push((columns, pushed));
        }
        let parts = inputs.into_iter().map(|(columns, pushed)| {
            let pushed = self.domain.ensure(pushed, &wanted)?;
            Ok((columns, pushed))
        });
        let parts = parts.collect::<Result<Vec<_>>>()?;
        self.union_of(parts, &schema)
    }

    /// The union of parts with their own columns, named as `schema` is.
    fn union_of(&self, parts: Vec<(Vec<Column>, Pushed)>, schema: &DFSchema) -> Result<Pushed> {
        let mut keys: BTreeMap<usize, Key> = BTreeMap::new();
        for (position, key) in parts.iter().flat_map(|(_, part)| &part.keys) {
            let common = keys.entry(*position).or_insert_with(|| Key {
                column: Column::new_unqualified(self.domain.names.fresh("outer")),
                never_null: true,
            });
            common.never_null &= key.never_null;
        }
        let mut inputs = Vec::with_capacity(parts.len());
        for (columns, part) in parts {
            let mut exprs = Vec::new();
            for (index, column) in columns.into_iter().enumerate() {
                exprs.push(named(Expr::Column(column), schema, index));
            }
            for (position, key) in &part.keys {
                if let Some(common) = keys.get(position) {
                    exprs.push(Expr::Column(key.column.clone()).alias(&common.column.name));
                }
            }
            inputs.push(Arc::new(project(part.plan, exprs)?));
        }
        let plan = LogicalPlan::Union(Union::try_new(inputs)?);
        let mut exprs = renamed(&plan, 0, schema)?;
        let width = schema.fields().len();
        for (index, key) in keys.values_mut().enumerate() {
            let field = plan.schema().qualified_field(width + index);
            let column = Expr::Column(Column::from(field));
            exprs.push(column.alias(&key.column.name));
        }
        Ok(Pushed {
            plan: project(plan, exprs)?,
            keys,
        })
    }

    /// Each row of VALUES is a projection of the domain.
    pub(super) fn values(&self, values: &Values) -> Result<Pushed> {
        let used = self.used(values.values.iter().flatten())?;
        let mut parts = Vec::with_capacity(values.values.len());
        for row in &values.values {
            let pushed = self.domain.instance(&used)?;
            let mut exprs = Vec::new();
            for (index, expr) in row.iter().enumerate() {
                let mut expr = self.bind(expr.clone(), &pushed)?;
                let wanted = values.schema.field(index).data_type();
                if datafusion::logical_expr::ExprSchemable::get_type(&expr, pushed.plan.schema())?
                    != *wanted
                {
                    expr = Expr::Cast(datafusion::logical_expr::Cast::new(
                        Box::new(expr),
                        wanted.clone(),
                    ));
                }
                exprs.push(named(expr, &values.schema, index));
            }
            exprs.extend(pushed.key_exprs());
            let keys = pushed.keys;
            let plan = project(pushed.plan, exprs)?;
            parts.push((values.schema.columns(), Pushed { plan, keys }));
        }
        match parts.pop() {
            Some((_, only)) if parts.is_empty() => Ok(only),
            Some(last) => {
                parts.push(last);
                self.union_of(parts, &values.schema)
            }
            None => Ok(Pushed::of(LogicalPlan::Values(values.clone()))),
        }
    }

    /// The rows of each step carry their keys into the next.
    pub(super) fn recursive(&self, query: RecursiveQuery) -> Result<Pushed> {
        let schema = Arc::clone(query.static_term.schema());
        let mut wanted = std::collections::BTreeSet::new();
        for term in [&query.static_term, &query.recursive_term] {
            let free = free_columns(term)?;
            wanted.extend(free.iter().filter_map(|c| self.domain.position(c)));
        }
        let first = self.push(Arc::unwrap_or_clone(query.static_term))?;
        let first = self.domain.ensure(first, &wanted)?;
        let columns = schema.columns().into_iter().map(Expr::Column);
        let mut exprs: Vec<Expr> = columns.collect();
        let mut keys: BTreeMap<usize, Key> = BTreeMap::new();
        for (position, key) in &first.keys {
            let name = self.domain.names.fresh("outer");
            exprs.push(Expr::Column(key.column.clone()).alias(name.clone()));
            let column = Column::new(Some(query.name.clone()), name);
            let never_null = false;
            keys.insert(*position, Key { column, never_null });
        }
        let first = project(first.plan, exprs)?;
        let table = CteWorkTable::new(&query.name, Arc::clone(first.schema().inner()));
        let source = provider_as_source(Arc::new(table));
        let steps = Push {
            last_step: Some(LastStep {
                name: query.name.clone(),
                plan: LogicalPlanBuilder::scan(query.name.as_str(), source, None)?.build()?,
                keys: keys.clone(),
            }),
            ..Push::new(self.domain)
        };
        let step_schema = Arc::clone(query.recursive_term.schema());
        let next = steps.push(Arc::unwrap_or_clone(query.recursive_term))?;
        let next = self.domain.ensure(next, &keys.keys().copied().collect())?;
        let mut exprs: Vec<Expr> = step_schema
            .columns()
            .into_iter()
            .map(Expr::Column)
            .collect();
        for position in keys.keys() {
            if let Some(key) = next.keys.get(position) {
                exprs.push(Expr::Column(key.column.clone()));
            }
        }
        let next = project(next.plan, exprs)?;
        let (name, is_distinct) = (query.name, query.is_distinct);
        let plan = LogicalPlan::RecursiveQuery(RecursiveQuery::try_new(
            name,
            Arc::new(first),
            Arc::new(next),
            is_distinct,
        )?);
        let mut exprs = renamed(&plan, 0, &schema)?;
        let width = schema.fields().len();
        for (index, key) in keys.values_mut().enumerate() {
            let field = plan.schema().qualified_field(width + index);
            key.column.relation = None;
            exprs.push(Expr::Column(Column::from(field)).alias(&key.column.name));
        }
        Ok(Pushed {
            plan: project(plan, exprs)?,
            keys,
        })
    }
}
