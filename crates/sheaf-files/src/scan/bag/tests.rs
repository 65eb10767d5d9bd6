//! Decoders: the same records from chunks of any size.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, Schema};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use sheaf_bags::extract::Extract;
use sheaf_base::type_names::variant_field;

use super::sink::{Output, Reader, Sink};
use super::split::{LineDecoder, ValueDecoder};
use super::{BagColumn, number_field};
use crate::formats::on_error::{ErrorOptions, OnError};
use crate::scan::bad_records::ErrorPolicy;
use crate::scan::stream::{Explain, RecordDecoder, decode};

struct NoExplain;

#[async_trait::async_trait]
impl Explain for NoExplain {
    async fn explain(&self, error: arrow::error::ArrowError, _: u64) -> sheaf_base::SheafError {
        sheaf_base::SheafError::from(error)
    }
}

fn sink() -> Sink {
    let columns = [
        BagColumn::Extract(Extract::record()),
        BagColumn::Offset,
        BagColumn::Line,
    ];
    let (extracts, outputs) = Output::of(&columns.iter().collect::<Vec<_>>());
    let schema = Schema::new(vec![
        variant_field("rec", true),
        number_field("_offset"),
        number_field("_line"),
    ]);
    let reader = Reader {
        line_format: None,
        is_lossy: false,
    };
    let policy = Arc::new(ErrorPolicy::new(&ErrorOptions {
        on_error: OnError::Null,
        ..ErrorOptions::default()
    }));
    Sink::new(Arc::new(schema), &extracts, outputs, reader, policy, 3)
}

async fn rows(decoder: Box<dyn RecordDecoder>, text: &str, chunk_bytes: usize) -> Vec<String> {
    let chunks: Vec<Bytes> = text
        .as_bytes()
        .chunks(chunk_bytes)
        .map(Bytes::copy_from_slice)
        .collect();
    let chunks = futures::stream::iter(chunks).map(Ok).boxed();
    let batches = decode(chunks, decoder, Arc::new(NoExplain));
    let batches: Vec<_> = batches.try_collect().await.unwrap();
    let mut rows = Vec::new();
    for batch in batches {
        let records = batch.column(0).as_string_view();
        let offsets = batch.column(1).as_primitive::<Int64Type>();
        let lines = batch.column(2).as_primitive::<Int64Type>();
        rows.extend((0..batch.num_rows()).map(|row| {
            let record = records.iter().nth(row).flatten().unwrap_or("-");
            format!("{record} {} {}", offsets.value(row), lines.value(row))
        }));
    }
    rows
}

#[tokio::test]
async fn values_end_where_they_end() {
    for (text, wanted) in [
        ("", vec![]),
        ("[]", vec![]),
        (" [ ] \n", vec![]),
        (
            "[1,\"a]\\\\\\\"\",{\"b\":[\"}\"]},\ntrue]",
            vec![
                "1 1 1",
                "\"a]\\\\\\\"\" 3 1",
                "{\"b\":[\"}\"]} 12 1",
                "true 25 2",
            ],
        ),
        (
            "{\"a\":1}\n{}3 \"x\"[4] null",
            vec![
                "{\"a\":1} 0 1",
                "{} 8 2",
                "3 10 2",
                "\"x\" 12 2",
                "[4] 15 2",
                "null 19 2",
            ],
        ),
        // A comma too few, a value that is none, a comma too many.
        (
            "[1 2,x,\n,3]",
            vec!["1 1 1", "- 3 1", "2 3 1", "- 5 1", "- 8 2", "3 9 2"],
        ),
        ("[1] [2]\n3", vec!["1 1 1", "- 4 1"]),
        ("[1,", vec!["1 1 1", "- 3 1"]),
        ("[1", vec!["1 1 1", "- 2 1"]),
        ("[{\"a\":\"", vec!["- 1 1"]),
        ("}\n1", vec!["- 0 1", "1 2 2"]),
        ("{\"a\": ]\n 1", vec!["- 0 1", "1 9 2"]),
    ] {
        for chunk_bytes in 1..=text.len().max(1) {
            let decoder = Box::new(ValueDecoder::new(sink(), 1));
            let found = rows(decoder, text, chunk_bytes).await;
            assert_eq!(found, wanted, "{text:?} in chunks of {chunk_bytes}");
        }
    }
}

#[tokio::test]
async fn lines_are_whole_in_chunks_of_any_size() {
    let text = "{\"a\": 1}\n\r\n[2]\r\nx\n\n3\n4\n5";
    let wanted = [
        "{\"a\":1} 0 1",
        "[2] 11 3",
        "- 16 4",
        "3 19 6",
        "4 21 7",
        "5 23 8",
    ];
    for chunk_bytes in 1..=text.len() {
        let decoder = Box::new(LineDecoder::new(sink(), 0, 1));
        assert_eq!(
            rows(decoder, text, chunk_bytes).await,
            wanted,
            "{chunk_bytes}"
        );
    }
}
