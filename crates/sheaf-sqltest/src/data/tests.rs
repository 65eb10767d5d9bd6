//! Sums over the data, worked out by hand from the formulas in `sql-tests/README.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{DATA_SETS, SOURCES, directory};

fn lines(root: &Path, name: &str) -> Vec<String> {
    fs::read_to_string(root.join(name))
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn data_is_written_once_and_holds_what_the_readme_says() {
    let target = tempfile::tempdir().unwrap();
    let root = directory(target.path()).unwrap();
    assert_eq!(directory(target.path()).unwrap(), root);
    for set in DATA_SETS {
        assert!(root.join(set.folder).is_dir(), "{}", set.folder);
    }
    let drafts = fs::read_dir(target.path()).unwrap().count();
    assert_eq!(drafts, 1, "no draft is left behind");

    let logs = lines(&root, "logs/access_07.jsonl");
    assert_eq!(logs.len(), 10_000);
    // 79999 % 5 = 4, % 7 = 3, % 800 = 799, % 500 = 499
    let last = r#"{"id": 79999, "method": "GET", "endpoint": "/metrics", "status": 200, "duration_ms": 809, "user_id": 499}"#;
    assert_eq!(logs[9_999], last);

    let sales = lines(&root, "sales/sales_data_2024.csv");
    // row 59 of 2024 is day 60 of a leap year: 29 February; 59 % 4 = 3, % 10 = 9, % 7 = 3, % 20 = 19
    assert_eq!(sales[60], "1059,2024-02-29,west,p9,4,19.50");

    assert_eq!(lines(&root, "broken/bad_line.jsonl")[6], "{\"id\": 7");
    assert_eq!(lines(&root, "broken/late_number.csv")[50_000], "50000,oops");
    assert_eq!(lines(&root, "csv/big.csv").len(), 200_001);
    let gzip = fs::read(root.join("compressed/squares.csv.gz")).unwrap();
    assert_eq!(gzip[..2], [0x1f, 0x8b], "the magic number of gzip");
    let avro = fs::read(root.join("numbers/numbers.avro")).unwrap();
    assert_eq!(&avro[..4], b"Obj\x01", "the magic number of Avro");
}

#[test]
fn every_writer_counts_for_the_version_of_the_data() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let written: BTreeSet<_> = files
        .filter(|p| !p.ends_with("tests.rs"))
        .map(|p| fs::read_to_string(p).unwrap())
        .collect();
    assert_eq!(
        written,
        SOURCES.iter().map(|&source| source.to_owned()).collect()
    );
}
