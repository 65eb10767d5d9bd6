//! Walks over syntax trees, compiled once.
//!
//! The engine's parser makes the whole walk, over hundreds of types, anew for every type of visitor: some
//! seconds of compilation each. Here it is made for one type, which calls the visitor through a table:
//! `tree.walk(&mut visitor)` does what `tree.visit(&mut visitor)` does, and `walk_mut` what `visit` does of
//! a tree that is changed.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, FunctionArguments, GroupByExpr, JoinConstraint, JoinOperator, ObjectName,
    OrderBy, OrderByExpr, Query, Select, SelectItem, SetExpr, Statement, TableFactor,
    TableWithJoins, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};

/// A tree, or part of one, that visitors look at.
pub trait Walk {
    /// Goes through the tree with `steps`; [`Walk::walk`] makes them.
    fn go(&self, steps: &mut Steps<'_>) -> ControlFlow<()>;

    /// Shows `visitor` every part of the tree, until it breaks off.
    fn walk<V: Visitor>(&self, visitor: &mut V) -> ControlFlow<V::Break> {
        let mut guest = Guest {
            visitor,
            broke: None,
        };
        let _ = self.go(&mut Steps(&mut guest));
        guest
            .broke
            .map_or(ControlFlow::Continue(()), ControlFlow::Break)
    }
}

/// A tree, or part of one, that visitors change.
pub trait WalkMut {
    /// Goes through the tree with `steps`; [`WalkMut::walk_mut`] makes them.
    fn go_mut(&mut self, steps: &mut StepsMut<'_>) -> ControlFlow<()>;

    /// Gives `visitor` every part of the tree, until it breaks off.
    fn walk_mut<V: VisitorMut>(&mut self, visitor: &mut V) -> ControlFlow<V::Break> {
        let mut guest = GuestMut {
            visitor,
            broke: None,
        };
        let _ = self.go_mut(&mut StepsMut(&mut guest));
        guest
            .broke
            .map_or(ControlFlow::Continue(()), ControlFlow::Break)
    }
}

/// The one visitor for which walks are compiled.
pub struct Steps<'a>(&'a mut dyn Hooks);

/// The one visitor for which walks that change are compiled.
pub struct StepsMut<'a>(&'a mut dyn HooksMut);

/// A visitor behind a table, with what it broke off with.
struct Guest<'v, V: Visitor> {
    visitor: &'v mut V,
    broke: Option<V::Break>,
}

struct GuestMut<'v, V: VisitorMut> {
    visitor: &'v mut V,
    broke: Option<V::Break>,
}

/// Keeps what a visitor broke off with.
fn keep<B>(step: ControlFlow<B>, broke: &mut Option<B>) -> ControlFlow<()> {
    match step {
        ControlFlow::Continue(()) => ControlFlow::Continue(()),
        ControlFlow::Break(with) => {
            *broke = Some(with);
            ControlFlow::Break(())
        }
    }
}

/// The methods of visitors.
macro_rules! with_hooks {
    ($define:ident) => {
        $define! {
            pre_visit_query(Query), post_visit_query(Query),
            pre_visit_select(Select), post_visit_select(Select),
            pre_visit_relation(ObjectName), post_visit_relation(ObjectName),
            pre_visit_table_factor(TableFactor), post_visit_table_factor(TableFactor),
            pre_visit_expr(Expr), post_visit_expr(Expr),
            pre_visit_statement(Statement), post_visit_statement(Statement),
            pre_visit_value(ValueWithSpan), post_visit_value(ValueWithSpan)
        }
    };
}

macro_rules! define_hooks {
    ($($hook:ident($node:ty)),*) => {
        trait Hooks {
            $(fn $hook(&mut self, node: &$node) -> ControlFlow<()>;)*
        }

        impl<V: Visitor> Hooks for Guest<'_, V> {
            $(fn $hook(&mut self, node: &$node) -> ControlFlow<()> {
                keep(self.visitor.$hook(node), &mut self.broke)
            })*
        }

        impl Visitor for Steps<'_> {
            type Break = ();

            $(fn $hook(&mut self, node: &$node) -> ControlFlow<()> {
                self.0.$hook(node)
            })*
        }
    };
}

macro_rules! define_hooks_mut {
    ($($hook:ident($node:ty)),*) => {
        trait HooksMut {
            $(fn $hook(&mut self, node: &mut $node) -> ControlFlow<()>;)*
        }

        impl<V: VisitorMut> HooksMut for GuestMut<'_, V> {
            $(fn $hook(&mut self, node: &mut $node) -> ControlFlow<()> {
                keep(self.visitor.$hook(node), &mut self.broke)
            })*
        }

        impl VisitorMut for StepsMut<'_> {
            type Break = ();

            $(fn $hook(&mut self, node: &mut $node) -> ControlFlow<()> {
                self.0.$hook(node)
            })*
        }
    };
}

with_hooks!(define_hooks);
with_hooks!(define_hooks_mut);

/// The parts at which walks begin.
macro_rules! roots {
    ($($root:ty),*) => {
        $(impl Walk for $root {
            fn go(&self, steps: &mut Steps<'_>) -> ControlFlow<()> {
                Visit::visit(self, steps)
            }
        }

        impl WalkMut for $root {
            fn go_mut(&mut self, steps: &mut StepsMut<'_>) -> ControlFlow<()> {
                VisitMut::visit(self, steps)
            }
        })*
    };
}

roots!(
    Distinct,
    Expr,
    FunctionArguments,
    GroupByExpr,
    JoinConstraint,
    JoinOperator,
    OrderBy,
    OrderByExpr,
    Query,
    Select,
    SelectItem,
    SetExpr,
    Statement,
    TableFactor,
    TableWithJoins
);

impl<T: Walk> Walk for Option<T> {
    fn go(&self, steps: &mut Steps<'_>) -> ControlFlow<()> {
        self.iter().try_for_each(|part| part.go(steps))
    }
}

impl<T: WalkMut> WalkMut for Option<T> {
    fn go_mut(&mut self, steps: &mut StepsMut<'_>) -> ControlFlow<()> {
        self.iter_mut().try_for_each(|part| part.go_mut(steps))
    }
}

impl<T: Walk> Walk for Vec<T> {
    fn go(&self, steps: &mut Steps<'_>) -> ControlFlow<()> {
        self.iter().try_for_each(|part| part.go(steps))
    }
}

impl<T: WalkMut> WalkMut for Vec<T> {
    fn go_mut(&mut self, steps: &mut StepsMut<'_>) -> ControlFlow<()> {
        self.iter_mut().try_for_each(|part| part.go_mut(steps))
    }
}

impl<T: Walk + ?Sized> Walk for Box<T> {
    fn go(&self, steps: &mut Steps<'_>) -> ControlFlow<()> {
        self.as_ref().go(steps)
    }
}

impl<T: WalkMut + ?Sized> WalkMut for Box<T> {
    fn go_mut(&mut self, steps: &mut StepsMut<'_>) -> ControlFlow<()> {
        self.as_mut().go_mut(steps)
    }
}

/// Gives `change` every expression of a tree, inner ones first, until it breaks off.
pub fn walk_expressions_mut<B>(
    tree: &mut impl WalkMut,
    change: impl FnMut(&mut Expr) -> ControlFlow<B>,
) -> ControlFlow<B> {
    struct Expressions<F, B>(F, std::marker::PhantomData<B>);
    impl<B, F: FnMut(&mut Expr) -> ControlFlow<B>> VisitorMut for Expressions<F, B> {
        type Break = B;
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<B> {
            self.0(expr)
        }
    }
    tree.walk_mut(&mut Expressions(change, std::marker::PhantomData))
}
