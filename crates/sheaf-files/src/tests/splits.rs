//! Partitions: cut or whole, files give the same rows.

use std::fmt::Write;

use crate::partition::{FileExtent, Split, auto_size, distribute, plan};
use crate::scan::quotes::{QuoteTracker, Quoting, guess};
use crate::tests::{Fixture, with_partition_size};
use crate::{OptionValue, ReadRequest};

fn extent(bytes: u64, split: Split) -> FileExtent {
    FileExtent { bytes, split }
}

#[test]
fn large_files_are_cut_and_small_ones_gathered() {
    let files = [
        extent(10, Split::Anywhere),
        extent(20, Split::Anywhere),
        extent(300, Split::Anywhere),
        extent(90, Split::No),
        extent(30, Split::No),
        extent(250, Split::At([4, 90, 170].into())),
        extent(500, Split::No),
    ];
    let stretches = plan(&files, 100);
    let shown: Vec<String> = stretches
        .iter()
        .map(|s| match &s.range {
            Some(range) => format!("{}:{}[{}-{}]", s.partition, s.file, range.start, range.end),
            None => format!("{}:{}", s.partition, s.file),
        })
        .collect();
    assert_eq!(
        shown,
        [
            "0:0",
            "0:1",
            "1:2[0-100]",
            "2:2[100-200]",
            "3:2[200-300]",
            "4:3",
            "5:4",
            "6:5[0-90]",
            "7:5[90-170]",
            "8:5[170-250]",
            "9:6"
        ]
    );
    assert_eq!(auto_size(1_000, 4), 256 << 10);
    assert_eq!(auto_size(1 << 40, 4), 128 << 20);
    assert_eq!(auto_size(800 << 20, 2), 100 << 20);
}

#[test]
fn groups_are_even_and_keep_partitions_together() {
    let sizes = [(0, 10), (0, 10), (1, 20), (2, 20), (3, 20)];
    let groups = distribute(sizes.to_vec(), 2, |s| s.0, |s| s.1);
    assert_eq!(groups.len(), 2);
    assert_eq!(groups[0].len() + groups[1].len(), 5);
    assert!(
        groups[0]
            .iter()
            .all(|a| groups[1].iter().all(|b| a.0 < b.0))
    );
    assert_eq!(
        distribute(vec![(0, 0)], 8, |s: &(u64, u64)| s.0, |s| s.1).len(),
        1
    );
}

const COMMA: Quoting = Quoting {
    has_comments: false,
    quote: b'"',
    escape: None,
    delimiter: b',',
};

#[test]
fn record_ends_are_found_however_bytes_are_cut() {
    let data = b"a,\"x\ny\",b\n\"q\"\"\n\"\"\",c\nplain\n5\" pipe,d\n";
    let mut whole = QuoteTracker::new(COMMA);
    let mut ends = Vec::new();
    let mut at = 0;
    while let Some(found) = whole.find_record_end(&data[at..]) {
        ends.push(at + found);
        at += found + 1;
    }
    assert_eq!(ends, [9, 20, 26, 36]);
    let mut bytewise = QuoteTracker::new(COMMA);
    let found: Vec<usize> = (0..data.len())
        .filter(|at| bytewise.find_record_end(&data[*at..=*at]).is_some())
        .collect();
    assert_eq!(found, ends);
}

#[test]
fn the_state_in_the_middle_is_guessed_right_at_every_byte() {
    let mut data = String::new();
    for i in 0..40 {
        writeln!(
            data,
            "{i},\"line {i}\nsays \"\"hi, you\"\",\n{i}\",plain {i},\"\""
        )
        .unwrap();
    }
    let data = data.as_bytes();
    // The truth: the first record end at or behind each place.
    let mut tracker = QuoteTracker::new(COMMA);
    let is_end: Vec<bool> = (0..data.len())
        .map(|at| tracker.find_record_end(&data[at..=at]).is_some())
        .collect();
    for place in 0..data.len() - 200 {
        let truth = (place..data.len()).find(|at| is_end[*at]);
        let mut state = guess(&data[place..], COMMA);
        let found = state.find_record_end(&data[place..]).map(|at| at + place);
        assert_eq!(found, truth, "at byte {place}");
    }
}

/// About 3 MB of rows; the text column holds line breaks if `with_breaks`.
fn large_csv(with_breaks: bool, line_end: &str) -> (String, usize) {
    let mut csv = format!("id,text,value{line_end}");
    let mut rows = 0;
    while csv.len() < 3_000_000 {
        let text = match (with_breaks, rows % 7) {
            (true, 3) => "\"two\nlines, \"\"quoted\"\"\"",
            (_, 5) => "\"with, comma\"",
            (_, 6) => "",
            _ => "plain text that goes on a little",
        };
        write!(csv, "{rows},{text},{}{line_end}", rows % 1000).unwrap();
        rows += 1;
    }
    (csv, rows)
}

/// Count, sum of ids, sum of values, characters of texts.
const DIGEST: &str = "SELECT count(*), sum(id), sum(value), sum(length(text)), count(text) FROM t";

async fn digests_agree(fixture: &Fixture, request: &ReadRequest, rows: usize) {
    let whole = with_partition_size(request.clone(), 1 << 40);
    let expected = fixture.rows(&whole, DIGEST).await.unwrap();
    assert!(
        expected[0].starts_with(&format!("{rows}|{}|", rows * (rows - 1) / 2)),
        "{expected:?}"
    );
    for bytes in [64_000, 65_537, 1_000_003] {
        let cut = with_partition_size(request.clone(), bytes);
        let pieces = fixture.open(&cut).await.unwrap().partitions().len();
        assert!(pieces > 2, "{pieces}");
        let found = fixture
            .rows(&cut, DIGEST)
            .await
            .unwrap_or_else(|e| panic!("{bytes}: {e}"));
        assert_eq!(found, expected, "{bytes}");
    }
}

#[tokio::test]
async fn a_cut_csv_gives_the_rows_of_the_whole() {
    let fixture = Fixture::new();
    for (name, line_end) in [("lf.csv", "\n"), ("crlf.csv", "\r\n")] {
        let (csv, rows) = large_csv(false, line_end);
        fixture.write(name, csv);
        digests_agree(&fixture, &fixture.request(name), rows).await;
    }
    let (csv, rows) = large_csv(false, "\n");
    fixture.write("cut.csv", csv.trim_end());
    digests_agree(&fixture, &fixture.request("cut.csv"), rows).await;
}

#[tokio::test]
async fn line_breaks_in_quotes_survive_cutting() {
    let fixture = Fixture::new();
    let (csv, rows) = large_csv(true, "\n");
    fixture.write("breaks.csv", csv);
    // Told that there are none, a scan guesses where parts begin, and checks its guesses.
    let request = fixture
        .request("breaks.csv")
        .with_option("newlines_in_values", OptionValue::Bool(false));
    digests_agree(&fixture, &request, rows).await;
    // Where they are seen, nothing is guessed.
    digests_agree(&fixture, &fixture.request("breaks.csv"), rows).await;
    let detected = with_partition_size(fixture.request("breaks.csv"), 64_000);
    assert!(fixture.open(&detected).await.unwrap().partitions().len() > 2);
}

#[tokio::test]
async fn partition_numbers_agree_with_the_list() {
    let fixture = Fixture::new();
    let (csv, rows) = large_csv(false, "\n");
    fixture
        .write("p/a.csv", &csv)
        .write("p/b.csv", "id,text,value\n1,x,2\n");
    fixture.write("p/c.csv", "id,text,value\n1,x,2\n");
    let mut request = with_partition_size(fixture.request("p/"), 500_000);
    request.virtual_columns = true;
    let partitions = fixture.open(&request).await.unwrap().partitions();
    let numbers: Vec<u64> = partitions.iter().map(|p| p.partition).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 7]);
    let sql = "SELECT _partition, count(*) FROM t GROUP BY _partition ORDER BY _partition";
    let counts = fixture.rows(&request, sql).await.unwrap();
    assert_eq!(counts.len(), 8);
    assert_eq!(counts[7], "7|2");
    let total: usize = counts
        .iter()
        .map(|c| c.split('|').nth(1).unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(total, rows + 2);
    let sql = "SELECT count(*) FROM t WHERE _partition = 7";
    assert_eq!(fixture.rows(&request, sql).await.unwrap(), ["2"]);
}

#[tokio::test]
async fn json_and_text_are_cut_at_lines() {
    let fixture = Fixture::new();
    let mut json = String::new();
    let mut rows = 0;
    while json.len() < 3_000_000 {
        writeln!(
            json,
            "{{\"id\": {rows}, \"text\": \"a\\n{{b\", \"value\": {}}}",
            rows % 10
        )
        .unwrap();
        rows += 1;
    }
    fixture.write("a.jsonl", &json).write("a.log", &json);
    digests_agree(&fixture, &fixture.request("a.jsonl"), rows).await;
    let request = with_partition_size(fixture.request("a.log"), 30_000);
    let sql = "SELECT count(*), sum(length(line)) FROM t";
    let expected = format!("{rows}|{}", json.len() - rows);
    assert_eq!(fixture.rows(&request, sql).await.unwrap(), [expected]);
}

#[tokio::test]
async fn limits_take_the_first_rows_and_stop() {
    let fixture = Fixture::new();
    let (csv, _) = large_csv(false, "\n");
    fixture.write("a.csv", &csv).write("b.csv", &csv);
    let request = with_partition_size(fixture.request("*.csv"), 64_000);
    let rows = fixture
        .rows(&request, "SELECT id FROM t LIMIT 3")
        .await
        .unwrap();
    assert_eq!(rows, ["0", "1", "2"]);
}
