//! Bytes and text: `bytea`, `hex`, `unhex`, `to_base64`, `from_base64`, `encode`, `convert_from`,
//! `convert_to`.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{DataFusionError, Result, exec_err, utils::take_function_args};
use datafusion::functions::encoding;
use datafusion::logical_expr::{Expr, ScalarUDF, Signature, Volatility, cast, lit};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use crate::kernel::{Kernel, rows};
use crate::shorthand::Shorthand;

const SECTION: &str = "Binary String Functions";
const TEXT: DataType = DataType::Utf8View;
const BYTES: DataType = DataType::Binary;

pub(super) fn functions() -> Vec<ScalarUDF> {
    let mut functions = vec![
        Kernel::new("bytea", &[], |_| Ok(BYTES), bytea)
            .with_signature(Signature::any(
                1,
                Volatility::Immutable,
            ))
            .documented(
                SECTION,
                "The bytes that a text stands for: \\x and hexadecimal digits, or the text itself \
                 with \\\\ for a backslash and \\ooo for a byte in octal digits.",
                "bytea(text)",
                "SELECT '\\x00ff'::bytea;",
            )
            .build(),
        Kernel::new(
            "hex",
            &[],
            |_| Ok(TEXT),
            hex,
        )
        .with_signature(Signature::any(
            1,
            Volatility::Immutable,
        ))
        .documented(
            SECTION,
            "The hexadecimal digits, in upper case, of a whole number or of the bytes of a text.",
            "hex(value)",
            "SELECT hex(255), hex('abc'); -- FF, 616263",
        )
        .build(),
        Kernel::new("unhex", &[&[TEXT]], |_| Ok(BYTES), unhex)
            .with_aliases(&["from_hex"])
            .documented(
                SECTION,
                "The bytes that hexadecimal digits write.",
                "unhex(text)",
                "SELECT unhex('616263');",
            )
            .build(),
    ];
    functions.extend(base64());
    functions.extend(conversions());
    functions
}

fn base64() -> Vec<ScalarUDF> {
    vec![
        Shorthand::new(
            "encode",
            2,
            |_| Ok(DataType::Utf8),
            |arguments, types| {
                let [value, format] = take_function_args("encode", arguments)?;
                let format = match text_of(&format) {
                    // With the padding that the standard asks for.
                    Some("base64") => lit("base64pad"),
                    _ => format,
                };
                let value = as_bytes(value, &types[0]);
                Ok(cast(
                    encoding::expr_fn::encode(value, format),
                    DataType::Utf8,
                ))
            },
        )
        .documented(
            SECTION,
            "Bytes or a text, written in 'hex' or 'base64'.",
            "encode(value, format)",
        )
        .build(),
        Shorthand::new(
            "to_base64",
            1,
            |_| Ok(DataType::Utf8),
            |arguments, types| {
                let [value] = take_function_args("to_base64", arguments)?;
                let text = encoding::expr_fn::encode(as_bytes(value, &types[0]), lit("base64pad"));
                Ok(cast(text, DataType::Utf8))
            },
        )
        .with_aliases(&["base64"])
        .documented(SECTION, "Bytes or a text, in base64.", "to_base64(value)")
        .build(),
        Shorthand::new(
            "from_base64",
            1,
            |_| Ok(BYTES),
            |arguments, _| {
                let [text] = take_function_args("from_base64", arguments)?;
                Ok(cast(encoding::expr_fn::decode(text, lit("base64")), BYTES))
            },
        )
        .documented(
            SECTION,
            "The bytes that base64 writes.",
            "from_base64(text)",
        )
        .build(),
    ]
}

fn conversions() -> Vec<ScalarUDF> {
    vec![
        Shorthand::new(
            "convert_from",
            2,
            |_| Ok(DataType::Utf8),
            |arguments, _| {
                let [bytes, encoding] = take_function_args("convert_from", arguments)?;
                only_utf8(&encoding)?;
                Ok(cast(bytes, DataType::Utf8))
            },
        )
        .documented(
            SECTION,
            "The text that bytes in an encoding write; the encoding is 'UTF8'.",
            "convert_from(bytes, 'UTF8')",
        )
        .build(),
        Shorthand::new(
            "convert_to",
            2,
            |_| Ok(BYTES),
            |arguments, _| {
                let [text, encoding] = take_function_args("convert_to", arguments)?;
                only_utf8(&encoding)?;
                Ok(cast(text, BYTES))
            },
        )
        .documented(
            SECTION,
            "The bytes of a text in an encoding; the encoding is 'UTF8'.",
            "convert_to(text, 'UTF8')",
        )
        .build(),
    ]
}

fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        Expr::Cast(cast) => text_of(&cast.expr),
        _ => None,
    }
}

fn as_bytes(value: Expr, data_type: &DataType) -> Expr {
    match data_type {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => value,
        _ => cast(value, BYTES),
    }
}

fn only_utf8(encoding: &Expr) -> Result<()> {
    let name = text_of(encoding).unwrap_or_default().to_uppercase();
    if matches!(name.as_str(), "UTF8" | "UTF-8" | "UNICODE" | "SQL_ASCII") {
        return Ok(());
    }
    Err(
        SheafError::unsupported(format!("the encoding {encoding} is not supported"))
            .with_hint("texts are in 'UTF8'")
            .into(),
    )
}

fn bytea(arrays: &[ArrayRef], count: usize, _type: &DataType) -> Result<ArrayRef> {
    match arrays[0].data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let texts = arrow::compute::cast(&arrays[0], &TEXT)?;
            each_bytes(&[texts], count, parse_bytea)
        }
        _ => Ok(arrow::compute::cast(&arrays[0], &BYTES)?),
    }
}

fn each_bytes(
    arrays: &[ArrayRef],
    count: usize,
    parse: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<ArrayRef> {
    let mut found = BinaryBuilder::with_capacity(count, 0);
    for row in 0..count {
        if arrays[0].is_null(row) {
            found.append_null();
            continue;
        }
        let text = rows::text(&arrays[0], row);
        let bytes = parse(text).ok_or_else(|| no_bytes(text))?;
        found.append_value(bytes);
    }
    Ok(Arc::new(found.finish()))
}

/// The error of a text that is none of bytes.
pub(crate) fn no_bytes(text: &str) -> DataFusionError {
    SheafError::user(format!("'{text}' is no text of bytes"))
        .with_state(SqlState::INVALID_TEXT_REPRESENTATION)
        .with_hint("for example '\\x00ff'")
        .into()
}

/// The bytes that a text in either form of PostgreSQL's writes.
pub(crate) fn parse_bytea(text: &str) -> Option<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        return parse_hex(digits.chars().filter(|c| !c.is_ascii_whitespace()));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let first = rest.next()?;
        if first == b'\\' {
            bytes.push(first);
            continue;
        }
        let mut value = 0_u32;
        for digit in [first, rest.next()?, rest.next()?] {
            value = value * 8 + char::from(digit).to_digit(8)?;
        }
        bytes.push(u8::try_from(value).ok()?);
    }
    Some(bytes)
}

/// Pairs of digits, two a byte.
fn parse_hex(digits: impl Iterator<Item = char>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut digits = digits.map(|digit| digit.to_digit(16));
    while let Some(high) = digits.next() {
        let byte = high? * 16 + digits.next()??;
        bytes.push(u8::try_from(byte).ok()?);
    }
    Some(bytes)
}

fn unhex(arrays: &[ArrayRef], count: usize, _type: &DataType) -> Result<ArrayRef> {
    each_bytes(arrays, count, |text| {
        // An odd digit stands for a low half, as in DuckDB.
        match text.len() % 2 {
            0 => parse_hex(text.chars()),
            _ => parse_hex("0".chars().chain(text.chars())),
        }
    })
}

fn hex(arrays: &[ArrayRef], count: usize, _type: &DataType) -> Result<ArrayRef> {
    let values = &arrays[0];
    if values.data_type().is_integer() {
        let numbers = arrow::compute::cast(values, &DataType::Int64)?;
        return rows::texts(arrays, count, |row| {
            Ok(Some(format!(
                "{:X}",
                numbers.as_primitive::<Int64Type>().value(row)
            )))
        });
    }
    let values = match values.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
            arrow::compute::cast(&arrow::compute::cast(values, &DataType::Utf8)?, &BYTES)?
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            arrow::compute::cast(values, &BYTES)?
        }
        other => return exec_err!("hex takes whole numbers, texts and bytes, not {other}"),
    };
    let values = values.as_binary::<i32>();
    rows::texts(arrays, count, |row| {
        let mut text = String::with_capacity(values.value(row).len() * 2);
        for byte in values.value(row) {
            let _ = write!(text, "{byte:02X}");
        }
        Ok(Some(text))
    })
}
