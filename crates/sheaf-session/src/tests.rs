//! What only the library can see; everything a user can see is tested in `sql-tests/`.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::display::array_value_to_string;
use datafusion::scalar::ScalarValue;
use sheaf_base::ErrorKind;

use crate::Session;

mod arrays;
mod functions;
mod planning;
mod prepared;
#[cfg(target_os = "linux")]
mod spill;
mod user_functions;

fn session() -> Session {
    let builder = Session::builder().setting("threads", "2").unwrap();
    builder
        .setting("memory_limit", "200MB")
        .unwrap()
        .build()
        .unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

async fn number(session: &Session, sql: &str) -> i64 {
    let batches = session.sql(sql).await.unwrap().collect().await.unwrap();
    batches
        .iter()
        .find(|b| b.num_rows() > 0)
        .unwrap()
        .column(0)
        .as_primitive::<Int64Type>()
        .value(0)
}

#[test]
fn registered_batches_are_tables() {
    let session = session();
    let column = Arc::new(Int64Array::from(vec![1, 2, 39])) as _;
    let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
    session
        .register_batches("numbers", vec![batch.clone()])
        .unwrap();
    assert_eq!(
        block_on(number(&session, "SELECT sum(n)::bigint FROM numbers")),
        42
    );
    let error = session
        .register_batches("numbers", vec![batch])
        .unwrap_err();
    assert_eq!(error.state().code(), "42P07");
    assert_eq!(
        session.names().tables[0].columns,
        [("n".to_owned(), "BIGINT".to_owned())]
    );
}

#[test]
fn parameters_take_their_place_and_missing_ones_are_told() {
    let session = session();
    block_on(async {
        let parameters = vec![ScalarValue::Int64(Some(40)), ScalarValue::Int64(Some(2))];
        let result = session
            .sql_with("SELECT $1 + $2", parameters)
            .await
            .unwrap();
        let batches = result.collect().await.unwrap();
        assert_eq!(
            batches[0].column(0).as_primitive::<Int64Type>().value(0),
            42
        );
        let error = session.sql("SELECT $1 + 1").await.unwrap_err();
        assert_eq!(error.state().code(), "42P02");
    });
}

#[test]
fn a_dropped_result_ends_its_query() {
    let session = session();
    block_on(async {
        let sql = "SELECT a.value FROM range(1, 1000000000) a";
        let mut result = session.sql(sql).await.unwrap();
        assert!(result.next_batch().await.unwrap().is_ok());
        let query = Arc::clone(result.query());
        drop(result);
        while !query.progress().state.has_ended() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_time_limit_cancels() {
    let session = session();
    block_on(async {
        session.sql("SET statement_timeout = '50ms'").await.unwrap();
        let sql = "SELECT count(*) FROM range(1, 1000000) a, range(1, 1000000) b WHERE a.value * b.value = 7";
        let outcome = match session.sql(sql).await {
            Ok(result) => result.collect().await.map(drop),
            Err(error) => Err(error),
        };
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.kind(), error.state().code()),
            (ErrorKind::Cancelled, "57014")
        );
    });
}

#[test]
fn sessions_of_one_engine_have_settings_of_their_own() {
    let one = session();
    let engine = Arc::clone(one.engine());
    let two = Session::builder().engine(engine).build().unwrap();
    block_on(async {
        one.sql("SET batch_size = 7").await.unwrap();
    });
    assert_eq!(one.settings().count("batch_size"), Some(7));
    assert_eq!(two.settings().count("batch_size"), Some(8192));
}

#[test]
fn configuration_text_says_which_line_is_wrong() {
    let error = Session::builder()
        .config_text("# all\nthreads = 2\nmemory = 1GB\n")
        .unwrap_err();
    assert!(error.message().starts_with("line 3: "), "{error}");
}

#[test]
fn what_is_wrong_with_an_aggregate_has_a_place() {
    let session = session();
    let cases = [
        // The name itself where it is known, else the expression it is in.
        (
            "CREATE AGGREGATE f(x BIGINT) STATE (s BIGINT)\nINIT (0) ACCUMULATE (s + wrong)",
            (2, 26),
        ),
        (
            "CREATE AGGREGATE f(x BIGINT) STATE (s BIGINT, n BIGINT)\nINIT (0, 0) ACCUMULATE (s + x, 'a') FINISH s",
            (2, 32),
        ),
        (
            "CREATE AGGREGATE f(x BIGINT) STATE (s BIGINT, x BIGINT) INIT (0, 0) ACCUMULATE (s, x)",
            (1, 47),
        ),
        (
            "CREATE AGGREGATE f(x NUMBR) STATE (s BIGINT) INIT (0) ACCUMULATE (s)",
            (1, 20),
        ),
        (
            "CREATE AGGREGATE f(x BIGINT) STATE (s BIGINT) INIT (0) ACCUMULATE (s) MERGE (s + other.t)",
            (1, 82),
        ),
        (
            "CREATE AGGREGATE upper(x BIGINT) STATE (s BIGINT) INIT (0) ACCUMULATE (s)",
            (1, 18),
        ),
    ];
    for (sql, place) in cases {
        let error = block_on(session.sql(sql)).unwrap_err();
        let found = error.position().map(|found| (found.line, found.column));
        assert_eq!(found, Some(place), "{sql}: {error}");
    }
}

/// Documented examples say what they give: `SELECT …; -- value`.
#[test]
fn examples_of_lambdas_give_what_they_say() {
    let session = session();
    for function in sheaf_functions::lambda::functions() {
        let example = function.documentation().and_then(|d| d.sql_example.clone());
        let example = example.unwrap_or_default();
        let (sql, wanted) = example.split_once("; -- ").unwrap();
        let result = block_on(async { session.sql(sql).await.unwrap().collect().await.unwrap() });
        let found = array_value_to_string(result[0].column(0), 0).unwrap();
        assert_eq!(found, wanted, "{sql}");
    }
}

/// What a sibling sets or creates stays its own; what it may reach is what it was given.
#[test]
fn siblings_share_the_engine_and_nothing_else() {
    let first = session();
    let column = Arc::new(Int64Array::from(vec![1, 2, 39])) as _;
    let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
    first.register_batches("numbers", vec![batch]).unwrap();
    let reader = first.sibling(crate::Access::NamedTables);
    let other = first.sibling(crate::Access::Process);
    assert!(Arc::ptr_eq(first.engine(), reader.engine()));
    block_on(async {
        assert_eq!(
            number(&reader, "SELECT sum(n)::bigint FROM numbers").await,
            42
        );
        reader.sql("SET time_zone = 'Asia/Kolkata'").await.unwrap();
        assert_eq!(first.settings().string("time_zone"), Some("UTC"));
        other.sql("CREATE VIEW v AS SELECT 1").await.unwrap();
        assert!(first.sql("FROM v").await.is_err());
        for (sql, code) in [
            ("FROM '/etc/passwd'", "42501"),
            ("SELECT * FROM read_csv('/etc/passwd')", "42501"),
            ("CREATE VIEW v AS SELECT 1", "25006"),
            ("COPY numbers TO '/tmp/x.csv'", "25006"),
            ("SET memory_limit = '1GB'", "42501"),
            ("SELECT * FROM sheaf.queries", "42501"),
        ] {
            let error = reader.sql(sql).await.unwrap_err();
            assert_eq!(error.state().code(), code, "{sql}: {error}");
        }
        let tables = "SELECT count(*) FROM sheaf.settings WHERE name = 'time_zone'";
        assert_eq!(number(&reader, tables).await, 1);
    });
}

#[test]
fn statements_are_described_without_running() {
    let session = session();
    let script = "SELECT a + $1 AS n, $2 AS t, $4::date FROM (VALUES (1::int)) v(a) WHERE a < $3";
    let statement = Arc::new(session.parse(script).unwrap().remove(0));
    let described = block_on(session.describe(&statement, &[None, None])).unwrap();
    use arrow::datatypes::DataType;
    let types = described.parameters.iter();
    let types: Vec<_> = types.map(|field| field.data_type().clone()).collect();
    assert_eq!(
        types,
        [
            DataType::Int32,
            DataType::Utf8,
            DataType::Int32,
            DataType::Date32
        ]
    );
    let columns = described.columns.unwrap();
    assert_eq!(columns.field(0).data_type(), &DataType::Int32);
    let statement = session
        .parse("CREATE VIEW v AS SELECT 1")
        .unwrap()
        .remove(0);
    let statement = Arc::new(statement);
    assert!(
        block_on(session.describe(&statement, &[]))
            .unwrap()
            .columns
            .is_none()
    );
    assert!(block_on(session.sql("FROM v")).is_err(), "it has not run");
}
