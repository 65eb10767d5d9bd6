//! PostgreSQL's binary forms as the text that PostgreSQL would show, written from its
//! documentation and independent of what the server does.
//!
//! Intervals are shown in parts that [`super::notation`] reads: `14 mons 3 days 04:05:06.000007`.

use std::fmt::Write;

use super::notation::ELEMENTS;

/// Days from 0000-03-01 to 2000-01-01.
const EPOCH_FROM_MARCH_0: i64 = 730_425;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The text of a value of type `oid`; `None` if it is not a value of it.
pub(super) fn text_of(oid: u32, bytes: &[u8]) -> Option<String> {
    if let Some((_, element)) = ELEMENTS.iter().find(|(array, _)| *array == oid) {
        return array(*element, bytes);
    }
    Some(match oid {
        16 => match bytes {
            [0] => "f".to_owned(),
            [1] => "t".to_owned(),
            _ => return None,
        },
        17 => bytes.iter().fold("\\x".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
        20 => i64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        21 => i16::from_be_bytes(bytes.try_into().ok()?).to_string(),
        23 => i32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        700 => {
            let value = f32::from_be_bytes(bytes.try_into().ok()?);
            crate::values::float4_text(value)
        }
        701 => {
            let value = f64::from_be_bytes(bytes.try_into().ok()?);
            crate::values::float8_text(value)
        }
        1700 => numeric(bytes)?,
        // "char", name, text, json.
        18 | 19 | 25 | 114 => String::from_utf8(bytes.to_vec()).ok()?,
        26 => u32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        1082 => {
            let days = i64::from(i32::from_be_bytes(bytes.try_into().ok()?));
            with_era(date(days))
        }
        1083 => clock(i64::from_be_bytes(bytes.try_into().ok()?)),
        1114 => timestamp(i64::from_be_bytes(bytes.try_into().ok()?), ""),
        1184 => timestamp(i64::from_be_bytes(bytes.try_into().ok()?), "+00"),
        1186 => {
            let (micros, rest) = bytes.split_first_chunk::<8>()?;
            let (days, months) = rest.split_first_chunk::<4>()?;
            let micros = i64::from_be_bytes(*micros);
            let sign = if micros < 0 { "-" } else { "" };
            format!(
                "{} mons {} days {sign}{}",
                i32::from_be_bytes(months.try_into().ok()?),
                i32::from_be_bytes(*days),
                clock(micros.checked_abs()?)
            )
        }
        2950 => {
            let hex: String = text_of(17, bytes)?.split_off(2);
            let part = |from: usize, to: usize| hex.get(from..to);
            let parts = [
                part(0, 8)?,
                part(8, 12)?,
                part(12, 16)?,
                part(16, 20)?,
                part(20, 32)?,
            ];
            (bytes.len() == 16).then(|| parts.join("-"))?
        }
        _ => return None,
    })
}

/// Dimensions, whether there are NULLs, the elements' type, each dimension's length and first
/// index, the elements.
fn array(element: u32, bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    let mut number = || {
        let (first, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        Some(i32::from_be_bytes(*first))
    };
    let dimensions = number()?;
    let has_null = number()?;
    if number()?.cast_unsigned() != element || !(0..=1).contains(&has_null) {
        return None;
    }
    let mut lengths = vec![];
    for _ in 0..dimensions {
        lengths.push(usize::try_from(number()?).ok()?);
        // PostgreSQL counts from 1.
        (number()? == 1).then_some(())?;
    }
    if lengths.is_empty() {
        return rest.is_empty().then(|| "{}".to_owned());
    }
    let mut text = String::new();
    let mut saw_null = false;
    elements(element, &lengths, &mut rest, &mut saw_null, &mut text)?;
    (rest.is_empty() && saw_null == (has_null == 1)).then_some(text)
}

fn elements(
    element: u32,
    lengths: &[usize],
    rest: &mut &[u8],
    saw_null: &mut bool,
    text: &mut String,
) -> Option<()> {
    let (length, inner) = lengths.split_first()?;
    text.push('{');
    for index in 0..*length {
        if index > 0 {
            text.push(',');
        }
        if !inner.is_empty() {
            elements(element, inner, rest, saw_null, text)?;
            continue;
        }
        let (size, after) = rest.split_first_chunk::<4>()?;
        *rest = after;
        let Ok(size) = usize::try_from(i32::from_be_bytes(*size)) else {
            *saw_null = true;
            text.push_str("NULL");
            continue;
        };
        let (value, after) = rest.split_at_checked(size)?;
        *rest = after;
        let value = text_of(element, value)?;
        let _ = write!(
            text,
            "\"{}\"",
            value.replace('\\', "\\\\").replace('"', "\\\"")
        );
    }
    text.push('}');
    Some(())
}

/// Digits to the base 10,000 behind their count, the power of the first, the sign and the number of
/// decimal places that are shown.
fn numeric(bytes: &[u8]) -> Option<String> {
    let words: Vec<u16> = bytes
        .chunks(2)
        .map(|word| Some(u16::from_be_bytes(word.try_into().ok()?)))
        .collect::<Option<_>>()?;
    let [count, weight, sign, scale, digits @ ..] = words.as_slice() else {
        return None;
    };
    if digits.len() != usize::from(*count) || digits.iter().any(|digit| *digit > 9_999) {
        return None;
    }
    let sign = match sign {
        0 => "",
        0x4000 => "-",
        0xC000 => return Some("NaN".to_owned()),
        _ => return None,
    };
    let weight = i32::from(weight.cast_signed());
    let digit = |power: i32| {
        let place = usize::try_from(weight - power).ok();
        place
            .and_then(|place| digits.get(place))
            .copied()
            .unwrap_or(0)
    };
    let whole: String = (0..=weight.max(0))
        .rev()
        .map(|power| format!("{:04}", digit(power)))
        .collect();
    let whole = whole.trim_start_matches('0');
    let scale = usize::from(*scale);
    let groups = i32::try_from(scale.div_ceil(4)).ok()?;
    let mut fraction: String = (1..=groups)
        .map(|power| format!("{:04}", digit(-power)))
        .collect();
    fraction.truncate(scale);
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if scale == 0 { "" } else { "." };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

/// A day counted from 2000-01-01, and whether it is before Christ. Years begin in March, so that a
/// leap day is the last of its year.
fn date(days: i64) -> (String, bool) {
    let days = days + EPOCH_FROM_MARCH_0;
    let (cycle, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let century = (day / 36_524).min(3);
    let day = day - century * 36_524;
    let (four, day) = (day / 1_461, day % 1_461);
    let year = (day / 365).min(3);
    let day = day - year * 365;
    let month = (day * 5 + 2) / 153;
    let day = day - (month * 153 + 2) / 5 + 1;
    let year = cycle * 400 + century * 100 + four * 4 + year + i64::from(month >= 10);
    let month = (month + 2) % 12 + 1;
    let shown = if year <= 0 { 1 - year } else { year };
    (format!("{shown:04}-{month:02}-{day:02}"), year <= 0)
}

fn with_era((date, is_before): (String, bool)) -> String {
    if is_before {
        format!("{date} BC")
    } else {
        date
    }
}

fn timestamp(micros: i64, zone: &str) -> String {
    let (day, is_before) = date(micros.div_euclid(MICROS_PER_DAY));
    let time = clock(micros.rem_euclid(MICROS_PER_DAY));
    with_era((format!("{day} {time}{zone}"), is_before))
}

fn clock(micros: i64) -> String {
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let fraction = match micros {
        0 => String::new(),
        micros => format!(".{micros:06}").trim_end_matches('0').to_owned(),
    };
    format!("{hours:02}:{minutes:02}:{seconds:02}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::{date, text_of};

    /// From PostgreSQL 18: `SELECT DATE '2000-02-29' - DATE '2000-01-01'` and the like.
    #[test]
    fn days_are_dates() {
        for (days, text) in [
            (0, "2000-01-01"),
            (59, "2000-02-29"),
            (60, "2000-03-01"),
            (-10_957, "1970-01-01"),
            (366, "2001-01-01"),
            (36_525, "2100-01-01"),
            (2_921_939, "9999-12-31"),
        ] {
            assert_eq!(date(days), (text.to_owned(), false));
        }
        assert_eq!(date(-730_120), ("0001-12-31".to_owned(), true));
    }

    /// What `numeric_send` gives for them.
    #[test]
    fn numbers_have_their_digits() {
        let shown = |words: &[u16]| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            text_of(1700, &bytes)
        };
        assert_eq!(
            shown(&[2, 0, 0x4000, 2, 12, 5_000]).as_deref(),
            Some("-12.50")
        );
        assert_eq!(shown(&[1, 1, 0, 0, 3]).as_deref(), Some("30000"));
        assert_eq!(shown(&[1, 0xFFFE, 0, 8, 42]).as_deref(), Some("0.00000042"));
        assert_eq!(shown(&[0, 0, 0, 3]).as_deref(), Some("0.000"));
        assert_eq!(shown(&[2, 0, 0, 0, 1]), None);
    }
}
