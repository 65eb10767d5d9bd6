//! What functions do that should not: the query fails with words that say how, and nothing else does.

use std::time::{Duration, Instant};

use arrow::datatypes::DataType::{Float64, Int64, Utf8};
use sheaf_base::{ErrorKind, SheafError};
use sheaf_python::{Python, PythonOptions};
use tokio_util::sync::CancellationToken;

use super::{integers, options, python, query, query_with, scalar};

/// The error of calling `text` for the row 1.
fn error_of(python: &Python, text: &str) -> SheafError {
    let function = scalar(python, text, &[Int64], Int64).unwrap();
    function
        .call(&[integers(&[Some(1)])], 1, &query())
        .expect_err(text)
}

/// The error of making a function of `text`.
fn refusal_of(python: &Python, text: &str) -> SheafError {
    scalar(python, text, &[Int64], Int64).expect_err(text)
}

/// Whether `python` still answers.
fn assert_works(python: &Python) {
    let function = scalar(python, "def f(a: int): return a + 1", &[Int64], Int64).unwrap();
    let result = function.call(&[integers(&[Some(1)])], 1, &query()).unwrap();
    assert_eq!(&result, &integers(&[Some(2)]));
}

#[test]
fn an_exception_comes_with_its_traceback_and_what_was_printed() {
    let python = python();
    let text = "def helper(a):\n    print('got', a)\n    return 1 // 0\n\ndef f(a: int):\n    return helper(a)";
    let error = error_of(&python, text);
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_eq!(error.state().code(), "38000");
    assert!(
        error.message().starts_with("ZeroDivisionError: "),
        "{error}"
    );
    let detail = error.detail().unwrap();
    for part in [
        "line 6, in f",
        "return 1 // 0",
        "in row 1 of the batch",
        "it printed:\ngot 1",
    ] {
        assert!(detail.contains(part), "{part} is not in {detail}");
    }
    assert!(!detail.contains("sheaf worker"), "{detail}");
    assert_works(&python);
}

#[test]
fn code_that_cannot_be_a_function_is_refused_when_it_is_made() {
    let python = python();
    let cases = [
        ("def f(a:\n", "SyntaxError"),
        ("def g(a): return a", "the code has no \"f\""),
        ("f = 3", "\"f\" in the code is a int, no function"),
        (
            "def f(): return 1",
            "is declared with 1 argument, but its code takes ()",
        ),
        ("import no_such_module", "ModuleNotFoundError"),
        ("raise ValueError('at once')", "ValueError: at once"),
        (
            "import numpy as np\nasync def f(a: np.ndarray): return a",
            "cannot be arrays",
        ),
    ];
    for (text, words) in cases {
        let error = refusal_of(&python, text);
        assert!(error.message().contains(words), "{text}: {error}");
        assert_eq!(error.state().code(), "42P13", "{text}");
    }
    assert_works(&python);
}

#[test]
fn wrong_results_are_refused_by_type_length_and_row() {
    let python = python();
    let cases = [
        ("def f(a): return [1, 2]", "it returned 2 values for 1 rows"),
        (
            "def f(a: int): return 'one'",
            "'one' (str) is no value of type int64",
        ),
        (
            "def f(a: int): return 1.5",
            "1.5 (float) is no value of type int64",
        ),
        ("def f(a: int): return 2 ** 70", "is no value of type int64"),
        ("def f(a): return object()", "is no value of type int64"),
        (
            "import pyarrow as pa\ndef f(a): return pa.array(['1'])",
            "values of type string, which are not int64",
        ),
        (
            "import pyarrow as pa\ndef f(a): return pa.array([1.5])",
            "values of type double that are no int64",
        ),
        ("def f(a): return f", "is no value of type int64"),
    ];
    for (text, words) in cases {
        let error = error_of(&python, text);
        assert!(error.message().contains(words), "{text}: {error}");
    }
    assert_works(&python);
}

#[test]
fn a_worker_that_ends_says_how() {
    let python = python();
    let cases = [
        ("import os\ndef f(a): os._exit(3)", "ended with exit code 3"),
        (
            "import os, signal\ndef f(a): os.kill(os.getpid(), signal.SIGSEGV)",
            "killed by SIGSEGV",
        ),
        (
            "import os, signal\ndef f(a): os.kill(os.getpid(), signal.SIGKILL)",
            "killed by SIGKILL",
        ),
        (
            "import ctypes\ndef f(a): ctypes.string_at(0)",
            "killed by SIGSEGV",
        ),
        ("import os\ndef f(a): os.abort()", "killed by SIGABRT"),
        (
            "import os\ndef f(a):\n  os.closerange(0, 64)\n  return a",
            "its worker process",
        ),
        (
            "import os\ndef f(a):\n  print('bye', flush=True)\n  os._exit(0)",
            "exit code 0",
        ),
    ];
    for (text, words) in cases {
        let error = error_of(&python, text);
        assert!(error.message().contains(words), "{text}: {error}");
        assert_eq!(error.state().code(), "38000");
        assert_works(&python);
    }
    // `exit` is an exception, as anywhere in Python.
    assert!(
        error_of(&python, "import sys\ndef f(a): sys.exit(3)")
            .message()
            .contains("SystemExit: 3")
    );
}

#[test]
fn what_is_written_to_any_descriptor_does_not_become_a_reply() {
    let python = python();
    // All that the protocol could be on, written full of what looks like a reply.
    let text = "import os, struct\ndef f(a):\n    for fd in range(0, 32):\n        try: os.write(fd, struct.pack('<IQ', 2, 1 << 60) + b'{}')\n        except OSError: pass\n    return a";
    let error = error_of(&python, text);
    assert!(error.message().contains("broke the protocol"), "{error}");
    let text = "import os, struct\ndef f(a):\n    for fd in range(0, 32):\n        try: os.write(fd, struct.pack('<IQ', 2, 400) + b'{}' + b'\\xff' * 400)\n        except OSError: pass\n    return a";
    let error = error_of(&python, text);
    assert!(error.message().contains("broke the protocol"), "{error}");
    assert_works(&python);
}

#[test]
fn printing_neither_blocks_nor_corrupts() {
    let python = python();
    let text = "import os, sys\ndef f(a: int):\n    print('x' * 3_000_000)\n    os.system('echo from a child')\n    os.write(1, b'raw')\n    sys.stderr.write('\\x1b[31mred')\n    input_ = sys.stdin.read()\n    return a + len(input_)";
    let printed = std::sync::Arc::new(parking_lot::Mutex::new(String::new()));
    let seen = std::sync::Arc::clone(&printed);
    let show = move |text: &str| seen.lock().push_str(text);
    let function = scalar(&python, text, &[Int64], Int64).unwrap();
    let context = query().with_printed(std::sync::Arc::new(show));
    let result = function.call(&[integers(&[Some(1)])], 1, &context).unwrap();
    assert_eq!(&result, &integers(&[Some(1)]));
    let printed = printed.lock();
    assert!(printed.starts_with("xxxx") && printed.len() < 20_000);
    assert!(
        printed.contains("bytes more"),
        "{}",
        &printed[printed.len() - 60..]
    );
}

#[test]
fn a_loop_ends_with_the_timeout_or_the_query() {
    let quick = Python::new(PythonOptions {
        call_timeout: Some(Duration::from_millis(300)),
        ..options()
    });
    let forever = "def f(a):\n    print('begun', flush=True)\n    while True: pass";
    let start = Instant::now();
    let error = error_of(&quick, forever);
    assert!(error.message().contains("longer than 0.3 s"), "{error}");
    assert_eq!(error.detail(), Some("it printed:\nbegun"));
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_works(&quick);

    let python = python();
    let function = scalar(&python, forever, &[Int64], Int64).unwrap();
    let stop = CancellationToken::new();
    let context = query_with(1_000_000_000, stop.clone());
    let caller = std::thread::spawn(move || function.call(&[integers(&[Some(1)])], 1, &context));
    std::thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    stop.cancel();
    let error = caller.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_works(&python);
}

#[test]
fn a_function_that_forks_answers_once() {
    let python = python();
    let text = "import os\ndef f(a: int):\n    os.fork()\n    return a + 1";
    let function = scalar(&python, text, &[Int64], Int64).unwrap();
    for _ in 0..3 {
        let result = function.call(&[integers(&[Some(1)])], 1, &query()).unwrap();
        assert_eq!(&result, &integers(&[Some(2)]));
    }
}

#[test]
fn memory_of_a_worker_is_limited() {
    let small = Python::new(PythonOptions {
        memory_bytes_max: 500_000_000,
        ..options()
    });
    for text in [
        "def f(a):\n    keep = bytearray(2_000_000_000)\n    return a",
        "def f(a):\n    keep = []\n    while True: keep.append(bytearray(10_000_000))",
        "import pyarrow as pa\ndef f(a):\n    return pa.nulls(1_000_000_000, pa.int64())",
    ] {
        let error = error_of(&small, text);
        assert_eq!(error.kind(), ErrorKind::Resource, "{text}: {error}");
        assert!(error.hint().unwrap().contains("python_memory_limit"));
    }
    assert_works(&small);
    // What a worker keeps beyond what is free is the query's.
    let python = python();
    let keeps = "kept = []\ndef f(a):\n    kept.append(bytearray(300_000_000))\n    return a";
    let function = scalar(&python, keeps, &[Int64], Int64).unwrap();
    let context = query_with(100_000_000, CancellationToken::new());
    let error = function
        .call(&[integers(&[Some(1)])], 1, &context)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Resource, "{error}");
}

#[test]
fn the_environment_is_trimmed() {
    let python = python();
    let text = "import os\ndef f(a: str): return ','.join(sorted(k for k in os.environ if 'CARGO' in k or 'SHEAF' in k or 'AWS' in k))";
    let function = scalar(&python, text, &[Utf8], Utf8).unwrap();
    let result = function
        .call(&[super::texts(&[Some("")])], 1, &query())
        .unwrap();
    assert_eq!(&result, &super::texts(&[Some("")]));
}

#[test]
fn an_interpreter_that_is_none_is_named() {
    let missing = Python::new(PythonOptions {
        executable: "/no/such/python".to_owned(),
        ..options()
    });
    let error = refusal_of(&missing, "def f(a): return a");
    assert!(
        error.message().contains("cannot start \"/no/such/python\""),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("python_executable"));
    let other = Python::new(PythonOptions {
        executable: "/bin/cat".to_owned(),
        ..options()
    });
    let error = refusal_of(&other, "def f(a): return a");
    assert!(
        error.message().contains("cannot use \"/bin/cat\""),
        "{error}"
    );
}

/// Processes whose environment holds `mark`.
fn marked(mark: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let is_marked = |path: std::path::PathBuf| {
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(mark)
    };
    processes.filter(|each| is_marked(each.path())).count()
}

fn wait_until_gone(mark: &str) {
    let end = Instant::now() + Duration::from_secs(10);
    while marked(mark) > 0 {
        assert!(Instant::now() < end, "{mark} is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_a_function_starts_ends_with_its_worker() {
    let python = python();
    let text =
        "import subprocess\ndef f(a):\n    subprocess.Popen(['sleep', '98761'])\n    return a";
    let function = scalar(&python, text, &[Int64], Int64).unwrap();
    function.call(&[integers(&[Some(1)])], 1, &query()).unwrap();
    assert_eq!(marked("98761"), 1);
    drop(python);
    drop(function);
    wait_until_gone("98761");
}

/// Run again by the next test in a process of its own, which is killed.
#[test]
fn a_process_that_is_killed_in_a_call() {
    if std::env::var_os("SHEAF_TEST_IS_KILLED").is_none() {
        return;
    }
    let python = python();
    let text = "import subprocess, time\ndef f(a):\n    subprocess.Popen(['sleep', '98762'])\n    while True: pass";
    let function = scalar(&python, text, &[Int64], Int64).unwrap();
    let _ = function.call(&[integers(&[Some(1)])], 1, &query());
}

#[test]
fn nothing_is_left_when_sheaf_is_killed() {
    let program = std::env::current_exe().unwrap();
    let mut child = std::process::Command::new(program)
        .args(["--exact", "hostile::a_process_that_is_killed_in_a_call"])
        .env("SHEAF_TEST_IS_KILLED", "1")
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while marked("98762") == 0 {
        assert!(Instant::now() < end, "it never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    let workers = children(child.id());
    assert!(!workers.is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until_gone("98762");
    let end = Instant::now() + Duration::from_secs(10);
    for worker in workers {
        while std::path::Path::new(&format!("/proc/{worker}/statm")).exists()
            && !std::fs::read(format!("/proc/{worker}/statm"))
                .unwrap_or_default()
                .starts_with(b"0")
        {
            assert!(Instant::now() < end, "worker {worker} is still there");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Processes whose parent is `parent`.
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|each| each.file_name().to_str()?.parse::<u32>().ok())
        .filter(|id| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            let after_name = stat.rsplit(')').next().unwrap_or_default();
            after_name.split_whitespace().nth(1) == Some(parent.to_string().as_str())
        })
        .collect()
}

#[test]
fn a_float_column_of_nan_and_infinity_is_left_alone() {
    let python = python();
    let function = scalar(&python, "def f(a): return a", &[Float64], Float64).unwrap();
    let given = super::floats(&[Some(f64::NAN), Some(f64::INFINITY), Some(-0.0), None]);
    let result = function
        .call(std::slice::from_ref(&given), 4, &query())
        .unwrap();
    assert_eq!(
        result.to_data().buffers()[0].as_slice()[..24],
        given.to_data().buffers()[0].as_slice()[..24]
    );
    assert_eq!(result.null_count(), 1);
}
