//! Planning: whose thread it takes.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{block_on, number, session};

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
