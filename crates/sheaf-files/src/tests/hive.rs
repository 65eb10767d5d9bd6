//! Hive partition columns and the virtual columns.

use arrow::datatypes::DataType;
use datafusion::physical_plan::displayable;

use crate::OptionValue;
use crate::tests::Fixture;

fn tree() -> Fixture {
    let fixture = Fixture::new();
    for (year, day, region, n) in [
        (2025, "2025-12-31", "north%2Feast", 1),
        (2026, "2026-01-01", "south", 2),
        (2026, "2026-01-02", "south", 3),
        (2026, "2026-01-02", "__HIVE_DEFAULT_PARTITION__", 4),
    ] {
        let name = format!("y/year={year}/day={day}/region={region}/f.csv");
        fixture.write(&name, format!("n\n{n}\n"));
    }
    fixture
}

#[tokio::test]
async fn directories_give_typed_columns() {
    let tree = tree();
    let columns = tree.columns(&tree.request("y/")).await;
    assert_eq!(
        columns,
        ["n BIGINT", "year BIGINT", "day DATE", "region VARCHAR"]
    );
    let rows = tree.select("y", "SELECT * FROM t ORDER BY n").await;
    assert_eq!(
        rows,
        [
            "1|2025|2025-12-31|north/east",
            "2|2026|2026-01-01|south",
            "3|2026|2026-01-02|south",
            "4|2026|2026-01-02|-"
        ]
    );
    let off = tree
        .request("y/")
        .with_option("hive_partitioning", OptionValue::Bool(false));
    assert_eq!(tree.columns(&off).await, ["n BIGINT"]);
    let mut declared = tree.request("y/");
    declared.partition_columns = Some(vec![("year".to_owned(), DataType::Int32)]);
    assert_eq!(tree.columns(&declared).await, ["n BIGINT", "year INTEGER"]);
}

#[tokio::test]
async fn filters_on_partition_columns_leave_files_out_of_the_plan() {
    let tree = tree();
    for (filter, files, rows) in [
        ("year = 2025", 1, "1"),
        ("year > 2025 AND day = DATE '2026-01-02'", 2, "3 4"),
        ("region IS NULL", 1, "4"),
        ("region LIKE 'north%' OR year = 1999", 1, "1"),
        ("year = 1999", 0, ""),
        ("year = 2026 AND n = 3", 3, "3"),
    ] {
        let sql = format!("SELECT n FROM t WHERE {filter} ORDER BY n");
        assert_eq!(tree.select("y/", &sql).await.join(" "), rows, "{filter}");
        let context = tree.context();
        let table = tree.open(&tree.request("y/")).await.unwrap();
        let frame = context.read_table(table).unwrap();
        let filter = frame.parse_sql_expr(filter).unwrap();
        let plan = frame
            .filter(filter)
            .unwrap()
            .create_physical_plan()
            .await
            .unwrap();
        let shown = displayable(plan.as_ref()).indent(true).to_string();
        assert_eq!(shown.matches("f.csv").count(), files, "{shown}");
    }
}

#[tokio::test]
async fn a_file_outside_the_tree_turns_detection_off_unless_required() {
    let tree = tree();
    tree.write("y/loose.csv", "n\n9\n");
    assert_eq!(tree.columns(&tree.request("y/")).await, ["n BIGINT"]);
    let required = tree
        .request("y/")
        .with_option("hive_partitioning", OptionValue::Bool(true));
    let error = tree.error(&required).await;
    assert!(
        error.message().contains("different key=value directories"),
        "{error}"
    );
}

#[tokio::test]
async fn a_partition_column_hides_the_files_own() {
    let fixture = Fixture::new();
    fixture
        .write("k=7/a.csv", "k,v\n1,x\n")
        .write("k=8/a.csv", "v,k\ny,2\n");
    let rows = fixture
        .select("*/a.csv", "SELECT k, v FROM t ORDER BY k")
        .await;
    assert_eq!(rows, ["7|x", "8|y"]);
}

#[tokio::test]
async fn virtual_columns_name_file_and_partition() {
    let tree = tree();
    let mut request = tree.request("y/");
    request.virtual_columns = true;
    let sql = "SELECT n, _path LIKE '%day=2026-01-01%', _partition FROM t ORDER BY n";
    let rows = tree.rows(&request, sql).await.unwrap();
    assert_eq!(rows, ["1|false|0", "2|true|0", "3|false|0", "4|false|0"]);
    let sql = "SELECT count(*) FROM t WHERE _path LIKE '%year=2025%'";
    assert_eq!(tree.rows(&request, sql).await.unwrap(), ["1"]);
    let columns = tree.columns(&request).await;
    assert_eq!(columns[4..], ["_path VARCHAR", "_partition BIGINT"]);
}
