//! The options of `COPY … TO`, declared once, and their reading.
//!
//! Every option has one row in [`COPY_OPTIONS`]: its names and the formats it belongs to. What is
//! not there is refused with the nearest name; what belongs to another format is refused too.

use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;
use sheaf_base::{ByteCount, Result, SheafError};

use super::encode::{
    ArrowCompression, Encoding, ParquetCompression, TextCompression, WriteFormatDecl, write_format,
};

/// One option of `COPY … TO`.
#[derive(Debug)]
pub struct CopyOptionDecl {
    /// The name in the documentation, in lower case.
    pub name: &'static str,
    /// Other names: PostgreSQL's, DuckDB's, DataFusion's.
    pub aliases: &'static [&'static str],
    /// The formats it belongs to; empty for all.
    pub formats: &'static [&'static str],
    /// One line for the documentation.
    pub doc: &'static str,
    apply: fn(&mut Encoding, &mut FileOptions, &OptionText<'_>) -> Result<()>,
}

/// What to do with files that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// A single file is replaced, a directory with files is an error.
    #[default]
    Default,
    /// The directory's files are replaced.
    Overwrite,
    /// The new files are put beside the old ones.
    Append,
}

/// Options that say where rows go, whatever the format.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileOptions {
    /// What to do with files that are there.
    pub existing: Existing,
    /// Columns whose values name directories.
    pub partition_columns: Vec<String>,
    /// Whether files keep those columns too.
    pub write_partition_columns: bool,
    /// A file for every thread (`true`), or one file in all (`false`).
    pub per_thread_output: Option<bool>,
    /// Exactly one file, whatever its name looks like (`true`); a directory (`false`).
    pub single_file: Option<bool>,
    /// A file of a directory ends at about this size.
    pub file_bytes_max: Option<u64>,
}

/// The name and the text of an option, as the user wrote them.
struct OptionText<'a> {
    name: &'a str,
    value: &'a str,
}

const TEXT: &[&str] = &["csv", "tsv"];
const COMPRESSED: &[&str] = &["csv", "tsv", "json", "parquet", "arrow", "arrows"];
const LEVELED: &[&str] = &["csv", "tsv", "json", "parquet"];

/// Every option, in the order of the documentation. FORMAT, read first, is not here.
pub static COPY_OPTIONS: &[CopyOptionDecl] = &[
    CopyOptionDecl {
        name: "overwrite",
        aliases: &["overwrite_or_ignore"],
        formats: &[],
        doc: "replace the files of the directory, when all new ones are written",
        apply: |_, files, text| {
            if text.boolean()? {
                files.set_existing(Existing::Overwrite)?;
            }
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "append",
        aliases: &[],
        formats: &[],
        doc: "add files to the directory, under new names",
        apply: |_, files, text| {
            if text.boolean()? {
                files.set_existing(Existing::Append)?;
            }
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "partition_by",
        aliases: &["partitioned_by"],
        formats: &[],
        doc: "columns whose values name directories (key=value), as PARTITIONED BY",
        apply: |_, files, text| {
            files.partition_columns.extend(text.names());
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "write_partition_columns",
        aliases: &["keep_partition_by_columns"],
        formats: &[],
        doc: "files keep the columns of partition_by too",
        apply: |_, files, text| {
            files.write_partition_columns = text.boolean()?;
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "per_thread_output",
        aliases: &[],
        formats: &[],
        doc: "in a directory, a file for every thread (the default) or one file",
        apply: |_, files, text| {
            files.per_thread_output = Some(text.boolean()?);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "single_file",
        aliases: &["single_file_output"],
        formats: &[],
        doc: "exactly one file of the given name, whatever its extension",
        apply: |_, files, text| {
            files.single_file = Some(text.boolean()?);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "file_size_bytes",
        aliases: &["file_size"],
        formats: &[],
        doc: "in a directory, begin another file at about this size (256MB)",
        apply: |_, files, text| {
            files.file_bytes_max = Some(text.value.parse::<ByteCount>()?.0.max(1));
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "header",
        aliases: &[],
        formats: TEXT,
        doc: "the first line has the column names (true)",
        apply: |encoding, _, text| {
            let header = text.boolean()?;
            csv(encoding, |options| options.header = header);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "delimiter",
        aliases: &["delim", "sep"],
        formats: TEXT,
        doc: "the character between two values (,)",
        apply: |encoding, _, text| {
            let delimiter = text
                .character()?
                .ok_or_else(|| text.wrong("one character"))?;
            csv(encoding, |options| options.delimiter = delimiter);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "quote",
        aliases: &[],
        formats: TEXT,
        doc: "the character around values that need it (\"); empty for none",
        apply: |encoding, _, text| {
            let quote = text.character()?;
            csv(encoding, |options| options.quote = quote);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "escape",
        aliases: &[],
        formats: TEXT,
        doc: "the character before a quote within quotes (the quote itself)",
        apply: |encoding, _, text| {
            let escape = text.character()?;
            csv(encoding, |options| options.escape = escape);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "null",
        aliases: &["nullstr", "null_value", "null_string"],
        formats: TEXT,
        doc: "the text of a null (nothing)",
        apply: |encoding, _, text| {
            let null = text.value.to_owned();
            csv(encoding, |options| options.null = null);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "force_quote",
        aliases: &[],
        formats: TEXT,
        doc: "quote every value that is not null (false)",
        apply: |encoding, _, text| {
            let force = text.value == "*" || text.boolean()?;
            csv(encoding, |options| options.force_quote = force);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "date_format",
        aliases: &["dateformat"],
        formats: TEXT,
        doc: "strftime format of dates (%Y-%m-%d)",
        apply: |encoding, _, text| {
            let format = Some(text.value.to_owned());
            csv(encoding, |options| options.date_format = format);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "timestamp_format",
        aliases: &["timestampformat"],
        formats: TEXT,
        doc: "strftime format of timestamps",
        apply: |encoding, _, text| {
            let format = Some(text.value.to_owned());
            csv(encoding, |options| options.timestamp_format = format);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "array",
        aliases: &[],
        formats: &["json"],
        doc: "one array of objects instead of one object a line (false)",
        apply: |encoding, _, text| {
            let is_array = text.boolean()?;
            if let Encoding::Json(options) = encoding {
                options.is_array = is_array;
            }
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "compression",
        aliases: &["codec"],
        formats: COMPRESSED,
        doc: "csv, json: none, gzip, zstd, bzip2, xz; parquet: zstd (default), snappy, lz4, gzip, \
              brotli, none; arrow: none, lz4, zstd",
        apply: |encoding, _, text| {
            match encoding {
                Encoding::Csv(options) => {
                    options.compression = TextCompression::from_name(text.value)?;
                }
                Encoding::Json(options) => {
                    options.compression = TextCompression::from_name(text.value)?;
                }
                Encoding::Parquet(options) => {
                    options.compression = ParquetCompression::from_name(text.value)?;
                }
                Encoding::Arrow(options) => {
                    options.compression = ArrowCompression::from_name(text.value)?;
                }
            }
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "compression_level",
        aliases: &[],
        formats: LEVELED,
        doc: "how hard to compress, in the compression's own numbers",
        apply: |encoding, _, text| {
            let level = Some(text.number::<i32>("a whole number")?);
            match encoding {
                Encoding::Csv(options) => options.compression_level = level,
                Encoding::Json(options) => options.compression_level = level,
                Encoding::Parquet(options) => options.compression_level = level,
                Encoding::Arrow(_) => {}
            }
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "row_group_size",
        aliases: &["max_row_group_size"],
        formats: &["parquet"],
        doc: "most rows of a row group (122880)",
        apply: |encoding, _, text| {
            let rows = text
                .number::<std::num::NonZeroUsize>("a number of rows above 0")?
                .get();
            if let Encoding::Parquet(options) = encoding {
                options.row_group_rows_max = rows;
            }
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "row_group_size_bytes",
        aliases: &[],
        formats: &["parquet"],
        doc: "most bytes of a row group (128MiB)",
        apply: |encoding, _, text| {
            let bytes = text.value.parse::<ByteCount>()?.as_usize().max(1);
            if let Encoding::Parquet(options) = encoding {
                options.row_group_bytes_max = bytes;
            }
            Ok(())
        },
    },
];

/// Reads `options` into `files` and into the encoding of `format`; `compression` is what the
/// target's extension says.
///
/// # Errors
/// `UserInput` for an unknown option, one of another format, or a value that it cannot take.
pub(super) fn read_options(
    format: &'static WriteFormatDecl,
    compression: Option<TextCompression>,
    partitioned_by: &[String],
    options: &[(String, String)],
) -> Result<(Encoding, FileOptions)> {
    let mut encoding = format.encoding();
    let mut files = FileOptions {
        partition_columns: partitioned_by.to_vec(),
        ..FileOptions::default()
    };
    match (&mut encoding, compression) {
        (Encoding::Csv(options), Some(compression)) => options.compression = compression,
        (Encoding::Json(options), Some(compression)) => options.compression = compression,
        _ => {}
    }
    for (name, value) in options {
        if is_format(name) {
            continue;
        }
        let decl = find(name)?;
        if !decl.formats.is_empty() && !decl.formats.contains(&format.name) {
            return Err(invalid(format!(
                "option \"{name}\" is not for format {}",
                format.name
            ))
            .with_hint(format!("it is for {}", decl.formats.join(", "))));
        }
        (decl.apply)(&mut encoding, &mut files, &OptionText { name, value })?;
    }
    check_level(&encoding)?;
    check_characters(&encoding)?;
    Ok((encoding, files))
}

/// The format that the options name with FORMAT, if they do.
///
/// # Errors
/// `UserInput` for an unknown format.
pub(super) fn format_option(
    options: &[(String, String)],
) -> Result<Option<&'static WriteFormatDecl>> {
    options
        .iter()
        .find(|(name, _)| is_format(name))
        .map(|(_, value)| write_format(value))
        .transpose()
}

fn is_format(name: &str) -> bool {
    name.eq_ignore_ascii_case("format")
}

fn find(name: &str) -> Result<&'static CopyOptionDecl> {
    let lower = name.to_ascii_lowercase();
    // DataFusion's options of one format have its name in front: `format.compression`.
    let short = lower.strip_prefix("format.").unwrap_or(&lower);
    let found = COPY_OPTIONS
        .iter()
        .find(|decl| decl.name == short || decl.aliases.contains(&short));
    found.ok_or_else(|| {
        let names = COPY_OPTIONS
            .iter()
            .flat_map(|decl| std::iter::once(decl.name).chain(decl.aliases.iter().copied()))
            .chain(["format"]);
        let hint = match nearest(short, names) {
            Some(near) => format!("did you mean {near}?"),
            None => {
                let all: Vec<_> = COPY_OPTIONS.iter().map(|decl| decl.name).collect();
                format!("the options are format, {}", all.join(", "))
            }
        };
        invalid(format!("COPY has no option \"{name}\"")).with_hint(hint)
    })
}

fn csv(encoding: &mut Encoding, set: impl FnOnce(&mut super::encode::CsvEncoding)) {
    if let Encoding::Csv(options) = encoding {
        set(options);
    }
}

fn check_level(encoding: &Encoding) -> Result<()> {
    let (level, range) = match encoding {
        Encoding::Csv(options) => (options.compression_level, options.compression.levels()),
        Encoding::Json(options) => (options.compression_level, options.compression.levels()),
        Encoding::Parquet(options) => (options.compression_level, options.compression.levels()),
        Encoding::Arrow(_) => (None, None),
    };
    match (level, range) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(invalid(
            "this compression has no compression_level".to_owned(),
        )),
        (Some(level), Some((least, most))) if (least..=most).contains(&level) => Ok(()),
        (Some(level), Some((least, most))) => Err(invalid(format!(
            "compression_level {level} is not within {least} to {most}"
        ))),
    }
}

fn check_characters(encoding: &Encoding) -> Result<()> {
    let Encoding::Csv(options) = encoding else {
        return Ok(());
    };
    if options.quote == Some(options.delimiter) {
        return Err(invalid(
            "delimiter and quote are the same character".to_owned(),
        ));
    }
    let breaks = |c: &char| matches!(c, '\n' | '\r');
    if [Some(options.delimiter), options.quote, options.escape]
        .iter()
        .flatten()
        .any(breaks)
    {
        return Err(invalid(
            "delimiter, quote and escape cannot be line breaks".to_owned(),
        ));
    }
    Ok(())
}

fn invalid(message: String) -> SheafError {
    SheafError::user(message).with_state(SqlState::INVALID_PARAMETER_VALUE)
}

impl FileOptions {
    fn set_existing(&mut self, existing: Existing) -> Result<()> {
        if self.existing != Existing::Default && self.existing != existing {
            return Err(invalid(
                "overwrite and append exclude each other".to_owned(),
            ));
        }
        self.existing = existing;
        Ok(())
    }
}

impl OptionText<'_> {
    fn wrong(&self, what: &str) -> SheafError {
        invalid(format!(
            "option {} takes {what}, not \"{}\"",
            self.name, self.value
        ))
    }

    /// An option without a value means yes.
    fn boolean(&self) -> Result<bool> {
        match self.value.to_ascii_lowercase().as_str() {
            "" | "true" | "on" | "yes" | "1" | "t" => Ok(true),
            "false" | "off" | "no" | "0" | "f" => Ok(false),
            _ => Err(self.wrong("true or false")),
        }
    }

    fn number<T: std::str::FromStr>(&self, what: &str) -> Result<T> {
        self.value.trim().parse().map_err(|_| self.wrong(what))
    }

    /// One character; `\t` is a tab; nothing is `None`.
    fn character(&self) -> Result<Option<char>> {
        if self.value == "\\t" || self.value.eq_ignore_ascii_case("tab") {
            return Ok(Some('\t'));
        }
        let mut characters = self.value.chars();
        match (characters.next(), characters.next()) {
            (first, None) => Ok(first),
            _ => Err(self.wrong("one character")),
        }
    }

    /// Names between commas, with or without brackets and quotes.
    fn names(&self) -> Vec<String> {
        self.value
            .trim_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']'))
            .split(',')
            .map(|name| name.trim().trim_matches(['"', '\'']).to_owned())
            .filter(|name| !name.is_empty())
            .collect()
    }
}
