//! `_path`, `_partition`, of text `_line` and of bags `_offset`, too: columns that file tables have, but that `*` does not
//! show.
//!
//! They cost something in every scan, so a table offers them only if the statement mentions one.
//! Then every `*` that covers such a table is rewritten to leave them out. It is done on the
//! syntax tree, since the engine expands `*` without asking.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart,
    Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, TableFactor, Visitor,
    VisitorMut, WildcardAdditionalOptions,
};
use sheaf_files::ReadRequest;
use sheaf_sql::walk::{Walk, WalkMut};

/// The column of a line's number, which stops files of text from being split.
const LINE_COLUMN: &str = "_line";

/// The column of a record's first byte.
const OFFSET_COLUMN: &str = "_offset";

/// The columns that any file has.
const FILE_COLUMNS: [&str; 2] = ["_path", "_partition"];

/// Which virtual columns a statement mentions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    /// `_path` or `_partition`.
    pub(super) files: bool,
    /// `_line`.
    pub(super) lines: bool,
    /// `_offset`.
    pub(super) offsets: bool,
}

impl Wanted {
    /// Asks for the columns.
    pub(super) fn ask(self, request: &mut ReadRequest) {
        request.virtual_columns = self.files;
        request.line_numbers = self.lines;
        request.offsets = self.offsets;
    }
}

/// The virtual columns that the statement names anywhere.
pub(super) fn mentioned(statement: &ast::Statement) -> Wanted {
    struct Finder(Wanted);
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let last = match expr {
                Expr::Identifier(ident) => Some(ident),
                Expr::CompoundIdentifier(parts) => parts.last(),
                _ => None,
            };
            if let Some(ident) = last {
                let is = |name: &str| ident.value.eq_ignore_ascii_case(name);
                self.0.files |= FILE_COLUMNS.iter().any(|name| is(name));
                self.0.lines |= is(LINE_COLUMN);
                self.0.offsets |= is(OFFSET_COLUMN);
            }
            ControlFlow::Continue(())
        }
    }
    let mut finder = Finder(Wanted::default());
    let _ = statement.walk(&mut finder);
    finder.0
}

/// The virtual columns that a relation has.
type ColumnsOf<'a> = &'a dyn Fn(&TableFactor) -> Vec<&'static str>;

/// Makes every `*` over a file table leave the virtual columns out.
pub(super) fn hide_from_wildcards(statement: &mut ast::Statement, columns_of: ColumnsOf<'_>) {
    struct Hider<'a>(ColumnsOf<'a>);
    impl VisitorMut for Hider<'_> {
        type Break = ();

        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            hide_in_select(select, self.0);
            ControlFlow::Continue(())
        }
    }
    let _ = statement.walk_mut(&mut Hider(columns_of));
}

fn hide_in_select(select: &mut Select, columns_of: ColumnsOf<'_>) {
    let relations: Vec<&TableFactor> = select
        .from
        .iter()
        .flat_map(|item| {
            std::iter::once(&item.relation).chain(item.joins.iter().map(|j| &j.relation))
        })
        .collect();
    let hidden: Vec<Vec<&str>> = relations.iter().map(|r| columns_of(r)).collect();
    let mut all: Vec<&str> = hidden.iter().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    if all.is_empty() {
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
            SelectItem::Wildcard(options) if is_single || merges_columns => {
                exclude(options, &all);
            }
            SelectItem::Wildcard(options) if names.iter().all(Option::is_some) => {
                let each = names.iter().flatten().zip(&hidden);
                projection.extend(each.map(|(name, hidden)| {
                    let mut options = options.clone();
                    exclude(&mut options, hidden);
                    let kind = SelectItemQualifiedWildcardKind::ObjectName(name.clone());
                    SelectItem::QualifiedWildcard(kind, options)
                }));
                continue;
            }
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(wanted),
                options,
            ) => {
                let mut each = names.iter().zip(&hidden);
                if let Some((_, hidden)) = each.find(|(name, _)| name.as_ref() == Some(wanted)) {
                    exclude(options, hidden);
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

fn exclude(options: &mut WildcardAdditionalOptions, names: &[&str]) {
    if names.is_empty() {
        return;
    }
    let mut columns = match options.opt_exclude.take() {
        None => vec![],
        Some(ExcludeSelectItem::Single(column)) => vec![column],
        Some(ExcludeSelectItem::Multiple(columns)) => columns,
    };
    for name in names {
        let column = ObjectName::from(vec![Ident::new(*name)]);
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    options.opt_exclude = Some(ExcludeSelectItem::Multiple(columns));
}
