//! The domain of a dependent join: the outer values for which a sub-query is asked.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, JoinType, Result};
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, LogicalPlan, Operator, binary_expr};

use super::outer::{bind, free_columns, provides};
use super::plans::{add_columns, conjuncts, inner_filters, join_on, project};

/// Gives names that nothing else in one plan has.
#[derive(Debug, Default)]
pub(super) struct Names {
    next: Cell<usize>,
    /// Number of domains that were computed from their base.
    pub(super) instances: Cell<usize>,
}

impl Names {
    /// A name that begins with `prefix`.
    pub(super) fn fresh(&self, prefix: &str) -> String {
        let number = self.next.get() + 1;
        self.next.set(number);
        format!("__{prefix}_{number}")
    }
}

/// A column of a sub-plan that holds a value of the domain.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) column: Column,
    /// Rows in which it would be NULL are gone.
    pub(super) never_null: bool,
}

/// A plan freed of references to the domain: each row says, in its keys, for which value of the
/// domain it holds. A row holds for every value of a domain column that is not among the keys.
#[derive(Debug, Clone)]
pub(super) struct Pushed {
    pub(super) plan: LogicalPlan,
    /// By position in the domain.
    pub(super) keys: BTreeMap<usize, Key>,
}

impl Pushed {
    /// A plan that holds for the whole domain.
    pub(super) fn of(plan: LogicalPlan) -> Self {
        Self {
            plan,
            keys: BTreeMap::new(),
        }
    }

    pub(super) fn key_exprs(&self) -> impl Iterator<Item = Expr> {
        self.keys
            .values()
            .map(|key| Expr::Column(key.column.clone()))
    }

    pub(super) fn wanted(&self) -> BTreeSet<usize> {
        self.keys.keys().copied().collect()
    }
}

/// What references of a sub-query to `base` may stand for.
#[derive(Debug)]
pub(super) struct Domain<'n> {
    pub(super) base: LogicalPlan,
    columns: Vec<(Column, Expr)>,
    /// Whether an instance has every row and column of the base, else distinct values.
    pub(super) whole: bool,
    pub(super) names: &'n Names,
}

impl<'n> Domain<'n> {
    /// The values of `base` that `plan` refers to; gives the plan back, where outer expressions that
    /// are compared for equality are one reference.
    pub(super) fn distinct(
        base: LogicalPlan,
        plan: LogicalPlan,
        names: &'n Names,
    ) -> Result<(Self, LogicalPlan)> {
        let mut domain = Self {
            base,
            columns: Vec::new(),
            whole: false,
            names,
        };
        let plan = domain.take_expressions(plan)?;
        for column in free_columns(&plan)? {
            if provides(domain.base.schema(), &column) {
                domain.columns.push((column.clone(), Expr::Column(column)));
            }
        }
        Ok((domain, plan))
    }

    /// The values of some columns of `base`.
    pub(super) fn of(base: LogicalPlan, columns: BTreeSet<Column>, names: &'n Names) -> Self {
        let columns = columns.into_iter().map(|c| (c.clone(), Expr::Column(c)));
        Self {
            columns: columns.collect(),
            base,
            whole: false,
            names,
        }
    }

    /// Every row of `base`.
    pub(super) fn whole(base: LogicalPlan, names: &'n Names) -> Self {
        let columns = base.schema().columns();
        let columns = columns.into_iter().map(|c| (c.clone(), Expr::Column(c)));
        Self {
            columns: columns.collect(),
            base,
            whole: true,
            names,
        }
    }

    /// The position of the domain column that an outer reference means.
    pub(super) fn position(&self, reference: &Column) -> Option<usize> {
        self.columns.iter().position(|(name, _)| name == reference)
    }

    /// The domain column at `position`, as an expression over the base.
    pub(super) fn expr(&self, position: usize) -> Option<&Expr> {
        self.columns.get(position).map(|(_, expr)| expr)
    }

    /// Puts the base's own columns in the place of references to the domain.
    pub(super) fn bind_to_base(&self, expr: Expr) -> Result<Expr> {
        bind(expr, &|c| self.expr(self.position(c)?).cloned())
    }

    /// All positions of the domain.
    pub(super) fn all(&self) -> BTreeSet<usize> {
        (0..self.columns.len()).collect()
    }

    /// The values of the `wanted` columns, each combination that occurs once.
    pub(super) fn instance(&self, wanted: &BTreeSet<usize>) -> Result<Pushed> {
        self.names.instances.set(self.names.instances.get() + 1);
        let mut keys = BTreeMap::new();
        let mut exprs = Vec::new();
        for (position, (_, expr)) in self.columns.iter().enumerate() {
            if self.whole || wanted.contains(&position) {
                let name = self.names.fresh("outer");
                let never_null = !expr.nullable(self.base.schema())?;
                let column = Column::new_unqualified(name.clone());
                keys.insert(position, Key { column, never_null });
                exprs.push(expr.clone().alias(name));
            }
        }
        let mut plan = project(self.base.clone(), exprs)?;
        if !self.whole {
            plan = LogicalPlan::Distinct(Distinct::All(Arc::new(plan)));
        }
        Ok(Pushed { plan, keys })
    }

    /// Joins `pushed` with the domain so that it has all `wanted` keys.
    pub(super) fn ensure(&self, pushed: Pushed, wanted: &BTreeSet<usize>) -> Result<Pushed> {
        if wanted
            .iter()
            .all(|position| pushed.keys.contains_key(position))
        {
            return Ok(pushed);
        }
        let instance = self.instance(&wanted.union(&pushed.wanted()).copied().collect())?;
        let on = common_keys(&pushed, &instance);
        let mut keys = instance.keys;
        keys.extend(pushed.keys);
        let plan = join_on(pushed.plan, instance.plan, JoinType::Inner, on)?;
        Ok(Pushed { plan, keys })
    }

    /// The conditions under which a row of the base and a row of `pushed` belong together.
    pub(super) fn join_back(&self, pushed: &Pushed) -> Result<Vec<Expr>> {
        let mut conditions = Vec::new();
        for (position, key) in &pushed.keys {
            if let Some(expr) = self.expr(*position) {
                let plain = key.never_null || !expr.nullable(self.base.schema())?;
                let right = Expr::Column(key.column.clone());
                conditions.push(same(expr.clone(), right, plain));
            }
        }
        Ok(conditions)
    }

    /// Makes one column of each expression of outer columns that a filter compares for equality,
    /// so that the sub-query may be grouped by the other side: `g % 1000 = b.k`.
    fn take_expressions(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        plan.transform_down(|node| {
            let Some(predicate) = inner_filters(&node) else {
                return Ok(Transformed::no(node));
            };
            let mut taken = Vec::new();
            for conjunct in conjuncts(&predicate) {
                if let Expr::BinaryExpr(equality) = &conjunct
                    && equality.op == Operator::Eq
                {
                    for side in [equality.left.as_ref(), equality.right.as_ref()] {
                        if self.is_outer_expression(side)? {
                            taken.push(side.clone());
                        }
                    }
                }
            }
            if taken.is_empty() {
                return Ok(Transformed::no(node));
            }
            node.map_expressions(|expr| expr.transform_down(|e| self.take(e, &taken)))
        })
        .data()
    }

    fn take(&mut self, expr: Expr, taken: &[Expr]) -> Result<Transformed<Expr>> {
        if !taken.contains(&expr) {
            return Ok(Transformed::no(expr));
        }
        let over_base = bind(expr, &|c| Some(Expr::Column(c.clone())))?;
        let known = self.columns.iter().find(|(_, known)| *known == over_base);
        let reference = if let Some((reference, _)) = known {
            reference.clone()
        } else {
            let reference = Column::new_unqualified(self.names.fresh("reference"));
            self.columns.push((reference.clone(), over_base.clone()));
            reference
        };
        let (_, field) = over_base.to_field(self.base.schema())?;
        let reference = Expr::OuterReferenceColumn(field, reference);
        Ok(Transformed::yes(reference))
    }

    /// Whether `expr` is more than a column, needs nothing but the base, and cannot fail.
    fn is_outer_expression(&self, expr: &Expr) -> Result<bool> {
        let mut references = 0;
        let mut other = matches!(expr, Expr::OuterReferenceColumn(..));
        expr.apply(|expr| {
            match expr {
                Expr::OuterReferenceColumn(_, c) if provides(self.base.schema(), c) => {
                    references += 1;
                }
                Expr::Literal(..) | Expr::Cast(_) => {}
                Expr::BinaryExpr(binary) => match binary.op {
                    Operator::Plus | Operator::Minus | Operator::Multiply => {}
                    Operator::Divide | Operator::Modulo => other |= may_be_zero(&binary.right),
                    _ => other = true,
                },
                _ => other = true,
            }
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        })?;
        Ok(references > 0 && !other)
    }
}

fn may_be_zero(divisor: &Expr) -> bool {
    match divisor {
        Expr::Cast(cast) => may_be_zero(&cast.expr),
        Expr::Literal(value, _) => {
            let zero = datafusion::common::ScalarValue::new_zero(&value.data_type());
            value.is_null() || zero.map_or(true, |zero| zero == *value)
        }
        _ => true,
    }
}

/// `left = right`, where two NULLs are the same value unless `plain`.
pub(super) fn same(left: Expr, right: Expr, plain: bool) -> Expr {
    let operator = if plain {
        Operator::Eq
    } else {
        Operator::IsNotDistinctFrom
    };
    binary_expr(left, operator, right)
}

/// Conditions that make two plans hold for the same values of the domain.
pub(super) fn common_keys(left: &Pushed, right: &Pushed) -> Vec<Expr> {
    let pairs = left
        .keys
        .iter()
        .filter_map(|(position, key)| Some((key, right.keys.get(position)?)));
    pairs
        .map(|(l, r)| {
            let plain = l.never_null || r.never_null;
            same(
                Expr::Column(l.column.clone()),
                Expr::Column(r.column.clone()),
                plain,
            )
        })
        .collect()
}

/// Adds keys that are computed from a plan's own columns.
pub(super) fn add_keys(
    pushed: Pushed,
    computed: Vec<(usize, Expr)>,
    names: &Names,
) -> Result<Pushed> {
    let mut keys = pushed.keys;
    let mut exprs = Vec::new();
    for (position, expr) in computed {
        let name = names.fresh("outer");
        let column = Column::new_unqualified(name.clone());
        let never_null = true;
        keys.insert(position, Key { column, never_null });
        exprs.push(expr.alias(name));
    }
    Ok(Pushed {
        plan: add_columns(pushed.plan, exprs)?,
        keys,
    })
}

/// The columns of `schema`, then the keys.
pub(super) fn with_keys(schema: &DFSchema, pushed: &Pushed) -> Vec<Expr> {
    let columns = schema.columns().into_iter().map(Expr::Column);
    columns.chain(pushed.key_exprs()).collect()
}
