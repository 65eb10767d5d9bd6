//! Which statements are about the catalogue.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, ObjectName, Query, TableFactor, Visitor,
};
use sheaf_sql::walk::Walk;

use crate::database::{INFORMATION_SCHEMA, PG_CATALOG, catalog_tables};
use crate::functions::is_known;

/// What a query is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// The catalogue alone.
    Catalog,
    /// Something else, perhaps the catalogue too.
    Other,
}

/// What `query` is about. `is_own` says whether a name without a schema stands for something of the
/// user's, which it does rather than for a table of the catalogue; `has_function` whether the engine
/// itself has a function of a name.
#[must_use]
pub fn concerns(
    query: &Query,
    is_own: &dyn Fn(&str) -> bool,
    has_function: &dyn Fn(&str) -> bool,
) -> Concern {
    let mut names = CteNames::default();
    let _ = query.walk(&mut names);
    let mut seen = Seen {
        ctes: names.0,
        is_own,
        has_function,
        names_catalog: false,
    };
    match query.walk(&mut seen) {
        ControlFlow::Continue(()) if seen.names_catalog => Concern::Catalog,
        _ => Concern::Other,
    }
}

/// The names of queries of WITH, wherever they stand.
#[derive(Default)]
struct CteNames(HashSet<String>);

impl Visitor for CteNames {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        self.0.extend(ctes.map(|cte| lower(&cte.alias.name)));
        ControlFlow::Continue(())
    }
}

fn lower(ident: &datafusion::sql::sqlparser::ast::Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

struct Seen<'a> {
    ctes: HashSet<String>,
    is_own: &'a dyn Fn(&str) -> bool,
    has_function: &'a dyn Fn(&str) -> bool,
    names_catalog: bool,
}

impl Seen<'_> {
    fn relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let mut parts: Vec<String> = vec![];
        for part in &name.0 {
            match part.as_ident() {
                // A path.
                Some(ident) if ident.quote_style == Some('\'') => return ControlFlow::Break(()),
                Some(ident) => parts.push(lower(ident)),
                None => return ControlFlow::Break(()),
            }
        }
        let found = match parts.as_slice() {
            [name] if self.ctes.contains(name) => return ControlFlow::Continue(()),
            [name] => !(self.is_own)(name) && catalog_tables().find(None, name).is_some(),
            [.., schema, name] => catalog_tables().find(Some(schema), name).is_some(),
            [] => false,
        };
        self.names_catalog |= found;
        match found {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }

    /// A function: in the schemas of the catalogue, or of this crate alone.
    fn function(&mut self, name: &ObjectName) {
        let parts: Vec<String> = name
            .0
            .iter()
            .filter_map(|p| p.as_ident())
            .map(lower)
            .collect();
        self.names_catalog |= match parts.as_slice() {
            [name] => is_known(name) && !(self.has_function)(name) && !is_shared(name),
            [schema, _] => is_schema(schema),
            _ => false,
        };
    }
}

/// Functions of sets and forms that the engine has under the same names.
fn is_shared(name: &str) -> bool {
    matches!(name, "unnest" | "generate_series" | "nullif")
}

fn is_schema(name: &str) -> bool {
    name == PG_CATALOG || name == INFORMATION_SCHEMA
}

/// Types whose values are numbers or names of objects.
fn is_catalog_type(data_type: &DataType) -> bool {
    const NAMES: &[&str] = &[
        "oid",
        "name",
        "regproc",
        "regprocedure",
        "regtype",
        "regnamespace",
        "regrole",
        "oidvector",
        "int2vector",
        "xid",
        "\"char\"",
    ];
    match data_type {
        DataType::Regclass => true,
        DataType::Custom(name, _) => {
            let text = name.to_string();
            let bare = text.rsplit('.').next().unwrap_or(&text);
            NAMES.contains(&bare.to_lowercase().as_str()) || text.starts_with("pg_catalog.")
        }
        DataType::Array(datafusion::sql::sqlparser::ast::ArrayElemTypeDef::SquareBracket(
            element,
            _,
        )) => is_catalog_type(element),
        _ => false,
    }
}

impl Visitor for Seen<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table {
                name, args: None, ..
            } => self.relation(name),
            TableFactor::Table {
                name,
                args: Some(_),
                ..
            }
            | TableFactor::Function { name, .. } => {
                let bare = name.0.last().and_then(|part| part.as_ident()).map(lower);
                let is_scalar = |name: &str| (self.has_function)(name);
                match bare {
                    Some(bare) if is_known(&bare) || is_scalar(&bare) => {
                        self.function(name);
                        ControlFlow::Continue(())
                    }
                    _ => ControlFlow::Break(()),
                }
            }
            TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::UNNEST { .. } => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => self.function(&function.name),
            Expr::Cast { data_type, .. } => self.names_catalog |= is_catalog_type(data_type),
            Expr::TypedString(typed) => self.names_catalog |= is_catalog_type(&typed.data_type),
            Expr::BinaryOp {
                op: BinaryOperator::PGCustomBinaryOperator(_),
                ..
            } => self.names_catalog = true,
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
