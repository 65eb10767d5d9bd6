//! The order of VARIANTs, as texts that sort alike.
//!
//! Kinds first: null < boolean < number < string < array < object. Then false < true; numbers by
//! value; texts by code points; arrays item by item; objects member by member in the order of
//! their keys, key before value. What ends first is less.

use super::number::Decimal;
use super::scan::{Kind, Scanner};
use super::text::{decode, unquoted};

/// Appends a text that compares as the VARIANT `value`, in its normal form, does.
pub fn write_order(value: &str, out: &mut String) {
    let mut scanner = Scanner::new(value);
    // A value in its normal form has no faults; if it had, it would sort by what is before them.
    let _ = write_value(&mut scanner, 0, out);
}

/// What ends arrays, objects, texts and digits: less than anything within.
const END: char = '\0';

/// What ends the digits of negative numbers, which sort the other way round.
const END_REVERSED: char = '\u{7f}';

fn write_value(
    scanner: &mut Scanner<'_>,
    depth: usize,
    out: &mut String,
) -> Result<(), super::Fault> {
    let start = scanner.at();
    match scanner.peek() {
        Some(b'[') => {
            out.push(tag(Kind::Array));
            let mut items = scanner.open(depth)?;
            while scanner.next_item(&mut items)? {
                write_value(scanner, depth + 1, out)?;
            }
            out.push(END);
        }
        Some(b'{') => {
            out.push(tag(Kind::Object));
            let mut members = scanner.open(depth)?;
            while let Some(key) = scanner.next_key(&mut members)? {
                out.push(tag(Kind::String));
                write_text(&decode(key), out);
                write_value(scanner, depth + 1, out)?;
            }
            out.push(END);
        }
        _ => {
            scanner.skip_value(depth)?;
            write_scalar(scanner.since(start), out);
        }
    }
    Ok(())
}

fn tag(kind: Kind) -> char {
    char::from(kind as u8 + 1)
}

fn write_scalar(raw: &str, out: &mut String) {
    let kind = Kind::of(raw);
    out.push(tag(kind));
    match kind {
        Kind::Boolean => out.push(if raw == "true" { '1' } else { '0' }),
        Kind::Number => write_number(&Decimal::parse(raw), out),
        Kind::String => write_text(&decode(unquoted(raw)), out),
        Kind::Null | Kind::Array | Kind::Object => {}
    }
}

fn write_text(text: &str, out: &mut String) {
    for character in text.chars() {
        out.push(character);
        if character == END {
            out.push('\u{1}');
        }
    }
    out.extend([END, END]);
}

/// Sign, then point and digits; those of negative numbers the other way round.
fn write_number(number: &Decimal<'_>, out: &mut String) {
    if number.digits.is_empty() {
        out.push('1');
        return;
    }
    // Exponents have at most six digits, and a record far fewer digits than 2^62.
    let biased = number.point.wrapping_add(1 << 62);
    let digits = format!("{biased:020}{}", number.digits);
    if number.is_negative {
        out.push('0');
        let reversed = digits
            .bytes()
            .map(|digit| char::from(b'9' - (digit - b'0')));
        out.extend(reversed);
        out.push(END_REVERSED);
    } else {
        out.push('2');
        out.push_str(&digits);
        out.push(END);
    }
}

#[cfg(test)]
mod tests {
    use super::super::normal::normalized;
    use super::write_order;

    #[test]
    fn values_sort_by_kind_and_value() {
        let sorted = [
            "null",
            "false",
            "true",
            "-1e300",
            "-10",
            "-9.5",
            "-9",
            "-0.5",
            "0",
            "1e-7",
            "0.5",
            "1",
            "1.5",
            "2",
            "9",
            "10",
            "10.25",
            "1e21",
            r#""""#,
            r#""\u0000""#,
            r#""a""#,
            r#""aa""#,
            r#""b""#,
            r#""é""#,
            "[]",
            "[null]",
            "[1]",
            "[1,2]",
            "[2]",
            "{}",
            r#"{"a":1}"#,
            r#"{"a":1,"b":0}"#,
            r#"{"a":2}"#,
            r#"{"b":0}"#,
        ];
        let keys: Vec<String> = sorted
            .iter()
            .map(|text| {
                let mut key = String::new();
                write_order(&normalized(text).unwrap(), &mut key);
                key
            })
            .collect();
        for (i, pair) in keys.windows(2).enumerate() {
            assert!(pair[0] < pair[1], "{} < {}", sorted[i], sorted[i + 1]);
        }
    }
}
