//! Texts made of values: `format`, `printf`, `quote_literal`, `quote_ident`, `quote_nullable`,
//! `format_bytes`.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::util::display::array_value_to_string;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use sheaf_base::SheafError;
use sheaf_base::error::SqlState;

use crate::kernel::{Kernel, rows};

const SECTION: &str = "String Functions";
const TEXT: DataType = DataType::Utf8View;
/// Wider fields are refused: a width is a number a value can hold.
const WIDTH_MAX: usize = 1 << 20;

pub(super) fn functions() -> Vec<ScalarUDF> {
    let mut functions = quotes();
    functions.extend(formats());
    functions
}

fn formats() -> Vec<ScalarUDF> {
    vec![
        Kernel::new(
            "format",
            &[],
            |_| Ok(TEXT),
            |arrays, count, _| formatted(arrays, count, Directive::write_quoted),
        )
        .with_signature(Signature::variadic_any(Volatility::Immutable))
        .documented(
            SECTION,
            "A text with values in it: %s as they are, %I as names, %L as literals.",
            "format(format, value, …)",
            "SELECT format('%s of %s', 1, 'two'); -- 1 of two",
        )
        .build(),
        Kernel::new(
            "printf",
            &[],
            |_| Ok(TEXT),
            |arrays, count, _| formatted(arrays, count, Directive::write_number),
        )
        .with_signature(Signature::variadic_any(Volatility::Immutable))
        .documented(
            SECTION,
            "A text with values in it, in C's notation: %d, %5.2f, %e, %x, %s, %%.",
            "printf(format, value, …)",
            "SELECT printf('%05.1f%%', 12.34); -- 012.3%",
        )
        .build(),
        Kernel::new(
            "format_bytes",
            &[&[DataType::Int64]],
            |_| Ok(TEXT),
            |arrays, count, _| {
                rows::texts(arrays, count, |row| {
                    Ok(Some(bytes(rows::number::<Int64Type>(&arrays[0], row))))
                })
            },
        )
        .with_aliases(&["formatreadablesize", "pg_size_pretty"])
        .documented(
            SECTION,
            "A number of bytes for people to read.",
            "format_bytes(bytes)",
            "SELECT format_bytes(16384); -- 16.0 KiB",
        )
        .build(),
    ]
}

fn quotes() -> Vec<ScalarUDF> {
    vec![
        Kernel::new(
            "quote_ident",
            &[&[TEXT]],
            |_| Ok(TEXT),
            |arrays, count, _| {
                rows::texts(arrays, count, |row| {
                    Ok(Some(quote_ident(rows::text(&arrays[0], row))))
                })
            },
        )
        .documented(
            SECTION,
            "A text as a name in SQL, in quotes where it needs them.",
            "quote_ident(text)",
            "SELECT quote_ident('a b'); -- \"a b\"",
        )
        .build(),
        Kernel::new(
            "quote_literal",
            &[&[TEXT]],
            |_| Ok(TEXT),
            |arrays, count, _| {
                rows::texts(arrays, count, |row| {
                    Ok(Some(quote_literal(rows::text(&arrays[0], row))))
                })
            },
        )
        .documented(
            SECTION,
            "A text as a literal in SQL.",
            "quote_literal(text)",
            "SELECT quote_literal('it''s'); -- 'it''s'",
        )
        .build(),
        Kernel::new(
            "quote_nullable",
            &[&[TEXT]],
            |_| Ok(TEXT),
            |arrays, count, _| {
                let texts = arrays[0].as_string_view();
                rows::texts(&[], count, |row| {
                    Ok(Some(match texts.is_null(row) {
                        true => "NULL".to_owned(),
                        false => quote_literal(texts.value(row)),
                    }))
                })
            },
        )
        .documented(
            SECTION,
            "A text as a literal in SQL; NULL as the word NULL.",
            "quote_nullable(text)",
            "SELECT quote_nullable(NULL); -- NULL",
        )
        .build(),
    ]
}

fn quote_ident(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !is_keyword(name);
    match is_plain {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

fn is_keyword(name: &str) -> bool {
    use datafusion::sql::sqlparser::keywords::ALL_KEYWORDS;
    ALL_KEYWORDS
        .binary_search(&name.to_uppercase().as_str())
        .is_ok()
}

fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match text.contains('\\') {
        true => format!("E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}

fn bytes(count: i64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let sign = if count < 0 { "-" } else { "" };
    let count = count.unsigned_abs();
    if count < 1024 {
        let unit = if count == 1 { "byte" } else { "bytes" };
        return format!("{sign}{count} {unit}");
    }
    let power = ((63 - count.leading_zeros()) / 10) as usize;
    // Tenths, cut off, as in DuckDB.
    let tenths = u128::from(count) * 10 / (1_u128 << (10 * power));
    format!("{sign}{}.{} {}", tenths / 10, tenths % 10, UNITS[power - 1])
}

/// `%[n$][flags][width][.precision]type`.
#[derive(Debug, Default)]
struct Directive {
    position: Option<usize>,
    is_left: bool,
    is_zero: bool,
    is_plus: bool,
    is_space: bool,
    width: usize,
    precision: Option<usize>,
    kind: char,
}

type WriteValue = fn(&Directive, &ArrayRef, usize, &mut String) -> Result<()>;

fn formatted(arrays: &[ArrayRef], count: usize, write: WriteValue) -> Result<ArrayRef> {
    let Some((formats, values)) = arrays.split_first() else {
        return Err(wrong("format needs a format"));
    };
    let formats = cast(formats, &TEXT)?;
    rows::texts(std::slice::from_ref(&formats), count, |row| {
        let mut text = String::new();
        let mut next = 0;
        let mut rest = rows::text(&formats, row);
        while let Some((before, after)) = rest.split_once('%') {
            text.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                text.push('%');
                rest = after;
                continue;
            }
            let (directive, after) = Directive::parse(after)?;
            let index = directive.position.unwrap_or(next);
            next = index + 1;
            let value = values
                .get(index)
                .ok_or_else(|| wrong("the format has more places than there are values"))?;
            write(&directive, value, row, &mut text)?;
            rest = after;
        }
        text.push_str(rest);
        Ok(Some(text))
    })
}

fn wrong(message: impl Into<String>) -> DataFusionError {
    SheafError::user(message)
        .with_state(SqlState::INVALID_PARAMETER_VALUE)
        .into()
}

impl Directive {
    fn parse(text: &str) -> Result<(Self, &str)> {
        let mut directive = Self::default();
        let mut rest = text;
        if let Some((digits, after)) = rest.split_once('$')
            && !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
        {
            let position = digits.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            directive.position = Some(position.ok_or_else(|| wrong("positions count from 1"))?);
            rest = after;
        }
        loop {
            let flag = match rest.bytes().next() {
                Some(b'-') => &mut directive.is_left,
                Some(b'0') => &mut directive.is_zero,
                Some(b'+') => &mut directive.is_plus,
                Some(b' ') => &mut directive.is_space,
                _ => break,
            };
            *flag = true;
            rest = &rest[1..];
        }
        (directive.width, rest) = number(rest)?;
        if let Some(after) = rest.strip_prefix('.') {
            let (precision, after) = number(after)?;
            directive.precision = Some(precision);
            rest = after;
        }
        rest = rest.trim_start_matches(['l', 'h']);
        let mut chars = rest.chars();
        directive.kind = chars
            .next()
            .ok_or_else(|| wrong("the format ends within a place for a value"))?;
        Ok((directive, chars.as_str()))
    }

    /// `%s`, `%I` and `%L`, as in PostgreSQL.
    fn write_quoted(&self, value: &ArrayRef, row: usize, out: &mut String) -> Result<()> {
        let is_null = value.is_null(row);
        let text = match self.kind {
            's' if is_null => String::new(),
            'L' if is_null => "NULL".to_owned(),
            'I' if is_null => {
                return Err(wrong("NULL cannot be a name in SQL"));
            }
            's' => array_value_to_string(value, row)?,
            'L' => quote_literal(&array_value_to_string(value, row)?),
            'I' => quote_ident(&array_value_to_string(value, row)?),
            other => {
                return Err(wrong(format!(
                    "format does not know %{other}; it knows %s, %I, %L"
                )));
            }
        };
        self.pad(&text, out);
        Ok(())
    }

    /// C's conversions.
    fn write_number(&self, value: &ArrayRef, row: usize, out: &mut String) -> Result<()> {
        if value.is_null(row) {
            self.pad("NULL", out);
            return Ok(());
        }
        let one = value.slice(row, 1);
        let whole = || -> Result<i64> {
            Ok(cast(&one, &DataType::Int64)?
                .as_primitive::<Int64Type>()
                .value(0))
        };
        let float = || -> Result<f64> {
            Ok(cast(&one, &DataType::Float64)?
                .as_primitive::<Float64Type>()
                .value(0))
        };
        let precision = self.precision.unwrap_or(6);
        let (is_negative, digits) = match self.kind {
            'd' | 'i' | 'u' => (whole()? < 0, whole()?.unsigned_abs().to_string()),
            'x' => (false, format!("{:x}", whole()?)),
            'X' => (false, format!("{:X}", whole()?)),
            'o' => (false, format!("{:o}", whole()?)),
            'f' | 'F' => (float()? < 0.0, format!("{:.precision$}", float()?.abs())),
            'e' | 'E' => (
                float()? < 0.0,
                exponent(float()?.abs(), precision, self.kind),
            ),
            'g' | 'G' => (float()? < 0.0, float()?.abs().to_string()),
            's' | 'v' => {
                let mut text = array_value_to_string(value, row)?;
                if let Some(precision) = self.precision {
                    text = text.chars().take(precision).collect();
                }
                self.pad(&text, out);
                return Ok(());
            }
            'c' => {
                let code = u32::try_from(whole()?).ok().and_then(char::from_u32);
                self.pad(&code.map(String::from).unwrap_or_default(), out);
                return Ok(());
            }
            other => return Err(wrong(format!("printf does not know %{other}"))),
        };
        let sign = match (is_negative, self.is_plus, self.is_space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            _ => "",
        };
        if self.is_zero && !self.is_left {
            let width = self.width.saturating_sub(sign.len());
            let _ = write!(out, "{sign}{digits:0>width$}");
        } else {
            self.pad(&format!("{sign}{digits}"), out);
        }
        Ok(())
    }

    fn pad(&self, text: &str, out: &mut String) {
        let width = self.width;
        let _ = match self.is_left {
            true => write!(out, "{text:<width$}"),
            false => write!(out, "{text:>width$}"),
        };
    }
}

fn number(text: &str) -> Result<(usize, &str)> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &text[..text.len() - rest.len()];
    if digits.is_empty() {
        return Ok((0, rest));
    }
    match digits.parse() {
        Ok(number) if number <= WIDTH_MAX => Ok((number, rest)),
        _ => Err(wrong(format!(
            "{digits} is too wide; the most is {WIDTH_MAX}"
        ))),
    }
}

/// C writes at least two digits of exponent, with its sign.
fn exponent(value: f64, precision: usize, kind: char) -> String {
    let text = format!("{value:.precision$e}");
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = match power.strip_prefix('-') {
        Some(power) => ('-', power),
        None => ('+', power),
    };
    format!("{mantissa}{kind}{sign}{power:0>2}")
}
