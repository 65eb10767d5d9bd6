//! Statements that are run again and again: what templates give is what planning gives.

use std::path::Path;
use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::scalar::ScalarValue;

use super::{block_on, number, session};
use crate::{PreparedStatement, QueryResult, Session};

/// More runs than are planned.
const RUNS: usize = 6;

fn prepared(session: &Session, sql: &str) -> Arc<PreparedStatement> {
    let statement = session.parse(sql).unwrap().remove(0);
    Arc::new(PreparedStatement::new(statement))
}

async fn text(result: QueryResult) -> Result<String, String> {
    let batches = result.collect().await.map_err(|error| error.to_string())?;
    Ok(pretty_format_batches(&batches).unwrap().to_string())
}

async fn run(
    session: &Session,
    statement: &Arc<PreparedStatement>,
    values: Vec<ScalarValue>,
) -> Result<String, String> {
    match session.run_prepared(statement, values).await {
        Ok(result) => text(result).await,
        Err(error) => Err(error.to_string()),
    }
}

/// The same, planned with the values.
async fn planned(
    session: &Session,
    statement: &Arc<PreparedStatement>,
    values: Vec<ScalarValue>,
) -> Result<String, String> {
    match session.run_with(statement.statement(), values).await {
        Ok(result) => text(result).await,
        Err(error) => Err(error.to_string()),
    }
}

fn write(directory: &Path, name: &str, text: &str) {
    std::fs::write(directory.join(name), text).unwrap();
}

/// `people` (CSV), `visits` (NDJSON), `empty` (CSV without rows).
async fn with_tables(directory: &Path) -> Session {
    let session = session();
    let people: String = (0..50)
        .map(|n| {
            format!(
                "{n},name_{},{}\n",
                n % 7,
                if n % 5 == 0 { "" } else { "2.5" }
            )
        })
        .collect();
    write(
        directory,
        "people.csv",
        &format!("id,name,weight\n{people}"),
    );
    let visits: String = (0..80)
        .map(|n| {
            format!(
                "{{\"person\": {}, \"at\": \"2024-01-{:02}\"}}\n",
                n % 20,
                n % 28 + 1
            )
        })
        .collect();
    write(directory, "visits.jsonl", &visits);
    write(directory, "empty.csv", "id,name\n");
    for (name, file) in [
        ("people", "people.csv"),
        ("visits", "visits.jsonl"),
        ("empty", "empty.csv"),
    ] {
        let path = directory.join(file);
        let sql = format!("CREATE VIEW {name} AS FROM '{}'", path.display());
        session.sql(&sql).await.unwrap().drain().await.unwrap();
    }
    session
}

fn int(n: i64) -> ScalarValue {
    ScalarValue::Int64(Some(n))
}

fn word(text: &str) -> ScalarValue {
    ScalarValue::Utf8(Some(text.to_owned()))
}

/// A statement, the values of its runs in turn, and whether it has a template.
type Case = (&'static str, Vec<Vec<ScalarValue>>, bool);

fn cases() -> Vec<Case> {
    let ids = || {
        vec![
            vec![int(3)],
            vec![int(49)],
            vec![int(-1)],
            vec![ScalarValue::Int64(None)],
        ]
    };
    let names = || vec![vec![word("name_3")], vec![word("nobody")], vec![word("")]];
    vec![
        ("SELECT 1 AS one", vec![vec![]], true),
        ("SELECT $1 + 1 AS next, $1 AS same", ids(), true),
        ("SELECT id, name FROM people WHERE id = $1", ids(), true),
        (
            "SELECT * FROM people WHERE name = $1 ORDER BY id DESC",
            names(),
            true,
        ),
        (
            "SELECT * FROM people WHERE id < $1 AND weight IS NOT NULL ORDER BY id LIMIT 3",
            ids(),
            true,
        ),
        (
            "SELECT count(*), sum(id), avg(weight) FROM people WHERE id > $1",
            ids(),
            true,
        ),
        (
            "SELECT name, count(*) AS n FROM people WHERE id <> $1 GROUP BY name ORDER BY name",
            ids(),
            true,
        ),
        (
            "SELECT upper(name) || $1 AS x FROM people WHERE id < 3 ORDER BY 1",
            names(),
            true,
        ),
        (
            "SELECT name FROM people WHERE name LIKE $1 ORDER BY id",
            vec![vec![word("%_1")], vec![word("%")]],
            true,
        ),
        (
            "SELECT 100 / $1 AS x FROM people WHERE id = 1",
            vec![vec![int(0)], vec![int(5)], vec![int(7)], vec![int(1)]],
            true,
        ),
        (
            "SELECT id FROM people WHERE id IN ($1, $2) ORDER BY id",
            vec![vec![int(1), int(2)], vec![int(9), int(9)]],
            true,
        ),
        ("SELECT * FROM empty WHERE id = $1", ids(), true),
        (
            "SELECT id FROM people WHERE id = (SELECT max(person) FROM visits WHERE person < $1)",
            ids(),
            true,
        ),
        (
            "SELECT id FROM people WHERE id < $1 UNION ALL SELECT person FROM visits WHERE person > $1 ORDER BY 1",
            ids(),
            true,
        ),
    ]
}

/// Those that have none, or whose values differ.
fn odd_cases() -> Vec<Case> {
    let ids = || vec![vec![int(3)], vec![int(-1)]];
    vec![
        // The first value of another type than the later ones.
        (
            "SELECT $1 AS x",
            vec![vec![int(1)], vec![word("a")], vec![int(2)]],
            true,
        ),
        // What is of a statement would be that of the first.
        (
            "SELECT now() > '2020-01-01'::timestamp AND $1 > 0 AS x",
            ids(),
            false,
        ),
        // Planned with the value.
        (
            "SELECT id FROM people ORDER BY id LIMIT $1",
            vec![vec![int(3)], vec![int(0)]],
            false,
        ),
        // Other files may come.
        (
            "SELECT count(*) FROM 'DIRECTORY/*.csv' WHERE $1 > 0",
            ids(),
            false,
        ),
        (
            "SELECT p.name, v.at FROM people p JOIN visits v ON p.id = v.person WHERE p.id = $1 ORDER BY 2",
            ids(),
            true,
        ),
        ("VALUES ($1)", ids(), false),
    ]
}

#[test]
fn templates_give_what_planning_gives() {
    let directory = tempfile::tempdir().unwrap();
    block_on(async {
        let session = with_tables(directory.path()).await;
        for (sql, values, has_template) in cases().into_iter().chain(odd_cases()) {
            let sql = sql.replace("DIRECTORY", &directory.path().display().to_string());
            let statement = prepared(&session, &sql);
            for round in 0..RUNS {
                for values in &values {
                    let expected = planned(&session, &statement, values.clone()).await;
                    let given = run(&session, &statement, values.clone()).await;
                    assert_eq!(given, expected, "{sql} {values:?}, round {round}");
                }
            }
            assert_eq!(statement.has_template(), has_template, "{sql}");
        }
    });
}

#[test]
fn a_template_ends_with_what_it_was_made_of() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    block_on(async {
        let session = with_tables(path).await;
        let sql = "SELECT count(*), min(name) FROM people WHERE id >= $1";
        let statement = prepared(&session, sql);
        let check = async |what: &str| {
            let mut given = String::new();
            for _ in 0..RUNS {
                let expected = planned(&session, &statement, vec![int(0)]).await;
                let rows = run(&session, &statement, vec![int(0)]).await;
                assert_eq!(rows, expected, "{what}");
                given = rows.unwrap_or_else(|error| error);
            }
            given
        };
        let before = check("as it was").await;
        assert!(
            before.contains("50") && before.contains("name_0"),
            "{before}"
        );
        assert!(statement.has_template());
        // Of the same length.
        let text = std::fs::read_to_string(path.join("people.csv")).unwrap();
        write(path, "people.csv", &text.replace("name_0", "mane_0"));
        assert!(check("another file").await.contains("mane_0"));
        write(path, "new.csv", "id,name,weight\n7,only,1\n");
        std::fs::rename(path.join("new.csv"), path.join("people.csv")).unwrap();
        assert!(check("a file in its place").await.contains("only"));
        let view = format!(
            "CREATE OR REPLACE VIEW people AS SELECT id + 1 AS id, 'v' AS name FROM '{}'",
            path.join("people.csv").display()
        );
        session.sql(&view).await.unwrap().drain().await.unwrap();
        assert!(check("another view").await.contains("| v "));
        assert!(statement.has_template());
        std::fs::remove_file(path.join("people.csv")).unwrap();
        assert!(check("no file").await.contains("people.csv"));
        write(path, "people.csv", "id,name\n7,back\n");
        assert!(check("a file again").await.contains("| 1 "));
    });
}

#[test]
fn runs_of_one_statement_do_not_meet() {
    let directory = tempfile::tempdir().unwrap();
    block_on(async {
        let session = with_tables(directory.path()).await;
        let statement = prepared(&session, "SELECT id FROM people WHERE id = $1");
        for _ in 0..RUNS {
            run(&session, &statement, vec![int(1)]).await.unwrap();
        }
        assert!(statement.has_template());
        // One that is not read yet, and others meanwhile.
        let first = session
            .run_prepared(&statement, vec![int(11)])
            .await
            .unwrap();
        for n in 12..15 {
            let rows = run(&session, &statement, vec![int(n)]).await.unwrap();
            assert!(rows.contains(&format!("| {n} ")), "{rows}");
        }
        assert!(text(first).await.unwrap().contains("| 11 "));
        // One that nobody reads.
        drop(
            session
                .run_prepared(&statement, vec![int(16)])
                .await
                .unwrap(),
        );
        for n in 17..24 {
            let rows = run(&session, &statement, vec![int(n)]).await.unwrap();
            assert!(rows.contains(&format!("| {n} ")), "{rows}");
        }
        // One that is cancelled before it is read.
        let result = session
            .run_prepared(&statement, vec![int(30)])
            .await
            .unwrap();
        assert!(result.query().cancel());
        let error = result.collect().await.unwrap_err();
        assert_eq!(error.kind(), sheaf_base::ErrorKind::Cancelled);
        assert_eq!(number(&session, "SELECT 42::bigint").await, 42);
        let queries = session.engine().registry().list();
        assert!(queries.iter().all(|query| query.progress.state.has_ended()));
    });
}

#[test]
fn what_templates_hold_is_in_the_books() {
    let directory = tempfile::tempdir().unwrap();
    block_on(async {
        let session = with_tables(directory.path()).await;
        let held = || session.engine().memory().reserved();
        let before = held();
        let statement = prepared(&session, "SELECT id FROM people WHERE id = $1");
        for _ in 0..RUNS {
            run(&session, &statement, vec![int(1)]).await.unwrap();
        }
        // Fifty rows of a number, a text of 6 bytes and its place, and a float.
        assert!(
            held() >= before + 50 * (8 + 6 + 4 + 8),
            "{} {}",
            before,
            held()
        );
        drop(statement);
        assert_eq!(held(), before);
    });
}
