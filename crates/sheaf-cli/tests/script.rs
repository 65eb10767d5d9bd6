//! The binary in scripts: exit codes, formats, streaming, error reports, the demo's numbers.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn sheaf() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sheaf"));
    // Nothing of the machine's settings, colours or configuration may change what comes out.
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("XDG_CONFIG_HOME", "/nonexistent");
    command
}

fn run(arguments: &[&str]) -> Output {
    sheaf()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn run_with_input(arguments: &[&str], input: &str) -> Output {
    let mut child = sheaf()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Runs and expects exit code 0 and a quiet standard error.
fn answer(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(0), ""),
        "{arguments:?}"
    );
    stdout(&output).to_owned()
}

#[test]
fn exit_codes_tell_what_is_wrong() {
    assert_eq!(run(&["-c", "SELECT 1"]).status.code(), Some(0));
    assert_eq!(run(&["-c", "SELECT nothing"]).status.code(), Some(1));
    assert_eq!(run(&["-c", "SELEC 1"]).status.code(), Some(1));
    assert_eq!(
        run(&["-c", "FROM '/no/such/file.csv'"]).status.code(),
        Some(1)
    );
    assert_eq!(run(&["--no-such-option"]).status.code(), Some(2));
    assert_eq!(
        run(&["--format", "xml", "-c", "SELECT 1"]).status.code(),
        Some(2)
    );
    assert_eq!(
        run(&["--memory-limit", "lots", "-c", "SELECT 1"])
            .status
            .code(),
        Some(2)
    );
    assert_eq!(run(&["-f", "/no/such/script.sql"]).status.code(), Some(2));
    assert_eq!(
        run(&["--config", "/no/such/config", "-c", "SELECT 1"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn a_box_is_the_usual_format() {
    let expected = "\
┌────────┬─────────┐
│ answer │ name    │
│ bigint │ varchar │
├────────┼─────────┤
│     42 │ NULL    │
└────────┴─────────┘
1 row
";
    assert_eq!(
        answer(&["-c", "SELECT 42 AS answer, CAST(NULL AS VARCHAR) AS name"]),
        expected
    );
}

#[test]
fn text_formats_show_the_same_values() {
    let sql = "SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS t(n, s) ORDER BY n";
    let formats = [
        ("csv", "n,s\n1,a\n2,\n"),
        ("tsv", "n\ts\n1\ta\n2\t\n"),
        ("json", "[{\"n\":1,\"s\":\"a\"},\n {\"n\":2,\"s\":null}]\n"),
        ("ndjson", "{\"n\":1,\"s\":\"a\"}\n{\"n\":2,\"s\":null}\n"),
        (
            "markdown",
            "|   n | s    |\n| --: | ---- |\n|   1 | a    |\n|   2 | NULL |\n",
        ),
    ];
    for (format, expected) in formats {
        assert_eq!(
            answer(&["--format", format, "-c", sql]),
            expected,
            "{format}"
        );
    }
}

#[test]
fn columnar_formats_are_files_that_can_be_read_back() {
    let directory = tempfile::tempdir().unwrap();
    for format in ["parquet", "arrow"] {
        let path = directory.path().join(format!("result.{format}"));
        let path = path.to_str().unwrap();
        answer(&[
            "--format",
            format,
            "-o",
            path,
            "-c",
            "SELECT value FROM range(1000)",
        ]);
        let sql = format!("SELECT count(*) AS n, sum(value) AS s FROM '{path}'");
        assert_eq!(
            answer(&["--format", "csv", "-c", &sql]),
            "n,s\n1000,499500\n",
            "{format}"
        );
    }
    let two = run(&["--format", "parquet", "-c", "SELECT 1; SELECT 2"]);
    assert_eq!(two.status.code(), Some(1));
    assert!(
        stderr(&two).contains("the format holds one result"),
        "{}",
        stderr(&two)
    );
}

#[test]
fn errors_show_the_line_with_a_caret_and_a_hint() {
    let output = run(&[
        "-c",
        "SELECT a,\n  '桃',\n  amuont\nFROM (SELECT 1 AS a, 2 AS amount)",
    ]);
    assert_eq!(stdout(&output), "");
    let expected = "error: column \"amuont\" does not exist\nline 3:   amuont\n          ^\n\
                    hint: did you mean \"amount\"?\n";
    assert_eq!(stderr(&output), expected);
}

#[test]
fn scripts_name_their_file_and_line_and_stop_at_the_first_error() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("report.sql");
    std::fs::write(
        &script,
        "-- a report\n\nSELECT 1 AS one;\nSELECT\n  oops;\nSELECT 2 AS two;\n",
    )
    .unwrap();
    let output = run(&["--format", "csv", "-f", script.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "one\n1\n");
    let place = format!("{}:5:   oops;\n", script.display());
    assert!(stderr(&output).contains(&place), "{}", stderr(&output));
}

#[test]
fn standard_input_is_a_script_with_commands_and_variables() {
    let input =
        "\\set n 6\n\\pset format csv\nSELECT :n * 7 AS answer, ':n' AS text;\n\\q\nSELECT 1;\n";
    let output = run_with_input(&[], input);
    assert_eq!(
        (stdout(&output), stderr(&output)),
        ("answer,text\n42,:n\n", "")
    );
    let output = run_with_input(
        &["-v", "who=O'Hara", "--format", "csv"],
        "SELECT :'who' AS who",
    );
    assert_eq!(stdout(&output), "who\nO'Hara\n");
}

#[test]
fn sources_run_in_the_order_of_the_command_line() {
    let output = run_with_input(
        &[
            "--format",
            "csv",
            "-c",
            "SELECT 1 AS a",
            "-f",
            "-",
            "-c",
            "SELECT 3 AS c",
        ],
        "SELECT 2 AS b;",
    );
    assert_eq!(stdout(&output), "a\n1\nb\n2\nc\n3\n");
}

#[test]
fn settings_come_from_all_layers() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config");
    std::fs::write(
        &config,
        "# mine\nbatch_size = 1000\nstatement_timeout = 9s\n",
    )
    .unwrap();
    let output = sheaf()
        .args([
            "--config",
            config.to_str().unwrap(),
            "--format",
            "csv",
            "--time-zone",
            "UTC",
        ])
        .args(["-c", "SHOW batch_size", "-c", "SHOW statement_timeout"])
        .env("SHEAF_STATEMENT_TIMEOUT", "8s")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(stderr(&output), "");
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert_eq!((lines[1], lines[3]), ("1000", "8s"), "{lines:?}");
}

#[test]
fn output_streams_and_a_reader_may_leave() {
    let started = Instant::now();
    // A hundred times what could be sent in the time that the test allows.
    let sql = "SELECT value AS v FROM range(100000000000)";
    let mut child = sheaf()
        .args(["--format", "csv", "-c", sql])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: Vec<String> = lines.by_ref().take(3).map(Result::unwrap).collect();
    assert_eq!(first, ["v", "0", "1"]);
    drop(lines);
    let mut errors = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    assert_eq!(
        (child.wait().unwrap().code(), errors.as_str()),
        (Some(0), "")
    );
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

/// Sheaf as the other end of a conversation: statements go in, answers come out.
fn conversation() -> (Child, ChildStdin, Lines<BufReader<ChildStdout>>) {
    let mut child = sheaf()
        .args(["--format", "csv"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.take().unwrap();
    let answers = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, input, answers)
}

#[test]
fn statements_run_as_they_are_read() {
    let (child, mut input, mut answers) = conversation();
    let mut next = || answers.next().unwrap().unwrap();
    // Each answer comes before the next statement is written; the last one began before it.
    input.write_all(b"SELECT 1 AS a;\n").unwrap();
    assert_eq!((next(), next()), ("a".to_owned(), "1".to_owned()));
    input.write_all(b"SELECT\n  2 AS b; SELECT 3\n").unwrap();
    assert_eq!((next(), next()), ("b".to_owned(), "2".to_owned()));
    input.write_all(b"AS c;\nSELECT nosuch;\n").unwrap();
    assert_eq!((next(), next()), ("c".to_owned(), "3".to_owned()));
    // A script stops at its first error, whatever may follow.
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("stdin:5"), "{}", stderr(&output));
}

#[test]
fn ctrl_c_ends_the_wait_for_a_script() {
    let (mut child, mut input, mut answers) = conversation();
    input.write_all(b"SELECT 1 AS a;\n").unwrap();
    assert_eq!(answers.by_ref().take(2).count(), 2);
    let pressed = Instant::now();
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(
        pressed.elapsed() < Duration::from_secs(4),
        "{:?}",
        pressed.elapsed()
    );
}

#[test]
fn a_data_file_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("it's.csv");
    std::fs::write(&path, "a,b\n1,x\n").unwrap();
    assert_eq!(
        answer(&["--format", "csv", path.to_str().unwrap()]),
        "a,b\n1,x\n"
    );
}

#[test]
fn a_name_that_sql_cannot_hold_is_said_to_be_one() {
    let output = sheaf()
        .arg(OsStr::from_bytes(b"\xff.csv"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "error: the name \u{fffd}.csv is not valid UTF-8, as SQL is\nhint: rename the file\n"
    );
}

#[test]
fn scripts_of_other_systems_run() {
    let script = "\u{feff}SELECT 1 AS one;\r\n\\pset format csv\r\nSELECT 2 AS two;\r\n";
    let output = run_with_input(&["--format", "csv"], script);
    assert_eq!((stdout(&output), stderr(&output)), ("one\n1\ntwo\n2\n", ""));
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_that_cannot_be_written_is_named() {
    let arguments = ["--format", "csv", "-c", "SELECT 1", "-o", "/dev/full"];
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).starts_with("error: /dev/full: no space left"),
        "{}",
        stderr(&output)
    );
    let output = sheaf()
        .args(&arguments[..4])
        .stdin(Stdio::null())
        .stdout(std::fs::File::create("/dev/full").unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).starts_with("error: standard output: no space left"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn help_and_completions_come_from_the_declarations() {
    let help = answer(&["--help"]);
    for words in [
        "--memory-limit <SIZE>",
        "--format <FORMAT>",
        "completions",
        "demo",
    ] {
        assert!(help.contains(words), "{words} in {help}");
    }
    let settings = answer(&["help", "settings"]);
    assert!(settings.contains("SHEAF_MEMORY_LIMIT"), "{settings}");
    assert!(answer(&["help", "formats"]).contains("read_parquet"));
    assert!(answer(&["help", "sql"]).contains("CREATE EXTERNAL TABLE"));
    assert!(answer(&["help", "functions"]).contains("array_sort"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            answer(&["completions", shell]).contains("memory-limit"),
            "{shell}"
        );
    }
    assert_eq!(run(&["help", "nonsense"]).status.code(), Some(2));
}

/// The numbers that the sample data's formulas give; see `demo/tour.rs`.
const DEMO_ANSWERS: [&str; 7] = [
    "id,method,endpoint,status,duration_ms,user_id
0,POST,/api/users,200,10,0
1,GET,/api/orders,200,11,1
2,GET,/api/products,200,12,2
3,GET,/health,200,13,3
4,GET,/metrics,404,14,4
",
    "endpoint,requests,avg_ms,peak_ms,errors,error_rate_pct
/metrics,16000,411.5,809,4572,28.58
/health,16000,410.5,808,4571,28.57
/api/products,16000,409.5,807,4571,28.57
/api/orders,16000,408.5,806,4571,28.57
/api/users,16000,407.5,805,4571,28.57
",
    "requests,errors,slower_than_500_ms\n80000,22856,30900\n",
    "service,avg_ms,errors\napi,260.0,415\nauth,257.0,415\ndb,260.0,415\nworker,260.0,420\n",
    "errors\n1665\n",
    "region,sales,amount
east,1000,49250.0
north,1000,48250.0
south,1000,50250.0
west,1000,51250.0
",
    "endpoint,requests,avg_ms
/api/orders,16000,408.5
/api/products,16000,409.5
/api/users,16000,407.5
/health,16000,410.5
/metrics,16000,411.5
",
];

#[test]
fn the_demo_prints_its_numbers_twice() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("it's a demo");
    let path = path.to_str().unwrap();
    for _ in 0..2 {
        let output = run(&["demo", path, "--format", "csv"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stdout(&output), DEMO_ANSWERS.join("\n"));
        assert!(stderr(&output).contains("Try next:"));
    }
    assert!(Path::new(path).join("summary.parquet").exists());
    let told = answer(&["demo", path]);
    assert!(
        told.contains("Requests, times and errors by endpoint."),
        "{told}"
    );
    assert!(
        told.contains("│ /metrics      │    16000 │  411.5 │"),
        "{told}"
    );
}
