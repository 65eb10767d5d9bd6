//! The options of `COPY … TO`, declared once, and their reading.
//!
//! Every option has one row in [`COPY_OPTIONS`]: its names and the formats it belongs to. What is
//! not there is refused with the nearest name; what belongs to another format is refused too.

mod declared;

use sheaf_base::error::SqlState;
use sheaf_base::suggest::nearest;
use sheaf_base::{Result, SheafError};

use super::encode::{Encoding, TextCompression, WriteFormatDecl, write_format};

pub use declared::COPY_OPTIONS;

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

fn check_level(encoding: &Encoding) -> Result<()> {
    let (level, range) = match encoding {
        Encoding::Csv(options) => (options.compression_level, options.compression.levels()),
        Encoding::Json(options) => (options.compression_level, options.compression.levels()),
        Encoding::Parquet(options) => (options.compression_level, options.compression.levels()),
        Encoding::Arrow(_) | Encoding::Avro(_) => (None, None),
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
