//! SET, SHOW, RESET, DISCARD and their functions. What is shown, told and refused is what PostgreSQL 18.6
//! shows, tells and refuses.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use support::{Client, completed, server, tags};

/// The first value that a script shows, or the code of its error.
fn shown(client: &mut Client, sql: &str) -> String {
    let messages = client.run(sql);
    let mut shown = messages.iter().filter_map(|message| match message.tag {
        'D' => Some(message.texts().swap_remove(0)),
        'E' => Some(message.code()),
        _ => None,
    });
    shown.next().unwrap_or_default()
}

#[test]
fn clients_find_what_they_ask_for() {
    let server = server();
    let mut client = server.connect();
    for (name, value) in [
        ("transaction_isolation", "read committed"),
        ("TRANSACTION ISOLATION LEVEL", "read committed"),
        ("standard_conforming_strings", "on"),
        ("server_version_num", "180006"),
        ("max_identifier_length", "63"),
        ("search_path", "\"$user\", public"),
        ("TimeZone", "UTC"),
        ("TIME ZONE", "UTC"),
        ("DateStyle", "ISO, MDY"),
        ("intervalstyle", "postgres"),
        ("client_encoding", "UTF8"),
        ("server_encoding", "UTF8"),
        ("lc_collate", "C"),
        ("lc_monetary", "C"),
        ("max_index_keys", "32"),
        ("bytea_output", "hex"),
        ("extra_float_digits", "1"),
        ("work_mem", "4MB"),
        ("role", "none"),
        ("session authorization", "reader"),
        ("is_superuser", "off"),
        ("statement_timeout", "0"),
        ("nothing_at_all", "42704"),
    ] {
        assert_eq!(shown(&mut client, &format!("SHOW {name}")), value, "{name}");
    }
}

#[test]
fn functions_show_and_set_parameters() {
    let server = server();
    let mut client = server.connect();
    for (sql, value) in [
        (
            "SELECT current_setting('server_version_num')::int / 10000",
            "18",
        ),
        ("SELECT current_setting('TIMEZONE')", "UTC"),
        ("SELECT current_setting('nothing')", "42704"),
        ("SELECT current_setting('nothing', false)", "42704"),
        ("SELECT current_setting('nothing', true) IS NULL", "t"),
        ("SELECT current_setting(NULL) IS NULL", "t"),
        (
            "SELECT set_config('application_name', 'tool', false)",
            "tool",
        ),
        ("SHOW application_name", "tool"),
        ("SELECT set_config('application_name', NULL, false)", ""),
        ("SHOW application_name", ""),
        (
            "SELECT set_config('statement_timeout', '5000', false)",
            "5000",
        ),
        ("SELECT current_setting('statement_timeout')", "5000"),
        ("SELECT set_config('my.tenant', 'seven', false)", "seven"),
        ("SELECT current_setting('my.tenant')", "seven"),
        ("SHOW my.tenant", "seven"),
        ("SELECT set_config('jit', 'maybe', false)", "22023"),
        ("SELECT set_config('nothing', 'x', false)", "42704"),
        ("SELECT set_config('server_version', 'x', false)", "55P02"),
        ("SELECT set_config(NULL, 'x', false)", "22004"),
        // Local to a transaction that ends at once.
        ("SELECT set_config('my.tenant', 'eight', true)", "eight"),
        ("SHOW my.tenant", "seven"),
        (
            "BEGIN; SELECT set_config('my.tenant', 'eight', true)",
            "eight",
        ),
        ("SHOW my.tenant", "eight"),
        ("COMMIT; SHOW my.tenant", "seven"),
        // What a statement asks for that then fails does not happen, nor does the next one do it.
        (
            "SELECT set_config('my.tenant', 'nine', false), 1 / (a - 1) FROM (VALUES (1)) AS t(a)",
            "22012",
        ),
        ("SELECT current_setting('my.tenant')", "seven"),
        ("SHOW my.tenant", "seven"),
    ] {
        assert_eq!(shown(&mut client, sql), value, "{sql}");
    }
    // What the engine refuses is known when the statement ends.
    let error = client.error("SELECT set_config('memory_limit', '1TB', false)");
    assert_eq!(error.code(), "42501");
    // The client is told before the statement has ended; planning alone changes nothing.
    let messages = client.run("SELECT set_config('TimeZone', 'Asia/Kolkata', false)");
    assert_eq!(tags(&messages), "TDSCZ");
    assert_eq!(messages[2].text(), "TimeZone\0Asia/Kolkata");
    client.parse("s", "SELECT set_config('TimeZone', $1, false)", &[]);
    client.describe('S', "s");
    client.sync();
    assert_eq!(tags(&client.until_ready()), "1tTZ");
    assert_eq!(shown(&mut client, "SHOW TimeZone"), "Asia/Kolkata");
    client.bind("", "s", &[], &[Some(b"UTC")], &[]);
    client.execute("", 0);
    client.sync();
    assert_eq!(tags(&client.until_ready()), "2DSCZ");
}

#[test]
fn what_is_set_is_part_of_the_transaction() {
    let server = server();
    let mut client = server.connect();
    let show = |client: &mut Client| shown(client, "SHOW application_name");
    client.run("SET application_name = 'a'");
    for (script, value) in [
        ("BEGIN; SET application_name = 'b'; ROLLBACK", "a"),
        ("BEGIN; SET LOCAL application_name = 'b'; COMMIT", "a"),
        (
            "BEGIN; SET application_name = 'b'; SET LOCAL application_name = 'c'; COMMIT",
            "b",
        ),
        (
            "BEGIN; SET LOCAL application_name = 'c'; SET application_name = 'd'; COMMIT",
            "d",
        ),
        (
            "BEGIN; SAVEPOINT s; SET application_name = 'e'; ROLLBACK TO s; COMMIT",
            "d",
        ),
        (
            "BEGIN; SAVEPOINT s; SET application_name = 'e'; RELEASE s; COMMIT",
            "e",
        ),
        (
            "BEGIN; SAVEPOINT s; SET LOCAL application_name = 'f'; RELEASE s; COMMIT",
            "e",
        ),
        (
            "BEGIN; SET application_name = 'f'; SELECT nothing; COMMIT",
            "e",
        ),
        ("SET application_name = 'f'; SELECT nothing", "e"),
        ("BEGIN; RESET ALL; ROLLBACK", "e"),
        ("SET application_name = 'g'; SELECT 1", "g"),
    ] {
        client.run(script);
        client.run("ROLLBACK");
        assert_eq!(show(&mut client), value, "{script}");
    }
    // The engine's settings too, and the client is told of what it has anew.
    client.run("SET statement_timeout = 1000");
    client.run("BEGIN; SET LOCAL statement_timeout = 2000; SET LOCAL TimeZone = 'Asia/Kolkata'");
    assert_eq!(shown(&mut client, "SHOW statement_timeout"), "2000");
    let messages = client.run("COMMIT");
    assert_eq!(tags(&messages), "SCZ");
    assert_eq!(messages[0].text(), "TimeZone\0UTC");
    assert_eq!(shown(&mut client, "SHOW statement_timeout"), "1000");
    // Outside of a transaction it has no effect, and says so.
    let messages = client.run("SET LOCAL statement_timeout = 5");
    assert_eq!(
        (tags(&messages), messages[0].code()),
        ("NCZ".into(), "25P01".into())
    );
    assert_eq!(shown(&mut client, "SHOW statement_timeout"), "1000");
}

#[test]
fn isolation_levels_are_remembered() {
    let server = server();
    let mut client = server.connect();
    for (sql, value) in [
        (
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SHOW transaction_isolation",
            "repeatable read",
        ),
        ("COMMIT; SHOW transaction_isolation", "read committed"),
        (
            "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SHOW transaction_isolation",
            "serializable",
        ),
        (
            "COMMIT AND CHAIN; SHOW transaction_isolation",
            "serializable",
        ),
        ("ROLLBACK; SHOW transaction_isolation", "read committed"),
        (
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "",
        ),
        ("SHOW transaction_isolation", "serializable"),
        ("SHOW default_transaction_isolation", "serializable"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", ""),
        ("SET default_transaction_isolation = 'chaos'", "22023"),
        (
            "RESET default_transaction_isolation; SHOW transaction_isolation",
            "read committed",
        ),
    ] {
        assert_eq!(shown(&mut client, sql), value, "{sql}");
    }
    let messages = client.run("SET TRANSACTION READ ONLY");
    assert_eq!(
        (tags(&messages), messages[0].code()),
        ("NCZ".into(), "25P01".into())
    );
}

#[test]
fn roles_are_ones_own() {
    let server = server();
    let mut client = server.connect_as("ann", &[]);
    for (sql, value) in [
        ("SET ROLE ann; SHOW role", "ann"),
        ("SET ROLE NONE; SHOW role", "none"),
        ("SET ROLE 'ann'; RESET ROLE; SHOW role", "none"),
        ("SET ROLE bob", "42501"),
        (
            "SET SESSION AUTHORIZATION ann; SHOW session_authorization",
            "ann",
        ),
        ("SET SESSION AUTHORIZATION DEFAULT", ""),
        ("RESET SESSION AUTHORIZATION", ""),
        ("SET SESSION AUTHORIZATION bob", "42501"),
        ("SET is_superuser = on", "55P02"),
    ] {
        assert_eq!(shown(&mut client, sql), value, "{sql}");
    }
}

#[test]
fn statements_that_do_nothing_have_their_tags() {
    let server = server();
    let mut client = server.connect();
    client.run("SET jit = true; SET my.x = 1");
    for (sql, tag) in [
        ("DISCARD PLANS", "DISCARD PLANS"),
        ("DISCARD TEMP", "DISCARD TEMP"),
        ("DISCARD TEMPORARY", "DISCARD TEMP"),
        ("DISCARD SEQUENCES", "DISCARD SEQUENCES"),
        ("LISTEN channel", "LISTEN"),
        ("UNLISTEN channel", "UNLISTEN"),
        ("UNLISTEN *", "UNLISTEN"),
        ("SET NAMES 'utf8'", "SET"),
        ("SET TIME ZONE 'Asia/Kolkata'", "SET"),
        ("SET TIME ZONE LOCAL", "RESET"),
        ("START TRANSACTION", "START TRANSACTION"),
        ("COMMIT", "COMMIT"),
        ("DISCARD ALL", "DISCARD ALL"),
    ] {
        assert_eq!(completed(&client.run(sql)), [tag], "{sql}");
    }
    assert_eq!(shown(&mut client, "SHOW jit"), "off");
    assert_eq!(shown(&mut client, "SHOW my.x"), "42704");
    for (sql, code) in [
        ("NOTIFY channel", "0A000"),
        ("BEGIN; DISCARD ALL", "25001"),
        ("ROLLBACK; COMMIT AND CHAIN", "25P01"),
        ("ROLLBACK AND CHAIN", "25P01"),
        ("SET TimeZone = 'Nowhere/Land'", "22023"),
    ] {
        assert_eq!(shown(&mut client, sql), code, "{sql}");
    }
}
