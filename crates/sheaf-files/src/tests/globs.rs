//! Which files a path names.

use crate::listing::glob::{Glob, Segment, expand_braces};
use crate::tests::Fixture;

fn matches(pattern: &str, name: &str) -> bool {
    match &Glob::parse(pattern).segments[..] {
        [segment] => segment.matches(name),
        other => panic!("{other:?}"),
    }
}

#[test]
fn segments_match_as_in_shells() {
    for (pattern, name, expected) in [
        ("*.csv", "a.csv", true),
        ("*.csv", "a.csv.gz", false),
        ("*", ".hidden", false),
        (".*", ".hidden", true),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("[a-c]x", "bx", true),
        ("[!a-c]x", "bx", false),
        ("[!a-c]x", "dx", true),
        ("[]]x", "]x", true),
        ("[abc", "[abc", true),
        ("*a*b*c*", "xxaxxbxxcxx", true),
        ("*a*b*c*", "xxaxxcxxbxx", false),
        ("日*", "日本", true),
    ] {
        assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
    }
    assert_eq!(Glob::parse("a/**/b").segments[1], Segment::AnyDepth);
}

#[test]
fn braces_expand_and_nest() {
    let expand = |pattern| expand_braces(pattern).unwrap();
    assert_eq!(expand("a{b,c}d"), ["abd", "acd"]);
    assert_eq!(expand("{a,b{c,d}}"), ["a", "bc", "bd"]);
    assert_eq!(expand("{a}{x,}"), ["{a}x", "{a}"]);
    assert_eq!(expand("plain{"), ["plain{"]);
    assert!(expand_braces(&"{a,b}".repeat(20)).is_err());
}

fn tree() -> Fixture {
    let fixture = Fixture::new();
    for name in [
        "a1.csv",
        "a2.csv",
        "b1.csv",
        "sub/c1.csv",
        "sub/deep/d1.csv",
        ".h.csv",
        "sub/_x/e.csv",
    ] {
        fixture.write(name, format!("name\n{name}\n"));
    }
    fixture
        .write("empty.csv", "")
        .write("sub/README.md", "words")
        .write("sub/_SUCCESS", "x");
    fixture
}

#[tokio::test]
async fn patterns_find_files_sorted_by_path() {
    let tree = tree();
    for (pattern, expected) in [
        ("a*.csv", "a1.csv a2.csv"),
        ("*.csv", "a1.csv a2.csv b1.csv"),
        ("[ab]1.csv", "a1.csv b1.csv"),
        ("{b1,a1}.csv", "a1.csv b1.csv"),
        ("a?.csv", "a1.csv a2.csv"),
        ("sub/", "sub/c1.csv sub/deep/d1.csv"),
        ("sub", "sub/c1.csv sub/deep/d1.csv"),
        ("s*/*.csv", "sub/c1.csv"),
        ("**/*1.csv", "a1.csv b1.csv sub/c1.csv sub/deep/d1.csv"),
        ("sub/**/*.csv", "sub/c1.csv sub/deep/d1.csv"),
        ("**/deep/*.csv", "sub/deep/d1.csv"),
        ("s*/", "sub/c1.csv sub/deep/d1.csv"),
        ("*/deep/d1.csv", "sub/deep/d1.csv"),
    ] {
        let found = tree
            .select(pattern, "SELECT name FROM t ORDER BY name")
            .await;
        assert_eq!(found.join(" "), expected, "{pattern}");
    }
}

#[tokio::test]
async fn lists_of_paths_and_names_with_glob_characters() {
    let tree = tree();
    tree.write("odd[1].csv", "name\nodd\n")
        .write("x b#1%20.csv", "name\nspaced\n");
    let mut request = tree.request("b1.csv");
    request.paths.push(tree.path("a*.csv"));
    let found = tree
        .rows(&request, "SELECT name FROM t ORDER BY name")
        .await
        .unwrap();
    assert_eq!(found, ["a1.csv", "a2.csv", "b1.csv"]);
    assert_eq!(
        tree.select("odd[1].csv", "SELECT name FROM t").await,
        ["odd"]
    );
    assert_eq!(
        tree.select("x b#*.csv", "SELECT name FROM t").await,
        ["spaced"]
    );
    assert_eq!(
        tree.select("x b#1%20.csv", "SELECT name FROM t").await,
        ["spaced"]
    );
}

#[tokio::test]
async fn paths_that_name_nothing_say_what_is_there() {
    let tree = tree();
    tree.write("sales.csv", "a\n1\n")
        .write("nothing/.keep", "x");
    let error = tree.error(&tree.request("slaes.csv")).await;
    assert_eq!(tree.short(&error), "no such file: slaes.csv");
    assert!(
        error.hint().unwrap().contains("sales.csv\"?"),
        "{:?}",
        error.hint()
    );
    let error = tree.error(&tree.request("missing/a.csv")).await;
    assert!(
        error.hint().unwrap().contains("there is no directory"),
        "{:?}",
        error.hint()
    );
    let error = tree.error(&tree.request("sub/*.parquet")).await;
    assert_eq!(tree.short(&error), "no file matches \"sub/*.parquet\"");
    let error = tree.error(&tree.request("nothing/")).await;
    assert_eq!(tree.short(&error), "directory nothing/ holds no files");
    let error = tree.error(&tree.request("empty.csv")).await;
    assert!(
        tree.short(&error).starts_with("empty.csv is empty"),
        "{error}"
    );
}

#[tokio::test]
async fn formats_come_from_names_and_must_agree() {
    let tree = tree();
    tree.write("x.parquet", "PAR1").write("x.dat", "a,b\n1,2\n");
    let error = tree.error(&tree.request("{a1.csv,x.parquet}")).await;
    assert_eq!(
        tree.short(&error),
        "a1.csv is CSV and x.parquet is Parquet: files of one table have one format"
    );
    let error = tree.error(&tree.request("x.dat")).await;
    assert_eq!(
        tree.short(&error),
        "the name of x.dat does not tell its format"
    );
    let request = tree.request("x.dat").with_format("csv");
    assert_eq!(
        tree.rows(&request, "SELECT a + b FROM t").await.unwrap(),
        ["3"]
    );
}
