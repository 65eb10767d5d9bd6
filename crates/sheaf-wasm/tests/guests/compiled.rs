//! Guests as people make them: C by Debian's clang and lld, and AssemblyScript.
//!
//! The compilers are what `cargo xtask test setup` installs; AssemblyScript's comes from npm into the
//! target directory. Where one is missing these tests fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, StringViewArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use sheaf_udf::{Code, Language, TableCall, TableInput};
use sheaf_wasm::Wasm;

use super::{Query, declare, doubles, expect_error, schema};

const DOUBLE: DataType = DataType::Float64;
const TEXT: DataType = DataType::Utf8View;
/// The version that npm is asked for.
const ASSEMBLYSCRIPT: &str = "assemblyscript@0.28.20";

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests")
}

fn target() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output();
    let output = output.unwrap_or_else(|error| {
        panic!("{command:?}: {error}; cargo xtask test setup installs what is missing")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

fn module(path: &Path) -> Code {
    Code {
        bytes: Arc::from(fs::read(path).unwrap()),
        entry: None,
        file: Some(path.file_name().unwrap().to_string_lossy().into_owned()),
    }
}

/// `name.c`, compiled as the header says.
fn from_c(name: &str) -> Code {
    let wasm = target().join(format!("{name}-{}.wasm", std::process::id()));
    let include = here().join("../../../sheaf-guest/include");
    run(Command::new("clang")
        .args([
            "--target=wasm32",
            "-O2",
            "-msimd128",
            "-mbulk-memory",
            "-nostdlib",
        ])
        .args([
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Wl,--no-entry",
            "-Wl,--export-dynamic",
        ])
        .arg("-I")
        .arg(include)
        .arg("-o")
        .args([&wasm, &here().join(format!("c/{name}.c"))]));
    let code = module(&wasm);
    fs::remove_file(&wasm).unwrap();
    code
}

/// `guest.ts`, compiled once.
fn from_assemblyscript() -> Code {
    static WASM: OnceLock<PathBuf> = OnceLock::new();
    let wasm = WASM.get_or_init(|| {
        let folder = target().join("assemblyscript");
        fs::create_dir_all(&folder).unwrap();
        let stamp = folder.join("packages.txt");
        if fs::read_to_string(&stamp).is_ok_and(|text| text == ASSEMBLYSCRIPT) {
            // It is there already.
        } else {
            fs::write(folder.join("package.json"), "{}").unwrap();
            run(Command::new("npm")
                .args([
                    "install",
                    "--no-audit",
                    "--no-fund",
                    "--loglevel=error",
                    ASSEMBLYSCRIPT,
                ])
                .current_dir(&folder));
            fs::write(&stamp, ASSEMBLYSCRIPT).unwrap();
        }
        let source = folder.join("guest.ts");
        fs::copy(here().join("assemblyscript/guest.ts"), source).unwrap();
        run(Command::new("node_modules/.bin/asc")
            .args(["guest.ts", "-O", "--runtime", "minimal", "-o", "guest.wasm"])
            .current_dir(&folder));
        folder.join("guest.wasm")
    });
    module(wasm)
}

#[test]
fn c_over_values_and_over_columns() {
    let code = from_c("numbers");
    let query = Query::large();
    let values = || -> [ArrayRef; 2] {
        [
            Arc::new(Float64Array::from(vec![
                Some(1.5),
                None,
                Some(-2.0),
                Some(0.0),
            ])),
            Arc::new(Float64Array::from(vec![
                Some(1.0),
                Some(1.0),
                None,
                Some(7.0),
            ])),
        ]
    };
    let expected: ArrayRef = Arc::new(Float64Array::from(vec![Some(4.0), None, None, Some(7.0)]));
    for name in ["score", "scores"] {
        let function = Wasm
            .scalar(&code, &declare(name, &[DOUBLE, DOUBLE]), &DOUBLE)
            .unwrap();
        let result = function.call(&values(), 4, &query.context).unwrap();
        assert_eq!(&result, &expected, "{name}");
    }
    let wrong = Wasm.scalar(&code, &declare("scores", &[DOUBLE, TEXT]), &DOUBLE);
    expect_error(wrong, &["numbers-", ".wasm: scores takes two DOUBLEs"]);
}

#[test]
fn c_as_an_aggregate() {
    let code = from_c("numbers");
    let query = Query::large();
    let rms = Wasm
        .aggregate(&code, &declare("rms", &[DOUBLE]), &DOUBLE)
        .unwrap();
    let mut groups = rms.groups(&query.context).unwrap();
    groups
        .update(&[doubles(&[3.0, 4.0, 5.0])], &[0, 0, 1], 3)
        .unwrap();
    let results = groups.take_results(3).unwrap();
    let expected: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(12.5_f64.sqrt()),
        Some(5.0),
        None,
    ]));
    assert_eq!(&results, &expected);
}

#[test]
fn c_over_texts() {
    let code = from_c("text");
    let query = Query::large();
    for text in [DataType::Utf8, DataType::Utf8View] {
        let shout = Wasm
            .scalar(&code, &declare("shout", std::slice::from_ref(&text)), &TEXT)
            .unwrap();
        let values = StringArray::from(vec![Some("größe"), None, Some(""), Some("abc xyz")]);
        let values = arrow::compute::cast(&values, &text).unwrap();
        let result = shout
            .call(&[values.slice(1, 3)], 3, &query.context)
            .unwrap();
        let expected: ArrayRef = Arc::new(StringViewArray::from(vec!["(NONE)", "", "ABC XYZ"]));
        assert_eq!(&result, &expected);
        let result = shout.call(&[values], 4, &query.context).unwrap();
        assert_eq!(result.as_string_view().value(0), "GRößE");
    }
}

#[test]
fn c_as_a_table_function() {
    let code = from_c("text");
    let declaration = declare("tokens", &[TEXT]);
    let returns = schema(&[("tok", TEXT), ("pos", DataType::Int64)]);
    let tokens = Wasm.table(&code, &declaration, &returns).unwrap();
    let arguments = schema(&[("t", TEXT)]);
    let call = TableCall {
        values: vec![None],
        input: TableInput::Arguments(Arc::clone(&arguments)),
    };
    let query = Query::large();
    let mut running = tokens.open(&call, &query.context).unwrap();
    let long = "wort ".repeat(20_001);
    // It looks at 16 bytes at once, whatever texts they are of.
    let wide = [15, 16, 17, 45].map(|bytes| "x".repeat(bytes)).join(" ");
    let texts = [
        Some(" the  quick "),
        None,
        Some(""),
        Some(long.as_str()),
        Some(wide.as_str()),
        Some("fox"),
    ];
    let expected: Vec<(u32, &str, i64)> = (0..)
        .zip(texts)
        .flat_map(|(row, text)| {
            let words = text
                .unwrap_or_default()
                .split(' ')
                .filter(|word| !word.is_empty());
            words.zip(1..).map(move |(word, place)| (row, word, place))
        })
        .collect();
    for _ in 0..3 {
        let column: ArrayRef = Arc::new(StringViewArray::from(texts.to_vec()));
        running
            .push(&RecordBatch::try_new(Arc::clone(&arguments), vec![column]).unwrap())
            .unwrap();
        let mut outputs = Vec::new();
        while let Some(output) = running.next().unwrap() {
            outputs.push(output);
        }
        let rows = outputs.iter().flat_map(|output| {
            let (words, places) = (output.rows.column(0), output.rows.column(1));
            let places = places.as_primitive::<Int64Type>().values().iter().copied();
            let words = words.as_string_view().iter().map(Option::unwrap_or_default);
            let origin = output.origin.as_ref().unwrap().values().iter().copied();
            origin
                .zip(words)
                .zip(places)
                .map(|((row, word), place)| (row, word, place))
        });
        assert_eq!(rows.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn assemblyscript_over_values_and_texts() {
    let code = from_assemblyscript();
    let query = Query::large();
    let score = Wasm
        .scalar(&code, &declare("score", &[DOUBLE, DOUBLE]), &DOUBLE)
        .unwrap();
    let result = score
        .call(&[doubles(&[1.5]), doubles(&[1.0])], 1, &query.context)
        .unwrap();
    assert_eq!(result.as_primitive::<Float64Type>().values(), &[4.0]);
    let root = Wasm
        .scalar(&code, &declare("root", &[DOUBLE]), &DOUBLE)
        .unwrap();
    let failed = root.call(&[doubles(&[4.0, -1.0])], 2, &query.context);
    let error = expect_error(
        failed,
        &["guest.wasm, batch 1: root of a negative number (guest.ts:8:"],
    );
    assert_eq!(error.detail(), Some("called with a = -1.0"));
    let mirrored = Wasm
        .scalar(&code, &declare("mirrored", &[TEXT]), &TEXT)
        .unwrap();
    for _ in 0..3 {
        let texts: ArrayRef = Arc::new(StringViewArray::from(vec![Some("abc"), None, Some("né!")]));
        let result = mirrored.call(&[texts], 3, &query.context).unwrap();
        let expected: ArrayRef =
            Arc::new(StringViewArray::from(vec![Some("cba"), None, Some("!én")]));
        assert_eq!(&result, &expected);
    }
}
