//! Functions of PostgreSQL that are about its catalogue, or work on its types: one visible list of
//! each kind. What is not here is looked for among the engine's functions.

mod access;
mod aggregates;
mod arrays;
mod call;
mod json;
mod objects;
mod server;
mod sets;
mod sizes;
mod texts;

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use crate::types::{
    BOOL, CHAR, FLOAT8, INT2, INT4, INT8, JSON, JSONB, NAME, NUMERIC, OID, OIDVECTOR, Oid, RECORD,
    REGCLASS, REGNAMESPACE, REGPROC, REGPROCEDURE, REGROLE, REGTYPE, TEXT, TIMESTAMPTZ, XID, XID8,
};
use crate::value::Value;

pub(crate) use access::SECRET_TABLES;
pub(crate) use aggregates::{AGGREGATES, Aggregate, AggregateType, Group};
pub(crate) use arrays::joined;
use call::of;
pub(crate) use call::{Call, Function, Returns};
pub(crate) use sets::{SET_FUNCTIONS, SetFunction};

/// Any type.
pub(crate) const ANY: Oid = 2276;
/// Any array.
pub(crate) const ANYARRAY: Oid = 2277;
/// As many further arguments of any type as one likes.
pub(crate) const VARIADIC: Oid = 0;
const NAME_ARRAY: Oid = 1003;
const INT4_ARRAY: Oid = 1007;
const ACL_ARRAY: Oid = 1034;

/// NULL, for what Sheaf has nothing of: indexes, constraints, triggers, rules.
fn nothing(_: &Call<'_>) -> Result<Value> {
    Ok(Value::Null)
}

fn yes(_: &Call<'_>) -> Result<Value> {
    Ok(Value::Bool(true))
}

fn no(_: &Call<'_>) -> Result<Value> {
    Ok(Value::Bool(false))
}

fn zero(_: &Call<'_>) -> Result<Value> {
    Ok(Value::Int(0))
}

/// Every function, those of one name from the most to the least particular.
pub(crate) static FUNCTIONS: &[Function] = &[
    // Who asks, and where.
    of("current_database", &[], NAME, server::database),
    of("current_catalog", &[], NAME, server::database),
    of("current_schema", &[], NAME, server::schema),
    of("current_schemas", &[BOOL], NAME_ARRAY, server::schemas),
    of("current_user", &[], NAME, server::user),
    of("current_role", &[], NAME, server::user),
    of("session_user", &[], NAME, server::user),
    of("user", &[], NAME, server::user),
    of("version", &[], TEXT, server::version),
    of("pg_backend_pid", &[], INT4, server::process),
    of(
        "pg_postmaster_start_time",
        &[],
        TIMESTAMPTZ,
        server::started,
    ),
    of("pg_conf_load_time", &[], TIMESTAMPTZ, server::started),
    of("pg_is_in_recovery", &[], BOOL, no),
    of("pg_is_wal_replay_paused", &[], BOOL, no),
    of("pg_jit_available", &[], BOOL, no),
    of("pg_last_xact_replay_timestamp", &[], TIMESTAMPTZ, nothing),
    of("pg_my_temp_schema", &[], OID, zero),
    of("pg_is_other_temp_schema", &[OID], BOOL, no),
    of("txid_current", &[], INT8, server::transaction),
    of("pg_current_xact_id", &[], XID8, server::transaction),
    of("age", &[XID], INT4, zero),
    of("mxid_age", &[XID], INT4, zero),
    of("inet_client_addr", &[], TEXT, server::client_address),
    of("inet_client_port", &[], INT4, nothing),
    of("inet_server_addr", &[], TEXT, nothing),
    of("inet_server_port", &[], INT4, nothing),
    of("current_setting", &[TEXT], TEXT, server::setting).giving_way(),
    of("current_setting", &[TEXT, BOOL], TEXT, server::setting).giving_way(),
    of("pg_client_encoding", &[], NAME, server::encoding),
    of("getdatabaseencoding", &[], NAME, server::encoding),
    of("pg_encoding_to_char", &[INT4], NAME, server::encoding_name),
    of(
        "pg_char_to_encoding",
        &[NAME],
        INT4,
        server::encoding_number,
    ),
    of("pg_cancel_backend", &[INT4], BOOL, server::cancel).volatile(),
    of("pg_terminate_backend", &[INT4], BOOL, server::terminate).volatile(),
    of(
        "pg_terminate_backend",
        &[INT4, INT8],
        BOOL,
        server::terminate,
    )
    .volatile(),
    // Nobody takes any.
    of("pg_advisory_unlock_all", &[], TEXT, texts::empty),
    of("pg_blocking_pids", &[INT4], INT4_ARRAY, arrays::empty),
    // What is called how.
    of("format_type", &[OID, INT4], TEXT, objects::format_type).with_nulls(),
    of("oidvectortypes", &[OIDVECTOR], TEXT, objects::vector_types),
    of("pg_typeof", &[ANY], REGTYPE, objects::type_of).with_nulls(),
    of("pg_get_userbyid", &[OID], NAME, objects::user_name),
    of(
        "pg_table_is_visible",
        &[OID],
        BOOL,
        objects::table_is_visible,
    ),
    of("pg_type_is_visible", &[OID], BOOL, objects::type_is_visible),
    of(
        "pg_function_is_visible",
        &[OID],
        BOOL,
        objects::function_is_visible,
    ),
    of("pg_collation_is_visible", &[OID], BOOL, yes),
    of("pg_operator_is_visible", &[OID], BOOL, yes),
    of("pg_opclass_is_visible", &[OID], BOOL, yes),
    of("pg_opfamily_is_visible", &[OID], BOOL, yes),
    of("pg_conversion_is_visible", &[OID], BOOL, yes),
    of("pg_ts_config_is_visible", &[OID], BOOL, yes),
    of("pg_ts_dict_is_visible", &[OID], BOOL, yes),
    of("pg_ts_parser_is_visible", &[OID], BOOL, yes),
    of("pg_ts_template_is_visible", &[OID], BOOL, yes),
    of("pg_statistics_obj_is_visible", &[OID], BOOL, yes),
    of("to_regclass", &[TEXT], REGCLASS, objects::to_regclass),
    of("to_regtype", &[TEXT], REGTYPE, objects::to_regtype),
    of("to_regproc", &[TEXT], REGPROC, objects::to_regproc),
    of("to_regprocedure", &[TEXT], REGPROCEDURE, nothing),
    of(
        "to_regnamespace",
        &[TEXT],
        REGNAMESPACE,
        objects::to_regnamespace,
    ),
    of("to_regrole", &[TEXT], REGROLE, objects::to_regrole),
    of("obj_description", &[OID], TEXT, objects::description),
    of("obj_description", &[OID, NAME], TEXT, objects::description),
    of("shobj_description", &[OID, NAME], TEXT, nothing),
    of("col_description", &[OID, INT4], TEXT, nothing),
    // How it was made.
    of("pg_get_viewdef", &[TEXT], TEXT, objects::view_definition),
    of(
        "pg_get_viewdef",
        &[TEXT, BOOL],
        TEXT,
        objects::view_definition,
    ),
    of("pg_get_viewdef", &[OID], TEXT, objects::view_definition),
    of(
        "pg_get_viewdef",
        &[OID, BOOL],
        TEXT,
        objects::view_definition,
    ),
    of(
        "pg_get_viewdef",
        &[OID, INT4],
        TEXT,
        objects::view_definition,
    ),
    of(
        "pg_get_function_result",
        &[OID],
        TEXT,
        objects::function_result,
    ),
    of(
        "pg_get_function_arguments",
        &[OID],
        TEXT,
        objects::function_arguments,
    ),
    of(
        "pg_get_function_identity_arguments",
        &[OID],
        TEXT,
        objects::function_arguments,
    ),
    of(
        "pg_get_functiondef",
        &[OID],
        TEXT,
        objects::function_definition,
    ),
    of("pg_get_function_sqlbody", &[OID], TEXT, nothing),
    of("pg_get_function_arg_default", &[OID, INT4], TEXT, nothing),
    of("pg_get_expr", &[TEXT, OID], TEXT, nothing),
    of("pg_get_expr", &[TEXT, OID, BOOL], TEXT, nothing),
    of("pg_get_indexdef", &[OID], TEXT, nothing),
    of("pg_get_indexdef", &[OID, INT4, BOOL], TEXT, nothing),
    of("pg_get_constraintdef", &[OID], TEXT, nothing),
    of("pg_get_constraintdef", &[OID, BOOL], TEXT, nothing),
    of("pg_get_ruledef", &[OID], TEXT, nothing),
    of("pg_get_ruledef", &[OID, BOOL], TEXT, nothing),
    of("pg_get_triggerdef", &[OID], TEXT, nothing),
    of("pg_get_triggerdef", &[OID, BOOL], TEXT, nothing),
    of("pg_get_partkeydef", &[OID], TEXT, nothing),
    of("pg_get_partition_constraintdef", &[OID], TEXT, nothing),
    of("pg_get_statisticsobjdef", &[OID], TEXT, nothing),
    of("pg_get_statisticsobjdef_columns", &[OID], TEXT, nothing),
    of("pg_get_serial_sequence", &[TEXT, TEXT], TEXT, nothing),
    of(
        "pg_get_replica_identity_index",
        &[REGCLASS],
        REGCLASS,
        nothing,
    ),
    of("pg_sequence_last_value", &[REGCLASS], INT8, nothing),
    of("pg_relation_is_publishable", &[REGCLASS], BOOL, no),
    of("pg_relation_is_updatable", &[REGCLASS, BOOL], INT4, zero),
    of("pg_column_is_updatable", &[REGCLASS, INT4, BOOL], BOOL, no),
    of(
        "pg_index_column_has_property",
        &[REGCLASS, INT4, TEXT],
        BOOL,
        nothing,
    ),
    of("pg_indexam_has_property", &[OID, TEXT], BOOL, nothing),
    of("row_security_active", &[OID], BOOL, no),
    of("pg_relation_filenode", &[REGCLASS], OID, nothing),
    of("pg_relation_filepath", &[REGCLASS], TEXT, nothing),
    of("pg_tablespace_location", &[OID], TEXT, texts::empty),
    of("acldefault", &[CHAR, OID], ACL_ARRAY, arrays::empty),
    // How large it is.
    of("pg_table_size", &[REGCLASS], INT8, sizes::relation),
    of("pg_relation_size", &[REGCLASS], INT8, sizes::relation),
    of("pg_relation_size", &[REGCLASS, TEXT], INT8, sizes::relation),
    of("pg_total_relation_size", &[REGCLASS], INT8, sizes::relation),
    of("pg_indexes_size", &[REGCLASS], INT8, zero),
    of("pg_database_size", &[OID], INT8, zero),
    of("pg_database_size", &[NAME], INT8, zero),
    of("pg_tablespace_size", &[OID], INT8, zero),
    of("pg_tablespace_size", &[NAME], INT8, zero),
    of("pg_size_pretty", &[INT8], TEXT, sizes::pretty),
    of("pg_size_pretty", &[NUMERIC], TEXT, sizes::pretty_numeric),
    of("pg_stat_get_numscans", &[OID], INT8, zero),
    // Who may what.
    of("has_table_privilege", &[ANY, TEXT], BOOL, access::table),
    of(
        "has_table_privilege",
        &[ANY, ANY, TEXT],
        BOOL,
        access::table,
    ),
    of(
        "has_any_column_privilege",
        &[ANY, TEXT],
        BOOL,
        access::table,
    ),
    of(
        "has_any_column_privilege",
        &[ANY, ANY, TEXT],
        BOOL,
        access::table,
    ),
    of(
        "has_column_privilege",
        &[ANY, ANY, TEXT],
        BOOL,
        access::column,
    ),
    of(
        "has_column_privilege",
        &[ANY, ANY, ANY, TEXT],
        BOOL,
        access::column,
    ),
    of("has_schema_privilege", &[ANY, TEXT], BOOL, access::schema),
    of(
        "has_schema_privilege",
        &[ANY, ANY, TEXT],
        BOOL,
        access::schema,
    ),
    of(
        "has_database_privilege",
        &[ANY, TEXT],
        BOOL,
        access::database,
    ),
    of(
        "has_database_privilege",
        &[ANY, ANY, TEXT],
        BOOL,
        access::database,
    ),
    of("has_function_privilege", &[ANY, TEXT], BOOL, access::other),
    of(
        "has_function_privilege",
        &[ANY, ANY, TEXT],
        BOOL,
        access::other,
    ),
    of("has_type_privilege", &[ANY, TEXT], BOOL, access::other),
    of("has_type_privilege", &[ANY, ANY, TEXT], BOOL, access::other),
    of("has_language_privilege", &[ANY, TEXT], BOOL, access::other),
    of(
        "has_language_privilege",
        &[ANY, ANY, TEXT],
        BOOL,
        access::other,
    ),
    of("has_tablespace_privilege", &[ANY, TEXT], BOOL, no),
    of("has_tablespace_privilege", &[ANY, ANY, TEXT], BOOL, no),
    of("has_sequence_privilege", &[ANY, TEXT], BOOL, no),
    of("has_sequence_privilege", &[ANY, ANY, TEXT], BOOL, no),
    of("has_server_privilege", &[ANY, TEXT], BOOL, no),
    of("has_server_privilege", &[ANY, ANY, TEXT], BOOL, no),
    of("has_foreign_data_wrapper_privilege", &[ANY, TEXT], BOOL, no),
    of(
        "has_foreign_data_wrapper_privilege",
        &[ANY, ANY, TEXT],
        BOOL,
        no,
    ),
    of(
        "has_parameter_privilege",
        &[TEXT, TEXT],
        BOOL,
        access::parameter,
    ),
    of(
        "has_parameter_privilege",
        &[ANY, TEXT, TEXT],
        BOOL,
        access::parameter,
    ),
    of("pg_has_role", &[ANY, TEXT], BOOL, access::role),
    of("pg_has_role", &[ANY, ANY, TEXT], BOOL, access::role),
    // Texts.
    of("quote_ident", &[TEXT], TEXT, texts::quote_ident),
    of("quote_literal", &[ANY], TEXT, texts::quote_literal),
    of("quote_nullable", &[ANY], TEXT, texts::quote_nullable).with_nulls(),
    of("concat", &[VARIADIC], TEXT, texts::concat).with_nulls(),
    of("nullif", &[ANY, ANY], TEXT, texts::null_if)
        .with_nulls()
        .returning(Returns::Same),
    of("pg_column_size", &[ANY], INT4, sizes::value),
    of("pg_input_is_valid", &[TEXT, TEXT], BOOL, objects::is_valid),
    // Arrays.
    of(
        "array_to_string",
        &[ANYARRAY, TEXT],
        TEXT,
        arrays::to_string,
    ),
    of(
        "array_to_string",
        &[ANYARRAY, TEXT, TEXT],
        TEXT,
        arrays::to_string,
    )
    .with_nulls(),
    of("array_length", &[ANYARRAY, INT4], INT4, arrays::length),
    of("array_upper", &[ANYARRAY, INT4], INT4, arrays::upper),
    of("array_lower", &[ANYARRAY, INT4], INT4, arrays::lower),
    of("array_ndims", &[ANYARRAY], INT4, arrays::dimensions),
    of("cardinality", &[ANYARRAY], INT4, arrays::cardinality),
    of("array_position", &[ANYARRAY, ANY], INT4, arrays::position).with_nulls(),
    of("array_append", &[ANYARRAY, ANY], ANYARRAY, arrays::append)
        .with_nulls()
        .returning(Returns::Same),
    of("array_cat", &[ANYARRAY, ANYARRAY], ANYARRAY, arrays::cat)
        .with_nulls()
        .returning(Returns::Same),
    of("array_remove", &[ANYARRAY, ANY], ANYARRAY, arrays::remove)
        .with_nulls()
        .returning(Returns::Same),
    // JSON.
    of("json_build_object", &[VARIADIC], JSON, json::object).with_nulls(),
    of("jsonb_build_object", &[VARIADIC], JSONB, json::object).with_nulls(),
    of("json_build_array", &[VARIADIC], JSON, json::array).with_nulls(),
    of("to_json", &[ANY], JSON, json::value),
    of("to_jsonb", &[ANY], JSONB, json::value),
    of("row_to_json", &[RECORD], JSON, json::value),
    // Numbers that the engine would give in other types.
    of("abs", &[INT2], INT2, sizes::absolute),
    of("abs", &[INT4], INT4, sizes::absolute),
    of("abs", &[INT8], INT8, sizes::absolute),
    of("abs", &[NUMERIC], NUMERIC, sizes::absolute),
    of("abs", &[FLOAT8], FLOAT8, sizes::absolute),
];

/// Every function of that name.
pub(crate) fn functions_named(name: &str) -> impl Iterator<Item = &'static Function> {
    FUNCTIONS
        .iter()
        .filter(move |function| function.name == name)
}

/// Whether `name` is a function that only this crate has a use for.
pub(crate) fn is_known(name: &str) -> bool {
    let is_set = || SET_FUNCTIONS.iter().any(|function| function.name == name);
    functions_named(name).next().is_some() || is_set()
}

fn missing(what: &str, name: &str, state: SqlState) -> SheafError {
    SheafError::user(format!("{what} \"{name}\" does not exist")).with_state(state)
}

/// The elements of an array; none if it is NULL.
fn elements(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], |array| &array.elements)
}
