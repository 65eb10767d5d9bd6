//! The readers, good files for them, and what must hold of what they give.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sheaf::arrow::util::pretty::pretty_format_batches;
use sheaf::{ErrorKind, Session, SheafError};
use tempfile::TempDir;

use crate::PIECE;

/// A query may take so long; it has some kilobytes to read.
const TIMEOUT: &str = "20s";

/// A way to read a file.
pub(crate) struct Reader {
    /// Its name among the tests.
    pub(crate) name: &'static str,
    /// Good files.
    pub(crate) seeds: &'static [&'static [u8]],
    extension: &'static str,
    /// The query; `{path}` is the file.
    sql: &'static str,
    /// Whether a piece knows where its rows begin whatever stands before it.
    is_cut_anywhere: bool,
}

const RECORDS: &[&[u8]] = &[
    b"{\"id\": 1, \"name\": \"a\", \"tags\": [\"x\", \"y\"], \"at\": {\"lat\": 1.5, \"lon\": -2e3}}\n",
    b"{\"id\": 2, \"name\": null, \"ok\": true}\r\n{\"id\": \"three\", \"deep\": [[1, [2]], {\"k\": \"\\u00e9\\n\"}]}\n",
    b"17\n\"text\"\n[1, 2, 3]\nnull\n",
    "{\"größe\": 12345678901234567890, \"smile\": \"😀\"}\n".as_bytes(),
    b"",
];

const ARRAYS: &[&[u8]] = &[
    b"[{\"id\": 1}, {\"id\": 2, \"list\": [1, 2]}]",
    b"{\n  \"id\": 1,\n  \"text\": \"a\\nb\"\n}\n{\n  \"id\": 2\n}\n",
    b"[\n1,\n\"two\",\n{\"three\": 3}\n]\n",
];

const LINES: &[&[u8]] = &[
    b"plain words\nand more\n\n",
    b"level=info msg=\"it works\" took=12ms\nlevel=error msg=\"no \\\"luck\\\"\" code=5\n",
    b"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] \"GET /a.gif HTTP/1.0\" 200 2326 \"http://x/\" \"Mozilla/4.08\"\n",
    b"2026-11-30T12:00:00Z WARN [main] slow query 532 ms\n",
];

const TABLES: &[&[u8]] = &[
    b"id,name,price\n1,apple,1.50\n2,\"pear, green\",2\n3,\"two\nlines\",\n",
    b"a;b;c\r\n1;2;3\r\n4;5;6\r\n",
    b"id\tday\n1\t2026-01-31\n2\t2026-02-28\n",
    b"x\n1\n2.5\nthree\n",
    b"a,a,b\n1,2,3\n",
];

/// Every reader.
pub(crate) static READERS: &[Reader] = &[
    reader(
        "bag_lines",
        RECORDS,
        "jsonl",
        "SELECT rec, _line, _offset FROM read_bag('{path}', format => 'jsonl', on_error => 'null')",
    ),
    reader(
        "bag_paths",
        RECORDS,
        "jsonl",
        "SELECT rec.id, try_cast(rec.id AS BIGINT), rec.tags[0], try_cast(rec.at AS VARCHAR), variant_type(rec) FROM read_bag('{path}', format => 'jsonl', on_error => 'skip')",
    ),
    reader(
        "bag_strict",
        RECORDS,
        "jsonl",
        "SELECT rec FROM read_bag('{path}', format => 'jsonl')",
    ),
    reader(
        "bag_json",
        ARRAYS,
        "json",
        "SELECT rec, _line FROM read_bag('{path}', format => 'json', on_error => 'null')",
    ),
    reader(
        "bag_text",
        LINES,
        "txt",
        "SELECT rec FROM read_bag('{path}', format => 'text', on_error => 'null')",
    ),
    reader(
        "bag_latin",
        LINES,
        "txt",
        "SELECT rec FROM read_bag('{path}', format => 'text', encoding => 'latin1')",
    ),
    reader(
        "bag_logfmt",
        LINES,
        "log",
        "SELECT rec FROM read_bag('{path}', format => 'logfmt', on_error => 'null')",
    ),
    reader(
        "bag_access",
        LINES,
        "log",
        "SELECT rec FROM read_bag('{path}', format => 'combined_log', on_error => 'null')",
    ),
    reader(
        "bag_grok",
        LINES,
        "log",
        "SELECT rec FROM read_bag('{path}', format => 'grok', pattern => '%{TIMESTAMP_ISO8601:at} %{WORD:level} %{GREEDYDATA:rest}', on_error => 'null')",
    ),
    whole("csv", TABLES, "csv", "SELECT * FROM read_csv('{path}')"),
    whole(
        "csv_text",
        TABLES,
        "csv",
        "SELECT * FROM read_csv('{path}', all_varchar => true, header => false)",
    ),
    whole(
        "json",
        RECORDS,
        "jsonl",
        "SELECT * FROM read_json('{path}')",
    ),
    whole(
        "json_array",
        ARRAYS,
        "json",
        "SELECT * FROM read_json('{path}')",
    ),
    whole("text", LINES, "txt", "SELECT * FROM read_text('{path}')"),
];

const fn reader(
    name: &'static str,
    seeds: &'static [&'static [u8]],
    extension: &'static str,
    sql: &'static str,
) -> Reader {
    Reader {
        name,
        seeds,
        extension,
        sql,
        is_cut_anywhere: true,
    }
}

/// A reader whose rows may depend on where a damaged file is cut: an odd quote, say.
const fn whole(
    name: &'static str,
    seeds: &'static [&'static [u8]],
    extension: &'static str,
    sql: &'static str,
) -> Reader {
    Reader {
        is_cut_anywhere: false,
        ..reader(name, seeds, extension, sql)
    }
}

/// What a query gave: its rows in some order as text, or its error.
type Given = Result<Vec<String>, SheafError>;

/// Sessions that read files in different ways.
pub(crate) struct Sessions {
    whole: Session,
    pieces: Session,
    folder: TempDir,
}

impl Sessions {
    pub(crate) fn new() -> Result<Self, String> {
        let session = |piece: &str| {
            Session::builder()
                .setting("threads", "2")?
                .setting("statement_timeout", TIMEOUT)?
                .setting("memory_limit", "256MB")?
                .setting("partition_size", piece)?
                .build()
        };
        let told = |error: SheafError| format!("{error:?}");
        Ok(Self {
            whole: session("auto").map_err(told)?,
            pieces: session(PIECE).map_err(told)?,
            folder: TempDir::new().map_err(|error| error.to_string())?,
        })
    }

    /// Reads `bytes` in every way.
    ///
    /// # Errors
    /// What is wrong, with the seed and where the file is kept.
    pub(crate) fn check(&self, reader: &Reader, seed: u64, bytes: &[u8]) -> Result<(), String> {
        let path = self
            .folder
            .path()
            .join(format!("file.{}", reader.extension));
        fs::write(&path, bytes).map_err(|error| error.to_string())?;
        let kept = |what: String| {
            let keep = std::env::temp_dir()
                .join(format!("fuzz-{}-{seed}.{}", reader.name, reader.extension));
            let _ = fs::copy(&path, &keep);
            format!(
                "{}, seed {seed}, file {}: {what}",
                reader.name,
                keep.display()
            )
        };
        let whole = given(&self.whole, reader, &path).map_err(kept)?;
        let pieces = given(&self.pieces, reader, &path).map_err(kept)?;
        if reader.is_cut_anywhere {
            compare("in pieces", &whole, &pieces).map_err(kept)?;
        }
        let packed = compressed(&path).map_err(kept)?;
        let unpacked = given(&self.pieces, reader, &packed).map_err(kept)?;
        compare("compressed", &whole, &unpacked).map_err(kept)
    }
}

/// # Errors
/// Errors that are no user's and no file's fault, in words.
fn given(session: &Session, reader: &Reader, path: &Path) -> Result<Given, String> {
    let sql = reader.sql.replace("{path}", &path.display().to_string());
    let batches = sheaf::block_on(async { session.sql(&sql).await?.collect().await });
    match batches {
        Ok(batches) => {
            let shown = pretty_format_batches(&batches).map_err(|error| error.to_string())?;
            let mut rows: Vec<String> = shown.to_string().lines().map(str::to_owned).collect();
            rows.sort_unstable();
            Ok(Ok(rows))
        }
        Err(error) => match error.kind() {
            ErrorKind::UserInput | ErrorKind::Data | ErrorKind::Unsupported => Ok(Err(error)),
            ErrorKind::Internal | ErrorKind::Resource | ErrorKind::Cancelled => {
                Err(format!("{error:?}"))
            }
        },
    }
}

fn compare(how: &str, whole: &Given, other: &Given) -> Result<(), String> {
    match (whole, other) {
        (Err(_), Err(_)) => Ok(()),
        (Ok(rows), Ok(others)) if rows == others => Ok(()),
        (Ok(rows), Ok(others)) => {
            let first = rows.iter().find(|row| !others.contains(row));
            let more = others.iter().find(|row| !rows.contains(row));
            Err(format!(
                "other rows {how}: {first:?} is missing, {more:?} is new"
            ))
        }
        (Ok(_), Err(error)) => Err(format!("an error only {how}: {error}")),
        (Err(error), Ok(_)) => Err(format!("no error {how}, but whole: {error}")),
    }
}

/// The same file packed by gzip.
fn compressed(path: &Path) -> Result<PathBuf, String> {
    let packed = PathBuf::from(format!("{}.gz", path.display()));
    let output = fs::File::create(&packed).map_err(|error| error.to_string())?;
    let mut gzip = Command::new("gzip")
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(output)
        .spawn()
        .map_err(|error| format!("gzip: {error}"))?;
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    if let Some(mut input) = gzip.stdin.take() {
        input.write_all(&bytes).map_err(|error| error.to_string())?;
    }
    gzip.wait().map_err(|error| error.to_string())?;
    Ok(packed)
}
