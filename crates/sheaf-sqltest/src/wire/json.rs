//! JSON in the notation that tests have for records: `{x: 1, y: [a, NULL]}`.

/// `json` with its outermost `depth` levels in the notation of tests, and what is deeper as it is: a
/// record that holds a VARIANT is opened, the VARIANT is not.
pub(super) fn notation(json: &str, depth: usize) -> String {
    let Some(inner_depth) = depth.checked_sub(1) else {
        return json.to_owned();
    };
    match json.as_bytes() {
        [b'{', .., b'}'] => {
            let members = parts(&json[1..json.len() - 1], b',')
                .into_iter()
                .map(|member| {
                    let pair = parts(member, b':');
                    let [key, value] = pair.as_slice() else {
                        return member.to_owned();
                    };
                    format!("{}: {}", notation(key, 1), notation(value, inner_depth))
                });
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        [b'[', .., b']'] => {
            let items = parts(&json[1..json.len() - 1], b',').into_iter();
            let items = items.map(|item| notation(item, inner_depth));
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        [b'"', .., b'"'] => unquoted(&json[1..json.len() - 1]),
        b"null" => "NULL".to_owned(),
        _ => json.to_owned(),
    }
}

/// The parts of `text` between separators that stand in no inner value and no string.
fn parts(text: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (vec![], 0, 0_usize);
    let (mut is_string, mut is_escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            _ if is_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            byte if byte == separator && depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if !text.trim().is_empty() {
        parts.push(text[start..].trim());
    }
    parts
}

/// The text of a JSON string; in a moment the `T` is a space, as tests have it.
fn unquoted(string: &str) -> String {
    let mut text = String::new();
    let mut rest = string.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('u') => {
                let digits: String = rest.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).unwrap_or_default();
                text.extend(char::from_u32(code));
            }
            Some(other) => text.push(other),
            None => {}
        }
    }
    let is_moment = text.len() >= 19
        && text
            .bytes()
            .take(11)
            .enumerate()
            .all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                10 => byte == b'T',
                _ => byte.is_ascii_digit(),
            });
    match is_moment {
        true => text.replacen('T', " ", 1),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::notation;

    #[test]
    fn levels_are_opened_one_by_one() {
        let json = r#"{"a":[1,{"b":"x, y"}],"c":null,"d":{"e":"}"}}"#;
        assert_eq!(notation(json, 0), json);
        assert_eq!(
            notation(json, 1),
            r#"{a: [1,{"b":"x, y"}], c: null, d: {"e":"}"}}"#
        );
        assert_eq!(notation(json, 9), "{a: [1, {b: x, y}], c: NULL, d: {e: }}}");
        assert_eq!(
            notation(r#""2024-01-02T03:04:05""#, 1),
            "2024-01-02 03:04:05"
        );
        assert_eq!(notation("{}", 2), "{}");
        assert_eq!(notation("[]", 2), "[]");
    }
}
