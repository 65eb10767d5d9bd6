//! Where the rows of PostgreSQL's tables come from. Two visible lists: tables that facts fill, and
//! views of them. Tables in neither have no rows: Sheaf has no indexes, constraints, triggers, rules,
//! sequences or publications.

pub(crate) mod functions;
mod relations;
mod roles;
mod servers;
mod types;
mod views;

use sheaf_base::Result;

pub(crate) use self::servers::setting_named;
use crate::database::{CatalogTable, Database, INFORMATION_SCHEMA, PG_CATALOG};
use crate::run::Watch;
use crate::types::{Kind, kind_of, types};
use crate::value::{Row, Value};

/// The language of built-in functions.
const INTERNAL_LANGUAGE: i64 = 12;

/// A table that facts fill.
struct Filled {
    name: &'static str,
    /// The columns that are filled; of the others, those that cannot be NULL are 0, false or empty.
    columns: &'static [&'static str],
    fill: fn(&Database, &mut Filler),
}

const fn of(
    name: &'static str,
    columns: &'static [&'static str],
    fill: fn(&Database, &mut Filler),
) -> Filled {
    Filled {
        name,
        columns,
        fill,
    }
}

/// Every table of `pg_catalog` that facts fill.
static FILLED: &[Filled] = &[
    of(
        "pg_namespace",
        &["oid", "nspname", "nspowner"],
        relations::schemas,
    ),
    of("pg_class", relations::CLASS_COLUMNS, relations::classes),
    of(
        "pg_attribute",
        relations::ATTRIBUTE_COLUMNS,
        relations::attributes,
    ),
    of("pg_type", types::COLUMNS, types::types_of),
    of("pg_range", types::RANGE_COLUMNS, types::ranges),
    of("pg_proc", functions::COLUMNS, functions::procs),
    of(
        "pg_aggregate",
        &["aggfnoid", "aggkind"],
        functions::aggregates,
    ),
    of(
        "pg_description",
        &["objoid", "classoid", "objsubid", "description"],
        functions::descriptions,
    ),
    of(
        "pg_am",
        &["oid", "amname", "amhandler", "amtype"],
        servers::methods,
    ),
    of("pg_language", servers::LANGUAGE_COLUMNS, servers::languages),
    of(
        "pg_collation",
        servers::COLLATION_COLUMNS,
        servers::collations,
    ),
    of(
        "pg_tablespace",
        &["oid", "spcname", "spcowner"],
        servers::tablespaces,
    ),
    of("pg_database", servers::DATABASE_COLUMNS, servers::databases),
    of("pg_authid", roles::COLUMNS, roles::authids),
    of("pg_settings", servers::SETTING_COLUMNS, servers::settings),
    of(
        "pg_stat_activity",
        servers::ACTIVITY_COLUMNS,
        servers::activity,
    ),
];

/// Puts rows together of those columns that are filled.
pub(crate) struct Filler {
    places: Vec<usize>,
    defaults: Row,
    rows: Vec<Row>,
}

impl Filler {
    fn new(table: &CatalogTable, columns: &[&str]) -> Self {
        let place = |name: &&str| table.columns.iter().position(|c| c.name == *name);
        let defaults = table.columns.iter().map(|column| {
            match (column.is_required, kind_of(types().base_of(column.type_of))) {
                (false, _) | (true, Kind::Record | Kind::Array) => Value::Null,
                (true, Kind::Bool) => Value::Bool(false),
                (true, Kind::Int) => Value::Int(0),
                (true, Kind::Float) => Value::Float(0.0),
                (true, Kind::Numeric) => Value::numeric(0.into()),
                (true, Kind::Text) => Value::text(""),
                (true, Kind::Time) => Value::Time(0),
            }
        });
        Self {
            places: columns.iter().filter_map(place).collect(),
            defaults: defaults.collect(),
            rows: vec![],
        }
    }

    /// Adds a row with these values for the columns that are filled, in their order.
    fn push(&mut self, values: Vec<Value>) {
        let mut row = self.defaults.clone();
        for (place, value) in self.places.iter().zip(values) {
            if let Some(cell) = row.get_mut(*place) {
                *cell = value;
            }
        }
        self.rows.push(row);
    }
}

/// The rows of `table`.
///
/// # Errors
/// Those of a view's query.
pub(crate) fn rows(
    database: &Database,
    table: &CatalogTable,
    watch: Option<&dyn Watch>,
) -> Result<Vec<Row>> {
    let filled = FILLED.iter().find(|filled| filled.name == table.name);
    if let (PG_CATALOG, Some(filled)) = (table.schema, filled) {
        let mut filler = Filler::new(table, filled.columns);
        (filled.fill)(database, &mut filler);
        return Ok(filler.rows);
    }
    match table.schema {
        PG_CATALOG | INFORMATION_SCHEMA => views::rows(database, table, watch),
        _ => Ok(vec![]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::catalog_tables;

    #[test]
    fn filled_columns_exist() {
        for filled in FILLED {
            let index = catalog_tables().find(None, filled.name).unwrap();
            let table = catalog_tables().get(index).unwrap();
            let filler = Filler::new(table, filled.columns);
            assert_eq!(filler.places.len(), filled.columns.len(), "{}", filled.name);
        }
    }
}
