//! Views of the filled tables, each a query whose columns are put under those of PostgreSQL's view of
//! that name; columns that the query lacks are NULL.
//!
//! One thing is otherwise: views that keep their rows are in `information_schema` too, as views, since
//! programs that know nothing but the standard would not find them.

use sheaf_base::Result;
use sheaf_sql::StatementKind;

use crate::bind;
use crate::database::{CatalogTable, Database};
use crate::external::EngineFunctions;
use crate::run::{Run, Watch};
use crate::value::{Row, Value};

/// Every view: its schema, its name, its query.
static VIEWS: &[(&str, &str, &str)] = &[
    ("pg_catalog", "pg_roles", "
        SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin,
               rolreplication, rolconnlimit, '********' AS rolpassword, rolbypassrls, oid
        FROM pg_authid"),
    ("pg_catalog", "pg_user", "
        SELECT rolname AS usename, oid AS usesysid, rolcreatedb AS usecreatedb, rolsuper AS usesuper,
               rolreplication AS userepl, rolbypassrls AS usebypassrls, '********' AS passwd
        FROM pg_authid WHERE rolcanlogin"),
    ("pg_catalog", "pg_shadow", "
        SELECT rolname AS usename, oid AS usesysid, rolcreatedb AS usecreatedb, rolsuper AS usesuper,
               rolreplication AS userepl, rolbypassrls AS usebypassrls
        FROM pg_authid WHERE rolcanlogin"),
    ("pg_catalog", "pg_tables", "
        SELECT n.nspname AS schemaname, c.relname AS tablename,
               pg_get_userbyid(c.relowner) AS tableowner, false AS hasindexes, false AS hasrules,
               false AS hastriggers, false AS rowsecurity
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p')"),
    ("pg_catalog", "pg_views", "
        SELECT n.nspname AS schemaname, c.relname AS viewname,
               pg_get_userbyid(c.relowner) AS viewowner, pg_get_viewdef(c.oid) AS definition
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'v'"),
    ("pg_catalog", "pg_matviews", "
        SELECT n.nspname AS schemaname, c.relname AS matviewname,
               pg_get_userbyid(c.relowner) AS matviewowner, false AS hasindexes,
               c.relispopulated AS ispopulated, pg_get_viewdef(c.oid) AS definition
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'm'"),
    ("pg_catalog", "pg_stat_all_tables", "
        SELECT c.oid AS relid, n.nspname AS schemaname, c.relname, 0 AS seq_scan, 0 AS seq_tup_read,
               0 AS n_tup_ins, 0 AS n_tup_upd, 0 AS n_tup_del, 0 AS n_live_tup, 0 AS n_dead_tup
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm')"),
    ("pg_catalog", "pg_stat_user_tables", "
        SELECT * FROM pg_stat_all_tables
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"),
    ("pg_catalog", "pg_stat_sys_tables", "
        SELECT * FROM pg_stat_all_tables WHERE schemaname IN ('pg_catalog', 'information_schema')"),
    ("pg_catalog", "pg_stat_database", "
        SELECT oid AS datid, datname, 0 AS numbackends FROM pg_database"),
    ("information_schema", "information_schema_catalog_name", "
        SELECT current_database() AS catalog_name"),
    ("information_schema", "enabled_roles", "
        SELECT rolname AS role_name FROM pg_authid WHERE pg_has_role(oid, 'USAGE')"),
    ("information_schema", "schemata", "
        SELECT current_database() AS catalog_name, n.nspname AS schema_name,
               pg_get_userbyid(n.nspowner) AS schema_owner
        FROM pg_namespace n"),
    ("information_schema", "tables", "
        SELECT current_database() AS table_catalog, n.nspname AS table_schema,
               c.relname AS table_name,
               CASE c.relkind WHEN 'r' THEN 'BASE TABLE' ELSE 'VIEW' END AS table_type,
               'NO' AS is_insertable_into, 'NO' AS is_typed
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'v', 'm') AND has_table_privilege(c.oid, 'SELECT')"),
    ("information_schema", "views", "
        SELECT current_database() AS table_catalog, n.nspname AS table_schema,
               c.relname AS table_name, pg_get_viewdef(c.oid) AS view_definition,
               'NONE' AS check_option, 'NO' AS is_updatable, 'NO' AS is_insertable_into,
               'NO' AS is_trigger_updatable, 'NO' AS is_trigger_deletable,
               'NO' AS is_trigger_insertable_into
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('v', 'm')"),
    ("information_schema", "columns", COLUMNS),
    ("information_schema", "table_privileges", TABLE_PRIVILEGES),
    ("information_schema", "role_table_grants", TABLE_PRIVILEGES),
    ("information_schema", "routines", "
        SELECT current_database() AS specific_catalog, n.nspname AS specific_schema,
               p.proname || '_' || p.oid::text AS specific_name,
               current_database() AS routine_catalog, n.nspname AS routine_schema,
               p.proname AS routine_name,
               CASE p.prokind WHEN 'f' THEN 'FUNCTION' WHEN 'p' THEN 'PROCEDURE' END AS routine_type,
               format_type(p.prorettype, NULL) AS data_type,
               current_database() AS type_udt_catalog, tn.nspname AS type_udt_schema,
               t.typname AS type_udt_name, 'EXTERNAL' AS routine_body, 'INTERNAL' AS external_language,
               'GENERAL' AS parameter_style,
               CASE p.provolatile WHEN 'i' THEN 'YES' ELSE 'NO' END AS is_deterministic,
               'MODIFIES' AS sql_data_access, 'YES' AS is_null_call, 'INVOKER' AS security_type
        FROM pg_proc p
             JOIN pg_namespace n ON n.oid = p.pronamespace
             LEFT JOIN pg_type t ON t.oid = p.prorettype
             LEFT JOIN pg_namespace tn ON tn.oid = t.typnamespace"),
    ("information_schema", "parameters", "
        SELECT current_database() AS specific_catalog, n.nspname AS specific_schema,
               p.proname || '_' || p.oid::text AS specific_name, a.n AS ordinal_position,
               'IN' AS parameter_mode, 'NO' AS is_result, 'NO' AS as_locator,
               p.proargnames[a.n] AS parameter_name, format_type(a.x, NULL) AS data_type,
               current_database() AS udt_catalog, tn.nspname AS udt_schema, t.typname AS udt_name
        FROM pg_proc p
             JOIN pg_namespace n ON n.oid = p.pronamespace
             CROSS JOIN LATERAL information_schema._pg_expandarray(p.proargtypes) a
             LEFT JOIN pg_type t ON t.oid = a.x
             LEFT JOIN pg_namespace tn ON tn.oid = t.typnamespace"),
    ("information_schema", "character_sets", "
        SELECT 'UTF8' AS character_set_name, 'UCS' AS character_repertoire, 'UTF8' AS form_of_use,
               current_database() AS default_collate_catalog,
               'pg_catalog' AS default_collate_schema, 'C' AS default_collate_name"),
    ("information_schema", "collations", "
        SELECT current_database() AS collation_catalog, n.nspname AS collation_schema,
               c.collname AS collation_name, 'NO PAD' AS pad_attribute
        FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
        WHERE c.collname <> 'default'"),
];

const COLUMNS: &str = "
    SELECT current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
           a.attname AS column_name, a.attnum::int4 AS ordinal_position,
           CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable,
           CASE WHEN t.typelem <> 0 AND t.typlen = -1 THEN 'ARRAY'
                WHEN tn.nspname = 'pg_catalog' THEN format_type(a.atttypid, NULL)
                WHEN t.typtype = 'd' THEN format_type(t.typbasetype, NULL)
                ELSE 'USER-DEFINED' END AS data_type,
           CASE WHEN coalesce(nullif(t.typbasetype, 0), t.oid) IN (25, 1042, 1043)
                THEN 1073741824 END AS character_octet_length,
           CASE b.oid WHEN 21 THEN 16 WHEN 23 THEN 32 WHEN 20 THEN 64 WHEN 700 THEN 24
                      WHEN 701 THEN 53
                      WHEN 1700 THEN CASE WHEN a.atttypmod > -1
                                          THEN (a.atttypmod - 4) / 65536 END
           END AS numeric_precision,
           CASE WHEN b.oid IN (20, 21, 23, 700, 701) THEN 2 WHEN b.oid = 1700 THEN 10
           END AS numeric_precision_radix,
           CASE WHEN b.oid IN (20, 21, 23) THEN 0
                WHEN b.oid = 1700 AND a.atttypmod > -1 THEN (a.atttypmod - 4) & 2047
           END AS numeric_scale,
           CASE WHEN b.oid = 1082 THEN 0 WHEN b.oid IN (1083, 1114, 1184, 1186, 1266) THEN 6
           END AS datetime_precision,
           current_database() AS udt_catalog, bn.nspname AS udt_schema, b.typname AS udt_name,
           CASE WHEN t.typtype = 'd' THEN current_database() END AS domain_catalog,
           CASE WHEN t.typtype = 'd' THEN tn.nspname END AS domain_schema,
           CASE WHEN t.typtype = 'd' THEN t.typname END AS domain_name,
           CASE WHEN a.attcollation = 950 THEN current_database() END AS collation_catalog,
           CASE WHEN a.attcollation = 950 THEN 'pg_catalog' END AS collation_schema,
           CASE WHEN a.attcollation = 950 THEN 'C' END AS collation_name,
           a.attnum::text AS dtd_identifier, 'NO' AS is_self_referencing, 'NO' AS is_identity,
           'NO' AS identity_cycle, 'NEVER' AS is_generated, 'NO' AS is_updatable
    FROM pg_attribute a
         JOIN pg_class c ON c.oid = a.attrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_type t ON t.oid = a.atttypid
         JOIN pg_namespace tn ON tn.oid = t.typnamespace
         JOIN pg_type b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
         JOIN pg_namespace bn ON bn.oid = b.typnamespace
    WHERE c.relkind IN ('r', 'v', 'm') AND has_table_privilege(c.oid, 'SELECT')";

const TABLE_PRIVILEGES: &str = "
    SELECT 'sheaf' AS grantor, current_user AS grantee, current_database() AS table_catalog,
           n.nspname AS table_schema, c.relname AS table_name, 'SELECT' AS privilege_type,
           'NO' AS is_grantable, 'YES' AS with_hierarchy
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v', 'm') AND has_table_privilege(c.oid, 'SELECT')";

/// The rows of a view; none if it is not listed.
///
/// # Errors
/// Those of its query, of which the tests see that it has none of its own.
pub(super) fn rows(
    database: &Database,
    table: &CatalogTable,
    watch: Option<&dyn Watch>,
) -> Result<Vec<Row>> {
    let listed =
        |(schema, name, _): &&(&str, &str, &str)| *schema == table.schema && *name == table.name;
    let Some((_, _, sql)) = VIEWS.iter().find(listed) else {
        return Ok(vec![]);
    };
    let statement = sheaf_sql::parse(sql)?.pop();
    let Some(StatementKind::Query(query)) = statement.map(|statement| statement.kind) else {
        return Ok(vec![]);
    };
    let bound = bind::bind(&query, &EngineFunctions::default())?;
    let found = Run::new(database, &[]).watched(watch).query(&bound.query)?;
    let places = table.columns.iter().map(|column| {
        let columns = &bound.query.columns;
        columns.iter().position(|shown| shown.name == column.name)
    });
    let places: Vec<Option<usize>> = places.collect();
    let rows = found.iter().map(|row| {
        let cell = |place: &Option<usize>| place.and_then(|place| row.get(place)).cloned();
        places
            .iter()
            .map(|place| cell(place).unwrap_or(Value::Null))
            .collect()
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::database::catalog_tables;
    use crate::testing::facts;

    #[test]
    fn views_have_queries_over_columns_that_exist() {
        let database = Database::new(Arc::new(facts()));
        for (schema, name, sql) in VIEWS {
            let index = catalog_tables().find(Some(schema), name).unwrap();
            let table = catalog_tables().get(index).unwrap();
            rows(&database, table, None).unwrap();
            let Some(StatementKind::Query(query)) =
                sheaf_sql::parse(sql).unwrap().pop().map(|s| s.kind)
            else {
                unreachable!("{name}")
            };
            let bound = bind::bind(&query, &EngineFunctions::default()).unwrap();
            for column in &bound.query.columns {
                let known = table.columns.iter().any(|known| known.name == column.name);
                assert!(known, "{name}.{}", column.name);
            }
        }
    }
}
