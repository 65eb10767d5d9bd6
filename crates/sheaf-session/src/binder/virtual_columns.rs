//! `_path` and `_partition`: columns that file tables have, but that `*` does not show.
//!
//! They cost a little in every scan, so a table offers them only if the statement mentions one.
//! Then every `*` that covers such a table is rewritten to leave them out. It is done on the
//! syntax tree, since the engine expands `*` without asking.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart,
    Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, TableFactor, Visit,
    VisitMut, Visitor, VisitorMut, WildcardAdditionalOptions,
};

/// The virtual columns, in the order in which tables append them.
pub(crate) const VIRTUAL_COLUMNS: [&str; 2] = ["_path", "_partition"];

/// Whether the statement names a virtual column anywhere.
pub(super) fn are_mentioned(statement: &ast::Statement) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let last = match expr {
                Expr::Identifier(ident) => Some(ident),
                Expr::CompoundIdentifier(parts) => parts.last(),
                _ => None,
            };
            match last {
                Some(ident) if is_virtual(ident) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    statement.visit(&mut Finder).is_break()
}

/// Makes every `*` over a file table leave the virtual columns out.
pub(super) fn hide_from_wildcards(
    statement: &mut ast::Statement,
    is_file: &dyn Fn(&TableFactor) -> bool,
) {
    struct Hider<'a>(&'a dyn Fn(&TableFactor) -> bool);
    impl VisitorMut for Hider<'_> {
        type Break = ();

        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            hide_in_select(select, self.0);
            ControlFlow::Continue(())
        }
    }
    let _ = statement.visit(&mut Hider(is_file));
}

fn hide_in_select(select: &mut Select, is_file: &dyn Fn(&TableFactor) -> bool) {
    let relations: Vec<&TableFactor> = select
        .from
        .iter()
        .flat_map(|item| {
            std::iter::once(&item.relation).chain(item.joins.iter().map(|j| &j.relation))
        })
        .collect();
    let is_file: Vec<bool> = relations.iter().map(|relation| is_file(relation)).collect();
    if !is_file.contains(&true) {
        return;
    }
    let names: Vec<Option<ObjectName>> = relations.iter().map(|r| visible_name(r)).collect();
    let is_single = relations.len() == 1;
    let merges_columns = select
        .from
        .iter()
        .flat_map(|item| &item.joins)
        .any(merges_columns);

    if matches!(select.flavor, SelectFlavor::FromFirstNoSelect) {
        select.flavor = SelectFlavor::FromFirst;
        select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
    }
    let mut projection = Vec::with_capacity(select.projection.len());
    for mut item in select.projection.drain(..) {
        match &mut item {
            SelectItem::Wildcard(options) if is_single || merges_columns => exclude(options),
            SelectItem::Wildcard(options) if names.iter().all(Option::is_some) => {
                let each = names.iter().flatten().zip(&is_file);
                projection.extend(each.map(|(name, is_file)| {
                    let mut options = options.clone();
                    if *is_file {
                        exclude(&mut options);
                    }
                    let kind = SelectItemQualifiedWildcardKind::ObjectName(name.clone());
                    SelectItem::QualifiedWildcard(kind, options)
                }));
                continue;
            }
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(wanted),
                options,
            ) => {
                let mut each = names.iter().zip(&is_file);
                if each.any(|(name, is_file)| *is_file && name.as_ref() == Some(wanted)) {
                    exclude(options);
                }
            }
            _ => {}
        }
        projection.push(item);
    }
    select.projection = projection;
}

/// The name by which `relation.*` finds a relation.
pub(super) fn visible_name(relation: &TableFactor) -> Option<ObjectName> {
    let (name, alias) = match relation {
        TableFactor::Table { name, alias, .. } => (Some(name.clone()), alias),
        TableFactor::Derived { alias, .. } => (None, alias),
        _ => return None,
    };
    match alias {
        Some(alias) => Some(ObjectName(vec![ObjectNamePart::Identifier(
            alias.name.clone(),
        )])),
        None => name,
    }
}

/// USING and NATURAL merge columns of the same name, which one `*` per relation would undo.
pub(super) fn merges_columns(join: &ast::Join) -> bool {
    let constraint = match &join.join_operator {
        JoinOperator::Join(c)
        | JoinOperator::Inner(c)
        | JoinOperator::Left(c)
        | JoinOperator::LeftOuter(c)
        | JoinOperator::Right(c)
        | JoinOperator::RightOuter(c)
        | JoinOperator::FullOuter(c)
        | JoinOperator::Semi(c)
        | JoinOperator::LeftSemi(c)
        | JoinOperator::Anti(c)
        | JoinOperator::LeftAnti(c) => c,
        _ => return false,
    };
    matches!(
        constraint,
        JoinConstraint::Using(_) | JoinConstraint::Natural
    )
}

fn exclude(options: &mut WildcardAdditionalOptions) {
    let mut columns = match options.opt_exclude.take() {
        None => vec![],
        Some(ExcludeSelectItem::Single(column)) => vec![column],
        Some(ExcludeSelectItem::Multiple(columns)) => columns,
    };
    for name in VIRTUAL_COLUMNS {
        let column = ObjectName::from(vec![Ident::new(name)]);
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    options.opt_exclude = Some(ExcludeSelectItem::Multiple(columns));
}

fn is_virtual(ident: &Ident) -> bool {
    VIRTUAL_COLUMNS
        .iter()
        .any(|name| ident.value.eq_ignore_ascii_case(name))
}
