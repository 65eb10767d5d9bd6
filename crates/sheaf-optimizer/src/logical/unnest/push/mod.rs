//! Moving a domain into a sub-plan: each operator learns to answer for many outer rows at once.
//!
//! [`Push::push`] frees a plan of its references to the domain, from the leaves up. The rule of each
//! operator is the one of Neumann and Kemper (2015): a filter needs the values it compares, an
//! aggregate groups by them, a window is partitioned by them, a limit counts within them, a join of
//! two dependent sides joins on them too. Where a filter compares outer values with its own input
//! for equality, the input's side stands for the domain, and no join with the domain is needed.

mod aggregate;
mod join;
mod limit;
mod set;
mod table_function;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, DFSchema, JoinType, Result, TableReference, internal_err};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator,
    Projection, Sort, SubqueryAlias, Unnest, UserDefinedLogicalNode,
};
use sheaf_base::SheafError;
use sheaf_operators::shared::SharedNode;
use sheaf_operators::table_function::TableFunctionNode;

pub(super) use table_function::{plan_of, row_call};

use super::domain::{Domain, Key, Pushed, add_keys};
use super::outer::{bind, free_columns, free_in, substitute};
use super::plans::{conjuncts, filtered, named, only, project};

/// What a sub-query gives, for the values of a domain.
pub(super) struct Answer {
    pub(super) pushed: Pushed,
    /// If there is exactly one row for each value: the row of the values that have none in
    /// `pushed`, over the domain.
    pub(super) if_missing: Option<Vec<Expr>>,
}

/// Pushes one domain.
pub(super) struct Push<'d, 'n> {
    domain: &'d Domain<'n>,
    /// Within the steps of a recursive query: the rows of the last one.
    last_step: Option<LastStep>,
    /// Sub-plans that run once, by their id: their copies stay copies of one.
    shared: RefCell<BTreeMap<u64, Pushed>>,
}

/// What the steps of a recursive query read as the query's own name.
struct LastStep {
    name: String,
    plan: LogicalPlan,
    keys: BTreeMap<usize, Key>,
}

impl<'d, 'n> Push<'d, 'n> {
    pub(super) fn new(domain: &'d Domain<'n>) -> Self {
        Self {
            domain,
            last_step: None,
            shared: RefCell::default(),
        }
    }

    /// Frees a whole sub-query. An aggregate without GROUP BY at its top is not completed with the
    /// rows of empty groups here: who joins the answer back sees which are missing.
    pub(super) fn answer(&self, plan: LogicalPlan) -> Result<Answer> {
        let complete = |pushed| Answer {
            pushed,
            if_missing: None,
        };
        if !self.depends(&plan)? {
            return Ok(complete(Pushed::of(plan)));
        }
        match plan {
            LogicalPlan::SubqueryAlias(alias) => {
                let schema = Arc::clone(alias.input.schema());
                let answer = self.answer(Arc::unwrap_or_clone(alias.input))?;
                Ok(Answer {
                    pushed: self.rename(answer.pushed, &schema, &alias.alias)?,
                    if_missing: answer.if_missing,
                })
            }
            LogicalPlan::Projection(projection) => {
                let input_schema = Arc::clone(projection.input.schema());
                let answer = self.answer(Arc::unwrap_or_clone(projection.input))?;
                let if_missing = match &answer.if_missing {
                    None => None,
                    Some(row) => {
                        let exprs = projection.expr.iter().cloned();
                        let exprs = exprs.map(|e| over_row(e.unalias(), &input_schema, row));
                        Some(exprs.collect::<Result<Vec<_>>>()?)
                    }
                };
                Ok(Answer {
                    pushed: self.projected(answer.pushed, projection.expr, &projection.schema)?,
                    if_missing,
                })
            }
            LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => {
                self.ungrouped(aggregate)
            }
            other => Ok(complete(self.push(other)?)),
        }
    }

    /// Frees `plan` of its references to the domain. Its columns keep their names.
    pub(super) fn push(&self, plan: LogicalPlan) -> Result<Pushed> {
        if !self.depends(&plan)? {
            return Ok(Pushed::of(plan));
        }
        match plan {
            LogicalPlan::Subquery(subquery) => self.push(Arc::unwrap_or_clone(subquery.subquery)),
            LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) => {
                let schema = Arc::clone(input.schema());
                let pushed = self.push(Arc::unwrap_or_clone(input))?;
                self.rename(pushed, &schema, &alias)
            }
            LogicalPlan::Projection(Projection {
                expr,
                input,
                schema,
                ..
            }) => {
                let pushed = self.push(Arc::unwrap_or_clone(input))?;
                self.projected(pushed, expr, &schema)
            }
            LogicalPlan::Filter(Filter {
                predicate, input, ..
            }) => {
                let pushed = self.push(Arc::unwrap_or_clone(input))?;
                self.filter(pushed, conjuncts(&predicate))
            }
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.sort(sort),
            LogicalPlan::Sort(sort) => self.top(sort),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let schema = Arc::clone(input.schema());
                let pushed = self.push(Arc::unwrap_or_clone(input))?;
                let pushed = self.only(pushed, &schema)?;
                let plan = LogicalPlanBuilder::from(pushed.plan).distinct()?.build()?;
                Ok(Pushed { plan, ..pushed })
            }
            LogicalPlan::Distinct(Distinct::On(distinct)) => self.distinct_on(distinct),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Values(values) => self.values(&values),
            LogicalPlan::Unnest(unnest) => self.unnest(unnest),
            LogicalPlan::RecursiveQuery(query) => self.recursive(query),
            LogicalPlan::TableScan(scan) => match &self.last_step {
                Some(last) => Ok(Pushed {
                    plan: last.plan.clone(),
                    keys: last.keys.clone(),
                }),
                None => Ok(Pushed::of(LogicalPlan::TableScan(scan))),
            },
            LogicalPlan::Extension(extension) if extension.node.as_any().is::<SharedNode>() => {
                self.shared(extension.node.as_ref())
            }
            LogicalPlan::Extension(extension)
                if extension.node.as_any().is::<TableFunctionNode>() =>
            {
                match extension.node.as_any().downcast_ref() {
                    Some(node) => self.table_function(node),
                    None => internal_err!("{} is no table function", extension.node.name()),
                }
            }
            other => Err(SheafError::unsupported(format!(
                "a sub-query that refers to the query around it cannot contain {} yet",
                name_of(&other)
            ))
            .into()),
        }
    }

    /// Whether `plan` refers to the domain.
    fn depends(&self, plan: &LogicalPlan) -> Result<bool> {
        if let Some(last) = &self.last_step
            && last.is_read_by(plan)?
        {
            return Ok(true);
        }
        let free = free_columns(plan)?;
        Ok(free.iter().any(|c| self.domain.position(c).is_some()))
    }

    /// The columns of the domain to which expressions refer themselves.
    fn used<'e>(&self, exprs: impl IntoIterator<Item = &'e Expr>) -> Result<BTreeSet<usize>> {
        let mut used = BTreeSet::new();
        for expr in exprs {
            let free = free_in(expr, &[])?;
            used.extend(free.iter().filter_map(|c| self.domain.position(c)));
        }
        Ok(used)
    }

    /// Puts the keys of `pushed` in the place of references to the domain.
    fn bind(&self, expr: Expr, pushed: &Pushed) -> Result<Expr> {
        bind(expr, &|c| {
            let key: &Key = pushed.keys.get(&self.domain.position(c)?)?;
            Some(Expr::Column(key.column.clone()))
        })
    }

    fn bind_all(&self, exprs: Vec<Expr>, pushed: &Pushed) -> Result<Vec<Expr>> {
        exprs.into_iter().map(|e| self.bind(e, pushed)).collect()
    }

    /// Leaves the columns of `schema` and the keys.
    fn only(&self, pushed: Pushed, schema: &DFSchema) -> Result<Pushed> {
        let plan = if pushed.keys.is_empty() {
            only(pushed.plan, schema)?
        } else {
            let exprs = super::domain::with_keys(schema, &pushed);
            project(pushed.plan, exprs)?
        };
        let keys = pushed.keys;
        Ok(Pushed { plan, keys })
    }

    fn projected(&self, pushed: Pushed, exprs: Vec<Expr>, schema: &DFSchema) -> Result<Pushed> {
        let pushed = self.domain.ensure(pushed, &self.used(&exprs)?)?;
        let mut bound = Vec::with_capacity(exprs.len() + pushed.keys.len());
        for (index, expr) in exprs.into_iter().enumerate() {
            bound.push(named(self.bind(expr, &pushed)?, schema, index));
        }
        bound.extend(pushed.key_exprs());
        let keys = pushed.keys;
        Ok(Pushed {
            plan: project(pushed.plan, bound)?,
            keys,
        })
    }

    /// The alias renames by position, so nothing may stand between the columns of `schema`.
    fn rename(&self, pushed: Pushed, schema: &DFSchema, alias: &TableReference) -> Result<Pushed> {
        let pushed = self.only(pushed, schema)?;
        let plan = LogicalPlanBuilder::from(pushed.plan)
            .alias(alias.clone())?
            .build()?;
        let mut keys = pushed.keys;
        for key in keys.values_mut() {
            key.column.relation = Some(alias.clone());
        }
        Ok(Pushed { plan, keys })
    }

    fn filter(&self, pushed: Pushed, conditions: Vec<Expr>) -> Result<Pushed> {
        let used = self.used(&conditions)?;
        let missing: BTreeSet<usize> = used.difference(&pushed.wanted()).copied().collect();
        if !missing.is_empty()
            && !self.domain.whole
            && let Some((computed, mut rest)) =
                self.equal_to_input(&missing, &conditions, &pushed)?
        {
            for (_, expr) in &computed {
                if expr.nullable(pushed.plan.schema())? {
                    rest.push(expr.clone().is_not_null());
                }
            }
            // Below the new columns, where nothing is in the way of what reads the tables.
            let mut filtered_input = Pushed {
                plan: pushed.plan,
                keys: pushed.keys,
            };
            let (inner, outer): (Vec<_>, Vec<_>) = rest
                .into_iter()
                .partition(|e| self.used([e]).is_ok_and(|used| used.is_empty()));
            filtered_input.plan = filtered(filtered_input.plan, inner)?;
            let pushed = add_keys(filtered_input, computed, self.domain.names)?;
            let outer = self.bind_all(outer, &pushed)?;
            let keys = pushed.keys;
            return Ok(Pushed {
                plan: filtered(pushed.plan, outer)?,
                keys,
            });
        }
        let pushed = self.domain.ensure(pushed, &used)?;
        let conditions = self.bind_all(conditions, &pushed)?;
        let keys = pushed.keys;
        Ok(Pushed {
            plan: filtered(pushed.plan, conditions)?,
            keys,
        })
    }

    /// For each of the `missing` columns of the domain an expression over the input that a condition
    /// says is equal, and the other conditions; if there is one for each.
    #[expect(
        clippy::type_complexity,
        reason = "two lists, named where they are taken apart"
    )]
    fn equal_to_input(
        &self,
        missing: &BTreeSet<usize>,
        conditions: &[Expr],
        pushed: &Pushed,
    ) -> Result<Option<(Vec<(usize, Expr)>, Vec<Expr>)>> {
        let mut computed: Vec<(usize, Expr)> = Vec::new();
        let mut rest = Vec::new();
        for condition in conditions {
            let found = self.equality(condition, pushed)?;
            match found {
                Some((position, expr))
                    if missing.contains(&position)
                        && !computed.iter().any(|(known, _)| *known == position) =>
                {
                    computed.push((position, expr));
                }
                _ => rest.push(condition.clone()),
            }
        }
        Ok((computed.len() == missing.len()).then_some((computed, rest)))
    }

    /// Takes `outer = expression over the input` apart.
    fn equality(&self, condition: &Expr, pushed: &Pushed) -> Result<Option<(usize, Expr)>> {
        let Expr::BinaryExpr(binary) = condition else {
            return Ok(None);
        };
        if binary.op != Operator::Eq {
            return Ok(None);
        }
        for (outer, inner) in [(&binary.left, &binary.right), (&binary.right, &binary.left)] {
            if let Expr::OuterReferenceColumn(field, column) = outer.as_ref()
                && let Some(position) = self.domain.position(column)
                && self.used([inner.as_ref()])?.is_empty()
                && !inner.is_volatile()
                && !super::outer::has_subquery(inner)
                && inner.get_type(pushed.plan.schema())? == *field.data_type()
            {
                return Ok(Some((position, inner.as_ref().clone())));
            }
        }
        Ok(None)
    }

    /// All copies of a shared sub-plan become copies of one again, each with keys of its own names.
    fn shared(&self, node: &dyn UserDefinedLogicalNode) -> Result<Pushed> {
        let Some(node) = node.as_any().downcast_ref::<SharedNode>() else {
            return internal_err!("{} is no shared sub-plan", node.name());
        };
        let known = self.shared.borrow().get(&node.id()).cloned();
        let pushed = match known {
            Some(pushed) => pushed,
            None => {
                let pushed = self.push(node.input().clone())?;
                let mut pushed = self.only(pushed, node.input().schema())?;
                pushed.plan = SharedNode::plan(pushed.plan);
                let mut shared = self.shared.borrow_mut();
                shared.insert(node.id(), pushed.clone());
                pushed
            }
        };
        let columns = node.input().schema().columns();
        let mut exprs: Vec<Expr> = columns.into_iter().map(Expr::Column).collect();
        let mut keys = pushed.keys;
        for key in keys.values_mut() {
            let name = self.domain.names.fresh("outer");
            exprs.push(Expr::Column(key.column.clone()).alias(name.clone()));
            key.column = Column::new_unqualified(name);
        }
        Ok(Pushed {
            plan: project(pushed.plan, exprs)?,
            keys,
        })
    }

    fn sort(&self, sort: Sort) -> Result<Pushed> {
        let pushed = self.push(Arc::unwrap_or_clone(sort.input))?;
        let used = self.used(sort.expr.iter().map(|s| &s.expr))?;
        let pushed = self.domain.ensure(pushed, &used)?;
        let mut expr = sort.expr;
        for item in &mut expr {
            item.expr = self.bind(item.expr.clone(), &pushed)?;
        }
        Ok(Pushed {
            plan: LogicalPlan::Sort(Sort {
                expr,
                input: Arc::new(pushed.plan),
                fetch: None,
            }),
            keys: pushed.keys,
        })
    }

    fn unnest(&self, unnest: Unnest) -> Result<Pushed> {
        let pushed = self.push(Arc::unwrap_or_clone(unnest.input))?;
        let plan = LogicalPlanBuilder::from(pushed.plan)
            .unnest_columns_with_options(unnest.exec_columns, unnest.options)?
            .build()?;
        let keys = pushed.keys;
        Ok(Pushed { plan, keys })
    }
}

impl LastStep {
    fn is_read_by(&self, plan: &LogicalPlan) -> Result<bool> {
        plan.exists(|node| {
            Ok(match node {
                LogicalPlan::TableScan(scan) => scan.table_name.table() == self.name,
                _ => false,
            })
        })
    }
}

/// `expr` over `schema`, for one row of expressions.
fn over_row(expr: Expr, schema: &DFSchema, row: &[Expr]) -> Result<Expr> {
    substitute(expr, &|column: &Column| {
        let index = schema.maybe_index_of_column(column)?;
        row.get(index).cloned()
    })
}

/// What people call an operator.
fn name_of(plan: &LogicalPlan) -> String {
    match plan {
        LogicalPlan::Extension(extension) => format!("a {}", extension.node.name()),
        other => {
            let text = other.display().to_string();
            let name = text.split([':', ' ']).next().unwrap_or_default();
            format!("a {name}")
        }
    }
}

/// Whether every row of the domain flows through `plan` by itself, so that no operator would have to
/// keep rows of different outer rows apart.
pub(super) fn flows(
    plan: &LogicalPlan,
    depends: &impl Fn(&LogicalPlan) -> Result<bool>,
) -> Result<bool> {
    if !depends(plan)? {
        return Ok(true);
    }
    match plan {
        LogicalPlan::Projection(Projection { input, .. })
        | LogicalPlan::Filter(Filter { input, .. })
        | LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. })
        | LogicalPlan::Unnest(Unnest { input, .. }) => flows(input, depends),
        LogicalPlan::Subquery(subquery) => flows(&subquery.subquery, depends),
        LogicalPlan::Join(join) => {
            let (left, right) = (depends(&join.left)?, depends(&join.right)?);
            Ok(match join.join_type {
                JoinType::Inner => {
                    !(left && right) && flows(&join.left, depends)? && flows(&join.right, depends)?
                }
                JoinType::Left | JoinType::LeftMark | JoinType::LeftSemi | JoinType::LeftAnti => {
                    left && !right && flows(&join.left, depends)?
                }
                _ => false,
            })
        }
        LogicalPlan::EmptyRelation(_) => Ok(true),
        other => match row_call(other) {
            Some(call) => flows(call.input(), depends),
            None => Ok(false),
        },
    }
}

/// Whether a plan without FROM gives exactly one row: its values, then, by position.
pub(super) fn single_row(plan: &LogicalPlan) -> Result<Option<Vec<Expr>>> {
    match plan {
        LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => Ok(Some(Vec::new())),
        LogicalPlan::Subquery(subquery) => single_row(&subquery.subquery),
        LogicalPlan::SubqueryAlias(alias) => single_row(&alias.input),
        LogicalPlan::Projection(projection) => {
            let Some(row) = single_row(&projection.input)? else {
                return Ok(None);
            };
            let exprs = projection.expr.iter().cloned();
            let exprs = exprs.map(|e| over_row(e.unalias(), projection.input.schema(), &row));
            Ok(Some(exprs.collect::<Result<Vec<_>>>()?))
        }
        LogicalPlan::Values(values) => match values.values.as_slice() {
            [row] => Ok(Some(row.clone())),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// Keeps the compiler's view of what an aggregate shows its parents in one place.
fn is_grouping_sets(aggregate: &Aggregate) -> bool {
    matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)])
}
