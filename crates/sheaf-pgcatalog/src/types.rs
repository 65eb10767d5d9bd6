//! PostgreSQL's types: their numbers, their names, and what Arrow types stand for them.
//!
//! `data/types.tsv` lists every type of PostgreSQL 18 that is no row of one of its own tables, as
//! its `pg_type` and `pg_description` have them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, TimeUnit};

use crate::plan::NUMERIC_SCALE;

/// The number of an object.
pub type Oid = u32;

pub(crate) const BOOL: Oid = 16;
pub(crate) const CHAR: Oid = 18;
pub(crate) const NAME: Oid = 19;
pub(crate) const INT8: Oid = 20;
pub(crate) const INT2: Oid = 21;
pub(crate) const INT2VECTOR: Oid = 22;
pub(crate) const INT4: Oid = 23;
pub(crate) const REGPROC: Oid = 24;
pub(crate) const TEXT: Oid = 25;
pub(crate) const OID: Oid = 26;
pub(crate) const XID: Oid = 28;
pub(crate) const CID: Oid = 29;
pub(crate) const OIDVECTOR: Oid = 30;
pub(crate) const JSON: Oid = 114;
pub(crate) const FLOAT4: Oid = 700;
pub(crate) const FLOAT8: Oid = 701;
pub(crate) const UNKNOWN: Oid = 705;
pub(crate) const BPCHAR: Oid = 1042;
pub(crate) const VARCHAR: Oid = 1043;
pub(crate) const DATE: Oid = 1082;
pub(crate) const TIMESTAMP: Oid = 1114;
pub(crate) const TIMESTAMPTZ: Oid = 1184;
pub(crate) const NUMERIC: Oid = 1700;
pub(crate) const REGPROCEDURE: Oid = 2202;
pub(crate) const REGCLASS: Oid = 2205;
pub(crate) const REGTYPE: Oid = 2206;
pub(crate) const RECORD: Oid = 2249;
pub(crate) const ANYARRAY: Oid = 2277;
pub(crate) const XID8: Oid = 5069;
pub(crate) const JSONB: Oid = 3802;
pub(crate) const UUID: Oid = 2950;
pub(crate) const REGNAMESPACE: Oid = 4089;
pub(crate) const REGROLE: Oid = 4096;

/// The key of a field's metadata that names its PostgreSQL type where the Arrow type does not say it:
/// `oid`, `name` or `char`.
pub const TYPE_KEY: &str = "sheaf.postgres.type";

/// One row of `pg_type`.
#[derive(Debug)]
pub(crate) struct PgType {
    pub(crate) oid: Oid,
    pub(crate) schema: &'static str,
    pub(crate) name: &'static str,
    pub(crate) length: i64,
    pub(crate) is_by_value: bool,
    /// `b`ase, `d`omain, `p`seudo, `r`ange, `m`ultirange.
    pub(crate) kind: &'static str,
    pub(crate) category: &'static str,
    pub(crate) is_preferred: bool,
    pub(crate) delimiter: &'static str,
    /// Names of functions: subscript, input, output, receive, send, modifier in and out, analyze.
    pub(crate) subscript: &'static str,
    pub(crate) functions: [&'static str; 7],
    pub(crate) element: Oid,
    pub(crate) array: Oid,
    pub(crate) alignment: &'static str,
    pub(crate) storage: &'static str,
    pub(crate) base: Oid,
    pub(crate) modifier: i64,
    pub(crate) collation: Oid,
    pub(crate) description: Option<&'static str>,
}

/// All types, and the ways to them.
pub(crate) struct Types {
    pub(crate) rows: Vec<PgType>,
    by_oid: HashMap<Oid, usize>,
    by_name: HashMap<&'static str, usize>,
}

static TYPES: LazyLock<Types> = LazyLock::new(Types::read);

/// The types of PostgreSQL.
pub(crate) fn types() -> &'static Types {
    &TYPES
}

fn read_type(line: &'static str) -> Option<PgType> {
    let fields: Vec<&'static str> = line.split('\t').collect();
    let text = |index: usize| fields.get(index).copied();
    let number = |index: usize| text(index)?.parse::<i64>().ok();
    let oid = |index: usize| text(index)?.parse::<Oid>().ok();
    let is = |index: usize| Some(text(index)? == "t");
    Some(PgType {
        oid: oid(0)?,
        schema: text(1)?,
        name: text(2)?,
        length: number(3)?,
        is_by_value: is(4)?,
        kind: text(5)?,
        category: text(6)?,
        is_preferred: is(7)?,
        delimiter: text(8)?,
        subscript: text(9)?,
        element: oid(10)?,
        array: oid(11)?,
        functions: [
            text(12)?,
            text(13)?,
            text(14)?,
            text(15)?,
            text(16)?,
            text(17)?,
            text(18)?,
        ],
        alignment: text(19)?,
        storage: text(20)?,
        base: oid(21)?,
        modifier: number(22)?,
        collation: oid(23)?,
        description: text(24).filter(|text| !text.is_empty()),
    })
}

impl Types {
    fn read() -> Self {
        let lines = include_str!("../data/types.tsv").lines();
        let rows: Vec<PgType> = lines.filter_map(read_type).collect();
        let numbered = || rows.iter().enumerate();
        Self {
            by_oid: numbered().map(|(index, row)| (row.oid, index)).collect(),
            by_name: numbered().map(|(index, row)| (row.name, index)).collect(),
            rows,
        }
    }

    pub(crate) fn get(&self, oid: Oid) -> Option<&PgType> {
        self.rows.get(*self.by_oid.get(&oid)?)
    }

    /// The type of that internal name (`int4`, `_text`).
    pub(crate) fn named(&self, name: &str) -> Option<&PgType> {
        self.rows.get(*self.by_name.get(name)?)
    }

    /// The type of elements, if `oid` is a type of arrays or vectors.
    pub(crate) fn element_of(&self, oid: Oid) -> Option<Oid> {
        let found = self.get(oid)?;
        (found.category == "A" && found.element != 0).then_some(found.element)
    }

    /// The type of arrays of `oid`.
    pub(crate) fn array_of(&self, oid: Oid) -> Option<Oid> {
        self.get(oid)
            .map(|found| found.array)
            .filter(|array| *array != 0)
    }

    /// The type that values of `oid` have: a domain's base.
    pub(crate) fn base_of(&self, oid: Oid) -> Oid {
        match self.get(oid) {
            Some(domain) if domain.base != 0 => domain.base,
            _ => oid,
        }
    }
}

/// Words of the standard for types whose internal names are others.
const STANDARD_NAMES: &[(Oid, &str)] = &[
    (BOOL, "boolean"),
    (INT2, "smallint"),
    (INT4, "integer"),
    (INT8, "bigint"),
    (FLOAT4, "real"),
    (FLOAT8, "double precision"),
    (BPCHAR, "character"),
    (VARCHAR, "character varying"),
    (1083, "time without time zone"),
    (1266, "time with time zone"),
    (TIMESTAMP, "timestamp without time zone"),
    (TIMESTAMPTZ, "timestamp with time zone"),
    (1560, "bit"),
    (1562, "bit varying"),
    (CHAR, "\"char\""),
];

/// Other words by which SQL names types.
const ALIASES: &[(&str, &str)] = &[
    ("boolean", "bool"),
    ("smallint", "int2"),
    ("integer", "int4"),
    ("int", "int4"),
    ("bigint", "int8"),
    ("real", "float4"),
    ("double precision", "float8"),
    ("double", "float8"),
    ("float", "float8"),
    ("decimal", "numeric"),
    ("dec", "numeric"),
    ("character", "bpchar"),
    ("character varying", "varchar"),
    ("string", "text"),
    ("blob", "bytea"),
    ("timestamp without time zone", "timestamp"),
    ("timestamp with time zone", "timestamptz"),
    ("time without time zone", "time"),
    ("time with time zone", "timetz"),
    ("\"char\"", "char"),
];

/// The type that `name` means in SQL, without its schema and modifiers; `[]` behind it makes an array.
pub(crate) fn type_named(name: &str) -> Option<Oid> {
    let name = name.trim();
    if let Some(element) = name.strip_suffix("[]") {
        return types().array_of(type_named(element)?);
    }
    let bare = name.split_once('(').map_or(name, |(bare, _)| bare).trim();
    let bare = match bare {
        // Without quotes it is the standard's type.
        "char" => "bpchar",
        bare => ALIASES
            .iter()
            .find(|(alias, _)| *alias == bare)
            .map_or(bare, |(_, name)| name),
    };
    let bare = bare.trim_matches('"');
    types().named(bare).map(|found| found.oid)
}

/// A type's name in the standard's words with its modifier, as `format_type` gives it.
pub(crate) fn format_type(oid: Oid, modifier: Option<i64>) -> Option<String> {
    let known = types();
    let row = known.get(oid)?;
    if row.subscript == "array_subscript_handler"
        && row.name.starts_with('_')
        && let Some(element) = known.element_of(oid)
    {
        return Some(format!("{}[]", format_type(element, modifier)?));
    }
    let word = STANDARD_NAMES.iter().find(|(known, _)| *known == oid);
    let word = match word {
        Some((_, word)) => (*word).to_owned(),
        None if row.schema == "pg_catalog" => row.name.to_owned(),
        None => format!("{}.{}", row.schema, row.name),
    };
    let modifier = modifier.filter(|modifier| *modifier >= 0);
    Some(match (oid, modifier) {
        (NUMERIC, Some(modifier)) => {
            let packed = modifier - 4;
            format!("{word}({},{})", packed >> 16, packed & 0x7ff)
        }
        (VARCHAR | BPCHAR, Some(modifier)) => format!("{word}({})", modifier - 4),
        (1083 | 1114 | 1184 | 1266, Some(digits)) => {
            let (first, rest) = word.split_once(' ').unwrap_or((&word, ""));
            format!("{first}({digits}) {rest}")
        }
        // Only a character without a length is printed by its internal name.
        (BPCHAR, None) => "character".to_owned(),
        _ => word,
    })
}

/// The name of a type in the internal catalogue (`int4`).
pub(crate) fn internal_name(oid: Oid) -> &'static str {
    types().get(oid).map_or("unknown", |found| found.name)
}

/// How the values of a type are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Float,
    Numeric,
    Text,
    Time,
    Array,
    Record,
}

/// How values of type `oid` are kept.
pub(crate) fn kind_of(oid: Oid) -> Kind {
    match oid {
        BOOL => Kind::Bool,
        INT2 | INT4 | INT8 | OID | XID | CID | XID8 | REGPROC | REGPROCEDURE | REGCLASS
        | REGTYPE | REGNAMESPACE | REGROLE => Kind::Int,
        FLOAT4 | FLOAT8 => Kind::Float,
        NUMERIC => Kind::Numeric,
        TIMESTAMP | TIMESTAMPTZ | DATE => Kind::Time,
        RECORD => Kind::Record,
        _ if types().element_of(oid).is_some() => Kind::Array,
        _ => Kind::Text,
    }
}

/// Whether a type's values name objects and are shown by their names.
pub(crate) fn is_reference(oid: Oid) -> bool {
    matches!(
        oid,
        REGPROC | REGPROCEDURE | REGCLASS | REGTYPE | REGNAMESPACE | REGROLE
    )
}

/// Digits of a `numeric` in a result.
const NUMERIC_PRECISION: u8 = 38;

/// The Arrow field of a column of type `oid`, which has so many digits behind the point if it is a
/// `numeric`.
pub(crate) fn arrow_field_of(name: &str, oid: Oid, scale: u8) -> Field {
    let field = arrow_field(name, oid);
    match (field.data_type(), i8::try_from(scale)) {
        (DataType::Decimal128(precision, _), Ok(scale)) => {
            let data_type = DataType::Decimal128(*precision, scale);
            field.with_data_type(data_type)
        }
        _ => field,
    }
}

/// The Arrow field of a column of type `oid`.
pub(crate) fn arrow_field(name: &str, oid: Oid) -> Field {
    let oid = types().base_of(oid);
    let (data_type, mark) = match oid {
        BOOL => (DataType::Boolean, None),
        INT2 => (DataType::Int16, None),
        INT4 => (DataType::Int32, None),
        OID | XID | CID => (DataType::UInt32, Some("oid")),
        FLOAT4 => (DataType::Float32, None),
        NAME => (DataType::Utf8, Some("name")),
        CHAR => (DataType::Utf8, Some("char")),
        DATE => (DataType::Date32, None),
        TIMESTAMP => (DataType::Timestamp(TimeUnit::Microsecond, None), None),
        TIMESTAMPTZ => {
            let zone = Some("UTC".into());
            (DataType::Timestamp(TimeUnit::Microsecond, zone), None)
        }
        INT2VECTOR | OIDVECTOR | ANYARRAY => (DataType::Utf8, None),
        _ if is_reference(oid) => (DataType::Utf8, None),
        _ => match (kind_of(oid), types().element_of(oid)) {
            (Kind::Array, Some(element)) => {
                let element = arrow_field("item", element);
                (DataType::List(Arc::new(element)), None)
            }
            (Kind::Int, _) => (DataType::Int64, None),
            (Kind::Float, _) => (DataType::Float64, None),
            (Kind::Numeric, _) => {
                let scale = i8::try_from(NUMERIC_SCALE).unwrap_or_default();
                (DataType::Decimal128(NUMERIC_PRECISION, scale), None)
            }
            _ => (DataType::Utf8, None),
        },
    };
    let field = Field::new(name, data_type, true);
    match mark {
        Some(mark) => field.with_metadata(
            [(TYPE_KEY.to_owned(), mark.to_owned())]
                .into_iter()
                .collect(),
        ),
        None => field,
    }
}

/// The PostgreSQL type of a column of Sheaf's, and its modifier.
#[must_use]
pub fn column_type(field: &Field) -> (Oid, i32) {
    match field.metadata().get(TYPE_KEY).map(String::as_str) {
        Some("oid") => return (OID, -1),
        Some("name") => return (NAME, -1),
        Some("char") => return (CHAR, -1),
        _ => {}
    }
    let plain = |oid: Oid| (oid, -1);
    match field.data_type() {
        _ if sheaf_base::sql_field_type_name(field) == "VARIANT" => plain(JSON),
        uuid if sheaf_base::uuid::is_uuid(uuid) => plain(UUID),
        DataType::Boolean => plain(BOOL),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => plain(INT2),
        DataType::Int32 | DataType::UInt16 => plain(INT4),
        DataType::Int64 | DataType::UInt32 => plain(INT8),
        DataType::UInt64 => plain(NUMERIC),
        DataType::Float16 | DataType::Float32 => plain(FLOAT4),
        DataType::Float64 => plain(FLOAT8),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => match scale {
            0.. => (
                NUMERIC,
                (i32::from(*precision) << 16 | i32::from(*scale)) + 4,
            ),
            _ => plain(NUMERIC),
        },
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => plain(17),
        DataType::Date32 | DataType::Date64 => plain(DATE),
        DataType::Time32(_) | DataType::Time64(_) => plain(1083),
        DataType::Timestamp(_, None) => plain(TIMESTAMP),
        DataType::Timestamp(_, Some(_)) => plain(TIMESTAMPTZ),
        DataType::Duration(_) | DataType::Interval(_) => plain(1186),
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => plain(JSON),
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => array_type(element),
        DataType::Dictionary(_, values) => {
            column_type(&field.clone().with_data_type((**values).clone()))
        }
        DataType::RunEndEncoded(_, values) => column_type(values),
        _ => plain(TEXT),
    }
}

/// The type of arrays with this element, and its modifier, which is the element's; arrays within arrays
/// are further dimensions of one.
fn array_type(element: &Field) -> (Oid, i32) {
    let (oid, modifier) = column_type(element);
    let array = match oid {
        JSON => JSON,
        oid if types().element_of(oid).is_some() => oid,
        oid => types().array_of(oid).unwrap_or(TEXT),
    };
    (array, modifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names as PostgreSQL 18's `format_type` gives them.
    #[test]
    fn types_have_the_standards_names() {
        let lines = include_str!("../data/types.tsv").lines().count();
        assert_eq!(types().rows.len(), lines);
        let name = |oid, modifier| format_type(oid, modifier).unwrap();
        assert_eq!(name(23, None), "integer");
        assert_eq!(name(1007, None), "integer[]");
        assert_eq!(name(1700, Some(786_438)), "numeric(12,2)");
        assert_eq!(name(1184, Some(3)), "timestamp(3) with time zone");
        assert_eq!(name(1043, Some(14)), "character varying(10)");
        assert_eq!(name(18, None), "\"char\"");
        assert_eq!(name(22, None), "int2vector");
        assert_eq!(name(12446, None), "information_schema.time_stamp");
        assert_eq!(format_type(1, None), None);
        assert_eq!(type_named("double precision"), Some(FLOAT8));
        assert_eq!(type_named("\"char\""), Some(CHAR));
        assert_eq!(type_named("text[]"), Some(1009));
    }
}
