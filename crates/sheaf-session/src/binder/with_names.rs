//! Queries of WITH whose names would be taken for those of tables or files.
//!
//! The engine's planner looks a relation up among the queries of WITH by its text: `public.t` there is
//! the query that is called `"public.t"`, and the file `'a.csv'` the one called `"a.csv"`. In SQL a query
//! of WITH has a name without a schema, and what stands in single quotes is a file; so these queries
//! get other names. What a body of a function reads is written with its schema, so that no WITH of a
//! caller hides it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, Query, Statement, TableAlias, TableFactor, Visitor, VisitorMut,
};
use sheaf_sql::walk::{Walk, WalkMut};

use super::references::is_path;
use super::scope::Scope;
use super::{normalize, normalize_part};

/// Gives such queries in `statement` names that no table or file of it has.
pub(super) fn set_apart(statement: &mut Statement) {
    let mut finder = Finder::default();
    let _ = statement.walk(&mut finder);
    let Finder { mut names, paths } = finder;
    names.retain(|name| name.contains('.') || paths.contains(name));
    if !names.is_empty() {
        let scope = Scope::default();
        let _ = statement.walk_mut(&mut Renamer { names, scope });
    }
}

#[derive(Default)]
struct Finder {
    /// Those of queries of WITH.
    names: BTreeSet<String>,
    paths: BTreeSet<String>,
}

impl Visitor for Finder {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        self.names
            .extend(ctes.map(|cte| normalize(&cte.alias.name)));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name, args: None, ..
        } = factor
        {
            self.paths.extend(is_path(name).map(str::to_owned));
        }
        ControlFlow::Continue(())
    }
}

struct Renamer {
    names: BTreeSet<String>,
    scope: Scope,
}

impl VisitorMut for Renamer {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.scope.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.scope.leave(query);
        let ctes = query.with.iter_mut().flat_map(|with| &mut with.cte_tables);
        for cte in ctes {
            let name = normalize(&cte.alias.name);
            if self.names.contains(&name) {
                cte.alias.name = apart(&name);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table {
            name,
            args: None,
            alias,
            ..
        } = factor
        else {
            return ControlFlow::Continue(());
        };
        let [part] = name.0.as_slice() else {
            return ControlFlow::Continue(());
        };
        let own = normalize_part(part);
        if is_path(name).is_none() && self.names.contains(&own) && self.scope.sees(&own) {
            *name = ObjectName::from(vec![apart(&own)]);
            alias.get_or_insert_with(|| TableAlias {
                explicit: true,
                name: Ident::with_quote('"', own),
                columns: vec![],
                at: None,
            });
        }
        ControlFlow::Continue(())
    }
}

/// A name without dots, which would be none of a table without quotes.
fn apart(name: &str) -> Ident {
    Ident::with_quote('"', format!("WITH {}", name.replace('.', "·")))
}
