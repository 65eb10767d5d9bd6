//! Records that are not what they should be: the same wherever files are cut.

use crate::tests::{Fixture, text, types, with_partition_size};
use crate::{OptionValue, ReadRequest};

/// Every fault there is, among good rows; and line breaks in quotes.
const FAULTS: &str = "\u{feff}id,text,qty\r\n1,a,1\r\n\r\n2,\"b\nb\",2\n3,c,x\n4,d\n5,e,5,f\n\
    # 6\n7,\"g\"g,7\n8,\"h \"\"h\"\"\n\",8\n9,\"never,9\n10,j,10\n11,\"k\nk\nk\",11\n12,l,\n\n13,m,13\r14,n,14\n\
    15,\"\",15\n16,\"open";

/// Its good rows, and those of which something is rescued.
const GOOD: &[&str] = &[
    "10|j|10",
    "11|k\nk\nk|11",
    "12|l|-",
    "13|m|13",
    "14|n|14",
    "15|-|15",
    "1|a|1",
    "2|b\nb|2",
    "8|h \"h\"\n|8",
];

fn request(fixture: &Fixture, options: &[(&str, OptionValue)]) -> ReadRequest {
    let request = fixture
        .request("faults.csv")
        .with_option("comment", text("#"))
        .with_option("types", types(&[("qty", "BIGINT")]));
    options.iter().fold(request, |request, (name, value)| {
        request.with_option(*name, value.clone())
    })
}

#[tokio::test]
async fn good_rows_are_the_same_wherever_a_file_is_cut() {
    let fixture = Fixture::new();
    fixture.write("faults.csv", FAULTS);
    let skip = [("on_error", text("skip"))];
    for bytes in (1..FAULTS.len() as u64 + 2).rev() {
        let request = with_partition_size(request(&fixture, &skip), bytes);
        let mut rows = fixture.rows(&request, "SELECT * FROM t").await.unwrap();
        rows.sort();
        assert_eq!(rows, GOOD, "in pieces of {bytes} bytes");
    }
}

#[tokio::test]
async fn what_is_null_and_what_is_rescued() {
    let fixture = Fixture::new();
    fixture.write("faults.csv", FAULTS);
    let null = [("on_error", text("null"))];
    for bytes in [7, 20, 1000] {
        let request = with_partition_size(request(&fixture, &null), bytes);
        let mut rows = fixture
            .rows(
                &request,
                "SELECT * FROM t WHERE id IS NULL OR id IN (3, 4, 5)",
            )
            .await
            .unwrap();
        rows.sort();
        let expected = ["-|-|-", "-|-|-", "-|-|-", "3|c|-", "4|d|-", "5|e|5"];
        assert_eq!(rows, expected, "in pieces of {bytes} bytes");
    }
    let rescue = [
        ("on_error", text("skip")),
        ("rescue", OptionValue::Bool(true)),
    ];
    for bytes in [7, 20, 1000] {
        let request = with_partition_size(request(&fixture, &rescue), bytes);
        let sql = "SELECT id, qty, _rescued FROM t WHERE _rescued IS NOT NULL ORDER BY id";
        let rows = fixture.rows(&request, sql).await.unwrap();
        let expected = ["3|-|{\"qty\":\"x\"}", "5|5|{\"column3\":\"f\"}"];
        assert_eq!(rows, expected, "in pieces of {bytes} bytes");
    }
}

/// A reader that fails names the first bad record of a file that is read from its start.
#[tokio::test]
async fn without_options_the_first_fault_is_told() {
    let fixture = Fixture::new();
    for (name, content, expected) in [
        (
            "a.csv",
            "a,b\n1,x\n2\n",
            "a.csv:3: expected 2 values, found 1",
        ),
        (
            "b.csv",
            "a,b\n1,x\n2,\"y\n",
            "b.csv:3: the quoted value that begins here never ends",
        ),
        (
            "c.csv",
            "a,b\n1,\"x\n\"y\n2,z\n",
            "c.csv:3: text follows the quote that closes a value",
        ),
    ] {
        fixture.write(name, content);
        let error = fixture.error(&fixture.request(name)).await;
        assert_eq!(fixture.short(&error), expected);
    }
}
