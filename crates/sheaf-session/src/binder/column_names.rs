//! Names of computed columns: the expression as it was written.
//!
//! The engine would call `sum(amount)` by its plan (`sum(sales.csv.amount)`, `Int64(1) + Int64(2)`)
//! and refuse two equal expressions in one SELECT. Here every computed item without a name gets
//! its own text as its name, and a repeated one a number behind it.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, Distinct, Expr, Ident, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr,
    VisitorMut, WindowFrame, WindowFrameBound, WindowType,
};
use sheaf_sql::FRAME_EXCLUSION;
use sheaf_sql::walk::{WalkMut, walk_expressions_mut};

use super::{columns, normalize};

/// Names the computed columns of every SELECT in `statement`.
pub(super) fn name_computed(statement: &mut ast::Statement) {
    let _ = statement.walk_mut(&mut Namer);
}

struct Namer;

impl VisitorMut for Namer {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let SetExpr::Select(select) = query.body.as_ref()
            && matches!(select.distinct, Some(Distinct::Distinct))
            && let Some(OrderBy {
                kind: OrderByKind::Expressions(order),
                ..
            }) = &mut query.order_by
        {
            for key in order {
                order_by_name(&mut key.expr, &select.projection);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        // DISTINCT ON matches its expressions with the items as they stand.
        if !matches!(select.distinct, Some(Distinct::On(_))) {
            name_items(select);
        }
        ControlFlow::Continue(())
    }
}

/// With DISTINCT, a sort key must be a column of the result: the one it repeats, by its name.
fn order_by_name(key: &mut Expr, projection: &[SelectItem]) {
    let is_column = matches!(key, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
    let named = projection.iter().find_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } if expr == key => Some(alias),
        _ => None,
    });
    if let Some(alias) = named.filter(|_| !is_column && !matches!(key, Expr::Value(_))) {
        *key = Expr::Identifier(Ident::with_quote('"', normalize(alias)));
        return;
    }
    let repeats = projection
        .iter()
        .any(|item| matches!(item, SelectItem::UnnamedExpr(expr) if expr == key));
    if repeats && !is_column && !names_itself(key) && !matches!(key, Expr::Value(_)) {
        *key = Expr::Identifier(Ident::with_quote('"', text_of(key)));
    }
}

fn name_items(select: &mut Select) {
    let mut taken: HashMap<String, usize> = HashMap::new();
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else {
            continue;
        };
        let text = match expr {
            // A repeated column needs a name, too; the first keeps its own.
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => expr.to_string(),
            _ if names_itself(expr) => continue,
            _ => text_of(expr),
        };
        let seen = taken.entry(text.to_lowercase()).or_insert(0);
        let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        let name = match (*seen, is_column) {
            (0, true) => None,
            (0, false) => Some(text),
            (count, _) => Some(format!("{}_{count}", last_part(expr, &text))),
        };
        *seen += 1;
        if let Some(name) = name {
            *item = SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias: Ident::with_quote('"', name),
            };
        }
    }
}

/// `expr` as it was written. What frames leave out, which the tree has no place for, comes back to
/// where it stood: behind its frame.
fn text_of(expr: &Expr) -> String {
    let text = expr.to_string();
    if !text.contains(FRAME_EXCLUSION) {
        return text;
    }
    let mut expr = expr.clone();
    // The text of a frame that stands for another, and of that.
    let mut frames: Vec<(String, String)> = Vec::new();
    let _ = walk_expressions_mut(&mut expr, |expr| {
        if let Expr::Function(function) = expr
            && let Some(WindowType::WindowSpec(window)) = &mut function.over
            && let Some(exclusion) = take_exclusion(&mut window.partition_by)
            && let Some(frame) = &mut window.window_frame
        {
            let written = format!("{} EXCLUDE {exclusion}", frame_text(frame));
            let mark = Ident::new(format!("{FRAME_EXCLUSION}_{}", frames.len()));
            let mark = Box::new(Expr::Identifier(mark));
            frame.start_bound = WindowFrameBound::Following(Some(mark));
            frame.end_bound = None;
            frames.push((frame_text(frame), written));
        }
        ControlFlow::<()>::Continue(())
    });
    let text = expr.to_string();
    frames
        .iter()
        .fold(text, |text, (mark, written)| text.replace(mark, written))
}

fn frame_text(frame: &WindowFrame) -> String {
    let (units, start) = (&frame.units, &frame.start_bound);
    match &frame.end_bound {
        Some(end) => format!("{units} BETWEEN {start} AND {end}"),
        None => format!("{units} {start}"),
    }
}

/// Takes out what a frame leaves out from where it is kept; in the words after EXCLUDE.
fn take_exclusion(partition_by: &mut Vec<Expr>) -> Option<String> {
    let (at, exclusion) = partition_by.iter().enumerate().find_map(|(at, by)| {
        let Expr::Function(function) = by else {
            return None;
        };
        let is_exclusion = function.name.to_string() == FRAME_EXCLUSION;
        is_exclusion.then(|| (at, function.args.to_string()))
    })?;
    partition_by.remove(at);
    let words = exclusion.trim_matches(|c| matches!(c, '(' | ')' | '\''));
    Some(words.to_owned())
}

/// Expressions that stand for several columns, or bring names of their own.
fn names_itself(expr: &Expr) -> bool {
    if columns::is_in(expr) {
        return true;
    }
    match expr {
        Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => true,
        // UNNEST of a struct gives a column a field.
        Expr::Function(function) => function.name.to_string().eq_ignore_ascii_case("unnest"),
        _ => false,
    }
}

fn last_part(expr: &Expr, text: &str) -> String {
    match expr {
        Expr::Identifier(ident) => ident.value.clone(),
        Expr::CompoundIdentifier(parts) => parts
            .last()
            .map_or_else(|| text.to_owned(), |part| part.value.clone()),
        _ => text.to_owned(),
    }
}
