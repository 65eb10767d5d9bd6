//! `pg_namespace`, `pg_class` and `pg_attribute`.

use arrow::datatypes::Field;

use super::Filler;
use crate::database::{Database, OWNER, SCHEMAS, catalog_tables};
use crate::facts::{Relation, RelationKind};
use crate::types::{Oid, column_type, types};
use crate::value::Value;

/// The access method of tables.
const HEAP: i64 = 2;

pub(super) fn schemas(_: &Database, filler: &mut Filler) {
    for (oid, name) in SCHEMAS {
        filler.push(vec![Value::oid(*oid), (*name).into(), Value::oid(OWNER)]);
    }
}

fn schema_oid(name: &str) -> Value {
    let found = SCHEMAS.iter().find(|(_, known)| *known == name);
    Value::oid(found.map_or(0, |(oid, _)| *oid))
}

pub(super) const CLASS_COLUMNS: &[&str] = &[
    "oid",
    "relname",
    "relnamespace",
    "reltype",
    "relowner",
    "relam",
    "relfilenode",
    "relpages",
    "reltuples",
    "relpersistence",
    "relkind",
    "relnatts",
    "relhasrules",
    "relispopulated",
    "relreplident",
];

/// One row of `pg_class`.
struct Class<'a> {
    oid: Oid,
    name: &'a str,
    schema: &'a str,
    row_type: Oid,
    kind: &'static str,
    column_count: usize,
    /// `n`othing for system tables, else the `d`efault.
    identity: &'static str,
}

impl Class<'_> {
    fn row(&self) -> Vec<Value> {
        let has_rows = self.kind != "v";
        vec![
            Value::oid(self.oid),
            self.name.into(),
            schema_oid(self.schema),
            Value::oid(self.row_type),
            Value::oid(OWNER),
            Value::Int(if has_rows { HEAP } else { 0 }),
            Value::oid(if has_rows { self.oid } else { 0 }),
            // How many pages and rows there are nobody has counted.
            Value::Int(0),
            Value::Float(if has_rows { -1.0 } else { 0.0 }),
            "p".into(),
            self.kind.into(),
            Value::Int(i64::try_from(self.column_count).unwrap_or(0)),
            (!has_rows).into(),
            true.into(),
            self.identity.into(),
        ]
    }
}

pub(super) fn classes(database: &Database, filler: &mut Filler) {
    for relation in database.facts.relations.iter() {
        let class = Class {
            oid: relation.oid(),
            name: &relation.name,
            schema: relation.schema,
            row_type: relation.row_type(),
            kind: relation.kind.letter(),
            column_count: relation.columns.fields().len(),
            identity: match relation.kind {
                RelationKind::Table => "d",
                RelationKind::View | RelationKind::MaterializedView => "n",
            },
        };
        filler.push(class.row());
    }
    for table in &catalog_tables().rows {
        let class = Class {
            oid: table.oid,
            name: table.name,
            schema: table.schema,
            row_type: table.row_type,
            kind: table.kind,
            column_count: table.columns.len(),
            identity: "n",
        };
        filler.push(class.row());
    }
}

pub(super) const ATTRIBUTE_COLUMNS: &[&str] = &[
    "attrelid",
    "attname",
    "atttypid",
    "attlen",
    "attnum",
    "atttypmod",
    "attndims",
    "attbyval",
    "attalign",
    "attstorage",
    "attnotnull",
    "attislocal",
    "attcollation",
];

/// One row of `pg_attribute`.
fn attribute(
    relation: Oid,
    name: &str,
    number: usize,
    (type_of, modifier): (Oid, i64),
    is_required: bool,
) -> Vec<Value> {
    let known = types().get(type_of);
    let is_array = types().element_of(type_of).is_some();
    vec![
        Value::oid(relation),
        name.into(),
        Value::oid(type_of),
        Value::Int(known.map_or(-1, |t| t.length)),
        Value::Int(i64::try_from(number + 1).unwrap_or(0)),
        Value::Int(modifier),
        Value::Int(is_array.into()),
        known.is_some_and(|t| t.is_by_value).into(),
        known.map_or("i", |t| t.alignment).into(),
        known.map_or("x", |t| t.storage).into(),
        is_required.into(),
        true.into(),
        Value::oid(known.map_or(0, |t| t.collation)),
    ]
}

fn own_attributes(relation: &Relation, filler: &mut Filler) {
    let oid = relation.oid();
    let fields = relation.columns.fields().iter().enumerate();
    for (number, field) in fields {
        let field: &Field = field;
        let (type_of, modifier) = column_type(field);
        let column = (type_of, modifier.into());
        // A constraint keeps nobody from having NULL in a file.
        filler.push(attribute(oid, field.name(), number, column, false));
    }
}

pub(super) fn attributes(database: &Database, filler: &mut Filler) {
    for relation in database.facts.relations.iter() {
        own_attributes(relation, filler);
    }
    for table in &catalog_tables().rows {
        for (number, column) in table.columns.iter().enumerate() {
            let type_of = (column.type_of, -1);
            let is_required = column.is_required;
            filler.push(attribute(
                table.oid,
                column.name,
                number,
                type_of,
                is_required,
            ));
        }
    }
}
