//! `pg_type` and `pg_range`.

use super::Filler;
use super::functions::named;
use crate::database::{Database, OWNER, catalog_tables};
use crate::types::{Oid, types};
use crate::value::Value;

pub(super) const COLUMNS: &[&str] = &[
    "oid",
    "typname",
    "typnamespace",
    "typowner",
    "typlen",
    "typbyval",
    "typtype",
    "typcategory",
    "typispreferred",
    "typisdefined",
    "typdelim",
    "typrelid",
    "typelem",
    "typarray",
    "typalign",
    "typstorage",
    "typbasetype",
    "typtypmod",
    "typcollation",
    "typsubscript",
    "typinput",
    "typoutput",
    "typreceive",
    "typsend",
    "typmodin",
    "typmodout",
    "typanalyze",
];

fn schema(name: &str) -> i64 {
    match name {
        "pg_catalog" => 11,
        "information_schema" => 12_421,
        "sheaf" => 16_383,
        _ => 2200,
    }
}

/// The functions of types of rows, and of arrays.
const ROW_FUNCTIONS: [&str; 8] = [
    "-",
    "record_in",
    "record_out",
    "record_recv",
    "record_send",
    "-",
    "-",
    "-",
];
const ARRAY_FUNCTIONS: [&str; 8] = [
    "array_subscript_handler",
    "array_in",
    "array_out",
    "array_recv",
    "array_send",
    "-",
    "-",
    "array_typanalyze",
];

fn functions(database: &Database, names: impl IntoIterator<Item = &'static str>) -> Vec<Value> {
    let oids = names.into_iter().map(|name| match name {
        "-" => Value::Int(0),
        name => Value::oid(named(database, name).unwrap_or(0)),
    });
    oids.collect()
}

pub(super) fn types_of(database: &Database, filler: &mut Filler) {
    for row in &types().rows {
        let mut values = vec![
            Value::oid(row.oid),
            row.name.into(),
            Value::Int(schema(row.schema)),
            Value::oid(OWNER),
            Value::Int(row.length),
            row.is_by_value.into(),
            row.kind.into(),
            row.category.into(),
            row.is_preferred.into(),
            true.into(),
            row.delimiter.into(),
            Value::Int(0),
            Value::oid(row.element),
            Value::oid(row.array),
            row.alignment.into(),
            row.storage.into(),
            Value::oid(row.base),
            Value::Int(row.modifier),
            Value::oid(row.collation),
        ];
        let names = std::iter::once(row.subscript).chain(row.functions);
        values.extend(functions(database, names));
        filler.push(values);
    }
    let of_rows = functions(database, ROW_FUNCTIONS);
    let of_arrays = functions(database, ARRAY_FUNCTIONS);
    for relation in database.facts.relations.iter() {
        let (row, array) = (relation.row_type(), relation.row_array_type());
        let name = &relation.name;
        let place = schema(relation.schema);
        let composite = [row, relation.oid(), 0, array];
        filler.push(composite_row(name, place, composite, "c", &of_rows));
        let array_name = format!("_{name}");
        filler.push(composite_row(
            &array_name,
            place,
            [array, 0, row, 0],
            "b",
            &of_arrays,
        ));
    }
    for table in &catalog_tables().rows {
        let numbers = [table.row_type, table.oid, 0, 0];
        filler.push(composite_row(
            table.name,
            schema(table.schema),
            numbers,
            "c",
            &of_rows,
        ));
    }
}

/// The type of a relation's rows, or of arrays of them; `numbers` are those of the type, its
/// relation, its element and its arrays.
fn composite_row(
    name: &str,
    schema: i64,
    [oid, relation, element, array]: [Oid; 4],
    kind: &'static str,
    functions: &[Value],
) -> Vec<Value> {
    let category = if kind == "c" { "C" } else { "A" };
    let mut values = vec![
        Value::oid(oid),
        name.into(),
        Value::Int(schema),
        Value::oid(OWNER),
        Value::Int(-1),
        false.into(),
        kind.into(),
        category.into(),
        false.into(),
        true.into(),
        ",".into(),
        Value::oid(relation),
        Value::oid(element),
        Value::oid(array),
        "d".into(),
        "x".into(),
        Value::Int(0),
        Value::Int(-1),
        Value::Int(0),
    ];
    values.extend_from_slice(functions);
    values
}

pub(super) const RANGE_COLUMNS: &[&str] = &["rngtypid", "rngsubtype", "rngmultitypid"];

/// Ranges: their types, those of their bounds, those of several ranges.
const RANGES: &[[i64; 3]] = &[
    [3904, 23, 4451],
    [3906, 1700, 4532],
    [3908, 1114, 4533],
    [3910, 1184, 4534],
    [3912, 1082, 4535],
    [3926, 20, 4536],
];

pub(super) fn ranges(_: &Database, filler: &mut Filler) {
    for range in RANGES {
        filler.push(range.iter().map(|oid| Value::Int(*oid)).collect());
    }
}
