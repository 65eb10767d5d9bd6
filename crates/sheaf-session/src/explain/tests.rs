//! The drawing of trees, from nodes made by hand.

use std::time::Duration;

use sheaf_base::RowCount;

use super::node::{Measured, PlanNode, without_indexes};
use super::{to_json, to_lines};

fn node(name: &str, details: &str, children: Vec<PlanNode>) -> PlanNode {
    PlanNode {
        name: name.into(),
        details: details.into(),
        output: vec!["a".into()],
        measured: None,
        children,
    }
}

#[test]
fn branches_join_their_inputs() {
    let left = node("Sort", "a", vec![node("Scan", "csv 1 file", vec![])]);
    let plan = node("Hash Join", "a = b", vec![left, node("Scan", "", vec![])]);
    assert_eq!(
        to_lines(&plan),
        [
            "Hash Join  a = b",
            "├─ Sort  a",
            "│  └─ Scan  csv 1 file",
            "└─ Scan"
        ]
    );
}

#[test]
fn measurements_follow_the_operator() {
    let mut plan = node("Scan", "", vec![]);
    plan.measured = Some(Measured {
        rows: Some(RowCount(80_000)),
        cpu: Some(Duration::from_millis(12)),
        memory_peak: None,
        spilled: None,
    });
    assert_eq!(to_lines(&plan), ["Scan  [80,000 rows, cpu 12 ms]"]);
    assert_eq!(
        to_json(&plan, false),
        r#"[{"Plan":{"Node Type":"Scan","Details":"","rows":80000,"cpu_us":12000,"Plans":[]}}]"#
    );
}

#[test]
fn json_escapes_what_must_be() {
    let plan = node("Filter", "a = \"x\\y\"\n", vec![]);
    assert_eq!(
        to_json(&plan, true),
        r#"[{"Plan":{"Node Type":"Filter","Details":"a = \"x\\y\"\u000a","Output":["a"],"Plans":[]}}]"#
    );
}

#[test]
fn column_numbers_are_left_out() {
    assert_eq!(
        without_indexes("gby=[region@0 as region], a@12 = b@3"),
        "gby=[region as region], a = b"
    );
    assert_eq!(without_indexes("mail = 'a@b'"), "mail = 'a@b'");
}
