//! Which format files have: by the function that reads them, else by their names; and a look at
//! the first bytes, so that a file of another format is named as such.

use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use crate::formats::{Compression, FORMATS, FormatDecl, FormatKind, format_of, format_of_file};
use crate::listing::{Found, Listing};
use crate::scan::bytes::SourceFile;

/// Bytes by which a binary file is known.
const MAGIC_BYTES: usize = 8;

/// First bytes of files, and what they are.
const MAGICS: &[(&[u8], &str, Option<FormatKind>)] = &[
    (b"PAR1", "a Parquet file", Some(FormatKind::Parquet)),
    (b"ARROW1", "an Arrow file", Some(FormatKind::Arrow)),
    (b"Obj\x01", "an Avro file", Some(FormatKind::Avro)),
    (b"\x1f\x8b", "gzip data", None),
    (b"\x28\xb5\x2f\xfd", "zstd data", None),
    (b"BZh", "bzip2 data", None),
    (b"\xfd7zXZ", "xz data", None),
    (b"PK\x03\x04", "a ZIP archive", None),
    (b"SQLite f", "an SQLite database", None),
];

/// First bytes of text in UTF-16, if it is marked.
const UTF16_MARKS: &[&[u8]] = &[b"\xff\xfe", b"\xfe\xff"];

/// The format of the files: `asked` for, or told by their names. Files of a directory that have
/// other names (a README beside data) are left out of `listing`.
///
/// # Errors
/// `UserInput` if the names tell no format, or several.
pub(super) fn detect_format(
    asked: Option<&'static FormatDecl>,
    listing: &mut Listing,
) -> Result<&'static FormatDecl> {
    let is_known = |path: &str| match asked {
        Some(format) => format_of_file(path).is_some_and(|known| {
            let is_bag = format.kind == FormatKind::Bag;
            known.kind == format.kind
                || (is_bag && matches!(known.kind, FormatKind::Json | FormatKind::Text))
        }),
        None => format_of_file(path).is_some(),
    };
    if listing
        .files
        .iter()
        .any(|file| file.found == Found::InDirectory && is_known(&file.path))
    {
        listing
            .files
            .retain(|file| file.found != Found::InDirectory || is_known(&file.path));
    }
    if let Some(format) = asked {
        return Ok(format);
    }
    let mut told: Option<(&'static FormatDecl, &str)> = None;
    for file in &listing.files {
        let Some(format) = format_of_file(&file.path) else {
            return Err(unknown_format(&file.path));
        };
        match told {
            Some((known, path)) if known.kind != format.kind => {
                return Err(SheafError::user(format!(
                    "{path} is {} and {} is {}: files of one table have one format",
                    known.title, file.path, format.title
                ))
                .with_state(SqlState::BAD_COPY_FILE_FORMAT)
                .with_hint(format!(
                    "name files of one kind ('*.{}'), or read all of them with one function",
                    known.extensions[0]
                )));
            }
            _ => told = Some((format, &file.path)),
        }
    }
    told.map(|(format, _)| format)
        .ok_or_else(|| SheafError::user("no file to read"))
}

fn unknown_format(path: &str) -> SheafError {
    let functions: Vec<&str> = FORMATS.iter().map(|format| format.function).collect();
    SheafError::user(format!("the name of {path} does not tell its format"))
        .with_state(SqlState::BAD_COPY_FILE_FORMAT)
        .with_hint(format!("say how to read it: {}", functions.join(", ")))
}

/// Checks that a file which is to be read as text is text.
///
/// # Errors
/// `Data`, naming the file and what it is.
pub(super) async fn refuse_binary(file: &SourceFile, format: &FormatDecl) -> Result<()> {
    let prefix = file.prefix(MAGIC_BYTES).await?;
    if UTF16_MARKS
        .iter()
        .any(|mark| prefix.bytes.starts_with(mark))
    {
        let error = SheafError::data(format!("{} is text in UTF-16", file.path));
        return Err(error
            .with_state(SqlState::BAD_COPY_FILE_FORMAT)
            .with_hint("encoding => 'utf-16' reads it"));
    }
    let Some((_, what, kind)) = MAGICS
        .iter()
        .find(|(magic, _, _)| prefix.bytes.starts_with(magic))
    else {
        return Ok(());
    };
    let error = SheafError::data(format!("{} is {what}, not {}", file.path, format.title))
        .with_state(SqlState::BAD_COPY_FILE_FORMAT);
    Err(match kind {
        Some(kind) => error.with_hint(format!("{} reads it", format_of(*kind).function)),
        None if file.compression == Compression::None && what.ends_with("data") => {
            let name = what.trim_end_matches(" data");
            error.with_hint(format!("compression => '{name}' reads it"))
        }
        None => error,
    })
}
