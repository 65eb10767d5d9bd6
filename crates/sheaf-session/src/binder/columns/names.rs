//! What the items that COLUMNS makes are called.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{Expr, Ident, SelectItem};

use super::Column;
use super::calls::{call, with_column};
use crate::binder::normalize;

/// The names that items of a select list have so far.
#[derive(Default)]
pub(super) struct TakenNames(HashMap<String, usize>);

impl TakenNames {
    /// An item without COLUMNS.
    pub(super) fn as_it_is(&mut self, expr: Expr, alias: Option<Ident>) -> SelectItem {
        let name = match (&alias, &expr) {
            (Some(alias), _) => Some(alias),
            (None, Expr::Identifier(name)) => Some(name),
            (None, Expr::CompoundIdentifier(parts)) => parts.last(),
            _ => None,
        };
        if let Some(name) = name {
            self.count(&normalize(name));
        }
        match alias {
            Some(alias) => SelectItem::ExprWithAlias { expr, alias },
            None => SelectItem::UnnamedExpr(expr),
        }
    }

    /// The item for one column; where its name is taken, a number follows, as in other lists.
    pub(super) fn item(
        &mut self,
        expr: &Expr,
        alias: Option<&Ident>,
        column: &Column,
    ) -> SelectItem {
        let is_column = call(expr).is_some() && !matches!(column.value, Expr::Nested(_));
        let name = match alias {
            Some(alias) => with_groups(&normalize(alias), &column.groups),
            None => column.name.clone(),
        };
        let expr = with_column(expr, &column.value);
        match (alias, self.count(&name)) {
            (None, 0) if is_column && own_name(&expr) == Some(&name) => {
                SelectItem::UnnamedExpr(expr)
            }
            (_, 0) => SelectItem::ExprWithAlias {
                expr,
                alias: Ident::with_quote('"', name),
            },
            (_, count) => SelectItem::ExprWithAlias {
                expr,
                alias: Ident::with_quote('"', format!("{name}_{count}")),
            },
        }
    }

    /// How often the name has been taken before.
    fn count(&mut self, name: &str) -> usize {
        let seen = self.0.entry(name.to_owned()).or_insert(0);
        *seen += 1;
        *seen - 1
    }
}

fn own_name(column: &Expr) -> Option<&String> {
    match column {
        Expr::Identifier(name) => Some(&name.value),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| &name.value),
        _ => None,
    }
}

/// `name` with `\0` to `\9` replaced.
fn with_groups(name: &str, groups: &[String]) -> String {
    let mut replaced = String::with_capacity(name.len());
    let mut rest = name.chars().peekable();
    while let Some(ch) = rest.next() {
        let digit = rest.peek().and_then(|next| next.to_digit(10));
        match digit.filter(|_| ch == '\\') {
            Some(digit) => {
                rest.next();
                let group = usize::try_from(digit).ok().and_then(|at| groups.get(at));
                replaced.push_str(group.map_or("", String::as_str));
            }
            None => replaced.push(ch),
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::with_groups;

    #[test]
    fn names_take_the_groups_of_the_match() {
        let groups = ["ab", "b"].map(str::to_owned);
        assert_eq!(with_groups("x_\\1_\\0", &groups), "x_b_ab");
        assert_eq!(with_groups("\\7\\z\\", &groups), "\\z\\");
    }
}
