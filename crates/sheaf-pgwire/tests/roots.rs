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

/// A directory with `data` and `out`, which are roots, and secrets, which are beneath neither.
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
    arrays(path);
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

/// The array 1, 2, 3 beneath `data` and the array of a single 666 elsewhere, as npy and Zarr files; links to
/// the latter, and an array whose chunk is such a link.
fn arrays(place: &Path) {
    npy(&place.join("data/a.npy"), &[1, 2, 3]);
    zarr(&place.join("data/a.zarr"), &[1, 2, 3]);
    npy(&place.join("secret.npy"), &[666]);
    zarr(&place.join("secret.zarr"), &[666]);
    symlink("../secret.npy", place.join("data/link.npy")).unwrap();
    symlink("../secret.zarr", place.join("data/link.zarr")).unwrap();
    zarr(&place.join("data/borrowed.zarr"), &[0]);
    fs::remove_file(place.join("data/borrowed.zarr/0")).unwrap();
    symlink("../../secret.zarr/0", place.join("data/borrowed.zarr/0")).unwrap();
}

fn bytes_of(numbers: &[i64]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

/// Writes numbers as NumPy does: the elements begin at byte 128.
fn npy(path: &Path, numbers: &[i64]) {
    let shape = numbers.len();
    let header = format!("{{'descr': '<i8', 'fortran_order': False, 'shape': ({shape},), }}");
    let header = format!("{header:<117}\n");
    let start: &[u8] = b"\x93NUMPY\x01\x00\x76\x00";
    let all = [start, header.as_bytes(), &bytes_of(numbers)].concat();
    fs::write(path, all).unwrap();
}

/// Writes numbers in one chunk, by version 2 of Zarr's format.
fn zarr(path: &Path, numbers: &[i64]) {
    let count = numbers.len();
    let description = format!(
        r#"{{"zarr_format": 2, "shape": [{count}], "chunks": [{count}], "dtype": "<i8",
            "compressor": null, "fill_value": 0, "order": "C", "filters": null}}"#
    );
    fs::create_dir(path).unwrap();
    fs::write(path.join(".zarray"), description).unwrap();
    fs::write(path.join("0"), bytes_of(numbers)).unwrap();
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

#[test]
fn arrays_beneath_the_root_are_read() {
    let house = house();
    let mut client = house.log_in("fred");
    for from in [
        "'a.npy'".to_owned(),
        "'a.zarr'".to_owned(),
        "read_npy('a.npy')".to_owned(),
        "read_zarr('a.zarr')".to_owned(),
        format!("'{}'", house.path("data/a.npy")),
        format!("'{}'", house.path("data/a.zarr")),
        format!("'file://{}'", house.path("data/a.zarr")),
    ] {
        let sum = client.rows(&format!("SELECT tensor_sum(v) FROM {from}"));
        assert_eq!(sum, [["6"]], "{from}");
    }
    client.run("CREATE ARRAY x AS read_zarr('a.zarr')");
    let sum = client.rows("SELECT tensor_sum(v) FROM array_add(x, 1)");
    assert_eq!(sum, [["9"]]);
}

#[test]
fn no_other_array_is_read() {
    let house = house();
    let ways = |path: &str| {
        vec![
            format!("SELECT tensor_sum(v) FROM '{path}'"),
            format!("SELECT tensor_sum(v) FROM read_npy('{path}')"),
            format!("SELECT tensor_sum(v) FROM read_zarr('{path}')"),
            format!("SELECT tensor_sum(v) FROM array_add('{path}', 1)"),
            format!("SELECT v FROM array_to_cells('{path}')"),
            format!("SELECT shape FROM array_info('{path}')"),
            format!("CREATE ARRAY w AS '{path}'"),
        ]
    };
    let paths = [
        house.path("secret.npy"),
        house.path("secret.zarr"),
        "../secret.npy".to_owned(),
        "../secret.zarr".to_owned(),
        "a.zarr/../../secret.zarr".to_owned(),
        "up/secret.npy".to_owned(),
        "up/secret.zarr".to_owned(),
        "link.npy".to_owned(),
        "link.zarr".to_owned(),
        "~/secret.npy".to_owned(),
        "s3://bucket/secret.zarr".to_owned(),
        "http://127.0.0.1/secret.npy".to_owned(),
    ];
    for user in ["fred", "will"] {
        let mut client = house.log_in(user);
        for sql in paths.iter().flat_map(|path| ways(path)) {
            let error = client.error(&sql);
            assert!(!error.text().contains("666"), "{sql}");
            assert!(
                ["42501", "58P01", "58030"].contains(&error.code().as_str()),
                "{user}: {sql}: {error:?}"
            );
        }
        // A chunk that leads out is refused, and not taken for one that is not there, which would be fill.
        let error = client.error("SELECT tensor_sum(v) FROM 'borrowed.zarr'");
        assert_eq!(error.code(), "58030", "{error:?}");
    }
    let mut reader = house.log_in("rita");
    for from in ["'a.npy'", "'a.zarr'", "read_zarr('a.zarr')"] {
        let error = reader.error(&format!("SELECT * FROM {from}"));
        assert_eq!(error.code(), "42501", "{from}");
    }
}

#[test]
fn arrays_are_written_beneath_the_one_root_for_that() {
    let house = house();
    let mut client = house.log_in("will");
    let copy = |target: &str, format: &str| {
        format!("COPY (FROM read_npy('a.npy')) TO '{target}' (FORMAT {format})")
    };
    for (name, format) in [("x.zarr", "zarr"), ("x.npy", "npy"), ("x.npz", "npz")] {
        let path = house.path(&format!("out/{name}"));
        client.run(&copy(name, format));
        assert!(Path::new(&path).exists(), "{path}");
        let sum = client.rows(&format!("SELECT tensor_sum(v) FROM '{path}'"));
        assert_eq!(sum, [["6"]], "{path}");
    }
    client.run(&copy(&house.path("out/deep/y.zarr"), "zarr"));
    assert!(Path::new(&house.path("out/deep/y.zarr/zarr.json")).is_file());
    let written = fs::read(house.path("out/x.npy")).unwrap();
    assert!(written.ends_with(&bytes_of(&[1, 2, 3])));

    for format in ["zarr", "npy"] {
        for target in [
            format!("../z.{format}"),
            format!("up/z.{format}"),
            format!("up/data/z.{format}"),
            house.path(&format!("data/z.{format}")),
            house.path(&format!("z.{format}")),
            format!("s3://bucket/z.{format}"),
        ] {
            let error = client.error(&copy(&target, format));
            // The kernel is who refuses to go through a link.
            let code = if target.starts_with("up/") {
                "58030"
            } else {
                "42501"
            };
            assert_eq!(error.code(), code, "{target}: {error:?}");
        }
        for place in ["data", ""] {
            let path = house.path(place);
            let path = Path::new(&path).join(format!("z.{format}"));
            assert!(!path.exists(), "{}", path.display());
        }
        for user in ["fred", "rita"] {
            let error = house.log_in(user).error(&format!(
                "COPY (FROM array_arange(3)) TO 'z' (FORMAT {format})"
            ));
            assert_eq!(error.code(), "25006", "{user}: {format}");
        }
    }
}
