//! JSON: arrays and lines, nested, with keys missing, with types that widen.

use std::path::Path;

use sheaf::Result;

use super::write_file;

const LINES: &str = "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n{\"a\":3,\"b\":null}\n";

pub(super) fn write(folder: &Path) -> Result<()> {
    for name in ["lines.jsonl", "lines.ndjson", "lines.json"] {
        write_file(folder, name, LINES)?;
    }
    write_file(folder, "blank_lines.jsonl", LINES.replace('\n', "\n\n"))?;
    for (name, text) in TEXTS {
        write_file(folder, name, text)?;
    }
    Ok(())
}

const TEXTS: &[(&str, &str)] = &[
    (
        "array.json",
        "[\n  {\"a\": 1, \"b\": \"x\"},\n  {\"a\": 2, \"b\": \"y\"},\n  {\n    \"a\": 3,\n    \"b\": null\n  }\n]\n",
    ),
    (
        "nested.jsonl",
        concat!(
            r#"{"id":1,"user":{"name":"ann","tags":["x","y"]},"pos":{"lat":1.5,"lon":2.5}}"#,
            "\n",
            r#"{"id":2,"user":{"name":"bob","tags":[]},"pos":{"lat":null,"lon":0.5}}"#,
            "\n",
            r#"{"id":3,"user":null}"#,
            "\n",
        ),
    ),
    (
        "missing.jsonl",
        "{\"a\":1}\n{\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\",\"c\":true}\n",
    ),
    (
        "widen.jsonl",
        "{\"id\":1,\"v\":1}\n{\"id\":2,\"v\":2.5}\n{\"id\":3,\"v\":null}\n",
    ),
    (
        "mixed_types.jsonl",
        "{\"id\":1,\"v\":1}\n{\"id\":2,\"v\":\"two\"}\n",
    ),
    (
        "unicode.jsonl",
        "{\"t\":\"zß水\"}\n{\"t\":\"\\u00e9\"}\n{\"t\":\"a\\nb\"}\n",
    ),
];
