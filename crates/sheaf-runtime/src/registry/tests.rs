//! The list of queries: ends, cancellation, bounds.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use sheaf_base::ByteCount;
use sheaf_base::error::{ErrorKind, SqlState};
use tokio::runtime::Runtime;

use super::*;

fn registry() -> (Runtime, QueryRegistry) {
    let timers = Runtime::new().unwrap();
    let budget = Arc::new(MemoryBudget::new(ByteCount(1_000_000)));
    let registry = QueryRegistry::new(budget, timers.handle().clone());
    (timers, registry)
}

fn time_limit(time: Duration) -> QueryLimits {
    QueryLimits {
        time: Some(time),
        memory: None,
    }
}

#[test]
fn a_query_is_listed_while_it_runs_and_after() {
    let (_timers, registry) = registry();
    let query = registry.begin("select 1", QueryLimits::default());
    let listed = registry.list();
    assert_eq!(
        (listed[0].id, listed[0].text.as_str()),
        (query.id(), "select 1")
    );
    assert_eq!(listed[0].progress.state, QueryState::Planning);
    query.add_rows_out(3);
    query.finish(Outcome::Done);
    query.finish(Outcome::Failed("too late".to_owned()));
    drop(query);
    let listed = registry.list();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].progress.state, QueryState::Done);
    assert_eq!(listed[0].progress.rows_out, 3);
    assert_eq!(listed[0].progress.fraction, Some(1.0));
    assert_eq!(listed[0].error, None);
}

#[test]
fn progress_is_frozen_at_the_end() {
    let (_timers, registry) = registry();
    let query = registry.begin("select 1", QueryLimits::default());
    query.finish(Outcome::Done);
    let elapsed = query.progress().elapsed;
    assert_eq!(query.progress().elapsed, elapsed);
    assert_eq!(query.progress().remaining, None);
}

#[test]
fn cancelling_says_who_asked() {
    let (_timers, registry) = registry();
    let query = registry.begin("select 1", QueryLimits::default());
    assert!(registry.cancel(query.id()));
    assert!(query.is_cancelled());
    block_on(query.cancelled());
    let error = block_on(query.guard(std::future::pending::<Result<(), _>>())).unwrap_err();
    assert_eq!(error.message(), "canceling statement due to user request");
    assert_eq!(
        (error.kind(), error.state()),
        (ErrorKind::Cancelled, SqlState::QUERY_CANCELED)
    );
    query.fail(&error);
    assert_eq!(query.progress().state, QueryState::Cancelled);
    assert!(!query.cancel(), "it has ended");
    assert!(!registry.cancel(query.id()));
    assert!(!registry.cancel(9_999));
}

#[test]
fn time_limits_hold_while_planning() {
    let (_timers, registry) = registry();
    let query = registry.begin("select 1", time_limit(Duration::from_millis(20)));
    let error = block_on(query.guard(std::future::pending::<Result<(), _>>())).unwrap_err();
    assert_eq!(
        error.message(),
        "canceling statement due to statement timeout"
    );
    query.fail(&error);
    assert_eq!(query.progress().state, QueryState::TimedOut);
    assert_eq!(registry.list()[0].progress.state, QueryState::TimedOut);
}

#[test]
fn a_time_limit_that_was_lifted_stops_nothing() {
    let (_timers, registry) = registry();
    let lifted = registry.begin("select 1", time_limit(Duration::from_millis(10)));
    lifted.lift_time_limit();
    let later = registry.begin("select 2", time_limit(Duration::from_millis(60)));
    block_on(later.cancelled());
    assert!(!lifted.is_cancelled());
}

#[test]
fn a_time_limit_does_not_keep_a_query_alive() {
    let (_timers, registry) = registry();
    let query = registry.begin("select 1", time_limit(Duration::from_secs(3600)));
    let weak = Arc::downgrade(&query);
    drop(query);
    assert!(weak.upgrade().is_none());
    assert_eq!(registry.list()[0].progress.state, QueryState::Cancelled);
}

#[test]
fn what_is_kept_of_ended_queries_is_bounded() {
    let (_timers, registry) = registry();
    let text = "é".repeat(FINISHED_TEXT_CHARS_MAX + 5);
    for _ in 0..FINISHED_QUERIES_MAX + 10 {
        registry
            .begin(&text, QueryLimits::default())
            .finish(Outcome::Done);
    }
    let last = registry.begin("select 1", QueryLimits::default());
    let listed = registry.list();
    assert_eq!(listed.len(), FINISHED_QUERIES_MAX + 1);
    assert_eq!(listed[0].id, 11, "the oldest go first");
    assert_eq!(listed[0].text.chars().count(), FINISHED_TEXT_CHARS_MAX + 1);
    assert_eq!(listed[FINISHED_QUERIES_MAX].id, last.id());
}

#[test]
fn failures_keep_their_message() {
    let (_timers, registry) = registry();
    let query = registry.begin("select 1/0", QueryLimits::default());
    query.fail(&sheaf_base::SheafError::data("division by zero"));
    assert_eq!(
        registry.list()[0].error.as_deref(),
        Some("division by zero")
    );
}
