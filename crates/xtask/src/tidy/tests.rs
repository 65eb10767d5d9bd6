//! Each check against a small wrong tree; the true tree is checked by `cargo xtask tidy` itself.

use super::layers::{compare, table};
use super::manifest::dependencies;
use super::sources::file_faults;

const TABLE: &str = "
# Architecture

| layer | crate | what lives there |
|---|---|---|
| 0 | `base` | errors |
| 1 | `left`, `right` | two |
| 2 | `sheaf` | the facade |
| 3 | `door` | a front door |
| – | `tool` | a tool |

| other | table |
|---|---|
| 9 | `none` |
";

fn faults_of(name: &str, imports: &[&str]) -> Vec<String> {
    let layers = table(TABLE);
    let crates: Vec<_> = layers
        .keys()
        .map(|known| {
            let imports = if known == name { imports } else { &[] };
            let lines = imports
                .iter()
                .map(|import| format!("{import}.workspace = true\n"));
            (
                known.clone(),
                format!("[dependencies]\n{}", lines.collect::<String>()),
            )
        })
        .collect();
    compare(&layers, &crates)
}

#[test]
fn the_table_ends_with_its_last_row() {
    let layers = table(TABLE);
    assert_eq!(layers.len(), 6);
    assert_eq!(layers["right"], Some(1));
    assert_eq!(layers["tool"], None);
}

#[test]
fn imports_point_down_only() {
    assert!(faults_of("left", &["base", "serde"]).is_empty());
    assert_eq!(
        faults_of("left", &["right"]),
        ["left imports right: imports point down only"]
    );
    assert_eq!(
        faults_of("base", &["sheaf"]),
        ["base imports sheaf: imports point down only"]
    );
}

#[test]
fn front_doors_and_tools_see_the_facade_alone() {
    assert!(faults_of("door", &["sheaf"]).is_empty());
    assert!(faults_of("tool", &["sheaf"]).is_empty());
    assert_eq!(faults_of("door", &["sheaf", "base"]).len(), 1);
    assert_eq!(faults_of("tool", &["left"]).len(), 1);
    assert_eq!(
        faults_of("door", &["tool"]),
        ["door imports tool: tools are imported by nobody"]
    );
}

#[test]
fn table_and_folders_agree() {
    let layers = table(TABLE);
    let faults = compare(&layers, &[("extra".to_owned(), String::new())]);
    assert_eq!(faults.len(), 1 + layers.len(), "{faults:?}");
}

#[test]
fn dependencies_are_found_wherever_they_stand() {
    let manifest = r#"
        [package]
        name = "x"
        [dependencies]
        a.workspace = true
        b = { path = "../b", package = "real-b" }
        # c = "1"
        [dependencies.d]
        version = "1"
        [target.'cfg(unix)'.dependencies]
        e = "1"
        [dev-dependencies]
        f = "1"
        [features]
        g = []
    "#;
    assert_eq!(dependencies(manifest), ["a", "real-b", "d", "e", "f"]);
}

#[test]
fn files_are_short_introduced_and_well_named() {
    assert!(file_faults("crates/x/src/join.rs", "//! Joins.\n").is_empty());
    assert_eq!(file_faults("crates/x/src/join.rs", "use x;\n").len(), 1);
    assert_eq!(
        file_faults("crates/x/src/join.rs", &"//! x\n".repeat(501)).len(),
        1
    );
    assert_eq!(
        file_faults("crates/x/src/path_utils.rs", "//! x\n").len(),
        1
    );
    assert_eq!(
        file_faults("crates/x/src/common/mod.rs", "//! x\n").len(),
        1
    );
    assert_eq!(
        file_faults("crates/x/src/a.rs", "//! x\n    #[ignore]\n").len(),
        1
    );
}
