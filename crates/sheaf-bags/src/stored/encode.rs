//! The binary form of JSON text.

use arrow::array::{Array, StringViewArray};
use arrow::error::ArrowError;
use parquet_variant::{ObjectFieldBuilder, Variant, VariantBuilderExt, VariantDecimal16};
use parquet_variant_compute::{VariantArray, VariantArrayBuilder};

use crate::json::number::{Decimal, write_number};
use crate::json::text::{decode, unquoted};
use crate::json::{Fault, Kind, Scanner};

/// Digits that a decimal may have.
const DECIMAL_DIGITS_MAX: i64 = 38;

/// The values in the binary form alone; they are in normal form, and may be NULL.
///
/// # Errors
/// `ExternalError` of what is not JSON.
pub(super) fn encode(values: &StringViewArray) -> Result<VariantArray, ArrowError> {
    let mut rows = VariantArrayBuilder::new(values.len());
    for value in values {
        match value {
            Some(value) => write(&mut Scanner::new(value), 0, &mut rows)?,
            None => rows.append_null(),
        }
    }
    Ok(rows.build())
}

fn write(
    scanner: &mut Scanner<'_>,
    depth: usize,
    out: &mut impl VariantBuilderExt,
) -> Result<(), ArrowError> {
    match scanner.peek() {
        Some(b'{') => {
            let mut object = out.try_new_object()?;
            let mut members = scanner.open(depth).map_err(no_json)?;
            while let Some(key) = scanner.next_key(&mut members).map_err(no_json)? {
                let key = decode(key);
                let mut member = ObjectFieldBuilder::new(&key, &mut object);
                write(scanner, depth + 1, &mut member)?;
            }
            object.finish();
        }
        Some(b'[') => {
            let mut list = out.try_new_list()?;
            let mut items = scanner.open(depth).map_err(no_json)?;
            while scanner.next_item(&mut items).map_err(no_json)? {
                write(scanner, depth + 1, &mut list)?;
            }
            list.finish();
        }
        _ => {
            let start = scanner.at();
            scanner.skip_value(depth).map_err(no_json)?;
            append_scalar(scanner.since(start), out);
        }
    }
    Ok(())
}

fn append_scalar(raw: &str, out: &mut impl VariantBuilderExt) {
    match Kind::of(raw) {
        Kind::String => out.append_value(decode(unquoted(raw)).as_ref()),
        Kind::Number => out.append_value(number(raw)),
        Kind::Boolean => out.append_value(raw == "true"),
        Kind::Null | Kind::Array | Kind::Object => out.append_value(Variant::Null),
    }
}

/// The smallest type that has the number exactly; a double of those that no type has.
fn number(raw: &str) -> Variant<'static, 'static> {
    if let Ok(whole) = raw.parse::<i64>() {
        return match (
            i8::try_from(whole),
            i16::try_from(whole),
            i32::try_from(whole),
        ) {
            (Ok(whole), ..) => Variant::from(whole),
            (_, Ok(whole), _) => Variant::from(whole),
            (.., Ok(whole)) => Variant::from(whole),
            _ => Variant::from(whole),
        };
    }
    let double: f64 = raw.parse().unwrap_or(f64::NAN);
    let mut normal = String::new();
    write_number(&format!("{double:e}"), &mut normal);
    if normal == raw {
        return Variant::from(double);
    }
    decimal(raw).unwrap_or_else(|| Variant::from(double))
}

fn decimal(raw: &str) -> Option<Variant<'static, 'static>> {
    let decimal = Decimal::parse(raw);
    let digits = i64::try_from(decimal.digits.len()).ok()?;
    let scale = (digits - decimal.point).max(0);
    if scale > DECIMAL_DIGITS_MAX || decimal.point > DECIMAL_DIGITS_MAX {
        return None;
    }
    let scaled = decimal.scaled(scale)?;
    let scale = u8::try_from(scale).ok()?;
    VariantDecimal16::try_new(scaled, scale)
        .ok()
        .map(Variant::from)
}

fn no_json(fault: Fault) -> ArrowError {
    ArrowError::InvalidArgumentError(format!("not JSON: {fault}"))
}
