//! The lexer on unfinished and on arbitrary text.

use super::{
    CompletionPlace, KEYWORDS, TokenClass, completion_place, highlight, is_complete, split,
};

#[test]
fn keywords_are_sorted_and_upper_case() {
    assert!(KEYWORDS.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(KEYWORDS.iter().all(|word| *word == word.to_uppercase()));
}

#[test]
fn complete_when_a_semicolon_ends_it() {
    let cases = [
        ("", true),
        ("  -- nothing", true),
        ("SELECT 1", false),
        ("SELECT 1;", true),
        ("SELECT 1; -- done", true),
        ("SELECT 1; /* open", false),
        ("SELECT 1; SELECT 2", false),
        ("SELECT ';", false),
        ("SELECT 'it''s;';", true),
        ("SELECT E'\\';", false),
        ("SELECT E'\\'';", true),
        ("SELECT \";", false),
        ("SELECT $$;", false),
        ("SELECT $a$;$$;$a$;", true),
        ("SELECT -- ;", false),
        ("SELECT /* /* ; */ ;", false),
        ("SELECT a$b$c;", true),
    ];
    for (text, expected) in cases {
        assert_eq!(is_complete(text), expected, "{text}");
    }
}

#[test]
fn splits_at_semicolons_that_end_statements() {
    let pieces = |text: &'static str| -> Vec<&'static str> {
        split(text).into_iter().map(|range| &text[range]).collect()
    };
    assert_eq!(pieces("SELECT 1; SELECT ';'"), ["SELECT 1", " SELECT ';'"]);
    assert_eq!(pieces(" ; -- x\n;"), Vec::<&str>::new());
    assert_eq!(pieces("a /* ; */; $x$;$x$;"), ["a /* ; */", " $x$;$x$"]);
    assert_eq!(pieces("SELECT 'open; SELECT 2"), ["SELECT 'open; SELECT 2"]);
}

#[test]
fn colours() {
    use TokenClass::{
        Comment, Function, Keyword, Name, Number, Operator, Parameter, Punctuation, String,
    };
    let text = "SELECT sum(t.count), 'a' || $1 -- x\nFROM \"T\" WHERE a IN (1.5e3)";
    let found: Vec<(&str, TokenClass)> = highlight(text)
        .into_iter()
        .map(|(range, class)| (&text[range], class))
        .collect();
    assert_eq!(
        found,
        [
            ("SELECT", Keyword),
            ("sum", Function),
            ("(", Punctuation),
            ("t", Name),
            (".", Punctuation),
            ("count", Name),
            (")", Punctuation),
            (",", Punctuation),
            ("'a'", String),
            ("|", Operator),
            ("|", Operator),
            ("$1", Parameter),
            ("-- x", Comment),
            ("FROM", Keyword),
            ("\"T\"", Name),
            ("WHERE", Keyword),
            ("a", Name),
            ("IN", Keyword),
            ("(", Punctuation),
            ("1.5e3", Number),
            (")", Punctuation),
        ]
    );
}

/// `|` is the cursor; the second item is what will be replaced.
#[test]
fn places_for_completion() {
    use CompletionPlace::{FilePath, Name, Nothing, Setting, Statement, Table};
    let column = |table: &str| CompletionPlace::Column {
        table: table.to_owned(),
    };
    let cases = [
        ("|", Statement, ""),
        ("SEL|", Statement, "SEL"),
        ("SELECT 1; SE|", Statement, "SE"),
        ("EXPLAIN SEL|", Statement, "SEL"),
        ("SELECT |", Name, ""),
        ("SELECT am| FROM t", Name, "am"),
        ("SELECT * FROM |", Table, ""),
        ("SELECT * FROM sa|", Table, "sa"),
        ("SELECT * FROM a, b|", Table, "b"),
        ("SELECT * FROM a JOIN b|", Table, "b"),
        ("SELECT a, b|", Name, "b"),
        ("DESCRIBE t|", Table, "t"),
        ("SELECT * FROM t WHERE t.|", column("t"), ""),
        ("SELECT x.am| FROM sales AS x", column("sales"), "am"),
        ("SELECT x.| FROM 'a.csv' x", column("a.csv"), ""),
        ("FROM 'da|", FilePath, "da"),
        ("FROM 'da|'", FilePath, "da"),
        ("FROM read_csv('da|", FilePath, "da"),
        ("FROM read_csv(['a', 'da|", FilePath, "da"),
        ("FROM a, 'da|", FilePath, "da"),
        ("COPY t TO 'da|", FilePath, "da"),
        ("FROM '|", FilePath, ""),
        ("SELECT 'da|", Nothing, ""),
        ("SELECT * FROM t WHERE a = 'da|'", Nothing, ""),
        ("SELECT 1 -- FROM |", Nothing, ""),
        ("SELECT /* FROM | */ 1", Nothing, ""),
        ("SET |", Setting, ""),
        ("SET mem|", Setting, "mem"),
        ("SHOW th|", Setting, "th"),
        ("SELECT * FROM t |", Name, ""),
        ("SELECT * FROM \"My T|", Table, "\"My T"),
    ];
    for (text, place, replaced) in cases {
        let cursor = text.find('|').unwrap();
        let text = text.replace('|', "");
        let found = completion_place(&text, cursor);
        assert_eq!(
            (&found.place, &text[found.range.clone()]),
            (&place, replaced),
            "{text}"
        );
        assert_eq!(found.range.end, cursor, "{text}");
    }
    let tables = completion_place("SELECT  FROM a JOIN \"B c\" AS d, 'x.csv' WHERE", 7).tables;
    assert_eq!(tables, ["a", "B c", "x.csv"]);
}

/// Numbers from a fixed sequence (xorshift), so that a failure can be repeated.
struct Sequence(u64);

impl Sequence {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

/// Texts that mean something to a lexer.
const PIECES: &[&str] = &[
    "SELECT",
    "FROM",
    "JOIN",
    "SET",
    " ",
    "\n",
    "\r\n",
    "\t",
    "'",
    "''",
    "\"",
    "$",
    "$$",
    "$a$",
    "$1",
    "--",
    "/*",
    "*/",
    ";",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    "E'",
    "U&'",
    "\\",
    "1",
    "0x",
    "1e",
    ".5",
    "é",
    "日本",
    "🦀",
    "\u{a0}",
    "\u{0}",
    "a",
    "_",
    "::",
    "->",
    "read_csv(",
    "USING SAMPLE",
    "10%",
    "ASOF",
    "LEFT",
    "ON",
    "lambda x:",
    "AS",
    "WITH",
    "UNION",
    "EXCEPT",
    "COPY",
    "TO",
    "EXPLAIN",
    "MATCH_CONDITION",
    "//",
    "?",
    "@",
    "#",
    "`",
    "TABLE",
    "VALUES",
    "TABLESAMPLE",
    "IN",
    "INTERVAL",
    "CASE",
    "WHEN",
    "END",
    "\u{301}",
];

/// Arbitrary texts of such pieces.
#[test]
fn any_text_is_taken() {
    let mut sequence = Sequence(0x9e37_79b9_7f4a_7c15);
    for _ in 0..8_000 {
        let length = sequence.below(24);
        let mut text = String::new();
        for _ in 0..length {
            text.push_str(PIECES[sequence.below(PIECES.len())]);
            if sequence.below(3) == 0 {
                text.push(' ');
            }
        }
        let mut end = 0;
        for (range, _) in highlight(&text) {
            assert!(end <= range.start && range.start < range.end, "{text:?}");
            assert!(text.get(range.clone()).is_some(), "{text:?}");
            end = range.end;
        }
        let pieces = split(&text);
        assert!(
            pieces.iter().all(|range| text.get(range.clone()).is_some()),
            "{text:?}"
        );
        let cursor = sequence.below(text.len() + 3);
        let completion = completion_place(&text, cursor);
        assert!(
            text.get(completion.range.clone()).is_some(),
            "{text:?} at {cursor}"
        );
        assert!(completion.range.end <= cursor, "{text:?} at {cursor}");
        let _ = is_complete(&text);
        check_parse(&text);
    }
}

/// The parser gives statements or an error within the text; each statement's text is a part of
/// the script and parses by itself to a statement of the same text.
fn check_parse(text: &str) {
    match crate::parse(text) {
        Ok(statements) => {
            for statement in statements {
                assert!(text.contains(&statement.text), "{text:?}");
                let again = crate::parse(&statement.text);
                assert_eq!(again.map_or(0, |again| again.len()), 1, "{text:?}");
            }
        }
        Err(error) => {
            let lines: Vec<&str> = text.split('\n').collect();
            let Some(position) = error.position() else {
                panic!("{text:?}: {error}")
            };
            let line = usize::try_from(position.line).unwrap();
            let column = usize::try_from(position.column).unwrap();
            assert!((1..=lines.len()).contains(&line), "{text:?}: {position:?}");
            let length = lines[line - 1].chars().count();
            assert!(
                (1..=length + 1).contains(&column),
                "{text:?}: {position:?} {error}"
            );
        }
    }
}
