//! The one list of PostgreSQL's run-time parameters that clients set and ask for, with PostgreSQL 18's
//! defaults. The server that they connect to keeps the values that they give; `pg_settings` shows them.

/// The version of PostgreSQL that Sheaf says it is, and whose catalogue this is.
pub const SERVER_VERSION: &str = "18.6";

/// What values a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// What the server is.
    Fixed,
    /// Its value, or another way to write it.
    Only(&'static [&'static str]),
    /// `on` or `off`, in one of the ways to write them.
    Boolean,
    /// One of these, in lower case.
    OneOf(&'static [&'static str]),
    /// The client's own role, or `none`.
    OwnRole,
    /// Anything; nothing but SHOW knows it.
    Anything,
}

/// A parameter.
#[derive(Debug)]
pub struct Parameter {
    /// Its name, as PostgreSQL writes it.
    pub name: &'static str,
    /// Its value as long as nobody gives it another.
    pub default: &'static str,
    /// What values it takes.
    pub takes: Takes,
    /// Whether clients are told of it when they connect and when it changes.
    pub is_reported: bool,
}

const fn parameter(name: &'static str, default: &'static str, takes: Takes) -> Parameter {
    Parameter {
        name,
        default,
        takes,
        is_reported: false,
    }
}

const fn reported(name: &'static str, default: &'static str, takes: Takes) -> Parameter {
    Parameter {
        name,
        default,
        takes,
        is_reported: true,
    }
}

/// PostgreSQL's names of settings that the engine has.
pub const ENGINE_NAMES: &[(&str, &str)] = &[("timezone", "time_zone")];
/// The one of them that clients are told of, as PostgreSQL writes it.
pub const TIME_ZONE: &str = "TimeZone";
/// What a client calls itself.
pub const APPLICATION_NAME: &str = "application_name";

/// The level of the transaction that runs; as long as nobody says otherwise, the default one.
pub const TRANSACTION_ISOLATION: &str = "transaction_isolation";
/// The level of transactions that say nothing.
pub const DEFAULT_ISOLATION: &str = "default_transaction_isolation";
const ISOLATION_LEVELS: &[&str] = &[
    "read committed",
    "read uncommitted",
    "repeatable read",
    "serializable",
];

/// The list: settings of the engine under other names are in [`ENGINE_NAMES`].
pub static PARAMETERS: &[Parameter] = &[
    reported(APPLICATION_NAME, "", Takes::Anything),
    reported(
        "client_encoding",
        "UTF8",
        Takes::Only(&["utf8", "utf-8", "unicode"]),
    ),
    reported(
        "DateStyle",
        "ISO, MDY",
        Takes::Only(&[
            "iso, mdy", "iso,mdy", "iso", "iso, dmy", "iso, ymd", "iso,ymd",
        ]),
    ),
    reported(
        "default_transaction_read_only",
        "on",
        Takes::Only(&["on", "true", "off", "false"]),
    ),
    reported("in_hot_standby", "off", Takes::Fixed),
    reported("integer_datetimes", "on", Takes::Fixed),
    reported("IntervalStyle", "postgres", Takes::Only(&["postgres"])),
    reported("is_superuser", "off", Takes::Fixed),
    reported("scram_iterations", "15000", Takes::Fixed),
    reported("search_path", "\"$user\", public", Takes::Anything),
    reported("server_encoding", "UTF8", Takes::Fixed),
    reported("server_version", SERVER_VERSION, Takes::Fixed),
    reported("session_authorization", "", Takes::OwnRole),
    reported(
        "standard_conforming_strings",
        "on",
        Takes::Only(&["on", "true"]),
    ),
    parameter("backslash_quote", "safe_encoding", Takes::Anything),
    parameter("bytea_output", "hex", Takes::Only(&["hex"])),
    parameter("check_function_bodies", "on", Takes::Boolean),
    parameter("client_min_messages", "notice", Takes::Anything),
    parameter("default_table_access_method", "heap", Takes::Anything),
    parameter("default_tablespace", "", Takes::Anything),
    parameter(
        DEFAULT_ISOLATION,
        "read committed",
        Takes::OneOf(ISOLATION_LEVELS),
    ),
    parameter("escape_string_warning", "on", Takes::Boolean),
    parameter("extra_float_digits", "1", Takes::Anything),
    parameter("idle_in_transaction_session_timeout", "0", Takes::Anything),
    parameter("jit", "off", Takes::Boolean),
    parameter("lock_timeout", "0", Takes::Anything),
    parameter("max_identifier_length", "63", Takes::Fixed),
    parameter("quote_all_identifiers", "off", Takes::Boolean),
    parameter("row_security", "on", Takes::Boolean),
    parameter("server_version_num", "180006", Takes::Fixed),
    parameter("synchronize_seqscans", "on", Takes::Boolean),
    parameter(TRANSACTION_ISOLATION, "", Takes::OneOf(ISOLATION_LEVELS)),
    parameter("transaction_read_only", "on", Takes::Only(&["on", "true"])),
    parameter("transaction_timeout", "0", Takes::Anything),
    parameter("array_nulls", "on", Takes::Only(&["on", "true"])),
    parameter("block_size", "8192", Takes::Fixed),
    parameter("client_connection_check_interval", "0", Takes::Anything),
    parameter("cluster_name", "", Takes::Fixed),
    parameter("constraint_exclusion", "partition", Takes::Anything),
    parameter("cursor_tuple_fraction", "0.1", Takes::Anything),
    parameter("data_checksums", "on", Takes::Fixed),
    parameter("debug_assertions", "off", Takes::Fixed),
    parameter("default_statistics_target", "100", Takes::Anything),
    parameter(
        "default_text_search_config",
        "pg_catalog.english",
        Takes::Anything,
    ),
    parameter("default_transaction_deferrable", "off", Takes::Boolean),
    parameter("effective_cache_size", "4GB", Takes::Anything),
    parameter("effective_io_concurrency", "16", Takes::Anything),
    parameter("enable_bitmapscan", "on", Takes::Boolean),
    parameter("enable_hashagg", "on", Takes::Boolean),
    parameter("enable_hashjoin", "on", Takes::Boolean),
    parameter("enable_indexscan", "on", Takes::Boolean),
    parameter("enable_material", "on", Takes::Boolean),
    parameter("enable_mergejoin", "on", Takes::Boolean),
    parameter("enable_nestloop", "on", Takes::Boolean),
    parameter("enable_seqscan", "on", Takes::Boolean),
    parameter("enable_sort", "on", Takes::Boolean),
    parameter("from_collapse_limit", "8", Takes::Anything),
    parameter("geqo", "on", Takes::Boolean),
    parameter("hot_standby", "on", Takes::Fixed),
    parameter("idle_session_timeout", "0", Takes::Anything),
    parameter("join_collapse_limit", "8", Takes::Anything),
    // Gone since PostgreSQL 16; clients of older servers ask for them still.
    parameter("lc_collate", "C", Takes::Fixed),
    parameter("lc_ctype", "C.UTF-8", Takes::Fixed),
    parameter("lc_messages", "C", Takes::Anything),
    parameter("lc_monetary", "C", Takes::Anything),
    parameter("lc_numeric", "C", Takes::Anything),
    parameter("lc_time", "C", Takes::Anything),
    parameter("log_duration", "off", Takes::Boolean),
    parameter("log_min_duration_statement", "-1", Takes::Anything),
    parameter("log_min_messages", "warning", Takes::Anything),
    parameter("log_statement", "none", Takes::Anything),
    parameter("maintenance_work_mem", "64MB", Takes::Anything),
    parameter("max_function_args", "100", Takes::Fixed),
    parameter("max_index_keys", "32", Takes::Fixed),
    parameter("max_prepared_transactions", "0", Takes::Fixed),
    parameter("max_stack_depth", "2MB", Takes::Fixed),
    parameter("password_encryption", "scram-sha-256", Takes::Fixed),
    parameter("plan_cache_mode", "auto", Takes::Anything),
    parameter("random_page_cost", "4", Takes::Anything),
    parameter("role", "none", Takes::OwnRole),
    parameter("segment_size", "1GB", Takes::Fixed),
    parameter("seq_page_cost", "1", Takes::Anything),
    parameter(
        "session_replication_role",
        "origin",
        Takes::Only(&["origin"]),
    ),
    parameter("shared_buffers", "128MB", Takes::Fixed),
    parameter("ssl_renegotiation_limit", "0", Takes::Anything),
    parameter("synchronous_commit", "on", Takes::Anything),
    parameter("temp_buffers", "8MB", Takes::Anything),
    parameter("temp_tablespaces", "", Takes::Anything),
    parameter("track_activities", "on", Takes::Fixed),
    parameter("transaction_deferrable", "off", Takes::Boolean),
    parameter(
        "transform_null_equals",
        "off",
        Takes::Only(&["off", "false"]),
    ),
    parameter("wal_block_size", "8192", Takes::Fixed),
    parameter("wal_level", "replica", Takes::Fixed),
    parameter("wal_segment_size", "16MB", Takes::Fixed),
    parameter("work_mem", "4MB", Takes::Anything),
    parameter("xmlbinary", "base64", Takes::Anything),
    parameter("xmloption", "content", Takes::Anything),
];
