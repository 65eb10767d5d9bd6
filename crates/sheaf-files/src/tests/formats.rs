//! Parquet, Arrow, text, and compressed files.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::ipc::writer::{FileWriter, StreamWriter};
use async_compression::tokio::write::{BzEncoder, GzipEncoder, XzEncoder, ZstdEncoder};
use datafusion::catalog::TableProvider;
use datafusion::common::stats::Precision;
use datafusion::physical_plan::displayable;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tokio::io::AsyncWriteExt;

use crate::tests::{Fixture, pretty, text, with_partition_size};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn numbers(start: i64, count: i64) -> RecordBatch {
    let ids = Int64Array::from_iter_values(start..start + count);
    let names = StringArray::from_iter_values((start..start + count).map(|i| format!("n{i}")));
    batch(vec![("id", Arc::new(ids)), ("name", Arc::new(names))])
}

fn write_parquet(fixture: &Fixture, name: &str, batch: &RecordBatch, rows_of_group: usize) {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(rows_of_group))
        .build();
    let file = File::create(fixture.path(name)).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

#[tokio::test]
async fn parquet_is_cut_at_row_groups_and_counted_from_footers() {
    let fixture = Fixture::new();
    write_parquet(&fixture, "a.parquet", &numbers(0, 50_000), 5_000);
    let bytes = std::fs::metadata(fixture.path("a.parquet")).unwrap().len();
    let request = with_partition_size(fixture.request("a.parquet"), bytes / 5);
    let table = fixture.open(&request).await.unwrap();
    let pieces = table.partitions();
    assert!((4..=10).contains(&pieces.len()), "{pieces:?}");
    assert_eq!(pieces.iter().map(|p| p.length).sum::<u64>(), bytes);
    assert_eq!(pieces.iter().filter_map(|p| p.rows).sum::<u64>(), 50_000);
    assert_eq!(
        table.statistics().unwrap().num_rows,
        Precision::Exact(50_000)
    );
    let sql = "SELECT count(*), sum(id), count(DISTINCT name) FROM t";
    let rows = fixture.rows(&request, sql).await.unwrap();
    assert_eq!(rows, ["50000|1249975000|50000"]);
    let plan = fixture
        .batches(&request, "EXPLAIN SELECT count(*) FROM t")
        .await
        .unwrap();
    assert!(
        pretty(&plan).contains("PlaceholderRowExec"),
        "{}",
        pretty(&plan)
    );
    let rows = fixture
        .rows(&request, "SELECT name FROM t WHERE id = 33333")
        .await
        .unwrap();
    assert_eq!(rows, ["n33333"]);
}

#[tokio::test]
async fn parquet_filters_reach_the_scan() {
    let fixture = Fixture::new();
    write_parquet(&fixture, "a.parquet", &numbers(0, 1_000), 100);
    let table = fixture.open(&fixture.request("a.parquet")).await.unwrap();
    let frame = fixture.context().read_table(table).unwrap();
    let filter = frame.parse_sql_expr("id > 990").unwrap();
    let plan = frame
        .filter(filter)
        .unwrap()
        .create_physical_plan()
        .await
        .unwrap();
    let shown = displayable(plan.as_ref()).indent(true).to_string();
    assert!(shown.contains("pruning_predicate"), "{shown}");
}

#[tokio::test]
async fn parquet_schemas_unite_and_widen() {
    let fixture = Fixture::new();
    let first = batch(vec![
        ("a", Arc::new(Int32Array::from(vec![1]))),
        ("b", Arc::new(StringArray::from(vec!["x"]))),
    ]);
    let second = batch(vec![
        ("c", Arc::new(Int64Array::from(vec![7]))),
        ("a", Arc::new(Float64Array::from(vec![2.5]))),
    ]);
    write_parquet(&fixture, "1.parquet", &first, 10);
    write_parquet(&fixture, "2.parquet", &second, 10);
    let columns = fixture.columns(&fixture.request("*.parquet")).await;
    assert_eq!(columns, ["a DOUBLE", "b VARCHAR", "c BIGINT"]);
    let rows = fixture
        .select("*.parquet", "SELECT a, b, c FROM t ORDER BY a")
        .await;
    assert_eq!(rows, ["1.0|x|-", "2.5|-|7"]);
}

#[tokio::test]
async fn a_truncated_or_damaged_parquet_file_is_named() {
    let fixture = Fixture::new();
    write_parquet(&fixture, "a.parquet", &numbers(0, 10_000), 1_000);
    let bytes = std::fs::read(fixture.path("a.parquet")).unwrap();
    fixture.write("cut.parquet", &bytes[..bytes.len() - 100]);
    let error = fixture.error(&fixture.request("cut.parquet")).await;
    assert!(
        fixture.short(&error).starts_with("cut.parquet: "),
        "{error}"
    );
    let mut damaged = bytes.clone();
    damaged[4..3_000].fill(0xAA);
    fixture.write("damaged.parquet", damaged);
    let error = fixture.error(&fixture.request("damaged.parquet")).await;
    assert!(
        fixture.short(&error).starts_with("damaged.parquet: "),
        "{error}"
    );
}

#[tokio::test]
async fn arrow_files_and_streams() {
    let fixture = Fixture::new();
    let batches: Vec<RecordBatch> = (0..20).map(|i| numbers(i * 100, 100)).collect();
    let schema = batches[0].schema();
    let file = File::create(fixture.path("a.arrow")).unwrap();
    let mut writer = FileWriter::try_new(file, &schema).unwrap();
    batches
        .iter()
        .for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    let file = File::create(fixture.path("b.arrows")).unwrap();
    let mut writer = StreamWriter::try_new(file, &schema).unwrap();
    batches
        .iter()
        .for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    let sql = "SELECT count(*), sum(id), max(name) FROM t";
    for name in ["a.arrow", "b.arrows"] {
        assert_eq!(
            fixture.select(name, sql).await,
            ["2000|1999000|n999"],
            "{name}"
        );
        assert_eq!(
            fixture.select(name, "SELECT count(*) FROM t").await,
            ["2000"],
            "{name}"
        );
    }
    let request = with_partition_size(fixture.request("a.arrow"), 8_000);
    assert!(fixture.open(&request).await.unwrap().partitions().len() > 3);
    assert_eq!(
        fixture.rows(&request, sql).await.unwrap(),
        ["2000|1999000|n999"]
    );
    let bytes = std::fs::read(fixture.path("a.arrow")).unwrap();
    fixture.write("cut.arrow", &bytes[..bytes.len() / 2]);
    let error = fixture.error(&fixture.request("cut.arrow")).await;
    assert!(fixture.short(&error).starts_with("cut.arrow: "), "{error}");
}

#[tokio::test]
async fn avro_files() {
    let fixture = Fixture::new();
    for (name, start) in [("1.avro", 0), ("2.avro", 500)] {
        let file = File::create(fixture.path(name)).unwrap();
        let batch = numbers(start, 500);
        let schema = batch.schema().as_ref().clone();
        let mut writer = datafusion::arrow_avro::writer::AvroWriter::new(file, schema).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
    }
    let sql = "SELECT count(*), sum(id), max(name) FROM t";
    assert_eq!(fixture.select("*.avro", sql).await, ["1000|499500|n999"]);
    let bytes = std::fs::read(fixture.path("1.avro")).unwrap();
    fixture.write("cut.avro", &bytes[..bytes.len() / 2]);
    let error = fixture.error(&fixture.request("cut.avro")).await;
    assert!(fixture.short(&error).starts_with("cut.avro: "), "{error}");
}

#[tokio::test]
async fn text_files_give_lines() {
    let fixture = Fixture::new();
    fixture.write("a.log", b"one\r\n\ntwo \xff\nthree");
    let rows = fixture.select("a.log", "SELECT line FROM t").await;
    assert_eq!(rows, ["one", "", "two \u{fffd}", "three"]);
    let mut numbered = with_partition_size(fixture.request("a.log"), 4);
    numbered.line_numbers = true;
    let rows = fixture.rows(&numbered, "SELECT _line, line FROM t WHERE _line > 2");
    assert_eq!(rows.await.unwrap(), ["3|two \u{fffd}", "4|three"]);
    let request = fixture
        .request("a.log")
        .with_option("compressoin", text("none"));
    let error = fixture.error(&request).await;
    assert_eq!(error.message(), "read_text has no option \"compressoin\"");
    assert_eq!(error.hint(), Some("did you mean \"compression\"?"));
}

#[tokio::test]
async fn compressed_text_reads_like_plain() {
    let fixture = Fixture::new();
    let csv = format!("id,name\n{}", "1,x\n2,y\n".repeat(50_000));
    macro_rules! compress {
        ($encoder:ident, $suffix:literal) => {{
            let mut encoder = $encoder::new(Vec::new());
            encoder.write_all(csv.as_bytes()).await.unwrap();
            encoder.shutdown().await.unwrap();
            fixture.write(concat!("a.csv.", $suffix), encoder.into_inner());
        }};
    }
    compress!(GzipEncoder, "gz");
    compress!(ZstdEncoder, "zst");
    compress!(BzEncoder, "bz2");
    compress!(XzEncoder, "xz");
    fixture.write("a.csv", &csv);
    for name in ["a.csv", "a.csv.gz", "a.csv.zst", "a.csv.bz2", "a.csv.xz"] {
        let request = with_partition_size(fixture.request(name), 10_000);
        let rows = fixture
            .rows(&request, "SELECT count(*), sum(id), max(name) FROM t")
            .await;
        assert_eq!(rows.unwrap(), ["100000|150000|y"], "{name}");
    }
    assert_eq!(
        fixture.select("a.csv*", "SELECT count(*) FROM t").await,
        ["500000"]
    );
    // Two gzip members in one file are one stream.
    let member = std::fs::read(fixture.path("a.csv.gz")).unwrap();
    fixture.write("two.dat", [member.clone(), member].concat());
    let request = fixture.request("two.dat").with_format("text");
    let request = request.with_option("compression", text("gzip"));
    assert_eq!(
        fixture
            .rows(&request, "SELECT count(*) FROM t")
            .await
            .unwrap(),
        ["200002"]
    );
}
