//! What is written is read, whatever its type, and nothing stays.

use arrow::array::{
    BinaryViewArray, DictionaryArray, Float64Array, Int32Array, ListArray, StringArray,
    StringViewArray, StructArray,
};
use arrow::datatypes::{Field, Int32Type, Schema};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::TryStreamExt;

use super::*;

fn environment() -> (Arc<RuntimeEnv>, SpillMetrics) {
    let env = RuntimeEnvBuilder::new().build_arc().unwrap();
    (env, SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0))
}

fn spill(
    env: &Arc<RuntimeEnv>,
    metrics: &SpillMetrics,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> SpilledRows {
    let mut writer = SpillWriter::create(env, metrics, schema, "Test").unwrap();
    for batch in batches {
        writer.append(batch).unwrap();
    }
    writer.finish().unwrap()
}

async fn read(rows: &SpilledRows) -> Vec<RecordBatch> {
    rows.read().unwrap().try_collect().await.unwrap()
}

/// 1,000 rows of many types, with NULLs; texts of which views keep some inline.
fn many_types() -> RecordBatch {
    let texts = || (0..1000).map(|i| (i % 7 != 0).then(|| "long text ".repeat(i % 5)));
    let views = Arc::new(texts().collect::<StringViewArray>()) as ArrayRef;
    let bytes = texts().map(|t| t.map(String::into_bytes));
    let field = Arc::new(Field::new("text", DataType::Utf8View, true));
    let pairs = StructArray::from(vec![(field, Arc::clone(&views))]);
    let lists = (0..1000).map(|i| (i % 3 != 0).then(|| vec![Some(i), None]));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("number", Arc::new((0..1000).collect::<Int32Array>())),
        (
            "float",
            Arc::new(
                (0..1000)
                    .map(|i| Some(f64::from(i)))
                    .collect::<Float64Array>(),
            ),
        ),
        ("text", Arc::new(texts().collect::<StringArray>())),
        ("view", views),
        ("bytes", Arc::new(bytes.collect::<BinaryViewArray>())),
        ("pair", Arc::new(pairs)),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)),
        ),
        (
            "dictionary",
            Arc::new(
                (0..1000)
                    .map(|i| ["a", "b"][i % 2])
                    .collect::<DictionaryArray<Int32Type>>(),
            ),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
        .unwrap()
}

#[tokio::test]
async fn rows_come_back_in_order_any_number_of_times() {
    let (env, metrics) = environment();
    let whole = many_types();
    let batches: Vec<RecordBatch> = (0..10).map(|i| whole.slice(i * 100, 100)).collect();
    let spilled = spill(&env, &metrics, &whole.schema(), &batches);
    assert_eq!(spilled.row_count(), 1000);
    assert_eq!(metrics.spilled_rows.value(), 1000);
    assert_eq!(metrics.spilled_bytes.value(), spilled.file_bytes());
    assert!(spilled.batch_bytes_max() > 100 * (4 + 8));
    for _ in 0..2 {
        assert_eq!(read(&spilled).await, batches);
    }
    // A stream keeps the file, and nothing else does.
    let stream = spilled.read().unwrap();
    drop(spilled);
    let rest: Vec<RecordBatch> = stream.try_collect().await.unwrap();
    assert_eq!(rest, batches);
    assert_eq!(env.disk_manager.spilling_progress().active_files_count, 0);
    assert_eq!(env.disk_manager.used_disk_space(), 0);
}

#[tokio::test]
async fn batches_without_columns_and_files_without_batches() {
    let (env, metrics) = environment();
    let schema = Arc::new(Schema::empty());
    let options = RecordBatchOptions::new().with_row_count(Some(7));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), vec![], &options).unwrap();
    let spilled = spill(&env, &metrics, &schema, &[batch.clone(), batch]);
    let rows: usize = read(&spilled).await.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 14);
    assert_eq!(read(&spill(&env, &metrics, &schema, &[])).await, []);
}

#[test]
fn slices_do_not_take_the_bytes_of_the_whole() {
    let texts: StringViewArray = (0..1000)
        .map(|_| Some("a text that is not inline"))
        .collect();
    let batch = RecordBatch::try_from_iter([("text", Arc::new(texts) as ArrayRef)]).unwrap();
    let slice = compact(&batch.slice(500, 10)).unwrap();
    assert_eq!(slice, batch.slice(500, 10));
    let held = slice.column(0).as_string_view().data_buffers()[0].capacity();
    assert!(held < 1000, "{held} bytes for 10 texts of 25");
    // 10 views of 16 bytes and 10 texts.
    assert_eq!(batch_bytes(&slice).unwrap(), 10 * (16 + 25));
    assert_eq!(batch_bytes(&batch.slice(500, 10)).unwrap(), 10 * (16 + 25));
}
