//! The declared list of file formats: names, extensions, read functions and their options.
//!
//! The list drives detection by file name, the `read_…` functions, their help and the errors for
//! unknown options. How a format is read is in `infer` and `scan`.

pub(crate) mod bag;
mod compression;
pub(crate) mod csv;
mod notation;
pub(crate) mod on_error;
pub(crate) mod options;
pub(crate) mod types;

use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;
use sheaf_base::{Result, SheafError};

pub(crate) use self::compression::Compression;
pub use self::notation::NOTATION_OPTIONS;
pub use self::on_error::ERROR_OPTIONS;
use crate::request::{OptionValue, bad_option};

/// The formats, as code distinguishes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FormatKind {
    /// Delimited text.
    Csv,
    /// JSON: one value a line, or one array.
    Json,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, file or stream.
    Arrow,
    /// Apache Avro.
    Avro,
    /// Lines of text.
    Text,
    /// Records of any shape, one JSON value or line of a log each.
    Bag,
}

/// What values an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// true or false.
    Bool,
    /// A whole number.
    Integer,
    /// A text of one character.
    Character,
    /// A text.
    Text,
    /// A text or a list of texts.
    Texts,
    /// A struct from column names to type names.
    Types,
}

impl OptionKind {
    /// What values there are, in words.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Integer => "a whole number",
            Self::Character => "one character",
            Self::Text => "a text",
            Self::Texts => "a text or a list of texts",
            Self::Types => "a struct of type names, such as {'zip': 'VARCHAR'}",
        }
    }
}

/// A named option of a read function.
#[derive(Debug, Clone, Copy)]
pub struct OptionDecl {
    /// Its name; the first of several spellings.
    pub name: &'static str,
    /// Other spellings.
    pub aliases: &'static [&'static str],
    /// What it takes.
    pub kind: OptionKind,
    /// What it is when not given, in words.
    pub default: &'static str,
    /// What it does.
    pub doc: &'static str,
}

/// A file format.
#[derive(Debug)]
pub struct FormatDecl {
    /// How code tells it apart.
    pub kind: FormatKind,
    /// Its name, as in `COPY … (FORMAT csv)`.
    pub name: &'static str,
    /// Its name in messages.
    pub title: &'static str,
    /// File extensions, without the dot.
    pub extensions: &'static [&'static str],
    /// The function that reads it.
    pub function: &'static str,
    /// Other names of the function.
    pub function_aliases: &'static [&'static str],
    /// Options of its own; `shared_options` and [`COMMON_OPTIONS`] come in addition.
    pub options: &'static [OptionDecl],
    /// Lists of options that some formats share: [`NOTATION_OPTIONS`], [`ERROR_OPTIONS`].
    pub shared_options: &'static [&'static [OptionDecl]],
    /// What it is, in a sentence.
    pub doc: &'static str,
}

pub(crate) const fn option(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: OptionKind,
    default: &'static str,
    doc: &'static str,
) -> OptionDecl {
    OptionDecl {
        name,
        aliases,
        kind,
        default,
        doc,
    }
}

/// Options that every read function takes.
pub static COMMON_OPTIONS: &[OptionDecl] = &[
    option(
        "compression",
        &[],
        OptionKind::Text,
        "auto",
        "gzip, zstd, bzip2, xz or none; auto goes by the file's name. Parquet, Arrow and Avro \
         files compress inside and take none.",
    ),
    option(
        "hive_partitioning",
        &[],
        OptionKind::Bool,
        "detected",
        "Whether directories named key=value give columns.",
    ),
];

static JSON_OPTIONS: &[OptionDecl] = &[
    option(
        "format",
        &[],
        OptionKind::Text,
        "auto",
        "newline_delimited, array, unstructured or auto.",
    ),
    option(
        "types",
        &["columns"],
        OptionKind::Types,
        "detected",
        "Types of some columns; the others are detected.",
    ),
    option(
        "sample_size",
        &[],
        OptionKind::Integer,
        "20480",
        "Values by which columns and types are detected; -1 looks at all.",
    ),
    ENCODING,
    RESCUE,
];

/// The encoding of text.
const ENCODING: OptionDecl = option(
    "encoding",
    &[],
    OptionKind::Text,
    "utf-8",
    "The encoding of the files, such as latin1 or utf-16; utf-8-lossy puts \u{fffd} in place of \
     bytes that are not UTF-8.",
);

/// The column of what did not fit.
const RESCUE: OptionDecl = option(
    "rescue",
    &[],
    OptionKind::Bool,
    "false",
    "Whether values that do not fit their columns become NULL and are kept, by column, in a column \
     _rescued of type VARIANT, with values of columns that the table does not have.",
);

/// Every format, in the order in which they are shown.
pub static FORMATS: &[FormatDecl] = &[
    FormatDecl {
        kind: FormatKind::Csv,
        name: "csv",
        title: "CSV",
        extensions: &["csv", "tsv", "psv"],
        function: "read_csv",
        function_aliases: &["read_csv_auto"],
        options: csv::CSV_OPTIONS,
        shared_options: &[NOTATION_OPTIONS, ERROR_OPTIONS],
        doc: "Delimited text; header, delimiter and types are detected.",
    },
    FormatDecl {
        kind: FormatKind::Json,
        name: "json",
        title: "JSON",
        extensions: &["json", "jsonl", "ndjson"],
        function: "read_json",
        function_aliases: &["read_json_auto", "read_ndjson"],
        options: JSON_OPTIONS,
        shared_options: &[NOTATION_OPTIONS, ERROR_OPTIONS],
        doc: "JSON objects, one a line or in one array; columns and types are detected.",
    },
    FormatDecl {
        kind: FormatKind::Parquet,
        name: "parquet",
        title: "Parquet",
        extensions: &["parquet", "parq", "pq"],
        function: "read_parquet",
        function_aliases: &["parquet_scan"],
        options: &[],
        shared_options: &[],
        doc: "Apache Parquet; row groups and pages that filters exclude are not read.",
    },
    FormatDecl {
        kind: FormatKind::Arrow,
        name: "arrow",
        title: "Arrow",
        extensions: &["arrow", "arrows", "feather", "ipc"],
        function: "read_arrow",
        function_aliases: &[],
        options: &[],
        shared_options: &[],
        doc: "Arrow IPC files and streams.",
    },
    FormatDecl {
        kind: FormatKind::Avro,
        name: "avro",
        title: "Avro",
        extensions: &["avro"],
        function: "read_avro",
        function_aliases: &[],
        options: &[],
        shared_options: &[],
        doc: "Apache Avro object container files.",
    },
    FormatDecl {
        kind: FormatKind::Text,
        name: "text",
        title: "text",
        extensions: &["txt", "log", "text"],
        function: "read_text",
        function_aliases: &["read_lines"],
        options: &[],
        shared_options: &[],
        doc: "Lines of text, in one column called line.",
    },
    FormatDecl {
        kind: FormatKind::Bag,
        name: "bag",
        title: "records",
        extensions: &[],
        function: "read_bag",
        function_aliases: &[],
        options: bag::BAG_OPTIONS,
        shared_options: &[ERROR_OPTIONS],
        doc: "Records of any shape (JSON, lines of logs), in one column called rec, of type VARIANT.",
    },
];

/// The format called `name`, in any case.
#[must_use]
pub fn format_by_name(name: &str) -> Option<&'static FormatDecl> {
    FORMATS.iter().find(|format| {
        format.name.eq_ignore_ascii_case(name)
            || format
                .extensions
                .iter()
                .any(|e| e.eq_ignore_ascii_case(name))
    })
}

/// The format that function `name` reads, in any case.
#[must_use]
pub fn format_by_function(name: &str) -> Option<&'static FormatDecl> {
    FORMATS.iter().find(|format| {
        format.function.eq_ignore_ascii_case(name)
            || format
                .function_aliases
                .iter()
                .any(|alias| alias.eq_ignore_ascii_case(name))
    })
}

/// The format of `kind`.
pub(crate) fn format_of(kind: FormatKind) -> &'static FormatDecl {
    FORMATS
        .iter()
        .find(|format| format.kind == kind)
        .unwrap_or(&FORMATS[0])
}

/// The format that a file's name tells, its compression suffix taken off.
pub(crate) fn format_of_file(name: &str) -> Option<&'static FormatDecl> {
    let name = Compression::of_file(name).1;
    let extension = name.rsplit_once('.')?.1;
    FORMATS.iter().find(|format| {
        format
            .extensions
            .iter()
            .any(|e| e.eq_ignore_ascii_case(extension))
    })
}

impl FormatDecl {
    /// Its options but those that every format has.
    pub fn own_options(&self) -> impl Iterator<Item = &'static OptionDecl> {
        let shared = self.shared_options.iter().copied().flatten();
        self.options.iter().chain(shared)
    }

    /// All its options: its own, then the common ones.
    pub fn all_options(&self) -> impl Iterator<Item = &'static OptionDecl> {
        self.own_options().chain(COMMON_OPTIONS)
    }

    /// Whether the format's files are text, which may be compressed as a whole.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(
            self.kind,
            FormatKind::Csv | FormatKind::Json | FormatKind::Text | FormatKind::Bag
        )
    }

    /// Checks that every option exists, and gives them by their first spelling.
    ///
    /// # Errors
    /// `UserInput` for an unknown option or one given twice.
    pub(crate) fn resolve<'a>(
        &self,
        options: &'a [(String, OptionValue)],
    ) -> Result<Vec<(&'static OptionDecl, &'a OptionValue)>> {
        let mut resolved: Vec<(&'static OptionDecl, &OptionValue)> = Vec::new();
        for (name, value) in options {
            let Some(decl) = self.all_options().find(|o| o.is_called(name)) else {
                return Err(self.unknown_option(name));
            };
            if resolved.iter().any(|(other, _)| other.name == decl.name) {
                return Err(SheafError::user(format!(
                    "option {} is given twice",
                    decl.name
                )));
            }
            resolved.push((decl, value));
        }
        Ok(resolved)
    }

    fn unknown_option(&self, name: &str) -> SheafError {
        let error = SheafError::user(format!("{} has no option \"{name}\"", self.function))
            .with_state(SqlState::UNDEFINED_PARAMETER);
        let names: Vec<&str> = self.all_options().map(|o| o.name).collect();
        let spellings = self
            .all_options()
            .flat_map(|o| o.aliases.iter().copied().chain([o.name]));
        if name.eq_ignore_ascii_case("filename") {
            return error.with_hint("the column _path has it: SELECT _path, * FROM …");
        }
        if name.eq_ignore_ascii_case("ignore_errors")
            && self.all_options().any(|o| o.is_called("on_error"))
        {
            return error.with_hint("on_error => 'skip' leaves bad records out");
        }
        match nearest(name, spellings) {
            Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
            None => error.with_hint(format!("its options are {}", names.join(", "))),
        }
    }
}

impl OptionDecl {
    fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
            || self
                .aliases
                .iter()
                .any(|alias| alias.eq_ignore_ascii_case(name))
    }
}

/// The thing of `list` that `value` names.
fn one_of<T: Copy>(name: &str, value: &OptionValue, list: &[(&str, T)]) -> Result<T> {
    let text = value.as_text().unwrap_or_default().to_ascii_lowercase();
    if let Some((_, found)) = list.iter().find(|(known, _)| *known == text) {
        return Ok(*found);
    }
    let names: Vec<&str> = list.iter().map(|(known, _)| *known).collect();
    let error = bad_option(name, &format!("one of {}", names.join(", ")));
    Err(match nearest(&text, names.iter().copied()) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error,
    })
}
