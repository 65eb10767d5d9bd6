//! What PostgreSQL calls a column that nobody has named, as its documentation and `FigureColname` in its
//! `parse_target.c` have it: a column by its name, a call by the function's, a cast by what it casts or
//! else the type's, and `?column?` where nothing gives a name.

use sheaf::sql::ast::{
    AccessExpr, ArrayElemTypeDef, CastKind, DataType, Expr, Ident, ObjectName, Query, SelectItem,
    SetExpr, TimezoneInfo, TrimWhereField,
};

/// Where nothing gives a name.
const NAMELESS: &str = "?column?";

/// A name, and whether it is more than a type's or a form's, which give way.
struct Name {
    text: String,
    is_strong: bool,
}

/// PostgreSQL's name of an expression that is selected.
pub(super) fn name_of(expr: &Expr) -> String {
    find(expr).map_or_else(|| NAMELESS.to_owned(), |name| name.text)
}

fn strong(text: impl Into<String>) -> Option<Name> {
    Some(Name {
        text: text.into(),
        is_strong: true,
    })
}

fn weak(text: impl Into<String>) -> Option<Name> {
    Some(Name {
        text: text.into(),
        is_strong: false,
    })
}

fn find(expr: &Expr) -> Option<Name> {
    match expr {
        Expr::Identifier(ident) => strong(folded(ident)),
        Expr::CompoundIdentifier(parts) => strong(folded(parts.last()?)),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let fields = access_chain.iter().rev();
            let mut fields = fields.filter_map(|access| match access {
                AccessExpr::Dot(Expr::Identifier(field)) => Some(folded(field)),
                _ => None,
            });
            fields.next().map_or_else(|| find(root), strong)
        }
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => find(inner),
        Expr::Cast {
            kind,
            expr,
            data_type,
            ..
        } => match (kind, find(expr)) {
            (_, Some(name)) if name.is_strong => Some(name),
            (CastKind::TryCast | CastKind::SafeCast, _) => strong("try_cast"),
            _ => weak(type_name(data_type)),
        },
        Expr::TypedString(typed) => weak(type_name(&typed.data_type)),
        Expr::Interval(_) => weak("interval"),
        Expr::Case { else_result, .. } => match else_result.as_deref().and_then(find) {
            Some(name) if name.is_strong => Some(name),
            _ => weak("case"),
        },
        Expr::Function(function) => strong(last_of(&function.name)?),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::Exists { negated: false, .. } => strong("exists"),
        Expr::Subquery(query) => strong(name_of_query(query)?),
        Expr::Extract { .. } => strong("extract"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::Position { .. } => strong("position"),
        Expr::Substring { .. } => strong("substring"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Trim { trim_where, .. } => strong(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        _ => None,
    }
}

fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

fn last_of(name: &ObjectName) -> Option<String> {
    name.0.last()?.as_ident().map(folded)
}

/// The name of the one column that a sub-query gives.
fn name_of_query(query: &Query) -> Option<String> {
    let mut body = query.body.as_ref();
    loop {
        body = match body {
            SetExpr::SetOperation { left, .. } => left,
            SetExpr::Query(query) => &query.body,
            SetExpr::Values(_) => return Some("column1".to_owned()),
            SetExpr::Select(select) => {
                return match select.projection.first()? {
                    SelectItem::UnnamedExpr(expr) => Some(name_of(expr)),
                    SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
                    _ => None,
                };
            }
            _ => return None,
        };
    }
}

/// What PostgreSQL calls a type within: `int4` for INTEGER.
fn type_name(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Array(
            ArrayElemTypeDef::SquareBracket(element, _)
            | ArrayElemTypeDef::AngleBracket(element)
            | ArrayElemTypeDef::Parenthesis(element),
        ) => return type_name(element),
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) | DataType::Int32 => "int4",
        DataType::BigInt(_) | DataType::Int8(_) | DataType::Int64 => "int8",
        DataType::SmallInt(_) | DataType::Int2(_) | DataType::Int16 => "int2",
        DataType::Real | DataType::Float4 | DataType::Float32 => "float4",
        DataType::Float(_)
        | DataType::Float8
        | DataType::Float64
        | DataType::Double(_)
        | DataType::DoublePrecision => "float8",
        DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => "numeric",
        DataType::Bool | DataType::Boolean => "bool",
        DataType::Text => "text",
        DataType::Varchar(_) | DataType::CharVarying(_) | DataType::CharacterVarying(_) => {
            "varchar"
        }
        DataType::Char(_) | DataType::Character(_) => "bpchar",
        DataType::Timestamp(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => "timestamptz",
        DataType::Timestamp(..) => "timestamp",
        DataType::Time(..) => "time",
        DataType::Interval { .. } => "interval",
        DataType::Custom(name, _) => return last_of(name).unwrap_or_default(),
        other => return other.to_string().to_lowercase(),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use sheaf::StatementKind;

    use super::*;

    /// The names are those that PostgreSQL 18 gives; the client tests compare more with it.
    #[test]
    fn names_are_those_of_postgres() {
        for (sql, name) in [
            ("1", "?column?"),
            ("'a'", "?column?"),
            ("NULL", "?column?"),
            ("true", "?column?"),
            ("a + 1", "?column?"),
            ("-a", "?column?"),
            ("a IS NULL", "?column?"),
            ("1::int", "int4"),
            ("'{1}'::int[]", "int4"),
            ("a::text", "a"),
            ("upper(a)::text", "upper"),
            ("CAST(1 AS double precision)", "float8"),
            ("DATE '2024-01-01'", "date"),
            ("INTERVAL '1 day'", "interval"),
            ("count(*)", "count"),
            ("count(*) OVER ()", "count"),
            ("CASE WHEN a THEN 1 END", "case"),
            ("CASE WHEN a THEN b ELSE c END", "c"),
            ("coalesce(a, b)", "coalesce"),
            ("ARRAY[1]", "array"),
            ("EXISTS (SELECT 1)", "exists"),
            ("(SELECT max(x) FROM t)", "max"),
            ("(SELECT 1 AS y)", "y"),
            ("extract(year FROM a)", "extract"),
            ("trim(a)", "btrim"),
            ("current_date", "current_date"),
            ("\"Upper\"", "Upper"),
            ("a[1]", "a"),
        ] {
            let statement = sheaf::sql::parse(&format!("SELECT {sql} FROM t")).unwrap();
            let StatementKind::Query(query) = &statement[0].kind else {
                panic!("{sql}")
            };
            assert_eq!(name_of_query(query).as_deref(), Some(name), "{sql}");
        }
    }
}
