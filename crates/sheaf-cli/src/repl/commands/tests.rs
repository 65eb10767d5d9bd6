//! Parsing of command lines.

use super::words::words;
use super::{COMMANDS, find, split};

#[test]
fn a_line_is_a_name_and_the_rest() {
    assert_eq!(split("\\d  'a b.csv' ;"), ("\\d", "'a b.csv'"));
    assert_eq!(split("  \\q"), ("\\q", ""));
    assert_eq!(split("\\set x 1;"), ("\\set", "x 1"));
}

#[test]
fn words_keep_what_is_quoted_together() {
    assert_eq!(words("a  'b c' \"d e\"f").unwrap(), ["a", "b c", "d ef"]);
    assert_eq!(words("'it''s' ''").unwrap(), ["it's", ""]);
    assert!(words(" \t").unwrap().is_empty());
    assert_eq!(
        words("'open").unwrap_err().message(),
        "the quote ' is not closed"
    );
}

#[test]
fn unknown_commands_get_the_nearest_name() {
    assert_eq!(find("\\timing").unwrap().names[0], "\\timing");
    assert_eq!(find("\\quit").unwrap().names[0], "\\q");
    let error = find("\\timng").err().unwrap();
    assert_eq!(error.message(), "there is no command \\timng");
    assert_eq!(error.hint(), Some("did you mean \\timing?"));
    let error = find("\\xyzzy").err().unwrap();
    assert_eq!(error.hint(), Some("\\? lists the commands"));
}

#[test]
fn no_two_commands_share_a_name() {
    let mut names: Vec<&str> = COMMANDS.iter().flat_map(|c| c.names).copied().collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(names.iter().all(|name| name.starts_with('\\')));
}
