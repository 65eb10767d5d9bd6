//! PostgreSQL's text of a value in the notation of the tests.
//!
//! What the wire calls one type may be several in the engine: `json` is a VARIANT, a struct or a
//! map; `interval` is an interval or a duration. Tests show these each in its own way, so such a
//! value has several [`spellings`], of which all values of a column must take the same one.

use super::json;

/// The numbers of array types with those of their elements, as in PostgreSQL's `pg_type.dat`.
pub(super) const ELEMENTS: &[(u32, u32)] = &[
    (1000, 16),
    (1001, 17),
    (1002, 18),
    (1003, 19),
    (1005, 21),
    (1007, 23),
    (1016, 20),
    (1021, 700),
    (1022, 701),
    (1231, 1700),
    (1009, 25),
    (1182, 1082),
    (1183, 1083),
    (1115, 1114),
    (1185, 1184),
    (1187, 1186),
    (2951, 2950),
    (199, 114),
    (1028, 26),
];

const JSON: u32 = 114;
const INTERVAL: u32 = 1186;
const BOOL: u32 = 16;
const TIMESTAMPTZ: u32 = 1184;

/// How many levels of JSON are opened in each of its spellings.
const JSON_DEPTHS: [usize; 5] = [0, 1, 2, 3, usize::MAX];

/// The spellings of the text of a value of type `oid`.
pub(super) fn spellings(oid: u32, text: &str) -> Option<Vec<String>> {
    if let Some((_, element)) = ELEMENTS.iter().find(|(array, _)| *array == oid) {
        let count = spellings_count(*element);
        return (0..count)
            .map(|which| array(*element, text, which))
            .collect();
    }
    Some(match oid {
        BOOL => vec![
            match text {
                "t" => "true",
                "f" => "false",
                _ => return None,
            }
            .to_owned(),
        ],
        JSON => JSON_DEPTHS
            .map(|depth| json::notation(text, depth))
            .to_vec(),
        INTERVAL => interval(text)?.to_vec(),
        TIMESTAMPTZ => vec![with_minutes(text)],
        17..=21 | 23 | 25 | 26 | 700 | 701 | 1082 | 1083 | 1114 | 1700 | 2950 => {
            vec![text.to_owned()]
        }
        _ => return None,
    })
}

/// How many spellings values of a type have.
pub(super) fn spellings_count(oid: u32) -> usize {
    match oid {
        JSON => JSON_DEPTHS.len(),
        INTERVAL => 2,
        _ => ELEMENTS
            .iter()
            .find(|(array, _)| *array == oid)
            .map_or(1, |(_, element)| spellings_count(*element)),
    }
}

/// `2024-01-01 00:00:00+05:30` as it is, `…+00` with minutes.
fn with_minutes(moment: &str) -> String {
    let digits = moment.bytes().rev().take_while(u8::is_ascii_digit).count();
    let sign = moment
        .len()
        .checked_sub(digits + 1)
        .and_then(|at| moment.as_bytes().get(at));
    match (digits, sign) {
        (2, Some(b'+' | b'-')) => format!("{moment}:00"),
        _ => moment.to_owned(),
    }
}

/// `{1,"a b",NULL,{…}}` as `[1, a b, NULL, […]]`; `None` if it is not of that form.
fn array(element: u32, text: &str, which: usize) -> Option<String> {
    let mut rest = text;
    let shown = list(element, &mut rest, which)?;
    rest.is_empty().then_some(shown)
}

fn list(element: u32, rest: &mut &str, which: usize) -> Option<String> {
    *rest = rest.strip_prefix('{')?;
    let mut items = vec![];
    loop {
        match rest.chars().next()? {
            '}' => {
                *rest = &rest[1..];
                return Some(format!("[{}]", items.join(", ")));
            }
            ',' if !items.is_empty() => *rest = &rest[1..],
            _ if !items.is_empty() => return None,
            _ => {}
        }
        let item = match rest.chars().next()? {
            '{' => list(element, rest, which)?,
            '"' => {
                let text = quoted(rest)?;
                spellings(element, &text)?.into_iter().nth(which)?
            }
            _ => {
                let end = rest.find([',', '}'])?;
                let bare = &rest[..end];
                *rest = &rest[end..];
                match bare {
                    "NULL" => "NULL".to_owned(),
                    bare => spellings(element, bare)?.into_iter().nth(which)?,
                }
            }
        };
        items.push(item);
    }
}

/// Takes a quoted element off `rest`.
fn quoted(rest: &mut &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = rest[1..].char_indices();
    loop {
        match characters.next()? {
            (at, '"') => {
                *rest = &rest[at + 2..];
                return Some(text);
            }
            (_, '\\') => text.push(characters.next()?.1),
            (_, c) => text.push(c),
        }
    }
}

/// An interval as Arrow prints it, and a duration of the same length as Arrow prints that.
fn interval(text: &str) -> Option<[String; 2]> {
    let (mut months, mut days, mut micros) = (0_i64, 0_i64, 0_i64);
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        if word.contains(':') {
            micros = clock_micros(word)?;
            continue;
        }
        let count: i64 = word.parse().ok()?;
        match words.next()? {
            "year" | "years" => months += 12 * count,
            "mon" | "mons" => months += count,
            "day" | "days" => days += count,
            _ => return None,
        }
    }
    let nanos = micros.unsigned_abs() % 1_000_000 * 1_000;
    let seconds = micros.unsigned_abs() / 1_000_000;
    let sign = if micros < 0 { "-" } else { "" };
    let mut parts = vec![];
    for (count, unit) in [(months, "mons"), (days, "days")] {
        if count != 0 {
            parts.push(format!("{count} {unit}"));
        }
    }
    for (count, unit) in [(seconds / 3_600, "hours"), (seconds / 60 % 60, "mins")] {
        if count != 0 {
            parts.push(format!("{sign}{count} {unit}"));
        }
    }
    if seconds % 60 != 0 || nanos != 0 {
        parts.push(format!("{sign}{}.{nanos:09} secs", seconds % 60));
    }
    let length = days * 86_400_000_000 + micros;
    let (sign, length) = (if length < 0 { "-" } else { "" }, length.unsigned_abs());
    let fraction = match length % 1_000_000 {
        0 => String::new(),
        rest => format!(".{rest:06}").trim_end_matches('0').to_owned(),
    };
    let duration = format!("{sign}PT{}{fraction}S", length / 1_000_000);
    Some([parts.join(" "), duration])
}

/// `-04:05:06.7` in microseconds.
fn clock_micros(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = text.split(':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let (seconds, fraction) = parts.next()?.split_once('.').unwrap_or_else(|| {
        let seconds = text.rsplit(':').next().unwrap_or_default();
        (seconds, "")
    });
    let seconds: i64 = seconds.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<6}").parse().ok()?;
    Some(sign * (((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction))
}

#[cfg(test)]
mod tests {
    use super::{interval, spellings};

    #[test]
    fn texts_are_shown_as_tests_show_them() {
        let one = |oid, text| spellings(oid, text).unwrap().remove(0);
        assert_eq!(one(16, "t"), "true");
        assert_eq!(one(1007, "{1,NULL,-3}"), "[1, NULL, -3]");
        assert_eq!(
            one(1009, r#"{"a \"b\"",NULL,"NULL","",c}"#),
            r#"[a "b", NULL, NULL, , c]"#
        );
        assert_eq!(one(1007, "{{1,2},{3,4}}"), "[[1, 2], [3, 4]]");
        assert_eq!(
            one(1184, "2024-01-01 00:00:00+00"),
            "2024-01-01 00:00:00+00:00"
        );
        assert_eq!(
            one(1184, "2024-01-01 00:00:00+05:30"),
            "2024-01-01 00:00:00+05:30"
        );
        assert_eq!(spellings(1007, "{1,2"), None);
        assert_eq!(spellings(705, "x"), None);
    }

    #[test]
    fn intervals_have_two_spellings() {
        let [interval, duration] = interval("1 year 2 mons -3 days +04:05:06.7").unwrap();
        assert_eq!(interval, "14 mons -3 days 4 hours 5 mins 6.700000000 secs");
        // -3 days are -259,200 s; 4:05:06.7 are 14,706.7 s.
        assert_eq!(duration, "-PT244493.3S");
    }
}
