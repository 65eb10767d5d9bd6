//! Each format, written and read back; empty results; options.

use std::io::Read;

use arrow::compute::concat_batches;
use arrow::ipc::reader::{FileReader, StreamReader};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use tokio::io::AsyncReadExt;

use super::*;

fn read_csv(bytes: &[u8], delimiter: u8) -> RecordBatch {
    let schema = sample().schema();
    let reader = arrow::csv::ReaderBuilder::new(schema.clone())
        .with_header(true)
        .with_delimiter(delimiter)
        .build(bytes)
        .unwrap();
    concat_batches(
        &schema,
        &reader.map(|batch| batch.unwrap()).collect::<Vec<_>>(),
    )
    .unwrap()
}

fn read_json(bytes: &[u8]) -> RecordBatch {
    let schema = sample().schema();
    let reader = arrow::json::ReaderBuilder::new(schema.clone())
        .build(bytes)
        .unwrap();
    concat_batches(
        &schema,
        &reader.map(|batch| batch.unwrap()).collect::<Vec<_>>(),
    )
    .unwrap()
}

#[tokio::test]
async fn text_formats_come_back_as_they_went() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for (name, options) in [
        ("a.csv", &[][..]),
        ("a.tsv", &[]),
        ("a.txt", &[("format", "csv"), ("delimiter", "\\t")]),
        ("a.json", &[]),
        ("a.ndjson", &[]),
    ] {
        assert_eq!(
            copy_sample(path, name, options).await.unwrap(),
            1000,
            "{name}"
        );
        let bytes = fs::read(path.join(name)).unwrap();
        let read = match name {
            "a.csv" => read_csv(&bytes, b','),
            "a.tsv" | "a.txt" => read_csv(&bytes, b'\t'),
            _ => read_json(&bytes),
        };
        assert_eq!(read, sample(), "{name}");
    }
    assert_eq!(names(path).len(), 5);
}

#[tokio::test]
async fn compressed_text_comes_back_as_it_went() {
    use async_compression::tokio::bufread::{BzDecoder, GzipDecoder, XzDecoder, ZstdDecoder};
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    copy_sample(path, "a.csv", &[]).await.unwrap();
    let plain = fs::read(path.join("a.csv")).unwrap();
    for (name, options) in [
        ("a.csv.gz", &[][..]),
        ("a.csv.zst", &[("compression_level", "19")]),
        ("a.csv.bz2", &[]),
        ("b.csv", &[("compression", "xz")]),
    ] {
        copy_sample(path, name, options).await.unwrap();
        let bytes = fs::read(path.join(name)).unwrap();
        assert!(bytes.len() < plain.len() / 2, "{name}: {}", bytes.len());
        let mut text = Vec::new();
        let input = bytes.as_slice();
        let read = match name {
            "a.csv.gz" => GzipDecoder::new(input).read_to_end(&mut text).await,
            "a.csv.zst" => ZstdDecoder::new(input).read_to_end(&mut text).await,
            "a.csv.bz2" => BzDecoder::new(input).read_to_end(&mut text).await,
            _ => XzDecoder::new(input).read_to_end(&mut text).await,
        };
        read.unwrap();
        assert_eq!(text, plain, "{name}");
    }
}

#[tokio::test]
async fn parquet_comes_back_with_its_row_groups_and_codec() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    let options = [
        ("row_group_size", "300"),
        ("compression", "zstd"),
        ("compression_level", "9"),
    ];
    copy_sample(directory.path(), "a.parquet", &options)
        .await
        .unwrap();
    let read = concat_batches(&sample().schema(), &read_parquet(&path)).unwrap();
    assert_eq!(read, sample());
    let file = fs::File::open(&path).unwrap();
    let builder =
        parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let groups = builder.metadata().row_groups();
    let rows: Vec<i64> = groups.iter().map(|group| group.num_rows()).collect();
    assert_eq!(rows, [300, 300, 300, 100]);
    assert!(format!("{:?}", groups[0].column(1).compression()).starts_with("ZSTD"));
}

#[tokio::test]
async fn arrow_comes_back_as_file_and_as_stream() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for compression in ["none", "lz4", "zstd"] {
        let options = [("compression", compression)];
        copy_sample(path, "a.arrow", &options).await.unwrap();
        let reader = FileReader::try_new(fs::File::open(path.join("a.arrow")).unwrap(), None);
        let batches: Vec<_> = reader.unwrap().map(|batch| batch.unwrap()).collect();
        assert_eq!(
            concat_batches(&sample().schema(), &batches).unwrap(),
            sample()
        );
        copy_sample(path, "a.arrows", &options).await.unwrap();
        let reader = StreamReader::try_new(fs::File::open(path.join("a.arrows")).unwrap(), None);
        let batches: Vec<_> = reader.unwrap().map(|batch| batch.unwrap()).collect();
        assert_eq!(
            concat_batches(&sample().schema(), &batches).unwrap(),
            sample()
        );
    }
}

#[tokio::test]
async fn results_without_rows_are_valid_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let context = SessionContext::new();
    for name in [
        "a.csv",
        "a.json",
        "a.csv.gz",
        "a.parquet",
        "a.arrow",
        "dir/",
    ] {
        let input = plan_of(vec![(vec![sample().slice(0, 0)], End::Well)], &context).await;
        let mut request = request(at(name, path), &[]);
        if name == "dir/" {
            request.format = Some("parquet".to_owned());
        }
        assert_eq!(run(&request, input, &context).await.unwrap(), 0, "{name}");
    }
    assert_eq!(
        fs::read_to_string(path.join("a.csv")).unwrap(),
        "id,name,share,flag,at\n"
    );
    assert_eq!(fs::read_to_string(path.join("a.json")).unwrap(), "");
    let mut gz = Vec::new();
    fs::File::open(path.join("a.csv.gz"))
        .unwrap()
        .read_to_end(&mut gz)
        .unwrap();
    assert_eq!(gz[..2], [0x1f, 0x8b]);
    for name in ["a.parquet", "dir/data_0.parquet"] {
        assert_eq!(rows_of(&path.join(name)), 0);
        let file = fs::File::open(path.join(name)).unwrap();
        let builder =
            parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        assert_eq!(builder.schema().fields(), sample().schema().fields());
    }
    let reader = FileReader::try_new(fs::File::open(path.join("a.arrow")).unwrap(), None);
    assert_eq!(
        reader.unwrap().schema().fields(),
        sample().schema().fields()
    );
}

/// Target, option, and what message and hint of the error hold.
type Refusal = (
    &'static str,
    (&'static str, &'static str),
    &'static str,
    &'static str,
);

const REFUSALS: &[Refusal] = &[
    (
        "a.csv",
        ("delimeter", ";"),
        "COPY has no option \"delimeter\"",
        "did you mean delimiter?",
    ),
    (
        "a.parquet",
        ("header", "true"),
        "option \"header\" is not for format parquet",
        "it is for",
    ),
    (
        "a.csv",
        ("header", "maybe"),
        "option header takes true or false",
        "",
    ),
    (
        "a.csv",
        ("delimiter", ";;"),
        "option delimiter takes one character",
        "",
    ),
    (
        "a.csv",
        ("delimiter", "\""),
        "delimiter and quote are the same",
        "",
    ),
    (
        "a.csv",
        ("compression", "zst d"),
        "unknown compression",
        "zstd",
    ),
    (
        "a.parquet",
        ("row_group_size", "0"),
        "option row_group_size takes",
        "",
    ),
    (
        "a.parquet",
        ("compression_level", "99"),
        "compression_level 99 is not within",
        "",
    ),
    (
        "a.xyz",
        ("header", "true"),
        "cannot tell the format of \"a.xyz\"",
        "add FORMAT",
    ),
    (
        "a",
        ("header", "true"),
        "cannot tell the format of \"a\"",
        "add FORMAT",
    ),
    (
        "a.csv",
        ("format", "exel"),
        "cannot write format \"exel\"",
        "the formats are",
    ),
    (
        "a.csv",
        ("append", ""),
        "cannot append to \"a.csv\"",
        "directory",
    ),
    (
        "a.csv",
        ("partition_by", "nam"),
        "partition column \"nam\" does not exist",
        "\"name\"",
    ),
    (
        "no/such/a.csv",
        ("header", "true"),
        "cannot write \"no/such/a.csv\": there is no directory",
        "",
    ),
    (
        "https://host/a.csv",
        ("header", "true"),
        "web servers are read only",
        "s3://",
    ),
];

#[tokio::test]
async fn wrong_options_are_refused_with_the_nearest_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for (name, option, message, hint) in REFUSALS {
        let error = copy_sample(path, name, &[*option]).await.unwrap_err();
        assert!(error.message().contains(message), "{name}: {error}");
        assert!(
            error.hint().unwrap_or_default().contains(hint),
            "{name}: {:?}",
            error.hint()
        );
    }
    assert!(names(path).is_empty());
}

/// The one file of a COPY is encoded by columns side by side; its rows keep their order, and its row
/// groups end where they are told to.
#[tokio::test]
async fn one_parquet_file_is_encoded_on_many_cores() {
    let directory = tempfile::tempdir().unwrap();
    let context = SessionContext::new();
    let sample = sample();
    let batches = vec![sample.slice(0, 10); 3]
        .into_iter()
        .chain(vec![sample.clone(); 4]);
    let batches: Vec<RecordBatch> = batches.collect();
    let large = arrow::compute::concat_batches(sample.schema_ref(), &batches).unwrap();
    let input = plan_of(
        vec![(vec![large.clone(), sample.slice(5, 7)], End::Well)],
        &context,
    )
    .await;
    let options = [("row_group_size", "1500")];
    let request = request(at("a.parquet", directory.path()), &options);
    let rows = run(&request, input, &context);
    assert_eq!(rows.await.unwrap(), 4_037);
    let path = directory.path().join("a.parquet");
    let expected = [large, sample.slice(5, 7)];
    let expected = arrow::compute::concat_batches(sample.schema_ref(), &expected).unwrap();
    let read = read_parquet(&path);
    let read = arrow::compute::concat_batches(&read[0].schema(), &read).unwrap();
    assert_eq!(read.columns(), expected.columns());
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let groups = reader.metadata().row_groups().iter();
    let groups: Vec<i64> = groups.map(|group| group.num_rows()).collect();
    assert_eq!(groups, [1_500, 1_500, 1_037]);
}
