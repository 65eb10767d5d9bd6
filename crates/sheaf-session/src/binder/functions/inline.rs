//! Putting a body in the place of a call.
//!
//! Of an expression, `$n` becomes its argument. Within a sub-query of the body an argument cannot
//! stand as it is: what it names would be looked for among the tables of the body. There it is a
//! column of a row of arguments, which stands beside the sub-query and sees what the call sees:
//!
//! | body of `f(a)` | `f(t.x)` |
//! |---|---|
//! | `a + 1` | `t.x + 1` |
//! | `(SELECT max(y) FROM u WHERE y < a)` | `(SELECT (SELECT max(y) FROM u WHERE y < "f(ANY)".a) FROM (SELECT t.x AS a) AS "f(ANY)")` |
//! | `TABLE SELECT y FROM u WHERE y < a` | `LATERAL (SELECT q.* FROM (SELECT t.x AS a) AS "f(ANY)", LATERAL (SELECT y FROM u WHERE y < "f(ANY)".a) AS q)` |
//!
//! An argument that names nothing stands in sub-queries, too, so that files are pruned by it. A
//! relation becomes a query of WITH, outside of the body.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    CastKind, ColumnDef, Cte, DataType, Expr, Ident, ObjectName, Query, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableAliasColumnDef, TableFactor,
    TableWithJoins, Value, VisitorMut, WildcardAdditionalOptions, WindowSpec, WindowType, With,
};
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};
use sheaf_sql::walk::WalkMut;
use sheaf_sql::{FunctionBody, ParameterKind, RelationArgument};

use super::super::build::{call, query_of, select_all, select_from, table_factor};
use super::calls::Matched;
use super::measure::{Uses, has_aggregate, is_closed, is_unit, is_volatile, relation_of, uses};
use super::ordinals::{is_number, keep_values};
use crate::catalog::SqlFunction;

/// The name of the body's rows beside its arguments.
const ROWS: &str = "rows of the function";
/// The name of the numbers of WITH ORDINALITY.
const ORDINALITY: &str = "ordinality";

/// What stands in the place of a call.
pub(super) enum Inlined {
    Expr(Box<Expr>),
    Rows(Box<Query>),
}

/// Puts arguments into `body`, which is the function's with calls of others expanded.
///
/// # Errors
/// `UserInput` if a relation is given for a value or the reverse, or an argument that gives another
/// value each time would be evaluated more than once.
pub(super) fn inline(
    matched: Matched,
    mut body: FunctionBody,
    state: &SessionState,
) -> Result<Inlined> {
    let Matched { function, values } = matched;
    let uses = uses(&body, &function);
    let mut arguments = Vec::with_capacity(values.len());
    for (at, value) in values.into_iter().enumerate() {
        arguments.push(argument(&function, at, value, uses[at], state)?);
    }
    let numbers: Vec<bool> = arguments.iter().map(Argument::is_number).collect();
    keep_values(&mut body, &numbers);
    let mut placer = Placer {
        function: &function,
        arguments: &arguments,
        is_within: false,
        level: 0,
        unit: None,
        beside: BTreeSet::new(),
    };
    Ok(match body {
        FunctionBody::Expr(mut expr) => {
            let _ = expr.walk_mut(&mut placer);
            Inlined::Expr(expr)
        }
        FunctionBody::Table(mut query) => {
            placer.is_within = true;
            let _ = query.walk_mut(&mut placer);
            Inlined::Rows(Box::new(placer.beside_rows(*query)))
        }
    })
}

/// What a parameter gets.
enum Argument {
    /// A value that can stand anywhere.
    Closed(Expr),
    /// A value of the caller's names.
    Open(Expr),
    Relation(Box<Query>),
}

impl Argument {
    fn is_number(&self) -> bool {
        matches!(self, Self::Closed(value) if is_number(value))
    }
}

fn argument(
    function: &SqlFunction,
    at: usize,
    value: Expr,
    uses: Uses,
    state: &SessionState,
) -> Result<Argument> {
    let parameter = &function.parameters[at];
    let name = &parameter.name;
    if matches!(parameter.kind, ParameterKind::Relation(_)) {
        return relation(function, name, value).map(|query| Argument::Relation(Box::new(query)));
    }
    let is_repeated = uses.count > 1 || uses.is_within;
    if is_repeated && is_volatile(&value, state) {
        return Err(SheafError::user(format!(
            "the argument \"{name}\" of function \"{}\" gives another value each time, and its \
             body would evaluate it more than once",
            function.name
        ))
        .with_state(SqlState::FEATURE_NOT_SUPPORTED)
        .with_hint("compute it in a sub-query: SELECT f(x) FROM (SELECT random() AS x)"));
    }
    if uses.is_within && has_aggregate(&value, state) {
        return Err(SheafError::unsupported(format!(
            "the argument \"{name}\" of function \"{}\" is an aggregate or a window function, and \
             its body uses it in a query",
            function.name
        ))
        .with_hint("compute it in a sub-query: SELECT f(n) FROM (SELECT count(*) AS n FROM t)"));
    }
    let is_closed = is_closed(&value);
    let value = match &parameter.kind {
        ParameterKind::Typed(data_type) => cast(value, data_type),
        _ => nested(value),
    };
    Ok(match is_closed {
        true => Argument::Closed(value),
        false => Argument::Open(value),
    })
}

/// The query of a relation that is an argument of a function in SQL.
fn relation(function: &SqlFunction, name: &str, value: Expr) -> Result<Query> {
    let relation = RelationArgument::of(relation_query(function, name, value)?);
    if relation.is_arranged() {
        return Err(SheafError::unsupported(format!(
            "function \"{}\" is SQL, which reads \"{name}\" as a whole: PARTITION BY and ORDER BY \
             behind it mean nothing",
            function.name
        ))
        .with_hint("its body can say GROUP BY, OVER (PARTITION BY … ORDER BY …) or ORDER BY"));
    }
    let mut parameters = function.parameters.iter();
    let kind = parameters.find_map(|p| (p.name == name).then_some(&p.kind));
    Ok(match kind {
        Some(ParameterKind::Relation(columns)) if !columns.is_empty() => {
            these_columns(relation.query, columns)
        }
        _ => relation.query,
    })
}

/// `columns` of `query`, in their types.
fn these_columns(query: Query, columns: &[ColumnDef]) -> Query {
    let items = columns.iter().map(|column| SelectItem::ExprWithAlias {
        expr: cast(Expr::Identifier(column.name.clone()), &column.data_type),
        alias: column.name.clone(),
    });
    let from = vec![alone(derived(false, query))];
    query_of(SetExpr::Select(Box::new(select_from(
        items.collect(),
        from,
    ))))
}

/// The query of a relation that is an argument.
pub(super) fn relation_query(function: &SqlFunction, name: &str, value: Expr) -> Result<Query> {
    let table = match value {
        Expr::Subquery(query) => return Ok(*query),
        Expr::Identifier(name) => ObjectName::from(vec![name]),
        Expr::CompoundIdentifier(parts) => ObjectName::from(parts),
        Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)) => {
            let text = value.value.into_string().unwrap_or_default();
            ObjectName::from(vec![Ident::with_quote('\'', text)])
        }
        other => {
            return Err(SheafError::user(format!(
                "function \"{}\" takes a relation as \"{name}\", and {other} is none",
                function.name
            ))
            .with_state(SqlState::DATATYPE_MISMATCH)
            .with_hint(format!("{}(TABLE t) or {0}((SELECT …))", function.name)));
        }
    };
    Ok(select_all(table_factor(table)))
}

/// `CAST(value AS data_type)`; a text that shall be one stays as it is, since options of files are
/// literals.
pub(super) fn cast(value: Expr, data_type: &DataType) -> Expr {
    let is_text = matches!(data_type, DataType::Text | DataType::Varchar(None));
    if let Expr::Value(literal) = &value
        && matches!(literal.value, Value::SingleQuotedString(_))
        && is_text
    {
        return value;
    }
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(value),
        data_type: data_type.clone(),
        array: false,
        format: None,
    }
}

/// `(value)`, where it could be read in another way without.
fn nested(value: Expr) -> Expr {
    match value {
        Expr::Value(_)
        | Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Function(_)
        | Expr::Nested(_)
        | Expr::Subquery(_)
        | Expr::Array(_)
        | Expr::Dictionary(_)
        | Expr::Cast { .. }
        | Expr::Case { .. }
        | Expr::Lambda(_) => value,
        other => Expr::Nested(Box::new(other)),
    }
}

/// The number of a parameter, if `expr` is one: `$1` is 0.
pub(super) fn parameter_of(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => {
                let number: usize = name.strip_prefix('$')?.parse().ok()?;
                number.checked_sub(1)
            }
            _ => None,
        },
        _ => None,
    }
}

/// `$n` for the parameter `at`, which counts from 0.
pub(super) fn parameter(at: usize) -> Expr {
    Expr::Value(Value::Placeholder(format!("${}", at + 1)).with_empty_span())
}

/// Puts arguments in the place of parameters.
struct Placer<'a> {
    function: &'a SqlFunction,
    arguments: &'a [Argument],
    /// Whether all of the tree is a sub-query.
    is_within: bool,
    /// Expressions around the place.
    level: usize,
    /// The level of the expression that stands beside the row of arguments, if the place is in one.
    unit: Option<usize>,
    /// The parameters that it needs beside it.
    beside: BTreeSet<usize>,
}

impl VisitorMut for Placer<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if !self.is_within && self.unit.is_none() && is_unit(expr, self.function) {
            self.unit = Some(self.level);
        }
        self.level += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        self.level = self.level.saturating_sub(1);
        if let Some(at) = parameter_of(expr) {
            match self.arguments.get(at) {
                Some(Argument::Closed(value)) => *expr = value.clone(),
                Some(Argument::Open(value)) if !self.is_within && self.unit.is_none() => {
                    *expr = value.clone();
                }
                Some(Argument::Open(_)) => {
                    self.beside.insert(at);
                    *expr = self.column(at);
                }
                Some(Argument::Relation(_)) | None => {}
            }
        }
        if self.unit == Some(self.level) {
            self.unit = None;
            let unit = std::mem::replace(expr, Expr::Value(Value::Null.with_empty_span()));
            *expr = self.beside_value(unit);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        self.beside.extend(relation_of(factor, self.function));
        ControlFlow::Continue(())
    }
}

impl Placer<'_> {
    /// A parameter as a column of the row of arguments.
    fn column(&self, at: usize) -> Expr {
        Expr::CompoundIdentifier(vec![
            quoted(self.function.scope_name()),
            quoted(self.function.parameters[at].name.clone()),
        ])
    }

    /// `unit` beside the arguments that it needs.
    fn beside_value(&mut self, unit: Expr) -> Expr {
        let (row, relations) = self.take_beside();
        if row.is_none() && relations.is_none() {
            return unit;
        }
        let item = SelectItem::ExprWithAlias {
            expr: unit,
            alias: quoted("value".to_owned()),
        };
        let from = row.into_iter().map(alone).collect();
        let select = select_from(vec![item], from);
        let mut query = query_of(SetExpr::Select(Box::new(select)));
        query.with = relations;
        Expr::Subquery(Box::new(query))
    }

    /// `rows` beside the arguments that they need.
    fn beside_rows(&mut self, rows: Query) -> Query {
        let (row, relations) = self.take_beside();
        if row.is_none() && relations.is_none() {
            return rows;
        }
        let rows = derived(row.is_some(), rows);
        let from = row.into_iter().chain([rows]).map(alone).collect();
        let select = select_from(vec![all_rows()], from);
        let mut query = query_of(SetExpr::Select(Box::new(select)));
        query.with = relations;
        query
    }

    /// The row of arguments, and the relations, that are needed.
    fn take_beside(&mut self) -> (Option<TableFactor>, Option<With>) {
        let (mut items, mut ctes) = (Vec::new(), Vec::new());
        for at in std::mem::take(&mut self.beside) {
            let Some(argument) = self.arguments.get(at) else {
                continue;
            };
            let name = &self.function.parameters[at].name;
            match argument {
                Argument::Open(value) | Argument::Closed(value) => {
                    items.push(SelectItem::ExprWithAlias {
                        expr: value.clone(),
                        alias: quoted(name.clone()),
                    });
                }
                Argument::Relation(query) => ctes.push(Cte {
                    alias: alias(&self.function.relation_name(name)),
                    query: query.clone(),
                    from: None,
                    materialized: None,
                    closing_paren_token: AttachedToken::empty(),
                }),
            }
        }
        let row = (!items.is_empty()).then(|| TableFactor::Derived {
            lateral: false,
            subquery: Box::new(query_of(SetExpr::Select(Box::new(select_from(
                items,
                vec![],
            ))))),
            alias: Some(alias(&self.function.scope_name())),
            sample: None,
        });
        let relations = (!ctes.is_empty()).then(|| With {
            with_token: AttachedToken::empty(),
            recursive: false,
            cte_tables: ctes,
        });
        (row, relations)
    }
}

/// `rows` with their numbers behind them, which keep their name if `alias` names all columns but them.
pub(super) fn numbered(rows: Query, alias: Option<&mut TableAlias>) -> Query {
    if let Some(alias) = alias
        && !alias.columns.is_empty()
        && width(&rows) == Some(alias.columns.len())
    {
        alias.columns.push(TableAliasColumnDef {
            name: quoted(ORDINALITY.to_owned()),
            data_type: None,
        });
    }
    let mut number = call("row_number", vec![]);
    if let Expr::Function(function) = &mut number {
        function.over = Some(WindowType::WindowSpec(WindowSpec {
            window_name: None,
            partition_by: vec![],
            order_by: vec![],
            window_frame: None,
        }));
    }
    let items = vec![
        all_rows(),
        SelectItem::ExprWithAlias {
            expr: cast(number, &DataType::BigInt(None)),
            alias: quoted(ORDINALITY.to_owned()),
        },
    ];
    let rows = derived(false, rows);
    query_of(SetExpr::Select(Box::new(select_from(
        items,
        vec![alone(rows)],
    ))))
}

/// How many columns `rows` has, if none of them are `*`.
fn width(rows: &Query) -> Option<usize> {
    let SetExpr::Select(select) = rows.body.as_ref() else {
        return None;
    };
    let is_one = |item: &SelectItem| {
        matches!(
            item,
            SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }
        )
    };
    let items = &select.projection;
    items.iter().all(is_one).then_some(items.len())
}

/// All columns of [`ROWS`].
fn all_rows() -> SelectItem {
    SelectItem::QualifiedWildcard(
        SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![quoted(
            ROWS.to_owned(),
        )])),
        WildcardAdditionalOptions::default(),
    )
}

/// `rows` as [`ROWS`].
fn derived(lateral: bool, rows: Query) -> TableFactor {
    TableFactor::Derived {
        lateral,
        subquery: Box::new(rows),
        alias: Some(alias(ROWS)),
        sample: None,
    }
}

pub(super) fn quoted(name: String) -> Ident {
    Ident::with_quote('"', name)
}

pub(super) fn alias(name: &str) -> TableAlias {
    TableAlias {
        explicit: true,
        name: quoted(name.to_owned()),
        columns: vec![],
        at: None,
    }
}

fn alone(relation: TableFactor) -> TableWithJoins {
    TableWithJoins {
        relation,
        joins: vec![],
    }
}
