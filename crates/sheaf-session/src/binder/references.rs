//! What the FROM clauses of a statement name.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self, TableFactor, Visitor};
use sheaf_base::error::Position;
use sheaf_sql::walk::Walk;

use super::functions::position;

/// Something that a FROM clause reads.
pub(super) enum Reference {
    /// A name, or a path in quotes.
    Name(ast::ObjectName),
    /// A table function call; `key` is its text, by which the planner finds it again.
    Call {
        key: String,
        name: String,
        position: Option<Position>,
        arguments: Vec<ast::FunctionArg>,
    },
}

/// Every table factor of the statement that names something, sub-queries included. Names of CTEs
/// are among them: the planner prefers the CTE.
pub(super) fn references(statement: &ast::Statement) -> Vec<Reference> {
    let mut collector = Collector { found: vec![] };
    let _ = statement.walk(&mut collector);
    collector.found
}

/// The path, if `name` is a path in single quotes.
pub(crate) fn is_path(name: &ast::ObjectName) -> Option<&str> {
    match name.0.as_slice() {
        [part] => part
            .as_ident()
            .filter(|ident| ident.quote_style == Some('\''))
            .map(|ident| ident.value.as_str()),
        _ => None,
    }
}

/// Whether `query` names files: by their paths, or by a call that reads them.
pub(crate) fn names_files(query: &ast::Query) -> bool {
    let statement = ast::Statement::Query(Box::new(query.clone()));
    references(&statement)
        .iter()
        .any(|reference| match reference {
            Reference::Name(name) => is_path(name).is_some(),
            Reference::Call { .. } => true,
        })
}

/// The key of a call: its text without alias and sample.
pub(super) fn call_key(name: &ast::ObjectName, arguments: &[ast::FunctionArg]) -> String {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    format!(
        "{}({})",
        name.to_string().to_lowercase(),
        arguments.join(", ")
    )
}

struct Collector {
    found: Vec<Reference>,
}

impl Visitor for Collector {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args, .. } = factor {
            self.found.push(match args {
                None => Reference::Name(name.clone()),
                Some(args) => Reference::Call {
                    key: call_key(name, &args.args),
                    name: name.to_string().to_lowercase(),
                    position: position(name),
                    arguments: args.args.clone(),
                },
            });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &ast::Statement) -> ControlFlow<()> {
        // The target of INSERT, UPDATE and DELETE is a relation, but no table factor.
        let target = match statement {
            ast::Statement::Insert(insert) => match &insert.table {
                ast::TableObject::TableName(name) => Some(name.clone()),
                _ => None,
            },
            _ => None,
        };
        self.found.extend(target.map(Reference::Name));
        ControlFlow::Continue(())
    }
}
