//! PostgreSQL's catalogue over the wire: what psql and drivers send of themselves is answered without an
//! error; types and rows are those that PostgreSQL 18's documentation and `pg_type.dat` say.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use sheaf::Session;
use sheaf_pgwire::ServerOptions;
use support::{Client, Running};

fn served() -> Running {
    let session = Session::builder().setting("threads", "2").unwrap();
    let session = session.build().unwrap();
    let script = "
        CREATE TABLE sales AS SELECT 1::bigint AS id, 'x'::varchar AS region,
            1.5::decimal(12,2) AS amount, DATE '2024-01-01' AS day, ['a'] AS tags;
        CREATE VIEW big AS SELECT id, region FROM sales WHERE amount > 10;";
    sheaf::block_on(async { session.sql(script).await.map(|_| ()) }).unwrap();
    Running::with(ServerOptions::default(), session)
}

/// Statements between lines of dashes; the first part is a comment.
fn recorded(text: &str) -> impl Iterator<Item = &str> {
    text.split("----\n").skip(1).map(str::trim)
}

fn oid(client: &mut Client, name: &str) -> String {
    client.rows(&format!("SELECT '{name}'::regclass::oid"))[0][0].clone()
}

#[track_caller]
fn all_answered(client: &mut Client, text: &str) {
    let (sales, big) = (oid(client, "sales"), oid(client, "big"));
    let mut faults = vec![];
    for sql in recorded(text) {
        let sql = sql.replace("$sales", &sales).replace("$big", &big);
        let messages = client.run(&sql);
        if let Some(error) = messages.iter().find(|message| message.tag == 'E') {
            faults.push(format!("{}\n{sql}", error.text().replace('\0', " ")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn psql_is_answered() {
    let server = served();
    let mut client = server.connect();
    all_answered(&mut client, include_str!("recorded/psql18.sql"));
    all_answered(&mut client, include_str!("recorded/psql15.sql"));
}

#[test]
fn drivers_are_answered() {
    let server = served();
    let mut client = server.connect();
    all_answered(&mut client, include_str!("recorded/drivers.sql"));
}

#[test]
fn columns_have_postgres_types() {
    let server = served();
    let mut client = server.connect();
    let sql = "SELECT oid, relname, relkind, relnatts, relhasindex, reltuples, reloptions
               FROM pg_class WHERE relname = 'sales'";
    let messages = client.run(sql);
    let columns = messages.iter().find(|m| m.tag == 'T').unwrap().columns();
    let types: Vec<u32> = columns.iter().map(|(_, oid, _)| *oid).collect();
    // oid, name, "char", int2, bool, float4, text[] as in pg_type.dat.
    assert_eq!(types, [26, 19, 18, 21, 16, 700, 1009]);
    let row = &client.rows(sql)[0];
    assert_eq!(row[1..6], ["sales", "r", "5", "f", "-1"]);
}

#[test]
fn parameters_have_postgres_types() {
    let server = served();
    let mut client = server.connect();
    client.parse(
        "q",
        "SELECT typname FROM pg_type WHERE oid = $1 AND typname = ANY ($2)",
        &[],
    );
    client.send('D', b"Sq\0");
    client.send('S', b"");
    let messages = client.until_ready();
    let described = messages.iter().find(|m| m.tag == 't').unwrap();
    // Two parameters: oid and name[].
    assert_eq!(described.body[..2], [0, 2]);
    assert_eq!(described.body[2..6], 26_u32.to_be_bytes());
    assert_eq!(described.body[6..10], 1003_u32.to_be_bytes());
}

#[test]
fn everybody_sees_who_is_connected_and_his_own_statement() {
    let server = served();
    let mut client = server.connect_as("anna", &[("application_name", "test")]);
    let mut other = server.connect_as("otto", &[]);
    assert_eq!(other.rows("SELECT 7 AS n"), [["7"]]);
    let sql = "SELECT usename, application_name, state, query FROM pg_stat_activity ORDER BY 1";
    let rows = client.rows(sql);
    assert_eq!(rows[0], ["anna", "test", "active", sql]);
    assert_eq!(rows[1][0], "otto");
    assert_eq!(rows[1][3], "<insufficient privilege>");
    assert_eq!(
        client.rows("SELECT current_user, current_database()"),
        [["anna", "sheaf"]]
    );
    let pid = other.rows("SELECT pg_backend_pid()")[0][0].clone();
    let error = client.error(&format!("SELECT pg_terminate_backend({pid})"));
    assert_eq!(error.code(), "42501");
    assert_eq!(client.rows("SELECT pg_cancel_backend(99999)"), [["f"]]);
}

#[test]
fn a_user_may_end_another_connection_of_his_own() {
    let server = served();
    let mut client = server.connect_as("anna", &[]);
    let mut other = server.connect_as("anna", &[]);
    let pid = other.rows("SELECT pg_backend_pid()")[0][0].clone();
    let ended = client.rows(&format!("SELECT pg_terminate_backend({pid})"));
    assert_eq!(ended, [["t"]]);
    other.expect_fatal("57P01");
}

#[test]
fn a_reader_is_told_that_it_is_one() {
    let server = served();
    let mut client = server.connect_as("anna", &[]);
    let privileges = "SELECT has_table_privilege('sales', 'SELECT'),
        has_table_privilege('sales', 'INSERT'), has_schema_privilege('public', 'CREATE'),
        has_any_column_privilege('sales', 'SELECT'), pg_has_role('sheaf', 'USAGE')";
    assert_eq!(client.rows(privileges), [["t", "f", "f", "t", "f"]]);
    let roles = "SELECT rolsuper, rolcanlogin FROM pg_roles WHERE rolname = current_user";
    assert_eq!(client.rows(roles), [["f", "t"]]);
    for sql in ["SELECT * FROM pg_authid", "SELECT * FROM pg_shadow"] {
        assert_eq!(client.error(sql).code(), "42501", "{sql}");
    }
    let hidden = "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE nspname = 'sheaf' ORDER BY 1";
    assert_eq!(client.rows(hidden), [["functions"], ["settings"]]);
}

#[test]
fn numbers_of_objects_are_the_same_on_all_connections() {
    let server = served();
    let (mut a, mut b) = (server.connect(), server.connect());
    assert_eq!(oid(&mut a, "sales"), oid(&mut b, "sales"));
}

#[test]
fn what_a_client_sets_is_shown() {
    let server = served();
    let mut client = server.connect();
    client.run("SET application_name = 'report 7'; SET extra_float_digits = 2");
    let own = "FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    assert_eq!(
        client.rows(&format!("SELECT application_name {own}")),
        [["report 7"]]
    );
    let set = "SELECT name, setting, source, boot_val FROM pg_settings
               WHERE name IN ('application_name', 'extra_float_digits', 'DateStyle') ORDER BY 1";
    assert_eq!(
        client.rows(set),
        [
            ["DateStyle", "ISO, MDY", "default", "ISO, MDY"],
            ["application_name", "report 7", "session", ""],
            ["extra_float_digits", "2", "session", "1"],
        ]
    );
}

#[test]
fn explaining_a_statement_ends_no_connection() {
    let server = served();
    let (mut client, mut other) = (server.connect(), server.connect());
    let process = other.rows("SELECT pg_backend_pid()")[0][0].clone();
    for sql in [
        format!("EXPLAIN SELECT pg_terminate_backend({process})"),
        format!("EXPLAIN SELECT pg_terminate_backend({process}), region FROM sales"),
    ] {
        client.run(&sql);
        assert_eq!(other.rows("SELECT 1"), [["1"]], "{sql}");
    }
}
