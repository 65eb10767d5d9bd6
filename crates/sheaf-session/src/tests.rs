//! What only the library can see; everything a user can see is tested in `sql-tests/`.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::display::array_value_to_string;
use datafusion::scalar::ScalarValue;
use sheaf_base::ErrorKind;

use crate::Session;

#[cfg(target_os = "linux")]
mod spill;

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
