//! Planning: whose thread it takes, how large a plan may get, what is kept, and what a session is not
//! told.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{block_on, number, session};
use crate::{Access, KEPT_TEXT_BYTES_MAX};

/// A statement whose planning takes seconds.
fn slow() -> String {
    let joins = (0..280).map(|n| format!(" CROSS JOIN (VALUES (1)) t{n}(a{n})"));
    format!(
        "SELECT count(*) FROM (VALUES (1)) s(a) {}",
        joins.collect::<String>()
    )
}

#[test]
fn who_waits_for_a_plan_can_do_other_things() {
    let session = session();
    block_on(async {
        let (sql, begun) = (slow(), Instant::now());
        let mut longest = Duration::ZERO;
        let ticks = async {
            for _ in 0..50 {
                let asked = Instant::now();
                sleep(Duration::from_millis(10)).await;
                longest = longest.max(asked.elapsed());
            }
        };
        tokio::select! {
            result = session.sql(&sql) => panic!("planned within {:?}: {result:?}", begun.elapsed()),
            () = ticks => {}
        }
        assert!(longest < Duration::from_millis(300), "{longest:?}");
        assert_eq!(number(&session, "SELECT 42::bigint").await, 42);
    });
}

#[test]
fn what_is_not_waited_for_is_not_planned_to_its_end() {
    let session = session();
    block_on(async {
        let sql = slow();
        let given_up = tokio::time::timeout(Duration::from_millis(200), session.sql(&sql));
        assert!(given_up.await.is_err());
        let query = session.engine().registry().list();
        let query = query.first().unwrap().id;
        let begun = Instant::now();
        let has_ended = || {
            let queries = session.engine().registry().list();
            let ours = queries.iter().find(|q| q.id == query);
            ours.is_none_or(|q| q.progress.state.has_ended())
        };
        while !has_ended() {
            assert!(begun.elapsed() < Duration::from_secs(20));
            sleep(Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn views_of_views_are_bounded() {
    let session = session();
    block_on(async {
        let run = |sql: String| {
            let session = session.clone();
            async move { session.sql(&sql).await.map(drop) }
        };
        // Each reads the one before twice: 2ⁿ in all.
        run("CREATE VIEW v0 AS SELECT 1 AS a".into()).await.unwrap();
        let mut refused = None;
        for n in 1..30 {
            let sql = format!(
                "CREATE VIEW v{n} AS SELECT a FROM v{0} UNION ALL SELECT a FROM v{0}",
                n - 1
            );
            if let Err(error) = run(sql).await {
                refused = Some((n, error));
                break;
            }
        }
        let (n, error) = refused.unwrap();
        assert_eq!(error.state().code(), "54001", "{error}");
        assert!(n > 8, "{n}");
        // Each is fifteen aggregates deep, and the deepest there can be still runs.
        run("CREATE VIEW d0 AS SELECT 1 AS a".into()).await.unwrap();
        let mut deepest = 0;
        let refused = loop {
            let (open, close) = ("SELECT DISTINCT a FROM (".repeat(14), ") t".repeat(14));
            let sql = format!(
                "CREATE VIEW d{} AS {open}SELECT DISTINCT a FROM d{deepest}{close}",
                deepest + 1
            );
            match run(sql).await {
                Ok(()) => deepest += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(refused.state().code(), "54001", "{refused}");
        assert!(deepest > 10, "{deepest}");
        // Who reads a view stands on one more.
        let sum = format!("SELECT sum(a)::bigint FROM d{}", deepest - 1);
        assert_eq!(number(&session, &sum).await, 1);
    });
}

#[test]
fn texts_of_prepared_statements_are_counted_together() {
    let session = session();
    block_on(async {
        let long = "x".repeat(KEPT_TEXT_BYTES_MAX / 3);
        let prepare = |name: &str| format!("PREPARE {name} AS SELECT '{long}'");
        for name in ["a", "b"] {
            session.sql(&prepare(name)).await.unwrap();
        }
        let error = session.sql(&prepare("c")).await.unwrap_err();
        assert_eq!(error.state().code(), "54000", "{error}");
        // What a front door keeps is of the same account.
        let kept = session.keep(1000).unwrap();
        assert!(session.keep(long.len()).is_err());
        drop(kept);
        session.sql("DEALLOCATE a").await.unwrap();
        session.sql(&prepare("c")).await.unwrap();
        let result = session.sql("EXECUTE b").await.unwrap();
        assert_eq!(result.collect().await.unwrap()[0].num_rows(), 1);
    });
}

#[test]
fn a_session_that_names_no_paths_is_told_of_none() {
    let session = session();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sales");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("part-0.csv"), "a\n1\n").unwrap();
    std::fs::write(path.join("part-1.csv"), "a\nx\n").unwrap();
    let secret = directory.path().to_str().unwrap().trim_start_matches('/');
    block_on(async {
        let create = |name: &str, more: &str| {
            format!(
                "CREATE EXTERNAL TABLE {name} (a INT) LOCATION '{}{more}'",
                path.display()
            )
        };
        session.sql(&create("t", "")).await.unwrap();
        session.sql(&create("one", "/part-0.csv")).await.unwrap();
        session.sql(&create("gone", "/part-*.csv")).await.unwrap();
        let reader = session.sibling(Access::NamedTables);
        let text = async |sql: &str| match reader.sql(sql).await {
            Err(error) => format!("{error:?}"),
            Ok(result) => match result.rows().await {
                Ok(rows) => rows.to_string(),
                Err(error) => format!("{error:?}"),
            },
        };
        let shown = text("SELECT _path FROM one").await;
        assert!(
            shown.contains("one/part-0.csv") && !shown.contains(secret),
            "{shown}"
        );
        let shown = text("SELECT * FROM t").await;
        assert!(
            shown.contains("t/part-1.csv") && !shown.contains(secret),
            "{shown}"
        );
        for sql in [
            "EXPLAIN SELECT * FROM t WHERE a > 1",
            "EXPLAIN (FORMAT text) SELECT * FROM t",
            "EXPLAIN (FORMAT json) SELECT * FROM one",
            "EXPLAIN VERBOSE SELECT * FROM one",
            "EXPLAIN ANALYZE SELECT * FROM one",
            "EXPLAIN ANALYZE SELECT * FROM t",
            "SELECT * FROM information_schema.tables",
        ] {
            let shown = text(sql).await;
            assert!(!shown.contains(secret), "{sql}: {shown}");
        }
        std::fs::remove_dir_all(&path).unwrap();
        for sql in [
            "FROM t",
            "FROM one",
            "FROM gone",
            "EXPLAIN FROM gone",
            "DESCRIBE t",
        ] {
            let shown = text(sql).await;
            assert!(!shown.contains(secret), "{sql}: {shown}");
        }
        // Whoever may name paths sees them.
        let error = session.sql("FROM gone").await.unwrap_err();
        assert!(format!("{error:?}").contains(secret), "{error:?}");
    });
}
