//! What PostgreSQL makes of the outermost SELECT of a query that a client sends: names of columns that
//! have none, and whole numbers that are `integer`.
//!
//! In process a column without a name is called by its text (`sum(amount)`), and a literal is a BIGINT.
//! Clients of PostgreSQL expect its names (`sum`), of which several may be the same, and its types.
//! Both are written into the syntax tree when a statement has been parsed. Two columns of a plan
//! cannot have one name: what is behind [`MARK`] in a name tells them apart, and is not sent.

use std::collections::HashSet;

use sheaf::sql::ast::{
    self, DataType, Distinct, Expr, FunctionArguments, Ident, Query, Select, SelectItem, SetExpr,
    UnaryOperator, Value,
};
use sheaf::{Statement, StatementKind};

use super::postgres_names::name_of;

/// No name that PostgreSQL could have has it.
const MARK: char = '\0';

/// Writes PostgreSQL's names and types into what a statement selects.
pub(super) fn prepare(statement: &mut Statement) {
    let query = match &mut statement.kind {
        StatementKind::Query(query)
        | StatementKind::DeclareCursor { query, .. }
        | StatementKind::CopyOut { query, .. } => query,
        StatementKind::Prepare { statement, .. } => return prepare(statement),
        _ => return,
    };
    name_first(&mut query.body);
    narrow_all(&mut query.body);
}

/// The name of a column as it is sent.
pub(crate) fn sent_name(name: &str) -> &str {
    name.split(MARK).next().unwrap_or(name)
}

/// Names the columns of the first SELECT, which are those of all.
fn name_first(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => name_items(select),
        SetExpr::Query(query) => name_first(&mut query.body),
        SetExpr::SetOperation { left, .. } => name_first(left),
        _ => {}
    }
}

fn name_items(select: &mut Select) {
    // DISTINCT ON compares its expressions with the items as they stand.
    if matches!(select.distinct, Some(Distinct::On(_))) {
        return;
    }
    let mut taken: HashSet<String> = HashSet::new();
    let mut has_unknown = false;
    for item in &select.projection {
        match item {
            SelectItem::ExprWithAlias { alias, .. } => {
                taken.insert(alias.value.to_lowercase());
            }
            SelectItem::UnnamedExpr(expr) if column(expr).is_some() => {
                taken.extend(column(expr).map(|name| name.value.to_lowercase()));
            }
            SelectItem::UnnamedExpr(expr) => has_unknown |= is_several(expr),
            _ => has_unknown = true,
        }
    }
    for (index, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else {
            continue;
        };
        if is_several(expr) || column(expr).is_some() {
            continue;
        }
        let name = name_of(expr);
        let name = match has_unknown || !taken.insert(name.to_lowercase()) {
            true => format!("{name}{MARK}{index}"),
            false => name,
        };
        *item = SelectItem::ExprWithAlias {
            expr: expr.clone(),
            alias: Ident::with_quote('"', name),
        };
    }
}

/// The name of a column that stands for itself.
fn column(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(names) => names.last(),
        _ => None,
    }
}

/// Whether an expression stands for several columns.
fn is_several(expr: &Expr) -> bool {
    match expr {
        Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => true,
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            matches!(name.as_str(), "unnest" | "columns") || has_several(&function.args)
        }
        Expr::Cast { expr, .. } | Expr::Nested(expr) | Expr::UnaryOp { expr, .. } => {
            is_several(expr)
        }
        Expr::BinaryOp { left, right, .. } => is_several(left) || is_several(right),
        _ => false,
    }
}

/// `count(*)` has a star of its own; COLUMNS(…) within arguments makes a column of each.
fn has_several(arguments: &FunctionArguments) -> bool {
    let FunctionArguments::List(list) = arguments else {
        return false;
    };
    list.args.iter().any(|argument| match argument {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => is_several(expr),
        _ => false,
    })
}

/// Casts what is INTEGER in PostgreSQL, in every arm.
fn narrow_all(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            for item in &mut select.projection {
                match item {
                    SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                        narrow(expr);
                    }
                    _ => {}
                }
            }
        }
        SetExpr::Query(query) => narrow_query(query),
        SetExpr::SetOperation { left, right, .. } => {
            narrow_all(left);
            narrow_all(right);
        }
        SetExpr::Values(values) => {
            let rows = values.rows.iter_mut();
            rows.flat_map(|row| &mut row.content).for_each(narrow);
        }
        _ => {}
    }
}

fn narrow_query(query: &mut Query) {
    narrow_all(&mut query.body);
}

fn narrow(expr: &mut Expr) {
    match expr {
        _ if is_integer(expr) => {}
        // ARRAY[1, 2], and [1, x] with what is INTEGER anyway.
        Expr::Array(array) => return array.elem.iter_mut().for_each(narrow),
        _ => return,
    }
    let inner = std::mem::replace(expr, Expr::Value(Value::Null.into()));
    *expr = Expr::Cast {
        kind: ast::CastKind::Cast,
        expr: Box::new(inner),
        data_type: DataType::Int(None),
        array: false,
        format: None,
    };
}

/// Whether it is made of literals that are INTEGER in PostgreSQL, and so is INTEGER itself.
fn is_integer(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse::<i32>().is_ok(),
            _ => false,
        },
        Expr::Nested(inner) => is_integer(inner),
        Expr::UnaryOp { op, expr } => {
            matches!(op, UnaryOperator::Minus | UnaryOperator::Plus) && is_integer(expr)
        }
        Expr::BinaryOp { left, op, right } => {
            let is_arithmetic = matches!(
                op,
                ast::BinaryOperator::Plus
                    | ast::BinaryOperator::Minus
                    | ast::BinaryOperator::Multiply
                    | ast::BinaryOperator::Divide
                    | ast::BinaryOperator::Modulo
            );
            is_arithmetic && is_integer(left) && is_integer(right)
        }
        Expr::Case {
            conditions,
            else_result,
            ..
        } => {
            let mut thens = conditions.iter().map(|when| &when.result);
            thens.all(is_integer) && else_result.as_deref().is_none_or(is_integer)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(sql: &str) -> String {
        let mut statement = sheaf::sql::parse(sql).unwrap().remove(0);
        prepare(&mut statement);
        let StatementKind::Query(query) = statement.kind else {
            panic!("{sql}")
        };
        query.to_string().replace(MARK, "~")
    }

    #[test]
    fn columns_without_names_get_those_of_postgres() {
        assert_eq!(
            prepared("SELECT count(*), x, t.y, upper(z) FROM t"),
            r#"SELECT count(*) AS "count", x, t.y, upper(z) AS "upper" FROM t"#
        );
        // What has been named, and what comes again, is told apart.
        assert_eq!(
            prepared("SELECT sum(a), sum(b), max(c) AS min, min(c), x::text, x FROM t"),
            "SELECT sum(a) AS \"sum\", sum(b) AS \"sum~1\", max(c) AS min, min(c) AS \"min~3\", \
             x::TEXT AS \"x~4\", x FROM t"
        );
        // Nobody knows here what the star stands for.
        assert_eq!(
            prepared("SELECT *, upper(z), unnest(l) FROM t"),
            r#"SELECT *, upper(z) AS "upper~1", unnest(l) FROM t"#
        );
        assert_eq!(
            prepared("SELECT upper(a) FROM t UNION SELECT lower(b) FROM t"),
            r#"SELECT upper(a) AS "upper" FROM t UNION SELECT lower(b) FROM t"#
        );
        assert_eq!(sent_name("sum\u{0}1"), "sum");
    }

    #[test]
    fn literals_are_integers() {
        assert_eq!(
            prepared(
                "SELECT 1 AS a, -2 AS b, 3000000000 AS c, 2 * (3 + 4) AS d, 1.5 AS e, x + 1 AS f"
            ),
            "SELECT CAST(1 AS INT) AS a, CAST(-2 AS INT) AS b, 3000000000 AS c, \
             CAST(2 * (3 + 4) AS INT) AS d, 1.5 AS e, x + 1 AS f"
        );
        assert_eq!(
            prepared("SELECT 1 AS a UNION ALL SELECT 2"),
            "SELECT CAST(1 AS INT) AS a UNION ALL SELECT CAST(2 AS INT)"
        );
        assert_eq!(prepared("VALUES (1, 'x')"), "VALUES (CAST(1 AS INT), 'x')");
    }
}
