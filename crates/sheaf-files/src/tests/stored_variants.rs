//! VARIANTs in Parquet: paths give what they give of whole records, and read what they need.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, StringViewArray};
use arrow::datatypes::Schema;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{DataFrame, Expr, col};
use parquet::arrow::ArrowWriter;
use parquet::file::reader::{FileReader, SerializedFileReader};
use sheaf_bags::functions::get_path;
use sheaf_bags::json::Path;
use sheaf_bags::stored::{Shape, parquet_field, to_parquet};

use crate::tests::Fixture;

const ROWS: usize = 3_000;

/// Records of which most have `at.x`, `id` and a long `note`, one in ten a text as `id`, and some
/// `odd`, which has no column.
fn write(fixture: &Fixture) {
    let texts = (0..ROWS).map(|n| {
        let id = if n % 10 == 0 {
            format!("\"i{n}\"")
        } else {
            n.to_string()
        };
        let odd = if n % 100 == 7 {
            format!(",\"odd\":[{n}]")
        } else {
            String::new()
        };
        let note = format!("{n} {}", "abc".repeat(n % 50));
        Some(format!(
            r#"{{"at":{{"x":{n}.5,"y":{n}}},"id":{id},"note":"{note}"{odd}}}"#
        ))
    });
    let texts: StringViewArray = texts.collect();
    let shape = Shape::of(&texts).unwrap();
    let schema = Arc::new(Schema::new(vec![parquet_field("rec", shape.as_ref())]));
    let stored = to_parquet(&texts, shape.as_ref()).unwrap();
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![stored]).unwrap();
    let file = File::create(fixture.path("r.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn path(text: &str) -> Expr {
    get_path(col("rec"), &Path::parse(text).unwrap()).alias(text)
}

/// Bytes that the scans of `plan` have read.
fn bytes_scanned(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let own = plan.metrics().and_then(|m| m.sum_by_name("bytes_scanned"));
    let below = plan.children().into_iter().map(bytes_scanned);
    own.map_or(0, |own| own.as_usize()) + below.sum::<usize>()
}

/// Bytes that the columns called `names` have in the file.
fn bytes_stored(fixture: &Fixture, names: &[&str]) -> usize {
    let file = SerializedFileReader::new(File::open(fixture.path("r.parquet")).unwrap()).unwrap();
    let names: BTreeSet<&str> = names.iter().copied().collect();
    let groups = file.metadata().row_groups().iter();
    let columns = groups.flat_map(|group| group.columns());
    let wanted = columns.filter(|column| names.contains(column.column_path().string().as_str()));
    wanted
        .map(|column| usize::try_from(column.compressed_size()).unwrap())
        .sum()
}

async fn run(frame: DataFrame) -> (Vec<Vec<Option<String>>>, usize) {
    let context = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await.unwrap();
    let batches = collect(Arc::clone(&plan), context).await.unwrap();
    let columns = plan.schema().fields().len();
    let values = |column: usize| {
        let arrays = batches
            .iter()
            .map(|batch| batch.column(column).as_string_view());
        let values = arrays.flat_map(|array| array.iter().map(|v| v.map(str::to_owned)));
        values.collect::<Vec<_>>()
    };
    ((0..columns).map(values).collect(), bytes_scanned(&plan))
}

#[tokio::test]
async fn paths_read_what_they_need_alone() {
    let fixture = Fixture::new();
    write(&fixture);
    let table = fixture.open(&fixture.request("r.parquet")).await.unwrap();
    let frame = || {
        fixture
            .context()
            .read_table(Arc::clone(&table) as Arc<_>)
            .unwrap()
    };
    let always = ["rec.metadata", "rec.value"];
    let at = "rec.typed_value.at.value";
    let x = [
        "rec.typed_value.at.typed_value.x.value",
        "rec.typed_value.at.typed_value.x.typed_value",
    ];
    let y = [
        "rec.typed_value.at.typed_value.y.value",
        "rec.typed_value.at.typed_value.y.typed_value",
    ];
    let id = ["rec.typed_value.id.value", "rec.typed_value.id.typed_value"];
    for (paths, needed) in [
        (&["$.id"][..], id.to_vec()),
        (&["$.at.x"], vec![at, x[0], x[1]]),
        (&["$.at"], vec![at, x[0], x[1], y[0], y[1]]),
        (&["$.at.x", "$.id"], vec![at, x[0], x[1], id[0], id[1]]),
        (&["$.odd[0]", "$.nosuch.a"], vec![]),
        (&["$.id.nosuch"], vec![id[0]]),
    ] {
        let (narrow, bytes) = run(frame().select(paths.iter().map(|p| path(p))).unwrap()).await;
        let columns: Vec<&str> = always.into_iter().chain(needed).collect();
        assert_eq!(bytes, bytes_stored(&fixture, &columns), "{paths:?}");
        // Beside the whole record paths are found in that.
        let beside = paths.iter().map(|p| path(p)).chain([col("rec")]);
        let (whole, all_bytes) = run(frame().select(beside).unwrap()).await;
        assert!(bytes < all_bytes / 2, "{paths:?}: {bytes} of {all_bytes}");
        assert_eq!(narrow[..], whole[..paths.len()], "{paths:?}");
        assert_eq!(narrow[0].len(), ROWS);
    }
    let (odd, _) = run(frame().select([path("$.odd[0]")]).unwrap()).await;
    assert_eq!(odd[0].iter().flatten().count(), ROWS / 100);
    assert_eq!(odd[0][107].as_deref(), Some("107"));
    let (ids, _) = run(frame().select([path("$.id")]).unwrap()).await;
    assert_eq!(
        (ids[0][9].as_deref(), ids[0][10].as_deref()),
        (Some("9"), Some("\"i10\""))
    );
}
