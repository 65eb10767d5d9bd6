//! The roles `file_reader` and `writer`: files beneath directories that the server was given, and no
//! others.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use sheaf::Session;
use sheaf::files::stores::{Root, Roots};
use sheaf_pgwire::{Role, ServerOptions, Users, Verifier};
use support::{Client, Running};
use tempfile::TempDir;

/// A directory with `data` and `out`, which are roots, and `secret.csv`, which is beneath neither.
struct House {
    place: TempDir,
    server: Running,
}

fn house() -> House {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    for directory in ["data/2024", "out"] {
        fs::create_dir_all(path.join(directory)).unwrap();
    }
    fs::write(path.join("data/2024/a.csv"), "n\n1\n2\n").unwrap();
    fs::write(path.join("data/2024/b.csv"), "n\n3\n").unwrap();
    fs::write(path.join("secret.csv"), "n\n666\n").unwrap();
    symlink(path, path.join("data/up")).unwrap();
    symlink(path, path.join("out/up")).unwrap();
    symlink("../secret.csv", path.join("data/link.csv")).unwrap();
    let root = |name: &str| Arc::new(Root::open(&path.join(name)).unwrap());
    let mut users = Users::default();
    for (name, role) in [
        ("rita", Role::Reader),
        ("fred", Role::FileReader),
        ("will", Role::Writer),
    ] {
        users
            .put(name, role, Verifier::new("secret").unwrap())
            .unwrap();
    }
    let session = Session::builder().setting("threads", "2").unwrap();
    let server = Running::with(
        ServerOptions {
            users,
            roots: Arc::new(Roots::new(vec![root("data")], Some(root("out")))),
            ..ServerOptions::default()
        },
        session.build().unwrap(),
    );
    House { place, server }
}

impl House {
    fn log_in(&self, user: &str) -> Client {
        let mut client = Client::open(self.server.address);
        client.startup(user, &[]);
        client.authenticate("secret");
        client.until_ready();
        client
    }

    fn path(&self, name: &str) -> String {
        let place = self.place.path().canonicalize().unwrap();
        place.join(name).display().to_string()
    }
}

#[test]
fn files_beneath_the_root_are_read_by_any_way_of_naming_them() {
    let house = house();
    let mut client = house.log_in("fred");
    for from in [
        "'2024/*.csv'".to_owned(),
        "'2024/'".to_owned(),
        "read_csv('2024/*.csv')".to_owned(),
        "read_csv(['2024/a.csv', '2024/b.csv'])".to_owned(),
        format!("'{}'", house.path("data/2024/*.csv")),
        format!("'file://{}'", house.path("data/2024/*.csv")),
    ] {
        let sum = client.rows(&format!("SELECT sum(n) FROM {from}"));
        assert_eq!(sum, [["6"]], "{from}");
    }
    client.run("CREATE VIEW v AS SELECT n FROM '2024/a.csv'");
    client.run("CREATE EXTERNAL TABLE e STORED AS CSV LOCATION '2024/b.csv'");
    assert_eq!(client.rows("SELECT count(*) FROM v"), [["2"]]);
    assert_eq!(client.rows("SELECT n FROM e"), [["3"]]);
    client.run("DROP VIEW v");
    assert_eq!(
        client.rows("SELECT DISTINCT _path FROM read_csv('2024/*.csv') ORDER BY 1"),
        [["2024/a.csv"], ["2024/b.csv"]]
    );
    // Whatever it makes ends with it, and is nobody else's.
    assert_eq!(
        house.log_in("fred").error("SELECT * FROM e").code(),
        "42P01"
    );
}

#[test]
fn nothing_else_is_read() {
    let house = house();
    let secret = house.path("secret.csv");
    let ways = |path: &str| {
        vec![
            format!("SELECT * FROM '{path}'"),
            format!("SELECT * FROM read_csv('{path}')"),
            format!("SELECT * FROM read_csv(['2024/a.csv', '{path}'])"),
            format!("SELECT * FROM read_text('{path}')"),
            format!("EXPLAIN ANALYZE SELECT * FROM '{path}'"),
            format!("CREATE VIEW w AS SELECT * FROM '{path}'"),
            format!("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '{path}'"),
            format!("DECLARE c CURSOR WITH HOLD FOR SELECT * FROM '{path}'"),
            format!("COPY (SELECT * FROM '{path}') TO STDOUT"),
            format!("SELECT (SELECT max(n) FROM '{path}')"),
            format!("DESCRIBE SELECT * FROM '{path}'"),
        ]
    };
    for user in ["fred", "will"] {
        let mut client = house.log_in(user);
        let paths = [
            secret.as_str(),
            "../secret.csv",
            "2024/../../secret.csv",
            "/etc/passwd",
            "/proc/self/environ",
            "~/.bashrc",
            "s3://bucket/secret.csv",
            "http://127.0.0.1/secret.csv",
            "up/secret.csv",
            "up/*.csv",
            "link.csv",
        ];
        for path in paths {
            for sql in ways(path) {
                let error = client.error(&sql);
                assert!(!error.text().contains("666"), "{sql}");
                assert!(
                    ["42501", "58P01", "58030"].contains(&error.code().as_str()),
                    "{user}: {sql}: {error:?}"
                );
            }
        }
        // A prepared statement is looked at when it is executed.
        client.run(&format!("PREPARE p AS SELECT * FROM '{secret}'"));
        assert_eq!(client.error("EXECUTE p").code(), "42501");
        // What a pattern reaches of links that lead out is nothing.
        assert_eq!(client.error("SELECT * FROM '*.csv'").code(), "58P01");
    }
    let mut reader = house.log_in("rita");
    assert_eq!(reader.error("SELECT * FROM '2024/a.csv'").code(), "42501");
}

#[test]
fn files_are_written_beneath_the_one_root_for_that() {
    let house = house();
    let mut client = house.log_in("will");
    client.run("COPY (SELECT n * 2 AS m FROM '2024/*.csv') TO 'doubled.parquet'");
    client.run(&format!(
        "COPY (SELECT 7 AS m) TO '{}'",
        house.path("out/seven.csv")
    ));
    client.run("COPY (SELECT 1 AS a, 2 AS b) TO 'parts' (FORMAT csv) PARTITIONED BY (a)");
    let doubled = format!("SELECT sum(m) FROM '{}'", house.path("out/doubled.parquet"));
    assert_eq!(client.rows(&doubled), [["12"]]);
    let seven = fs::read_to_string(house.path("out/seven.csv")).unwrap();
    assert_eq!(seven, "m\n7\n");
    assert!(Path::new(&house.path("out/parts/a=1")).is_dir());
    client.run("CREATE TABLE t AS SELECT 5 AS x");
    assert_eq!(client.rows("SELECT x FROM t"), [["5"]]);
    for target in [
        "../x.csv".to_owned(),
        "up/x.csv".to_owned(),
        "up/data/x.csv".to_owned(),
        house.path("data/x.csv"),
        house.path("x.csv"),
        "/dev/full".to_owned(),
        "s3://bucket/x.csv".to_owned(),
    ] {
        let error = client.error(&format!("COPY (SELECT 1 AS x) TO '{target}'"));
        // The kernel is who refuses to go through a link.
        let code = if target.starts_with("up/") {
            "58030"
        } else {
            "42501"
        };
        assert_eq!(error.code(), code, "{target}: {error:?}");
    }
    assert!(!Path::new(&house.path("x.csv")).exists());
    assert!(!Path::new(&house.path("data/x.csv")).exists());
    for (user, code) in [("fred", "25006"), ("rita", "25006")] {
        let mut other = house.log_in(user);
        for sql in [
            "COPY (SELECT 1 AS x) TO 'x.csv'",
            "CREATE TABLE t AS SELECT 1 AS x",
        ] {
            assert_eq!(other.error(sql).code(), code, "{user}: {sql}");
        }
    }
    // What writers wrote, others may not read.
    let error = house.log_in("fred").error(&doubled);
    assert_eq!(error.code(), "42501");
}

#[test]
fn neither_role_may_what_is_an_admins() {
    let house = house();
    for user in ["fred", "will"] {
        let mut client = house.log_in(user);
        for (sql, code) in [
            ("SET memory_limit = '1GB'", "42501"),
            ("SELECT * FROM sheaf.queries", "42501"),
            ("CREATE FUNCTION f(a INT) RETURNS INT AS 'a'", "42501"),
            ("CANCEL QUERY 1", "25006"),
        ] {
            assert_eq!(client.error(sql).code(), code, "{user}: {sql}");
        }
    }
}
