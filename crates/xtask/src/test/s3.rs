//! Reads and writes a local server that speaks S3: moto, in a Python environment of its own.
//!
//! The server holds the files of the demo. What is asked of it has answers known from the demo's
//! formulas.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{demo, sheaf};
use crate::failure::{Context, Failure, Result};
use crate::process::Tally;
use crate::workspace;

/// The packages of the server's environment.
const PACKAGES: [&str; 1] = ["moto[server]==5.*"];
const BUCKET: &str = "sheaf-test";
/// How long the server may take to answer for the first time.
const START_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long one request may take.
const REQUEST_WAIT_MAX: Duration = Duration::from_secs(30);

/// A statement and what it must give.
struct Case {
    sql: &'static str,
    outcome: Outcome,
}

enum Outcome {
    /// These lines of CSV, the header first.
    Rows(&'static str),
    /// Nothing to look at.
    Done,
    /// Exit code 1 and an error that holds this text.
    Error(&'static str),
}

/// Every statement, in order: later ones read what earlier ones wrote.
static CASES: &[Case] = &[
    Case {
        sql: "SELECT count(*) AS n, sum(id) AS s FROM 's3://sheaf-test/**/access_*.jsonl'",
        // 0 + 1 + … + 79999 = 80000 * 79999 / 2
        outcome: Outcome::Rows("n,s\n80000,3199960000\n"),
    },
    Case {
        sql: "COPY (SELECT i, i % 3 AS k FROM generate_series(1, 9) AS t(i)) \
              TO 's3://sheaf-test/out/nine.parquet'",
        outcome: Outcome::Done,
    },
    Case {
        sql: "SELECT count(*) AS n, sum(i) AS s FROM 's3://sheaf-test/out/nine.parquet'",
        outcome: Outcome::Rows("n,s\n9,45\n"),
    },
    Case {
        sql: "COPY (SELECT i, i % 3 AS k FROM generate_series(1, 9) AS t(i)) \
              TO 's3://sheaf-test/tree' (FORMAT csv, PARTITIONED_BY (k))",
        outcome: Outcome::Done,
    },
    Case {
        // 1 + 4 + 7
        sql: "SELECT sum(i) AS s FROM 's3://sheaf-test/tree/**/*.csv' WHERE k = 1",
        outcome: Outcome::Rows("s\n12\n"),
    },
    Case {
        sql: "FROM 's3://sheaf-test/nothing_here.parquet'",
        outcome: Outcome::Error("nothing_here.parquet"),
    },
    Case {
        sql: "COPY (SELECT 10 / (i - 500000) AS x FROM generate_series(1, 600000) AS t(i)) \
              TO 's3://sheaf-test/failed/x.parquet'",
        outcome: Outcome::Error("zero"),
    },
    Case {
        sql: "FROM 's3://sheaf-test/failed/*'",
        outcome: Outcome::Error("failed"),
    },
    Case {
        sql: "COPY (FROM array_reshape(array_arange(20, chunks => 5), [4, 5])) \
              TO 's3://sheaf-test/arrays/x.zarr' (FORMAT zarr)",
        outcome: Outcome::Done,
    },
    Case {
        // 0 + 1 + … + 19, in a chunk for each row
        sql: "SELECT count(*) AS chunks, tensor_sum(v) AS s FROM 's3://sheaf-test/arrays/x.zarr'",
        outcome: Outcome::Rows("chunks,s\n4,190\n"),
    },
    Case {
        // 5 * i + j for i = 1, 2 and j = 0, 2, 4: 5 + 7 + 9 + 10 + 12 + 14
        sql: "SELECT tensor_sum(v) AS s \
              FROM array_slice('s3://sheaf-test/arrays/x.zarr', '1:3, ::2')",
        outcome: Outcome::Rows("s\n57\n"),
    },
    Case {
        sql: "COPY (FROM array_arange(3)) TO 's3://sheaf-test/arrays/x.zarr' (FORMAT zarr)",
        outcome: Outcome::Error("is there already"),
    },
    Case {
        sql: "COPY (FROM array_arange(3)) \
              TO 's3://sheaf-test/arrays/x.zarr' (FORMAT zarr, OVERWRITE true)",
        outcome: Outcome::Done,
    },
    Case {
        // Of what was replaced nothing is left.
        sql: "SELECT count(*) AS chunks, tensor_sum(v) AS s FROM 's3://sheaf-test/arrays/x.zarr'",
        outcome: Outcome::Rows("chunks,s\n1,3\n"),
    },
    Case {
        sql: "COPY (FROM array_arange(20)) TO 's3://sheaf-test/arrays/x.npy'",
        outcome: Outcome::Done,
    },
    Case {
        sql: "SELECT tensor_sum(v) AS s FROM 's3://sheaf-test/arrays/x.npy'",
        outcome: Outcome::Rows("s\n190\n"),
    },
    Case {
        sql: "FROM 's3://sheaf-test/arrays/nothing.zarr'",
        outcome: Outcome::Error("nothing.zarr"),
    },
];

/// Starts the server, fills it, asks everything, stops it.
pub(super) fn run() -> Result<Tally> {
    let server = Server::start()?;
    server.put(&format!("/{BUCKET}"), &[])?;
    let files = demo::directory()?;
    for path in workspace::files(&files, "")? {
        let key = path
            .strip_prefix(&files)
            .unwrap_or(&path)
            .display()
            .to_string();
        server.put(
            &format!("/{BUCKET}/demo/{key}"),
            &fs::read(&path).context(path.display())?,
        )?;
    }
    let mut tally = Tally::default();
    for case in CASES {
        match server.check(case) {
            Ok(()) => tally.passed += 1,
            Err(failure) => {
                println!("{}\n  {failure}", case.sql);
                tally.add(Tally::failure(format!("{}: {failure}", case.sql)));
            }
        }
    }
    Ok(tally)
}

/// A running server; dropping it ends the process.
struct Server {
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is to be done about a process that has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    fn start() -> Result<Self> {
        let python = workspace::python("s3", &PACKAGES)?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let log_path = workspace::target()?.join("xtask/s3-server.log");
        let log = File::create(&log_path).context(log_path.display())?;
        let process = Command::new(python)
            .args([
                "-m",
                "moto.server",
                "--host",
                "127.0.0.1",
                "--port",
                &port.to_string(),
            ])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let server = Self { process, port };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if start.elapsed() > START_WAIT_MAX {
                let log = fs::read_to_string(&log_path).unwrap_or_default();
                return Err(Failure::new(format!(
                    "the S3 server does not answer\n{log}"
                )));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// One PUT over HTTP/1.0; the server asks for no signature.
    fn put(&self, path: &str, body: &[u8]) -> Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(REQUEST_WAIT_MAX))?;
        let head = format!(
            "PUT {path} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\nContent-Length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        if status == "200" {
            Ok(())
        } else {
            Err(Failure::new(format!("PUT {path}: {answer}")))
        }
    }

    fn check(&self, case: &Case) -> Result<()> {
        let mut command = sheaf()?;
        command
            .args(["--format", "csv", "-c", case.sql])
            .current_dir(Path::new("/"))
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
            .env(
                "AWS_ENDPOINT_URL",
                format!("http://127.0.0.1:{}", self.port),
            )
            .env("AWS_ALLOW_HTTP", "true");
        let output = command.stdin(Stdio::null()).output()?;
        let rows = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        let is_expected = match case.outcome {
            Outcome::Rows(expected) => output.status.success() && rows == expected,
            Outcome::Done => output.status.success(),
            Outcome::Error(text) => output.status.code() == Some(1) && errors.contains(text),
        };
        if is_expected {
            return Ok(());
        }
        Err(Failure::new(format!("{}\n{rows}{errors}", output.status)))
    }
}
