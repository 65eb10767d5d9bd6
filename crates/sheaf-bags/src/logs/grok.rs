//! Grok's patterns: names for regular expressions, put together into one.
//!
//! `%{NAME}` stands for the pattern called NAME, `%{NAME:key}` makes what it matches a key of the
//! record, `%{NAME:key:int}` a number. The names are those that logs' tools share; the expressions
//! are ours, without look-around, so that matching takes time in proportion to the line.

use std::fmt::Write;

/// Patterns within patterns.
const DEPTH_MAX: usize = 16;

/// Bytes of the expression that a pattern may become.
const EXPANDED_BYTES_MAX: usize = 64 * 1024;

/// Names and what they stand for, each after those that it uses.
static PATTERNS: &[(&str, &str)] = &[
    ("WORD", r"\w+"),
    ("NOTSPACE", r"\S+"),
    ("SPACE", r"\s*"),
    ("DATA", r".*?"),
    ("GREEDYDATA", r".*"),
    ("INT", r"[+-]?\d+"),
    ("POSINT", r"[1-9]\d*"),
    ("NONNEGINT", r"\d+"),
    (
        "BASE10NUM",
        r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?",
    ),
    ("NUMBER", "%{BASE10NUM}"),
    ("BASE16NUM", r"[+-]?(?:0[xX])?[0-9A-Fa-f]+"),
    ("QUOTEDSTRING", r#""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'"#),
    ("QS", "%{QUOTEDSTRING}"),
    (
        "UUID",
        r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    ),
    ("MAC", r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}"),
    (
        "IPV4",
        r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)",
    ),
    (
        "IPV6",
        r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.\d{1,3}){0,3}(?:%\w+)?",
    ),
    ("IP", "%{IPV6}|%{IPV4}"),
    (
        "HOSTNAME",
        r"[0-9A-Za-z][0-9A-Za-z_-]{0,62}(?:\.[0-9A-Za-z][0-9A-Za-z_-]{0,62})*\.?",
    ),
    ("HOST", "%{HOSTNAME}"),
    ("IPORHOST", "%{IP}|%{HOSTNAME}"),
    ("HOSTPORT", "(?:%{IPORHOST}):%{POSINT}"),
    ("USERNAME", r"[0-9A-Za-z._-]+"),
    ("USER", "%{USERNAME}"),
    (
        "EMAILADDRESS",
        r"[0-9A-Za-z!#$%&'*+/=?^_`{|}~.-]+@%{HOSTNAME}",
    ),
    ("UNIXPATH", r"(?:/[^\s/]*)+"),
    ("WINPATH", r"(?:[A-Za-z]:|\\)(?:\\[^\\?*\s]*)+"),
    ("PATH", "%{UNIXPATH}|%{WINPATH}"),
    ("URIPROTO", r"[A-Za-z][0-9A-Za-z+.-]*"),
    ("URIHOST", "(?:%{IPORHOST})(?::%{POSINT})?"),
    ("URIPATH", r"(?:/[^\s?#]*)+"),
    ("URIPARAM", r"\?\S*"),
    ("URIPATHPARAM", "%{URIPATH}(?:%{URIPARAM})?"),
    (
        "URI",
        "%{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?",
    ),
    (
        "MONTH",
        r"(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:tember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)",
    ),
    ("MONTHNUM", r"0?[1-9]|1[0-2]"),
    ("MONTHDAY", r"3[01]|[12]\d|0?[1-9]"),
    ("DAY", r"(?i:mon|tue|wed|thu|fri|sat|sun)[a-z]*"),
    ("YEAR", r"\d{4}|\d{2}"),
    ("HOUR", r"2[0-3]|[01]?\d"),
    ("MINUTE", r"[0-5]\d"),
    ("SECOND", r"(?:[0-5]?\d|60)(?:[:.,]\d+)?"),
    ("TIME", "(?:%{HOUR}):(?:%{MINUTE})(?::%{SECOND})?"),
    (
        "DATE_US",
        "(?:%{MONTHNUM})[/-](?:%{MONTHDAY})[/-](?:%{YEAR})",
    ),
    (
        "DATE_EU",
        "(?:%{MONTHDAY})[./-](?:%{MONTHNUM})[./-](?:%{YEAR})",
    ),
    ("ISO8601_TIMEZONE", r"Z|[+-]\d{2}:?\d{2}"),
    (
        "TIMESTAMP_ISO8601",
        r"\d{4}-\d{2}-\d{2}[T ]\d{2}:?\d{2}(?::?\d{2}(?:[.,]\d+)?)?(?:%{ISO8601_TIMEZONE})?",
    ),
    ("SYSLOGTIMESTAMP", "%{MONTH} +(?:%{MONTHDAY}) %{TIME}"),
    (
        "HTTPDATE",
        r"(?:%{MONTHDAY})/%{MONTH}/\d{4}:%{TIME} [+-]\d{4}",
    ),
    (
        "LOGLEVEL",
        r"(?i:trace|debug|info(?:rmation)?|notice|warn(?:ing)?|err(?:or)?|crit(?:ical)?|alert|fatal|severe|emerg(?:ency)?)",
    ),
    ("PROG", r"[\w./%-]+"),
    ("SYSLOGPROG", r"%{PROG:program}(?:\[%{POSINT:pid:int}\])?"),
    (
        "COMMONAPACHELOG",
        r#"%{IPORHOST:host} %{NOTSPACE:ident} %{NOTSPACE:user} \[%{HTTPDATE:time}\] "(?:%{WORD:method} %{NOTSPACE:path}(?: %{NOTSPACE:protocol})?|%{DATA:request})" %{INT:status:int} (?:%{INT:bytes:int}|-)"#,
    ),
    (
        "COMBINEDAPACHELOG",
        r#"%{COMMONAPACHELOG} "%{DATA:referer}" "%{DATA:user_agent}""#,
    ),
];

/// A pattern as a regular expression.
#[derive(Debug, Default)]
pub(super) struct Expanded {
    pub(super) regex: String,
    /// The key of each numbered group `g0`, `g1`, …, and whether it is a number.
    pub(super) keys: Vec<(String, bool)>,
}

/// The regular expression that `pattern` stands for.
///
/// # Errors
/// What is wrong with it.
pub(super) fn expand(pattern: &str) -> Result<Expanded, String> {
    let mut expanded = Expanded::default();
    expand_into(pattern, DEPTH_MAX, &mut expanded)?;
    Ok(expanded)
}

fn expand_into(pattern: &str, depth_left: usize, out: &mut Expanded) -> Result<(), String> {
    if depth_left == 0 || out.regex.len() > EXPANDED_BYTES_MAX {
        return Err(format!(
            "it has over {EXPANDED_BYTES_MAX} bytes once written out"
        ));
    }
    let mut rest = pattern;
    while let Some((before, behind)) = rest.split_once("%{") {
        out.regex.push_str(before);
        let (reference, behind) = behind
            .split_once('}')
            .ok_or_else(|| "a %{ has no closing }".to_owned())?;
        rest = behind;
        let mut parts = reference.splitn(3, ':');
        let name = parts.next().unwrap_or_default();
        let (_, inner) = PATTERNS
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| format!("there is no pattern {name}"))?;
        match parts.next() {
            None => out.regex.push_str("(?:"),
            Some("") => return Err(format!("%{{{reference}}} has an empty key")),
            Some(key) => {
                let is_number = match parts.next() {
                    None | Some("string" | "text") => false,
                    Some("int" | "integer" | "long" | "float" | "double" | "number") => true,
                    Some(other) => {
                        return Err(format!("there is no type {other}: int, float, string"));
                    }
                };
                // Writing to a text cannot fail.
                let _ = write!(out.regex, "(?<g{}>", out.keys.len());
                out.keys.push((key.to_owned(), is_number));
            }
        }
        expand_into(inner, depth_left - 1, out)?;
        out.regex.push(')');
    }
    out.regex.push_str(rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::{PATTERNS, expand};

    /// Whether all of a text is what a pattern means.
    fn is(name: &str, text: &str) -> bool {
        let expanded = expand(&format!("^%{{{name}}}$")).unwrap();
        Regex::new(&expanded.regex).unwrap().is_match(text)
    }

    #[test]
    fn every_pattern_compiles() {
        for (name, _) in PATTERNS {
            let expanded = expand(&format!("%{{{name}}}")).unwrap();
            assert!(
                Regex::new(&expanded.regex).is_ok(),
                "{name}: {}",
                expanded.regex
            );
        }
    }

    #[test]
    fn patterns_match_what_they_are_called() {
        for (name, good, bad) in [
            ("NUMBER", "-1.5e3", "1x"),
            ("INT", "-12", "1.5"),
            ("IP", "10.0.0.1", "10.0.0.256"),
            ("IP", "2001:db8::1", "hello"),
            ("IPORHOST", "a-b.example.com", "-a"),
            ("HOSTPORT", "localhost:80", "localhost"),
            ("UUID", "123e4567-e89b-12d3-a456-426614174000", "123"),
            ("EMAILADDRESS", "a.b@example.com", "a.b"),
            ("URI", "https://me@example.com:8080/a/b?c=d", "example"),
            ("QS", r#""a \" b""#, "\"a"),
            ("TIMESTAMP_ISO8601", "2026-01-01T00:16:40.5Z", "2026-1-1"),
            ("HTTPDATE", "10/Oct/2000:13:55:36 -0700", "10/13/2000"),
            ("SYSLOGTIMESTAMP", "Jan  3 04:05:06", "3 Jan"),
            ("LOGLEVEL", "Warning", "loud"),
        ] {
            assert!(is(name, good), "{name} {good}");
            assert!(!is(name, bad), "{name} {bad}");
        }
    }
}
