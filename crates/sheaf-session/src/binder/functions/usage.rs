//! What uses what: the functions and relations that a syntax tree names, and functions that lead
//! back to themselves.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Expr, FunctionArg, FunctionArguments, TableFactor, Visitor};
use sheaf_base::{Result, SheafError};
use sheaf_sql::FunctionBody;
use sheaf_sql::limits::FUNCTION_DEPTH_MAX;
use sheaf_sql::walk::Walk;

use super::super::normalize_part;
use super::super::references::is_path;
use super::calls;
use crate::catalog::{Catalog, FunctionMap, Relation, SqlFunction};

/// What a tree names.
#[derive(Default)]
pub(crate) struct Used {
    /// Functions; of a call that several would take, all of them.
    pub(crate) functions: Vec<Arc<SqlFunction>>,
    /// Relations, by the last part of their names.
    pub(crate) relations: BTreeSet<String>,
    /// Whether it names files: by their paths, or by calls that read them.
    has_files: bool,
}

/// What `tree` names of `functions`, and of relations.
pub(crate) fn used(tree: &impl Walk, functions: &FunctionMap) -> Used {
    struct Finder<'a> {
        functions: &'a FunctionMap,
        used: Used,
    }
    impl Finder<'_> {
        fn call(&mut self, overloads: &[Arc<SqlFunction>], arguments: &[FunctionArg]) {
            for function in overloads {
                let is_known = |other: &Arc<SqlFunction>| Arc::ptr_eq(other, function);
                if calls::takes(function, arguments) && !self.used.functions.iter().any(is_known) {
                    self.used.functions.push(Arc::clone(function));
                }
            }
        }
    }
    impl Visitor for Finder<'_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::Function(call) = expr
                && let Some(overloads) = calls::called(call, self.functions)
            {
                match &call.args {
                    FunctionArguments::List(list) => self.call(overloads, &list.args),
                    _ => self.call(overloads, &[]),
                }
            }
            ControlFlow::Continue(())
        }

        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            if let Some((name, arguments)) = calls::called_relation(factor) {
                let reader = name.to_string().to_lowercase();
                self.used.has_files |= sheaf_files::format_by_function(&reader).is_some();
                let name = calls::function_name(name);
                if let Some(overloads) = name.and_then(|name| self.functions.get(&name)) {
                    self.call(overloads, arguments);
                }
            } else if let TableFactor::Table { name, .. } = factor {
                self.used.has_files |= is_path(name).is_some();
                self.used
                    .relations
                    .extend(name.0.last().map(normalize_part));
            }
            ControlFlow::Continue(())
        }
    }
    let mut finder = Finder {
        functions,
        used: Used::default(),
    };
    let _ = tree.walk(&mut finder);
    finder.used
}

/// What the body of `function` names.
pub(crate) fn used_by(function: &SqlFunction, functions: &FunctionMap) -> Used {
    match &function.body {
        FunctionBody::Expr(expr) => used(expr, functions),
        FunctionBody::Table(query) => used(query, functions),
    }
}

/// Whether `function` reads files, whose columns may change without anybody saying so: by itself, or
/// by the functions, views and external tables of `catalog` that it uses.
pub(super) fn reads_files(function: &SqlFunction, catalog: &Catalog) -> bool {
    let functions = catalog.functions.all();
    let mut waiting = vec![used_by(function, &functions)];
    let (mut seen, mut seen_functions) = (BTreeSet::new(), Vec::new());
    while let Some(used) = waiting.pop() {
        if used.has_files {
            return true;
        }
        for function in used.functions {
            if !seen_functions.iter().any(|f| Arc::ptr_eq(f, &function)) {
                waiting.push(used_by(&function, &functions));
                seen_functions.push(function);
            }
        }
        for name in used.relations {
            match catalog.get(&name) {
                Some(Relation::Files(_)) => return true,
                Some(Relation::View(view)) if view.rows.is_none() && seen.insert(name) => {
                    waiting.push(self::used(view.query.as_ref(), &functions));
                }
                _ => {}
            }
        }
    }
    false
}

/// Checks that `function`, which is among `functions`, does not lead back to itself.
///
/// # Errors
/// `UserInput` (42P13) with the chain of calls if it does.
pub(crate) fn recursion(function: &Arc<SqlFunction>, functions: &FunctionMap) -> Result<()> {
    let mut path = vec![Arc::clone(function)];
    let mut seen = Vec::new();
    match leads_back(&mut path, &mut seen, functions) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// The error, if a call of the last function of `path` leads to the first one. The functions of a
/// session do not lead back to themselves, so each is looked at once.
fn leads_back(
    path: &mut Vec<Arc<SqlFunction>>,
    seen: &mut Vec<Arc<SqlFunction>>,
    functions: &FunctionMap,
) -> Option<SheafError> {
    let (first, last) = (Arc::clone(path.first()?), Arc::clone(path.last()?));
    if path.len() > FUNCTION_DEPTH_MAX {
        return Some(super::too_deep());
    }
    for next in used_by(&last, functions).functions {
        if Arc::ptr_eq(&next, &first) {
            let names = path.iter().chain([&next]);
            let names: Vec<&str> = names.map(|function| function.name.as_str()).collect();
            return Some(super::recursive(&names));
        }
        if seen.iter().any(|other| Arc::ptr_eq(other, &next)) {
            continue;
        }
        seen.push(Arc::clone(&next));
        path.push(next);
        if let Some(error) = leads_back(path, seen, functions) {
            return Some(error);
        }
        path.pop();
    }
    None
}
