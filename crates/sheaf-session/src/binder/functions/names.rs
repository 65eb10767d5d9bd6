//! Names in the bodies of functions: those of parameters, of relations and of columns of results.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Ident, ObjectName, Query, Select, SelectItem, Subscript, TableFactor,
    TableWithJoins, Value, Visitor, VisitorMut,
};
use sheaf_sql::ParameterKind;
use sheaf_sql::walk::{Walk, WalkMut};

use super::super::build::table_factor;
use super::super::{normalize, normalize_part};
use super::inline::quoted;
use crate::catalog::{Catalog, Parameter, scope_name};

/// Marks a name that is the one of a column of the result (ORDER BY, GROUP BY).
const RESULT_MARK: char = '\u{0}';

/// The parameters by which names are settled.
pub(super) struct Declared<'a> {
    pub(super) function: &'a str,
    pub(super) parameters: &'a [Parameter],
    pub(super) catalog: &'a Catalog,
}

impl Declared<'_> {
    /// The number of the parameter called `name`.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.parameters.iter().position(|p| p.name == name)
    }

    pub(super) fn is_relation(&self, at: usize) -> bool {
        matches!(self.parameters[at].kind, ParameterKind::Relation(_))
    }

    pub(super) fn scope_name(&self) -> String {
        scope_name(self.function, self.parameters)
    }

    pub(super) fn relation_ident(&self, at: usize) -> Ident {
        quoted(format!(
            "{}.{}",
            self.scope_name(),
            self.parameters[at].name
        ))
    }

    /// Whether a name in `tree` could be a parameter's.
    pub(super) fn is_named_in(&self, tree: &impl Walk) -> bool {
        struct Finder<'a>(&'a Declared<'a>);
        impl Visitor for Finder<'_> {
            type Break = ();
            fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
                let first = match expr {
                    Expr::Identifier(name) => Some(name),
                    Expr::CompoundIdentifier(parts) => parts.first(),
                    _ => None,
                };
                match first.is_some_and(|name| self.0.find(&normalize(name)).is_some()) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            }
        }
        tree.walk(&mut Finder(self)).is_break()
    }
}

/// `root.path`
pub(super) fn fields(root: Expr, path: &[Ident]) -> Expr {
    if path.is_empty() {
        return root;
    }
    let access_chain = path.iter().map(|key| {
        let key = Value::SingleQuotedString(normalize(key));
        AccessExpr::Subscript(Subscript::Index {
            index: Expr::Value(key.with_empty_span()),
        })
    });
    Expr::CompoundFieldAccess {
        root: Box::new(root),
        access_chain: access_chain.collect(),
    }
}

/// The names of the columns that a SELECT gives.
pub(super) fn result_names(select: &Select) -> Vec<String> {
    let names = select.projection.iter().filter_map(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(normalize(alias)),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(normalize(name)),
        _ => None,
    });
    names.collect()
}

/// Marks the names in `tree` that are among `names`.
pub(super) fn mark(tree: &mut impl WalkMut, names: &[String]) {
    struct Marker<'a>(&'a [String]);
    impl VisitorMut for Marker<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Identifier(name) = expr
                && self.0.contains(&normalize(name))
            {
                name.value.insert(0, RESULT_MARK);
            }
            ControlFlow::Continue(())
        }
    }
    if !names.is_empty() {
        let _ = tree.walk_mut(&mut Marker(names));
    }
}

/// The names by which columns of a FROM clause can be called.
pub(super) fn relation_names(chain: &TableWithJoins) -> Vec<String> {
    let factors = std::iter::once(&chain.relation).chain(chain.joins.iter().map(|j| &j.relation));
    let names = factors.flat_map(|factor| match factor {
        TableFactor::Table {
            alias: Some(alias), ..
        }
        | TableFactor::Derived {
            alias: Some(alias), ..
        }
        | TableFactor::UNNEST {
            alias: Some(alias), ..
        }
        | TableFactor::Function {
            alias: Some(alias), ..
        } => vec![normalize(&alias.name)],
        TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => {
            name.0.last().map(normalize_part).into_iter().collect()
        }
        TableFactor::NestedJoin {
            table_with_joins, ..
        } => relation_names(table_with_joins),
        _ => vec![],
    });
    names.collect()
}

pub(super) fn named_table(name: ObjectName) -> TableFactor {
    table_factor(name)
}

pub(super) fn vacant() -> TableFactor {
    named_table(ObjectName(vec![]))
}

/// Takes the marks of [`mark`] away.
pub(super) fn unmark(body: &mut Query) {
    struct Unmark;
    impl VisitorMut for Unmark {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Identifier(name) = expr
                && let Some(plain) = name.value.strip_prefix(RESULT_MARK)
            {
                name.value = plain.to_owned();
            }
            ControlFlow::Continue(())
        }
    }
    let _ = body.walk_mut(&mut Unmark);
}
