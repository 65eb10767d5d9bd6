//! The members of one object, one by one.

use std::borrow::Cow;

use super::scan::{Fault, Scanner};
use super::text::decode;

/// Checks `text`, one JSON value, and calls `visit` with key and value of each member if it is an
/// object; says whether it is one.
///
/// # Errors
/// A fault if it is not one JSON value; members before it have been visited.
pub fn visit_members<'a>(
    text: &'a str,
    mut visit: impl FnMut(Cow<'a, str>, &'a str),
) -> Result<bool, Fault> {
    let mut scanner = Scanner::new(text);
    scanner.skip_space();
    if scanner.peek() != Some(b'{') {
        scanner.skip_value(0)?;
        scanner.finish()?;
        return Ok(false);
    }
    let mut object = scanner.open(0)?;
    while let Some(key) = scanner.next_key(&mut object)? {
        let start = scanner.at();
        scanner.skip_value(1)?;
        visit(decode(key), scanner.since(start));
    }
    scanner.finish()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::visit_members;

    fn members(text: &str) -> Option<Vec<(String, String)>> {
        let mut found = Vec::new();
        let is_object = visit_members(text, |key, value| {
            found.push((key.into_owned(), value.to_owned()));
        });
        is_object.ok().filter(|is_object| *is_object).map(|_| found)
    }

    #[test]
    fn members_are_visited_as_they_are_written() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            members(r#" {"a": [1, 2], "\u0062" :"x"} "#),
            Some(vec![pair("a", "[1, 2]"), pair("b", "\"x\"")])
        );
        assert_eq!(members("{}"), Some(vec![]));
        assert_eq!(members("[1]"), None);
        assert_eq!(members(r#"{"a": 1} x"#), None);
        assert_eq!(members(r#"{"a": tru}"#), None);
    }
}
