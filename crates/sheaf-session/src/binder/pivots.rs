//! PIVOT without a list of values: the values are read first, and listed.
//!
//! The columns of a plan are known before it runs, so `PIVOT t ON q` becomes two statements: one
//! that reads the distinct values of `q`, sorted and without NULL, and the one that was written,
//! with these values in its list. `IN (SELECT …)` gives values in its own order.

use std::collections::HashSet;
use std::ops::ControlFlow;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{
    self, CastKind, Expr, ExprWithAlias, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, GroupByExpr, Ident, LimitClause, ObjectName, OrderBy, OrderByExpr,
    OrderByKind, OrderByOptions, PivotValueSource, Query, SelectItem, SetExpr, TableFactor, Value,
    Visitor, VisitorMut,
};
use sheaf_base::{Result, SheafError, sql_type_name};
use sheaf_operators::planners::PIVOT_COLUMNS_MAX;
use sheaf_sql::walk::{Walk, WalkMut};

use super::Binder;
use super::build::select_from;
use super::scope::Scope;

/// The two columns of the query that reads values: the value, and its text.
const VALUE: &str = "value";
const TEXT: &str = "text";

/// Lists the values of every PIVOT in `statement` that has none.
///
/// # Errors
/// Those of reading them; `UserInput` if they would make too many columns.
pub(super) async fn list_values(statement: &mut ast::Statement, binder: Binder<'_>) -> Result<()> {
    while has_unlisted(statement) {
        let queries = next_reads(statement);
        let mut columns = Vec::with_capacity(queries.len());
        for query in queries {
            let plan = binder.plan_query(query).await?;
            columns.push(values(&binder.read(plan).await?)?);
        }
        list(statement, every_combination(&columns)?);
    }
    Ok(())
}

/// Refuses PIVOT without a list of values in what is to be a view.
///
/// # Errors
/// `Unsupported` if there is one.
pub(crate) fn refuse_unlisted(query: &Query) -> Result<()> {
    if !has_unlisted(query) {
        return Ok(());
    }
    Err(
        SheafError::unsupported("PIVOT in a view needs its values listed")
            .with_detail("the columns of a view must not change with the rows that it reads")
            .with_hint("PIVOT … ON column IN ('a', 'b') …, or CREATE TABLE … AS keeps the answer"),
    )
}

fn has_unlisted(node: &impl Walk) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            match is_unlisted(factor) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    node.walk(&mut Finder).is_break()
}

fn is_unlisted(factor: &TableFactor) -> bool {
    matches!(factor, TableFactor::Pivot { value_source, .. }
        if !matches!(value_source, PivotValueSource::List(_)))
}

/// The queries that read the values of the first PIVOT without a list, one for each column.
fn next_reads(statement: &mut ast::Statement) -> Vec<Query> {
    let mut queries = Vec::new();
    first_unlisted(statement, |factor, scope| queries = reads(factor, scope));
    queries
}

/// Gives the first PIVOT without a list this one.
fn list(statement: &mut ast::Statement, values: Vec<ExprWithAlias>) {
    first_unlisted(statement, |factor, _| {
        if let TableFactor::Pivot { value_source, .. } = factor {
            *value_source = PivotValueSource::List(values);
        }
    });
}

/// Does `action` with the first PIVOT without a list, inner ones before outer ones.
fn first_unlisted(statement: &mut ast::Statement, action: impl FnOnce(&mut TableFactor, &Scope)) {
    struct Finder<A> {
        scope: Scope,
        action: Option<A>,
    }
    impl<A: FnOnce(&mut TableFactor, &Scope)> VisitorMut for Finder<A> {
        type Break = ();

        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
            self.scope.enter(query);
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
            self.scope.leave(query);
            ControlFlow::Continue(())
        }

        fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
            match self.action.take_if(|_| is_unlisted(factor)) {
                None => ControlFlow::Continue(()),
                Some(action) => {
                    action(factor, &self.scope);
                    ControlFlow::Break(())
                }
            }
        }
    }
    let mut finder = Finder {
        scope: Scope::default(),
        action: Some(action),
    };
    let _ = statement.walk_mut(&mut finder);
}

fn reads(factor: &TableFactor, scope: &Scope) -> Vec<Query> {
    let TableFactor::Pivot {
        table,
        value_column,
        value_source,
        ..
    } = factor
    else {
        return Vec::new();
    };
    match value_source {
        PivotValueSource::List(_) => Vec::new(),
        PivotValueSource::Any(order) => value_column
            .iter()
            .map(|column| distinct_values(table, column, order, scope))
            .collect(),
        PivotValueSource::Subquery(query) => vec![scope.query(SetExpr::Query(query.clone()))],
    }
}

/// `SELECT column, column::VARCHAR FROM table WHERE column IS NOT NULL GROUP BY column ORDER BY …`
fn distinct_values(
    table: &TableFactor,
    column: &Expr,
    order: &[OrderByExpr],
    scope: &Scope,
) -> Query {
    let text = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(column.clone()),
        data_type: ast::DataType::Varchar(None),
        array: false,
        format: None,
    };
    let items = [(column.clone(), VALUE), (text, TEXT)].map(|(expr, name)| {
        let alias = Ident::with_quote('"', name);
        SelectItem::ExprWithAlias { expr, alias }
    });
    let mut select = select_from(
        items.to_vec(),
        vec![ast::TableWithJoins {
            relation: table.clone(),
            joins: vec![],
        }],
    );
    select.selection = Some(Expr::IsNotNull(Box::new(column.clone())));
    select.group_by = GroupByExpr::Expressions(vec![column.clone()], vec![]);
    let sorted = OrderByExpr {
        expr: column.clone(),
        options: OrderByOptions {
            asc: None,
            nulls_first: None,
        },
        with_fill: None,
    };
    let keys = match order.is_empty() {
        true => vec![sorted],
        false => order.to_vec(),
    };
    let mut query = scope.query(SetExpr::Select(Box::new(select)));
    query.order_by = Some(OrderBy {
        kind: OrderByKind::Expressions(keys),
        interpolate: None,
    });
    // One more than there may be tells that there are too many.
    let limit = Value::Number((PIVOT_COLUMNS_MAX + 1).to_string(), false);
    query.limit_clause = Some(LimitClause::LimitOffset {
        limit: Some(Expr::Value(limit.into())),
        offset: None,
        limit_by: vec![],
    });
    query
}

/// A value with the name of its column.
#[derive(Clone)]
struct Named {
    value: Expr,
    name: String,
}

/// The values that were read, each once, in their order.
fn values(batches: &[RecordBatch]) -> Result<Vec<Named>> {
    let mut found = Vec::new();
    let mut taken = HashSet::new();
    for batch in batches {
        let Some(first) = batch.columns().first() else {
            continue;
        };
        let data_type = first.data_type();
        if data_type.is_nested() || data_type.is_binary() {
            return Err(no_value(data_type));
        }
        let texts = arrow::compute::cast(batch.columns().get(1).unwrap_or(first), &DataType::Utf8)?;
        for text in texts.as_string::<i32>().iter().flatten() {
            if !taken.insert(text.to_owned()) {
                continue;
            }
            if taken.len() > PIVOT_COLUMNS_MAX {
                return Err(too_many());
            }
            found.push(Named {
                value: literal(text, data_type),
                name: text.to_owned(),
            });
        }
    }
    Ok(found)
}

/// A value of each column, in every combination, those of the first column slowest.
fn every_combination(columns: &[Vec<Named>]) -> Result<Vec<ExprWithAlias>> {
    let mut combinations: Vec<(Vec<Expr>, String)> = vec![(vec![], String::new())];
    for column in columns {
        if combinations.len().saturating_mul(column.len()) > PIVOT_COLUMNS_MAX {
            return Err(too_many());
        }
        let pairs = combinations.iter().flat_map(|(values, name)| {
            column.iter().map(move |next| {
                let values = values.iter().chain([&next.value]).cloned().collect();
                let name = match name.is_empty() {
                    true => next.name.clone(),
                    false => format!("{name}_{}", next.name),
                };
                (values, name)
            })
        });
        combinations = pairs.collect();
    }
    let listed = combinations.into_iter().map(|(mut values, name)| {
        let expr = match values.len() {
            1 => values.remove(0),
            _ => Expr::Tuple(values),
        };
        let alias = Some(Ident::with_quote('"', name));
        ExprWithAlias { expr, alias }
    });
    Ok(listed.collect())
}

/// A constant of `data_type` whose text is `text`.
fn literal(text: &str, data_type: &DataType) -> Expr {
    let quoted = |text: String| Expr::Value(Value::SingleQuotedString(text).into());
    if data_type.is_string() {
        return quoted(text.to_owned());
    }
    let arguments = [text.to_owned(), data_type.to_string()]
        .map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(quoted(argument))));
    Expr::Function(ast::Function {
        name: ObjectName::from(vec![Ident::new("arrow_cast")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.to_vec(),
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

fn too_many() -> SheafError {
    SheafError::user(format!("PIVOT finds more than {PIVOT_COLUMNS_MAX} values"))
        .with_detail("each would be a column of the result")
        .with_hint("list the values that are wanted: PIVOT … ON column IN ('a', 'b'); or group by the column")
}

fn no_value(data_type: &DataType) -> SheafError {
    let name = sql_type_name(data_type);
    SheafError::unsupported(format!(
        "PIVOT cannot name columns by values of type {name}"
    ))
    .with_hint("PIVOT … ON column::VARCHAR, or by a part of it")
}
