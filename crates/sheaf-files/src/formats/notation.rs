//! The options that say how values are written in text, which CSV and JSON share.

use sheaf_base::Result;

use super::csv::read_character;
use super::{OptionDecl, OptionKind, option};
use crate::notation::{Notation, read_format};
use crate::request::{OptionValue, take};

/// Options of formats whose values may be written in a notation.
pub static NOTATION_OPTIONS: &[OptionDecl] = &[
    option(
        "nullstr",
        &["null", "nulls"],
        OptionKind::Texts,
        "the empty text in CSV, none in JSON",
        "Texts that mean NULL, in JSON those in quotes.",
    ),
    option(
        "decimal_separator",
        &[],
        OptionKind::Character,
        ".",
        "What stands before decimals. In JSON numbers in quotes are meant, as by thousands.",
    ),
    option(
        "thousands",
        &[],
        OptionKind::Character,
        "none",
        "What may stand between groups of three digits.",
    ),
    option(
        "date_format",
        &["dateformat"],
        OptionKind::Text,
        "2026-01-31",
        "How dates are written, as of strptime: '%d.%m.%Y'.",
    ),
    option(
        "timestamp_format",
        &["timestampformat"],
        OptionKind::Text,
        "2026-01-31 12:34:56",
        "How timestamps are written, as of strptime: '%d/%m/%Y %H:%M:%S'.",
    ),
];

/// Reads an option of [`NOTATION_OPTIONS`]; false if `decl` is another.
///
/// # Errors
/// `UserInput` for a value that it does not take.
pub(super) fn read_notation_option(
    notation: &mut Notation,
    decl: &OptionDecl,
    value: &OptionValue,
) -> Result<bool> {
    let name = decl.name;
    let format = || read_format(name, take(name, value.as_text(), decl.kind.describe())?);
    match name {
        "nullstr" => notation.nulls = take(name, value.as_texts(), decl.kind.describe())?,
        "decimal_separator" => notation.decimal = Some(read_character(name, value)?),
        "thousands" => notation.thousands = Some(read_character(name, value)?),
        "date_format" => notation.date_format = Some(format()?),
        "timestamp_format" => notation.timestamp_format = Some(format()?),
        _ => return Ok(false),
    }
    Ok(true)
}
