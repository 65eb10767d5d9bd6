//! What a FROM clause brings into scope: relations with their columns, and merged columns.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select, SetExpr, TableAlias,
    TableFactor, TableWithJoins,
};

use sheaf_operators::is_positional_marker;

use super::{ColumnsOf, item_name, replace};
use crate::binder::normalize;
use crate::binder::virtual_columns::{merges_columns, visible_name};

/// What is known of tables: those that are open, and the CTEs around.
pub(super) struct Known<'a> {
    pub(super) columns_of: &'a ColumnsOf<'a>,
    /// For each query around: its CTEs, with their columns where these can be told.
    pub(super) ctes: Vec<Vec<(String, Option<Vec<String>>)>>,
}

impl Known<'_> {
    pub(super) fn enter(&mut self, query: &Query) {
        let mut found = Vec::new();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let declared: Vec<String> = alias_columns(&cte.alias);
            let columns = match declared.is_empty() {
                true => self.query_columns(&cte.query),
                false => Some(declared),
            };
            found.push((normalize(&cte.alias.name), columns));
        }
        self.ctes.push(found);
    }

    pub(super) fn leave(&mut self) {
        self.ctes.pop();
    }

    /// The columns of a relation, with the names that an alias gives them.
    pub(super) fn columns(&self, relation: &TableFactor) -> Option<Vec<String>> {
        let (columns, alias) = match relation {
            TableFactor::Table {
                name, args, alias, ..
            } => {
                let cte = match (args, name.0.as_slice()) {
                    (None, [ObjectNamePart::Identifier(ident)]) => self.cte(&normalize(ident)),
                    _ => None,
                };
                let columns = match cte {
                    Some(columns) => columns.clone(),
                    None => (self.columns_of)(relation),
                };
                (columns, alias)
            }
            TableFactor::Derived {
                subquery, alias, ..
            } => (self.query_columns(subquery), alias),
            _ => return None,
        };
        let declared = alias.as_ref().map(alias_columns).unwrap_or_default();
        match columns {
            Some(columns) => {
                let rest = columns.into_iter().skip(declared.len());
                Some(declared.iter().cloned().chain(rest).collect())
            }
            None => (!declared.is_empty()).then_some(declared),
        }
    }

    fn cte(&self, name: &str) -> Option<&Option<Vec<String>>> {
        let mut all = self.ctes.iter().rev().flatten();
        all.find(|(cte, _)| cte == name).map(|(_, columns)| columns)
    }

    fn query_columns(&self, query: &Query) -> Option<Vec<String>> {
        let mut body = query.body.as_ref();
        loop {
            match body {
                SetExpr::SetOperation { left, .. } => body = left,
                SetExpr::Query(inner) => body = &inner.body,
                SetExpr::Select(select) => return self.select_columns(select),
                SetExpr::Values(values) => {
                    let count = values.rows.first()?.len();
                    return Some((1..=count).map(|n| format!("column{n}")).collect());
                }
                _ => return None,
            }
        }
    }

    fn select_columns(&self, select: &Select) -> Option<Vec<String>> {
        use datafusion::sql::sqlparser::ast::{SelectItem, WildcardAdditionalOptions};
        let is_plain_star = |item: &SelectItem| {
            matches!(item, SelectItem::Wildcard(options)
                if *options == WildcardAdditionalOptions::default())
        };
        match (select.projection.as_slice(), select.from.as_slice()) {
            ([item], [TableWithJoins { relation, joins }])
                if is_plain_star(item) && joins.is_empty() =>
            {
                self.columns(relation)
            }
            (items, _) => items.iter().map(item_name).collect(),
        }
    }
}

fn alias_columns(alias: &TableAlias) -> Vec<String> {
    let columns = alias.columns.iter();
    columns.map(|column| normalize(&column.name)).collect()
}

/// Whether a join of this item merges columns.
pub(super) fn merges(item: &TableWithJoins) -> bool {
    let is_nested = match &item.relation {
        TableFactor::NestedJoin {
            table_with_joins, ..
        } => merges(table_with_joins),
        _ => false,
    };
    is_nested || item.joins.iter().any(merges_columns)
}

/// A relation of a FROM clause.
pub(super) struct Relation {
    pub(super) name: ObjectName,
    pub(super) columns: Option<Vec<String>>,
    /// Columns which stand in merged ones.
    pub(super) hidden: Vec<String>,
    /// Not the right side of a semi or anti join.
    pub(super) is_visible: bool,
}

impl Relation {
    fn of(factor: &mut TableFactor, known: &Known<'_>, number: usize) -> Option<Self> {
        if let TableFactor::Derived {
            alias: alias @ None,
            ..
        } = factor
        {
            *alias = Some(TableAlias {
                explicit: true,
                name: Ident::with_quote('"', format!("sheaf.side.{number}")),
                columns: Vec::new(),
                at: None,
            });
        }
        Some(Self {
            name: visible_name(factor)?,
            columns: known.columns(factor),
            hidden: Vec::new(),
            is_visible: true,
        })
    }

    /// `relation.column`
    fn column(&self, name: &str) -> Expr {
        let parts = self.name.0.iter().filter_map(ObjectNamePart::as_ident);
        let column = Ident::with_quote('"', name);
        Expr::CompoundIdentifier(parts.cloned().chain([column]).collect())
    }

    fn has(&self, name: &str) -> bool {
        let mut columns = self.columns.iter().flatten();
        columns.any(|column| column == name)
    }
}

/// A merged column.
pub(super) struct Merged {
    pub(super) name: String,
    pub(super) value: Expr,
}

/// What one item of a FROM clause brings.
#[derive(Default)]
pub(super) struct Scope {
    pub(super) relations: Vec<Relation>,
    /// In the order in which `*` shows them.
    pub(super) merged: Vec<Merged>,
}

impl Scope {
    /// Reads an item; `None` if too little is known of it. NATURAL becomes USING.
    pub(super) fn of(item: &mut TableWithJoins, known: &Known<'_>) -> Option<Self> {
        let mut scope = Self::default();
        scope.add_chain(item, known)?;
        Some(scope)
    }

    fn add_chain(&mut self, chain: &mut TableWithJoins, known: &Known<'_>) -> Option<()> {
        if let TableFactor::NestedJoin {
            table_with_joins,
            alias: None,
        } = &mut chain.relation
        {
            self.add_chain(table_with_joins, known)?;
        } else {
            let relation = Relation::of(&mut chain.relation, known, 0)?;
            self.relations.push(relation);
        }
        for join in &mut chain.joins {
            if matches!(&join.relation, TableFactor::Table { name, .. } if is_positional_marker(name))
            {
                continue;
            }
            let number = self.relations.len();
            let mut right = Relation::of(&mut join.relation, known, number)?;
            right.is_visible = !is_filter(&join.join_operator);
            let operator = &mut join.join_operator;
            let side = side(operator);
            let Some(constraint) = constraint(operator) else {
                self.relations.push(right);
                continue;
            };
            if matches!(constraint, JoinConstraint::Natural) {
                let names = self.common(&right)?;
                if !names.is_empty() {
                    *constraint = JoinConstraint::Using(names);
                }
            }
            match constraint {
                JoinConstraint::Using(names) => self.merge(&mut right, names, side?)?,
                JoinConstraint::On(on) => {
                    let names = self.merged.iter();
                    let names: Vec<_> = names.map(|m| (m.name.clone(), m.value.clone())).collect();
                    replace(on, &names);
                }
                _ => {}
            }
            self.relations.push(right);
        }
        Some(())
    }

    /// The columns that NATURAL compares.
    fn common(&self, right: &Relation) -> Option<Vec<ObjectName>> {
        let right = right.columns.as_ref()?;
        let merged = self.merged.iter().map(|merged| merged.name.clone());
        let mut left: Vec<String> = merged.collect();
        for relation in self.relations.iter().filter(|r| r.is_visible) {
            let columns = relation.columns.as_ref()?.iter();
            left.extend(columns.filter(|c| !relation.hidden.contains(c)).cloned());
        }
        let names = left.into_iter().filter(|name| right.contains(name));
        Some(
            names
                .map(|name| ObjectName::from(vec![Ident::with_quote('"', name)]))
                .collect(),
        )
    }

    fn merge(&mut self, right: &mut Relation, names: &[ObjectName], side: Side) -> Option<()> {
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
                return None;
            };
            let name = normalize(ident);
            let left = match self.merged.iter().position(|merged| merged.name == name) {
                Some(index) => self.merged.remove(index).value,
                None => self.take_left(&name)?,
            };
            right.hidden.push(name.clone());
            let value = match side {
                Side::Left => left,
                Side::Right => right.column(&name),
                Side::Both => coalesce(left, right.column(&name)),
            };
            found.push(Merged { name, value });
        }
        found.append(&mut self.merged);
        self.merged = found;
        Some(())
    }

    /// The one relation so far that has the column hides it now.
    fn take_left(&mut self, name: &str) -> Option<Expr> {
        let mut visible: Vec<&mut Relation> =
            self.relations.iter_mut().filter(|r| r.is_visible).collect();
        if visible.len() > 1 {
            if visible.iter().any(|relation| relation.columns.is_none()) {
                return None;
            }
            visible.retain(|relation| relation.has(name));
        }
        match visible.as_mut_slice() {
            [relation] => {
                relation.hidden.push(name.to_owned());
                Some(relation.column(name))
            }
            _ => None,
        }
    }
}

/// Whose value a merged column has.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
    Both,
}

fn side(operator: &JoinOperator) -> Option<Side> {
    Some(match operator {
        JoinOperator::Join(_)
        | JoinOperator::Inner(_)
        | JoinOperator::Left(_)
        | JoinOperator::LeftOuter(_)
        | JoinOperator::Semi(_)
        | JoinOperator::LeftSemi(_)
        | JoinOperator::Anti(_)
        | JoinOperator::LeftAnti(_) => Side::Left,
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => Side::Right,
        JoinOperator::FullOuter(_) => Side::Both,
        _ => return None,
    })
}

fn is_filter(operator: &JoinOperator) -> bool {
    matches!(
        operator,
        JoinOperator::Semi(_)
            | JoinOperator::LeftSemi(_)
            | JoinOperator::Anti(_)
            | JoinOperator::LeftAnti(_)
    )
}

/// The condition of a join; that of the kinds not listed is read by others.
fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => Some(constraint),
        _ => None,
    }
}

fn coalesce(left: Expr, right: Expr) -> Expr {
    let argument = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new("coalesce")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![argument(left), argument(right)],
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
