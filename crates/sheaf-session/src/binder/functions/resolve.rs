//! What the names of a body mean, settled when the function is created.
//!
//! As in PostgreSQL, a name within a query of the body is a column of its tables if they have it,
//! else the parameter; `f.a` is the parameter `a` of `f` in any case. Which columns there are, is
//! asked of the planner: a first walk collects the FROM clauses beside which a parameter's name
//! stands ([`requests`]), a second one takes the answers ([`settle`]). Of relations that are
//! parameters no columns are known, so that a parameter's name is the parameter's there.
//!
//! What is written afterwards: `$n` for parameters; tables with their schema, so that no WITH of a
//! caller hides them; variables of lambdas under names that nobody writes, so that none is taken for
//! a column in an argument.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, Join, LambdaFunction, LimitClause, ObjectName,
    OneOrManyWithParens, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    TableFactor, TableWithJoins, VisitorMut, WildcardAdditionalOptions,
};
use sheaf_operators::is_positional_marker;
use sheaf_sql::ParameterKind;
use sheaf_sql::walk::WalkMut;

use super::super::build::{query_of, select_all, select_from};
use super::super::references::is_path;
use super::super::scope::Scope;
use super::super::{normalize, normalize_part};
use super::define::{drop_limits, null_of};
use super::inline::{alias, parameter, quoted};
use super::names::{
    Declared, fields, mark, named_table, relation_names, result_names, unmark, vacant,
};
use crate::catalog::PUBLIC_SCHEMA;
use crate::postgres::PG_CATALOG;

/// The queries whose columns [`settle`] has to know, in its order.
pub(super) fn requests(body: &Query, declared: &Declared<'_>) -> Vec<Query> {
    let mut resolver = Resolver::new(declared, None);
    let _ = body.clone().walk_mut(&mut resolver);
    resolver.requests
}

/// Settles the names of `body`; `columns` are those of each of [`requests`].
pub(super) fn settle(body: &mut Query, declared: &Declared<'_>, columns: &[Vec<String>]) {
    let _ = body.walk_mut(&mut Resolver::new(declared, Some(columns)));
    unmark(body);
}

/// What a SELECT sees of its tables.
#[derive(Default)]
struct Frame {
    columns: Vec<String>,
    relations: Vec<String>,
}

/// What is taken out of a SELECT while its other parts are visited.
struct Taken {
    from: Vec<TableWithJoins>,
    /// The names of its columns that are names.
    items: Vec<Option<Ident>>,
}

struct Resolver<'a> {
    declared: &'a Declared<'a>,
    /// The answers; `None` while questions are collected.
    answers: Option<&'a [Vec<String>]>,
    requests: Vec<Query>,
    asked: usize,
    /// For each query around the place, what its SELECT sees.
    frames: Vec<Option<Frame>>,
    taken: Vec<Taken>,
    /// Variables of lambdas around the place, and how they are called now.
    variables: Vec<(String, Ident)>,
    scope: Scope,
}

impl VisitorMut for Resolver<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        // There are no columns in LIMIT.
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause {
            limit.walk_mut(self)?;
            if let Some(offset) = offset {
                offset.value.walk_mut(self)?;
            }
        }
        if let SetExpr::Select(select) = query.body.as_ref() {
            let names = result_names(select);
            mark(&mut query.order_by, &names);
        }
        self.scope.enter(query);
        self.frames.push(None);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.frames.pop();
        self.scope.leave(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let names = result_names(select);
        mark(&mut select.group_by, &names);
        mark(&mut select.having, &names);
        mark(&mut select.qualify, &names);
        let is_named = self.declared.is_named_in(select);
        let mut from = std::mem::take(&mut select.from);
        self.from(&mut from, is_named);
        let items = select.projection.iter().map(|item| match item {
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name.clone()),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().cloned(),
            _ => None,
        });
        let items = items.collect();
        self.taken.push(Taken { from, items });
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let Some(taken) = self.taken.pop() else {
            return ControlFlow::Continue(());
        };
        select.from = taken.from;
        for (item, name) in select.projection.iter_mut().zip(taken.items) {
            if let SelectItem::UnnamedExpr(expr) = item
                && !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
                && let Some(name) = name
            {
                *item = SelectItem::ExprWithAlias {
                    expr: expr.clone(),
                    alias: name,
                };
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.answers.is_none() {
            return ControlFlow::Continue(());
        }
        match expr {
            Expr::Lambda(lambda) => self.enter_lambda(lambda),
            Expr::Identifier(name) => {
                if let Some(meant) = self.name(name) {
                    *expr = meant;
                }
            }
            Expr::CompoundIdentifier(parts) => {
                if let Some(meant) = self.path(parts) {
                    *expr = meant;
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let (Expr::Lambda(lambda), Some(_)) = (expr, self.answers) {
            let count = lambda.params.iter().count();
            let left = self.variables.len().saturating_sub(count);
            self.variables.truncate(left);
        }
        ControlFlow::Continue(())
    }
}

impl<'a> Resolver<'a> {
    fn new(declared: &'a Declared<'a>, answers: Option<&'a [Vec<String>]>) -> Self {
        Self {
            declared,
            answers,
            requests: Vec::new(),
            asked: 0,
            frames: Vec::new(),
            taken: Vec::new(),
            variables: Vec::new(),
            scope: Scope::default(),
        }
    }

    fn see(&mut self, frame: Option<Frame>) {
        if let Some(last) = self.frames.last_mut() {
            *last = frame;
        }
    }

    /// The relations of FROM see what stands to their left, the conditions of its joins and all
    /// that follows see them all.
    fn from(&mut self, from: &mut [TableWithJoins], is_named: bool) {
        let mut left: Vec<TableWithJoins> = Vec::new();
        for chain in from.iter_mut() {
            self.beside(&mut chain.relation, &left);
            left.push(TableWithJoins {
                relation: chain.relation.clone(),
                joins: vec![],
            });
            for join in &mut chain.joins {
                self.beside(&mut join.relation, &left);
                if let Some(last) = left.last_mut() {
                    last.joins.push(join.clone());
                }
            }
        }
        let frame = self.frame(from, is_named);
        self.see(Some(frame));
        from.iter_mut().for_each(|chain| self.conditions(chain));
    }

    /// A relation with `left` to its left.
    fn beside(&mut self, factor: &mut TableFactor, left: &[TableWithJoins]) {
        let frame = match left.is_empty() {
            true => None,
            false => {
                let is_named = self.declared.is_named_in(factor);
                Some(self.frame(left, is_named))
            }
        };
        self.see(frame);
        self.factor(factor);
    }

    fn frame(&mut self, from: &[TableWithJoins], is_asked: bool) -> Frame {
        let relations = from.iter().flat_map(relation_names).collect();
        let columns = match is_asked && !from.is_empty() {
            true => self.ask(from),
            false => Vec::new(),
        };
        Frame { columns, relations }
    }

    /// The columns of `from`; none while questions are collected.
    fn ask(&mut self, from: &[TableWithJoins]) -> Vec<String> {
        self.asked += 1;
        if let Some(answers) = self.answers {
            return answers.get(self.asked - 1).cloned().unwrap_or_default();
        }
        let all = SelectItem::Wildcard(WildcardAdditionalOptions::default());
        let select = select_from(vec![all], from.to_vec());
        let query = self.scope.query(SetExpr::Select(Box::new(select)));
        let query = self.beside_parameters(query);
        self.requests.push(query);
        Vec::new()
    }

    /// `query` where the names of parameters can be looked up.
    fn beside_parameters(&self, mut query: Query) -> Query {
        struct WithoutLimits;
        impl VisitorMut for WithoutLimits {
            type Break = ();
            fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
                drop_limits(query);
                ControlFlow::Continue(())
            }
        }
        let _ = query.walk_mut(&mut WithoutLimits);
        let values = self.declared.parameters.iter();
        let values = values.filter(|p| !matches!(p.kind, ParameterKind::Relation(_)));
        let items: Vec<SelectItem> = values
            .map(|parameter| SelectItem::ExprWithAlias {
                expr: null_of(&parameter.kind),
                alias: quoted(parameter.name.clone()),
            })
            .collect();
        if items.is_empty() {
            return query;
        }
        let row = query_of(SetExpr::Select(Box::new(select_from(items, vec![]))));
        let derived = |lateral, subquery, name: &str| TableWithJoins {
            relation: TableFactor::Derived {
                lateral,
                subquery: Box::new(subquery),
                alias: Some(alias(name)),
                sample: None,
            },
            joins: vec![],
        };
        let rows = "columns of the body";
        let all = SelectItem::QualifiedWildcard(
            SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![quoted(
                rows.to_owned(),
            )])),
            WildcardAdditionalOptions::default(),
        );
        let from = vec![
            derived(false, row, self.declared.function),
            derived(true, query, rows),
        ];
        query_of(SetExpr::Select(Box::new(select_from(vec![all], from))))
    }

    /// Settles what stands in a relation, its own conditions excepted.
    fn factor(&mut self, factor: &mut TableFactor) {
        match factor {
            TableFactor::Table {
                name,
                args: None,
                alias: named,
                ..
            } => {
                if let Some(own) = self.table(name)
                    && named.is_none()
                {
                    *named = Some(alias(&own));
                }
            }
            TableFactor::Table {
                args: Some(args), ..
            } => self.arguments(&mut args.args),
            TableFactor::Function { args, .. } => self.arguments(args),
            TableFactor::Derived { subquery, .. } => {
                let _ = subquery.walk_mut(self);
            }
            TableFactor::UNNEST { array_exprs, .. } => {
                let _ = array_exprs.walk_mut(self);
            }
            TableFactor::TableFunction { expr, .. } => {
                let _ = expr.walk_mut(self);
            }
            TableFactor::NestedJoin {
                table_with_joins, ..
            } => {
                self.factor(&mut table_with_joins.relation);
                for join in &mut table_with_joins.joins {
                    self.factor(&mut join.relation);
                }
            }
            TableFactor::Pivot { table, .. } | TableFactor::Unpivot { table, .. } => {
                self.factor(table);
            }
            _ => {}
        }
    }

    fn arguments(&mut self, arguments: &mut [FunctionArg]) {
        for argument in arguments {
            if let FunctionArg::Unnamed(value) | FunctionArg::Named { arg: value, .. } = argument
                && let FunctionArgExpr::Expr(value) = value
            {
                let _ = value.walk_mut(self);
            }
        }
    }

    /// Writes a table's name so that it means the same everywhere; its own name, if it had no
    /// schema.
    fn table(&self, name: &mut ObjectName) -> Option<String> {
        let [part] = name.0.as_slice() else {
            return None;
        };
        if self.answers.is_none() || is_path(name).is_some() || is_positional_marker(name) {
            return None;
        }
        let own = normalize_part(part);
        let is_ours = own.starts_with(&format!("{}.", self.declared.scope_name()));
        if is_ours || self.scope.sees(&own) {
            return None;
        }
        let at = self.declared.find(&own);
        match at.filter(|at| self.declared.is_relation(*at)) {
            Some(at) => *name = ObjectName::from(vec![self.declared.relation_ident(at)]),
            None => {
                let span = part.as_ident().map(|ident| ident.span);
                let mut ident = quoted(own.clone());
                ident.span = span.unwrap_or(ident.span);
                // What the user has named hides tables of PostgreSQL's catalogue.
                let schema = match self.declared.catalog.get(&own) {
                    None if sheaf_pgcatalog::has_table(None, &own) => PG_CATALOG,
                    _ => PUBLIC_SCHEMA,
                };
                *name = ObjectName::from(vec![Ident::new(schema), ident]);
            }
        }
        Some(own)
    }

    fn conditions(&mut self, chain: &mut TableWithJoins) {
        if let TableFactor::NestedJoin {
            table_with_joins, ..
        } = &mut chain.relation
        {
            self.conditions(table_with_joins);
        }
        for Join {
            relation,
            join_operator,
            global,
        } in &mut chain.joins
        {
            if let TableFactor::NestedJoin {
                table_with_joins, ..
            } = relation
            {
                self.conditions(table_with_joins);
            }
            // Walked without the relations, which have been.
            let mut alone = TableWithJoins {
                relation: vacant(),
                joins: vec![Join {
                    relation: vacant(),
                    global: *global,
                    join_operator: join_operator.clone(),
                }],
            };
            let _ = alone.walk_mut(self);
            if let Some(walked) = alone.joins.pop() {
                *join_operator = walked.join_operator;
            }
        }
    }

    fn enter_lambda(&mut self, lambda: &mut LambdaFunction) {
        let scope = self.declared.scope_name();
        let variables = match &mut lambda.params {
            OneOrManyWithParens::One(variable) => std::slice::from_mut(variable),
            OneOrManyWithParens::Many(variables) => variables.as_mut_slice(),
        };
        for variable in variables {
            let written = normalize(&variable.name);
            let mut name = quoted(format!("{scope}:{written}"));
            name.span = variable.name.span;
            variable.name = name.clone();
            self.variables.push((written, name));
        }
    }

    /// What a name means, if it is no column.
    fn name(&self, name: &Ident) -> Option<Expr> {
        let written = normalize(name);
        let mut variables = self.variables.iter().rev();
        if let Some((_, variable)) = variables.find(|(variable, _)| *variable == written) {
            return Some(Expr::Identifier(variable.clone()));
        }
        let at = self.declared.find(&written)?;
        let is_column = self.is_column(&written);
        (!is_column).then(|| self.value(at))
    }

    fn is_column(&self, name: &str) -> bool {
        let mut frames = self.frames.iter().flatten();
        frames.any(|frame| frame.columns.iter().any(|column| column == name))
    }

    fn is_relation(&self, name: &str) -> bool {
        let mut frames = self.frames.iter().flatten();
        frames.any(|frame| frame.relations.iter().any(|relation| relation == name))
    }

    fn value(&self, at: usize) -> Expr {
        if !self.declared.is_relation(at) {
            return parameter(at);
        }
        let table = ObjectName::from(vec![self.declared.relation_ident(at)]);
        Expr::Subquery(Box::new(select_all(named_table(table))))
    }

    /// What a name of several parts means, if it is no column.
    fn path(&self, parts: &[Ident]) -> Option<Expr> {
        let first = normalize(parts.first()?);
        let mut variables = self.variables.iter().rev();
        if let Some((_, variable)) = variables.find(|(variable, _)| *variable == first) {
            return Some(fields(Expr::Identifier(variable.clone()), &parts[1..]));
        }
        if self.is_relation(&first) {
            return None;
        }
        if first == self.declared.function
            && let Some(at) = parts.get(1).and_then(|p| self.declared.find(&normalize(p)))
        {
            return Some(fields(self.value(at), &parts[2..]));
        }
        let at = self.declared.find(&first)?;
        let is_column = self.is_column(&first);
        (!is_column).then(|| fields(self.value(at), &parts[1..]))
    }
}
